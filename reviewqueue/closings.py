"""Closings: a task in hand becomes an answered one, with all that its verdict has to know.

The statements of an answer, which is given at every click, are written by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from reviewqueue.models import ReviewTask
from routing.models import Category, Decision, Stream
from routing.rows import Columns, fetch_row
from routing.taxonomies import TAXONOMY_MARK, taxonomy_as_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_TASK: Final = Columns(ReviewTask, "task")
_STREAM: Final = Columns(Stream, "stream")
_DECISION: Final = Columns(
    Decision, "decision", without=("alternatives", "matched_rules", "reasons", "remote_answer")
)
_MARK: Final = TAXONOMY_MARK % {"stream": "task.stream_id"}

# Runs before the other, which therefore sees what the item's other seats have said.
LOCK_ITEM: Final = """
    SELECT item.id FROM routing_item AS item
    JOIN reviewqueue_reviewtask AS task ON task.item_id = item.id
    WHERE task.id = %(task)s AND task.holder_id = %(user)s
    FOR NO KEY UPDATE OF item
"""

# The state is wrapped so that only the primary key can find the row: the partial indexes of what
# is claimed look empty to a planner whose statistics are old, and are full of dead rows.
CLOSE: Final = f"""
    WITH task AS (
        UPDATE reviewqueue_reviewtask
        SET state = 'answered', lease_expires_at = NULL, closed_at = %(now)s
        WHERE id = %(task)s AND holder_id = %(user)s AND lease_token = %(token)s
            AND coalesce(state, '') = 'claimed' AND lease_expires_at > statement_timestamp()
        RETURNING *)
    SELECT {_MARK},
        (SELECT verdict.id FROM reviewqueue_verdict AS verdict
            WHERE verdict.task_id = task.id AND NOT EXISTS (
                SELECT 1 FROM reviewqueue_verdict AS later
                WHERE later.supersedes_id = verdict.id)),
        NOT EXISTS (
            SELECT 1 FROM reviewqueue_reviewtask AS other
            WHERE other.stream_id = task.stream_id AND other.item_id = task.item_id
                AND other.id <> task.id AND other.known_id IS NULL AND other.state <> 'cancelled')
        AND NOT EXISTS (
            SELECT 1 FROM calibration_groundtruth AS truth
            WHERE truth.stream_id = task.stream_id AND truth.item_id = task.item_id
                AND truth.superseded_at IS NULL),
        {_TASK.sql}, {_STREAM.sql}, {_DECISION.sql}
    FROM task
    JOIN routing_stream AS stream ON stream.id = task.stream_id
    JOIN routing_decision AS decision ON decision.id = task.decision_id
"""  # noqa: S608 - the columns of our own models


@dataclass(frozen=True, slots=True)
class Closing:
    """A task that was just answered, with its stream and decision.

    `last` is the verdict that the new one follows. `alone`: nobody else has or had to judge the
    item, and it has no label yet.
    """

    task: ReviewTask
    last: UUID | None
    alone: bool
    taxonomy: Mapping[str, Category]


def close_task(*, task_id: UUID, user: "User", lease_token: UUID, now: datetime) -> Closing | None:
    """Answer the task that the user holds under this lease; None where they do not any more.

    Its item's row stays locked until the caller's transaction ends.
    """
    held = {"task": task_id, "user": user.pk}
    values = held | {"token": lease_token, "now": now}
    row = fetch_row(CLOSE, values, before=(LOCK_ITEM, held))
    if row is None:
        return None
    mark, last, alone, *columns = row
    task = _TASK.make(columns)
    task.stream = _STREAM.make(columns, _TASK.width)
    task.decision = _DECISION.make(columns, _TASK.width + _STREAM.width)
    return Closing(task, last, alone, taxonomy_as_of(task.stream_id, mark).by_key)
