"""Cohorts of labelled decisions with known figures, taken in the way the product takes them in."""

from datetime import UTC, datetime
from itertools import count

from calibration.models import GroundTruth
from reviewqueue.intake import Taken, take_in
from routing.items import Post
from routing.models import Decision, Stream
from tests.scenes import KEYS, make_bare_stream, publish

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
VERSION = "model-1"

_numbers = count(1)


def make_audited_stream(key: str = "helpdesk", *, audit_rate: float = 1.0) -> Stream:
    """A stream over `KEYS` with the default bands, no gates and this audit rate."""
    stream = make_bare_stream(key, audit_rate=audit_rate, bulk_label_rate=1.0)
    publish(stream)
    return stream


def post_items(
    stream: Stream,
    size: int,
    *,
    confidence: float,
    predicted: str = KEYS[0],
    version: str = VERSION,
    at: datetime = NOON,
) -> list[Decision]:
    """Take in `size` items predicted so at this raw confidence; returns their decisions."""
    rest = (1.0 - confidence) / (len(KEYS) - 1)
    scores = {key: confidence if key == predicted else rest for key in KEYS}
    posts = [
        Post(
            external_id=f"item-{next(_numbers)}",
            payload={"body": "Locked out."},
            scores=scores,
            model_version=version,
        )
        for _ in range(size)
    ]
    taken = take_in(stream=stream, posts=posts, received_at=at)
    assert all(isinstance(one, Taken) for one in taken), taken[:1]
    ids = [one.decision_id for one in taken if isinstance(one, Taken) and one.decision_id]
    return list(Decision.objects.filter(id__in=ids).order_by("id"))


def label_items(decisions: list[Decision], *, right: int, pi: float | None = 1.0) -> None:
    """Settle the decisions: the first `right` as predicted, the others as another category."""
    GroundTruth.objects.bulk_create(
        GroundTruth(
            stream_id=decision.stream_id,
            item_id=decision.item_id,
            decision=decision,
            kind=GroundTruth.Kind.CATEGORY,
            categories=[
                decision.predicted
                if number < right
                else next(key for key in KEYS if key != decision.predicted)
            ],
            pi=pi,
            blind=True,
            source=GroundTruth.Source.AUDIT,
            settled_at=decision.decided_at,
        )
        for number, decision in enumerate(decisions)
    )


def post_labelled(
    stream: Stream, size: int, *, right: int, confidence: float, predicted: str = KEYS[0]
) -> None:
    """Take in `size` items of which `right` turn out to be right, each with a label of chance 1."""
    label_items(post_items(stream, size, confidence=confidence, predicted=predicted), right=right)
