"""Replay: every stored decision made again from what is stored with it, and compared.

A decision is a pure function of its item's scores, or evidence, and model version, of the opinions
and the capacity flag stored beside it, and of a published policy, which never changes. So a
difference means that a row was changed behind the triggers' back, or that the rules themselves have
changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from routing.core.rules import Decision as Outcome
from routing.core.rules import Opinions, RemoteAnswer, decide
from routing.core.stored import read_stored
from routing.items import reason_documents
from routing.models import Decision, Stream
from routing.policies import published_spec

BATCH: Final = 1_000
# Nothing but what is decided from and what was decided: payloads are long, and never needed.
READ: Final = (
    "decided_at",
    "policy_id",
    "queue",
    "action",
    "predicted",
    "category",
    "source",
    "raw_confidence",
    "confidence",
    "margin",
    "entropy",
    "alternatives",
    "watch",
    "reasons",
    "matched_rules",
    "remote_answer",
    "at_capacity",
    "item__external_id",
    "item__scores",
    "item__evidence",
    "item__secondary",
    "item__model_version",
)
# What a row that was tampered with can make of reading it.
_UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a stored decision that does not come out again.

    `field` is a column of the decision, or `reasons.N.message` and the like for a part of its Nth
    reason. Where the decision cannot be made again `field` names what stands in the way, the policy
    or a place in what it was decided from, and `recomputed` says why.
    """

    external_id: str
    decision_id: UUID
    field: str
    stored: object
    recomputed: object

    def __str__(self) -> str:
        return (
            f"{self.external_id}, decision {self.decision_id}: "
            f"{self.field} is {self.stored!r}, recomputed {self.recomputed!r}"
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """How many decisions were replayed, and how many of them differ in anything."""

    decisions: int
    differing: int


def replay_decisions(
    *,
    stream: Stream,
    since: datetime | None = None,
    report: Callable[[Difference], None] = lambda _difference: None,
    advance: Callable[[int], object] = lambda _count: None,
) -> Replay:
    """Replay the stream's decisions, those made at or after `since`, telling each difference.

    `advance` is told the size of every batch that is done. Memory and the length of a query do not
    depend on how many decisions there are, and no transaction spans two batches.
    """
    decisions = differing = 0
    for batch in _read_batches(stream_decisions(stream=stream, since=since)):
        found = _replay_batch(batch)
        for difference in found:
            report(difference)
        decisions += len(batch)
        differing += len({difference.decision_id for difference in found})
        advance(len(batch))
    return Replay(decisions, differing)


def stream_decisions(*, stream: Stream, since: datetime | None = None) -> QuerySet[Decision]:
    """The decisions that `replay_decisions` goes through."""
    found = Decision.objects.filter(stream=stream)
    return found if since is None else found.filter(decided_at__gte=since)


def _read_batches(decisions: QuerySet[Decision]) -> Iterator[list[Decision]]:
    """In the order of (decided_at, id), which the index on stream and time gives for nothing."""
    ordered = decisions.select_related("item").only(*READ).order_by("decided_at", "id")
    after = Q()
    while batch := list(ordered.filter(after)[:BATCH]):
        yield batch
        at, last_id = batch[-1].decided_at, batch[-1].id
        # The first condition is implied by the second, but it is the one that an index answers.
        after = Q(decided_at__gte=at) & (Q(decided_at__gt=at) | Q(id__gt=last_id))


def _replay_batch(batch: Sequence[Decision]) -> list[Difference]:
    by_policy = attrgetter("policy_id")
    return [
        difference
        for policy_id, made in groupby(sorted(batch, key=by_policy), key=by_policy)
        for difference in _replay_under(policy_id, list(made))
    ]


def _replay_under(policy_id: UUID, batch: Sequence[Decision]) -> Iterator[Difference]:
    """Replay decisions that one policy made."""
    try:
        spec = published_spec(policy_id)
    except _UNREADABLE as error:
        for decision in batch:
            yield _fail(decision, "policy", str(policy_id), error)
        return
    readable: list[Decision] = []
    answers: list[RemoteAnswer | None] = []
    for decision in batch:
        try:
            answers.append(_read_answer(decision.remote_answer))
        except _UNREADABLE as error:
            yield _fail(decision, "remote_answer", decision.remote_answer, error)
        else:
            readable.append(decision)
    matrix, errors = read_stored(
        spec,
        [each.item.evidence if spec.grounding else each.item.scores for each in readable],
    )
    for place, score_error in errors.items():
        yield _fail(readable[place], score_error.field, score_error.value, score_error)
    good: list[int] = matrix.index.tolist()
    made = [readable[place] for place in good]
    outcomes = decide(
        spec,
        matrix,
        model_versions=[decision.item.model_version for decision in made],
        opinions=Opinions(
            secondary=[decision.item.secondary for decision in made],
            matched=[decision.matched_rules for decision in made],
            remote=[answers[place] for place in good],
        ),
        full=[decision.at_capacity for decision in made],
    )
    for decision, outcome in zip(made, outcomes, strict=True):
        yield from _compare(decision, outcome)


def _read_answer(document: object) -> RemoteAnswer | None:
    if document is None:
        return None
    if not isinstance(document, Mapping):
        raise TypeError(f"a remote answer is an object, not {type(document).__name__}")
    return RemoteAnswer(**document)


def _fail(decision: Decision, field: str, stored: object, error: Exception) -> Difference:
    said = f"cannot be replayed: {error}"
    return Difference(decision.item.external_id, decision.id, field, stored, said)


def _compare(decision: Decision, outcome: Outcome) -> Iterator[Difference]:
    """Every field that a decision stores of its outcome."""
    again: dict[str, object] = {
        "queue": outcome.queue,
        "action": outcome.action,
        "predicted": outcome.predicted,
        "category": outcome.category or "",
        "source": outcome.source,
        "raw_confidence": outcome.raw_confidence,
        "confidence": outcome.confidence,
        "margin": outcome.margin,
        "entropy": outcome.entropy,
        "alternatives": [list(pair) for pair in outcome.alternatives],
        "watch": list(outcome.watch),
    }
    for field, recomputed in again.items():
        stored = getattr(decision, field)
        if stored != recomputed:
            yield Difference(decision.item.external_id, decision.id, field, stored, recomputed)
    for field, stored, recomputed in _compare_reasons(decision.reasons, reason_documents(outcome)):
        yield Difference(decision.item.external_id, decision.id, field, stored, recomputed)


def _compare_reasons(
    stored: object, recomputed: Sequence[Mapping[str, object]]
) -> Iterator[tuple[str, object, object]]:
    """Part by part where the same rules fired, else the two lists of codes or what stands there."""
    if stored == recomputed:
        return
    codes = [document["code"] for document in recomputed]
    known = _read_codes(stored)
    if not isinstance(stored, list) or known != codes:
        yield "reasons", stored if known is None else known, codes
        return
    for place, (old, new) in enumerate(zip(stored, recomputed, strict=True)):
        for part in sorted(old.keys() | new.keys()):
            if old.get(part) != new.get(part):
                yield f"reasons.{place}.{part}", old.get(part), new.get(part)


def _read_codes(stored: object) -> list[object] | None:
    """The codes of stored reasons; None where these are no list of objects."""
    if isinstance(stored, list) and all(isinstance(each, dict) for each in stored):
        return [each.get("code") for each in stored]
    return None
