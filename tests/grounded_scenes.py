"""Streams of drafted sentences and what is posted to them, made the way the product makes them."""

from collections.abc import Mapping, Sequence

from reviewqueue.intake import Taken, take_in
from routing.core.grounding import Grounding
from routing.grounded import draft_grounded_policy, open_grounded_stream
from routing.items import Grounds, Post
from routing.models import Policy, Stream
from routing.policies import publish_policy

SENTENCE = "An import file may have at most 10 MB."
BLOCKS = (
    {
        "id": "files#limits",
        "title": "Limits",
        "text": "A file of more than 10 MB is refused.",
        "score": 0.9,
        "link": "https://docs.example.org/files#limits",
        "date": "2026-09-01",
    },
    {
        "id": "files#formats",
        "title": "",
        "text": "CSV and JSONL are read.",
        "score": 0.5,
        "link": "",
        "date": None,
    },
)
# Composites of .85, .721 and .31 with the blocks above, whose gap is .4.
GREEN = {"entailment_probability": 1.0, "claim_count": 1}
AMBER = {"entailment_probability": 0.91, "claim_count": 2}
REFUSED = {"entailment_probability": 0.1, "claim_count": 1}


def make_grounded_stream(
    key: str = "drafts", *, grounding: Grounding | None = None, **fields: object
) -> Stream:
    """A stream with the usual policy, published; nothing is drawn or judged twice unless asked."""
    usual: dict[str, object] = {
        "audit_rate": 0.0,
        "bulk_label_rate": 0.0,
        "double_rate": 0.0,
        "undo_seconds": 3600,
    }
    stream = open_grounded_stream(key=key, name=key.capitalize(), **(usual | fields))
    publish_grounded(stream, grounding=grounding)
    return stream


def publish_grounded(
    stream: Stream, *, grounding: Grounding | None = None, **fields: object
) -> Policy:
    """A published policy with these weights and fields."""
    draft = draft_grounded_policy(
        stream=stream, created_by_id=None, grounding=grounding or Grounding(), **fields
    )
    return publish_policy(policy_id=draft.id, reason="for the test", published_by_id=None)


def make_sentence(
    external_id: str,
    *,
    sentence: str = SENTENCE,
    signals: Mapping[str, object] = AMBER,
    blocks: Sequence[Mapping[str, object]] = BLOCKS,
    claims: Sequence[Mapping[str, object]] = (),
    draft: str = "",
    position: int | None = None,
    retry_of: str = "",
    **fields: object,
) -> Post:
    """A post of a drafted sentence."""
    return Post(
        external_id=external_id,
        payload={"sentence": sentence},
        scores={},
        signals=signals,
        grounds=Grounds(blocks, claims, draft, position, retry_of),
        **fields,  # type: ignore[arg-type]
    )


def post_sentence(stream: Stream, external_id: str, **fields: object) -> Taken:
    """Take one sentence in."""
    [taken] = take_in(stream=stream, posts=[make_sentence(external_id, **fields)])  # type: ignore[arg-type]
    assert isinstance(taken, Taken), taken
    return taken
