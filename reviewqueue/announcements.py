"""What upstream is told of items: settled, overturned, an audit that contradicts, and routed.

Each is a row of the transaction of what it tells, due when the verdict is published. An undo and
the sequencer meet in one conditional UPDATE: what has its position is told, and cannot be undone.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.webhook_models import Webhook
from routing.announcements import (
    announce_all,
    withdraw_announcements,
    withdraw_announcements_of,
)
from routing.ids import uuid7
from routing.items import NewDecision, copy_rows
from routing.models import Announcement, Decision, Stream

Kind = Announcement.Kind

# What an undo takes back with the verdict that settled the item.
OF_SETTLING: Final = (Kind.SETTLED, Kind.AUDIT_OVERTURNED)


# `Webhook.objects.hearing`, asked at every post among other things.
HEARS_ROUTED: Final = f"""
    SELECT 1 FROM reviewqueue_webhook
    WHERE stream_id = %(stream)s AND events @> ARRAY['{Kind.ROUTED.value}']::varchar[]
        AND state <> '{Webhook.State.DISABLED.value}'
    LIMIT 1
"""  # noqa: S608 - our own constants


def announce_settled(seats: Iterable[tuple[ReviewTask, Verdict]], *, stream: Stream) -> None:
    """Tell that these verdicts settled their items, in one statement; tasks with their decision."""
    announce_all(
        row
        for task, verdict in seats
        for row in make_settled_announcements(task, verdict, stream=stream)
    )


def make_settled_announcements(
    task: ReviewTask, verdict: Verdict, *, stream: Stream
) -> list[Announcement]:
    """What tells that the verdict settled its item, not stored yet.

    Where it contradicts what the machine did without a person, an audit's overturn goes with it.
    """
    data = _verdict_data(task, verdict, stream)
    rows = [_row(Kind.SETTLED, verdict, data)]
    if _contradicts(task.decision, verdict):
        rows.append(_row(Kind.AUDIT_OVERTURNED, verdict, data))
    return rows


def announce_overturned(task: ReviewTask, verdict: Verdict, *, before: Verdict) -> None:
    """Tell that `verdict` stands in the place of the published `before`."""
    data = _verdict_data(task, verdict, task.stream) | {
        "overturned": _answer(before, is_grounded=task.stream.is_grounded)
    }
    rows = [_row(Kind.OVERTURNED, verdict, data)]
    if _contradicts(task.decision, verdict) and not _contradicts(task.decision, before):
        rows.append(_row(Kind.AUDIT_OVERTURNED, verdict, data))
    announce_all(rows)


def withdraw_settled(*, stream_id: UUID, item_ids: Sequence[UUID]) -> bool:
    """Tell nothing of how the items were settled; False where upstream was told already."""
    return withdraw_announcements(stream_id=stream_id, item_ids=item_ids, kinds=OF_SETTLING)


def withdraw_overturn(verdict: Verdict) -> bool:
    """Tell nothing of the overturn; False where upstream was told already."""
    return withdraw_announcements_of(stream_id=verdict.stream_id, subject_id=verdict.id)


def announce_routed(
    stream: Stream, decisions: Sequence[NewDecision], *, spec_version: int, at: datetime
) -> None:
    """Tell where items went, with one COPY; only where a webhook asks for it (HEARS_ROUTED)."""
    copy_rows(
        Announcement._meta.db_table,
        ("id", "stream_id", "item_id", "kind", "subject_id", "data", "due_at", "created_at"),
        (
            (uuid7(), stream.id, made.item_id, Kind.ROUTED.value, made.id, data, at, at)
            for made in decisions
            for data in [json.dumps(_decision_data(stream, made, spec_version))]
        ),
    )


def _decision_data(stream: Stream, made: NewDecision, spec_version: int) -> dict[str, object]:
    outcome = made.outcome
    return {
        "stream": stream.key,
        "decision": {
            "id": str(made.id),
            "queue": outcome.queue,
            "action": outcome.action,
            "category": outcome.category or None,
            "predicted": outcome.predicted,
        },
        "confidence": float(outcome.confidence),
        "policy_version": spec_version,
    }


def _row(kind: Announcement.Kind, verdict: Verdict, data: dict[str, object]) -> Announcement:
    return Announcement(
        stream_id=verdict.stream_id,
        item_id=verdict.item_id,
        kind=kind,
        subject_id=verdict.id,
        data=data,
        due_at=verdict.published_at,
    )


def _verdict_data(task: ReviewTask, verdict: Verdict, stream: Stream) -> dict[str, object]:
    decision = task.decision
    return {
        "stream": stream.key,
        "verdict": _answer(verdict, is_grounded=stream.is_grounded),
        "decision": {
            "id": str(decision.id),
            "queue": decision.queue,
            "action": decision.action,
            "category": decision.category or None,
            "predicted": decision.predicted,
        },
        # Whether what the machine acted on, or would have, is among what would do.
        "agrees": _machine_answer(decision) in verdict.categories,
        "seat": task.queue,
        "published_at": verdict.published_at.isoformat(),
    }


def _answer(verdict: Verdict, *, is_grounded: bool) -> dict[str, object]:
    """The answer without its words: those are for `GET …/items/{external_id}` to tell."""
    return {
        "id": str(verdict.id),
        "kind": str(verdict.kind),
        "categories": list(verdict.categories),
        "answered_at": verdict.answered_at.isoformat(),
        **(tell_grounds(verdict) if is_grounded else {}),
    }


def tell_grounds(verdict: Verdict) -> dict[str, object]:
    """What a verdict on a drafted sentence says besides: ids and answers, no words."""
    return {
        "block": verdict.block or None,
        "off_topic": verdict.off_topic,
        "claims": verdict.claims,
    }


def _machine_answer(decision: Decision) -> str:
    """The category that is acted on: a second opinion's, else the prediction."""
    return decision.category or decision.predicted


def _contradicts(decision: Decision, verdict: Verdict) -> bool:
    """Whether the machine acted alone on something else than the verdict says.

    Such items have no seat of their own, so that whoever judged one did so for an audit.
    """
    return (
        decision.action == Decision.Action.ACT
        and verdict.kind != Verdict.Kind.CANNOT_JUDGE
        and _machine_answer(decision) not in verdict.categories
    )
