"""Connect a drafting engine: sentences with the blocks they rest on, and what to do with badges.

    export REVIEWQUEUE_URL=http://127.0.0.1:8000 REVIEWQUEUE_KEY=rq_...
    PYTHONPATH=clients/python python examples/drafts.py

Needs scikit-learn, and a stream `drafts` of the kind "grounded drafts", as the demo has one. What a
language model drafted is recorded in drafts.json. Run it again after somebody has asked for a
refused sentence again: it answers. A webhook for `item.retry_requested` would tell it at once.
"""

import json
import os
import re
from pathlib import Path

from reviewqueue_client import ACTS, Decision, ReviewQueue
from sklearn.feature_extraction.text import TfidfVectorizer

RECORDED = json.loads(Path(__file__).with_name("drafts.json").read_text())
DRAFT = "example-letter"
queue = ReviewQueue(os.environ["REVIEWQUEUE_URL"], os.environ["REVIEWQUEUE_KEY"], "drafts")
sources = RECORDED["sources"]
index = TfidfVectorizer(stop_words="english").fit([source["text"] for source in sources])


def rank(query: str, count: int) -> list[dict[str, object]]:
    """The sources nearest to the query: here a search by words, and a reranker in yours."""
    vectors = index.transform([source["text"] for source in sources])
    scores = (index.transform([query]) @ vectors.T).toarray()[0]
    ranked = sorted(zip(sources, scores.tolist(), strict=True), key=lambda pair: -pair[1])
    return [source | {"score": score} for source, score in ranked[:count]]


def entails(block: dict[str, object], claim: str) -> float:
    """How probably the block says so: here by shared words, by an NLI model in yours.

    Never ask the model that drafted the sentence how sure it is: that is no confidence.
    """
    said, known = (set(re.findall(r"\w+", str(text).lower())) for text in (claim, block["text"]))
    return len(said & known) / len(said)


def post(place: int, sentence: str, *, found: int = 3, retry_of: str = "") -> Decision:
    """Retrieve by the question, score by the sentence, and post it with its signals."""
    wanted = {block["id"] for block in rank(RECORDED["question"], found)}
    blocks = [block for block in rank(sentence, len(sources)) if block["id"] in wanted]
    claims = [
        {"text": text, "entailment_probability": max(entails(block, text) for block in blocks)}
        for text in sentence.split(", and ")
    ]
    return queue.post_item(
        {
            "external_id": f"{DRAFT}-{place}" + ("-again" if retry_of else ""),
            "payload": {"question": RECORDED["question"], "sentence": sentence},
            "blocks": blocks,
            "claims": claims,  # their number and their least probability are the signals
            "draft": DRAFT,
            "position": place,
            "retry_of": retry_of,
            "model_version": "drafter-1",
        }
    )


def show(decision: Decision, sentence: str) -> str:
    """The sentence as its reader sees it: cited, or not at all."""
    citation = decision["citation"]
    if decision["action"] not in ACTS or citation is None:
        return f"{decision['badge']}: (no confident source)"
    warned = "".join(f" ({warning['message']})" for warning in decision["warnings"])
    return f"{decision['badge']}: {sentence} [{citation['id']}]{warned}"


for place, drafted in enumerate(RECORDED["sentences"], 1):
    sentence, decision = drafted, post(place, drafted)
    asked = queue.get_item(decision["external_id"]).get("retry")
    if asked:  # by a person: another prompt or a wider retrieval, and perhaps with a note
        rewritten = RECORDED["rewritten"] if asked["how"] == "rewrite" else {}
        sentence = rewritten.get(drafted, drafted)
        decision = post(place, sentence, found=len(sources), retry_of=decision["external_id"])
    print(place, show(decision, sentence))
