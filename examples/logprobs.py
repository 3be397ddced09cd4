"""Connect a language model that tells log-probabilities of the category it was asked to name.

    export REVIEWQUEUE_URL=http://127.0.0.1:8000 REVIEWQUEUE_KEY=rq_...
    PYTHONPATH=clients/python python examples/logprobs.py

Ask the model for the key of a category as its first token (or score each key as a continuation) and
keep the log-probabilities of all categories. `ask_model` is where yours is called; here it looks up
what was recorded in logprobs.json.
Never ask the model how sure it is: what it says about itself is no confidence.
"""

import json
import math
import os
from pathlib import Path

from reviewqueue_client import ReviewQueue

RECORDED = json.loads(Path(__file__).with_name("logprobs.json").read_text())
STREAM = os.environ.get("REVIEWQUEUE_STREAM", "helpdesk-policy")
queue = ReviewQueue(os.environ["REVIEWQUEUE_URL"], os.environ["REVIEWQUEUE_KEY"], STREAM)
# The definitions belong in the prompt: the model then decides by what the reviewers read.
categories = {one["key"]: one["definition"] for one in queue.get_policy()["categories"]}
prompt = "Answer with one of these:\n" + "\n".join(
    f"- {key}: {definition}" for key, definition in categories.items()
)


def ask_model(question: str) -> dict[str, float]:
    """The log-probabilities of the tokens that the answer may begin with.

    CALL YOUR MODEL HERE, for one token, and return its top log-probabilities.
    """
    recorded: dict[str, float] = next(
        said["top_logprobs"] for said in RECORDED if question.endswith(said["text"])
    )
    return recorded


def softmax(logprobs: dict[str, float]) -> dict[str, float]:
    """Scores over the stream's categories; other tokens are left out."""
    weights = {key: math.exp(value) for key, value in logprobs.items() if key in categories}
    return {key: weight / sum(weights.values()) for key, weight in weights.items()}


for said in RECORDED:
    decision = queue.post_item(
        {
            "external_id": said["id"],
            "payload": {"body": said["text"]},
            "scores": softmax(ask_model(f"{prompt}\n\n{said['text']}")),
            "model_version": "llm-1",
            "metadata": {"prompt_characters": len(prompt)},
        }
    )
    why = "; ".join(reason["message"] for reason in decision["reasons"]) or "sure enough"
    print(f"{said['id']} {decision['action']} {decision['predicted']}: {why}")
