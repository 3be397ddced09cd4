"""What upstream is told of a drafted sentence beside the decision."""

from collections.abc import Mapping, Sequence
from typing import Any

from reviewqueue.api.answers import flat_reason
from reviewqueue.retries import read_chain
from reviewqueue.retry_models import RetryRequest
from reviewqueue.sentences import SENTENCE
from routing.core.evidence import NOT_FOUND, WARNINGS, read_places
from routing.core.grounded_reasons import COMPOSITE
from routing.core.grounding import badge_of
from routing.core.rules import Decision as Outcome
from routing.items import Post, reason_documents
from routing.models import Decision, Item

PARTS = {
    "entailment_probability": "entailment_part",
    "gap": "gap_part",
    "claim_count": "claims_part",
}
CITED = ("id", "title", "link", "date")


def answer_posted(made: Decision | Outcome, post: Post) -> dict[str, object]:
    """Badge, citation, contributions and warnings of a sentence that was just posted."""
    grounds = post.grounds
    return _answer(made, post.payload, grounds.blocks if grounds else ())


def answer_stored(made: Decision, item: Item) -> dict[str, object]:
    """The same of one that was taken in before, and what it was or is to be drafted again for."""
    chain = read_chain(item)
    asked = RetryRequest.objects.filter(item=item).first()
    return {
        **_answer(made, item.payload, item.blocks or ()),
        "retry_of": next((each.external_id for each in chain if each.id == item.retry_of_id), None),
        "retried_by": [each.external_id for each in chain if each.retry_of_id == item.id],
        "retry": None
        if asked is None
        else {
            "id": str(asked.id),
            "how": asked.how,
            "note": asked.note,
            "requested_at": asked.requested_at.isoformat(),
        },
    }


def _answer(
    made: Decision | Outcome,
    payload: Mapping[str, object],
    blocks: Sequence[Mapping[str, object]],
) -> dict[str, object]:
    documents: Sequence[Mapping[str, Any]] = (
        made.reasons if isinstance(made, Decision) else reason_documents(made)
    )
    numbers = {document["code"]: document["numbers"] for document in documents}
    composite = numbers.get(COMPOSITE)
    ships = made.action in ("act", "act_and_review")
    return {
        "badge": badge_of(made.queue),
        "citation": _cite(composite["block"], blocks) if composite and ships else None,
        "contributions": (
            {name: composite[part] for name, part in PARTS.items()} if composite else None
        ),
        "reasons": [flat_reason(each) for each in documents if each["code"] not in WARNINGS],
        "warnings": [
            flat_reason(each) | _quote(each, str(payload.get(SENTENCE, "")))
            for each in documents
            if each["code"] in WARNINGS
        ],
    }


def _cite(block_id: object, blocks: Sequence[Mapping[str, object]]) -> dict[str, object] | None:
    found = next((block for block in blocks if block["id"] == block_id), None)
    return {name: found.get(name) for name in CITED} if found else None


def _quote(document: Mapping[str, object], sentence: str) -> dict[str, object]:
    """The numbers that stand in no block, as the sentence has them."""
    numbers = document["numbers"]
    if document["code"] != NOT_FOUND or not isinstance(numbers, Mapping) or not sentence:
        return {}
    spans = read_places(numbers["places"])
    return {"not_found": [sentence[span.start : span.end] for span in spans]}
