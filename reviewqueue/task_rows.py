"""A task with its item and decision as one row of a statement written by hand."""

from collections.abc import Sequence
from typing import Any, Final

from reviewqueue.models import ReviewTask
from routing.models import Decision, Item, Stream
from routing.rows import Columns

_TASK: Final = Columns(ReviewTask, "task")
_ITEM: Final = Columns(Item, "item", without=("fingerprint",))
_DECISION: Final = Columns(Decision, "decision")

TASK_COLUMNS: Final = f"{_TASK.sql}, {_ITEM.sql}, {_DECISION.sql}"


def make_task(row: Sequence[Any], stream: Stream, start: int = 0) -> ReviewTask:
    """The task whose `TASK_COLUMNS` stand in `row` from `start` on, with all that belongs to it."""
    task = _TASK.make(row, start)
    task.stream = stream
    task.item = _ITEM.make(row, start + _TASK.width)
    task.decision = _DECISION.make(row, start + _TASK.width + _ITEM.width)
    return task
