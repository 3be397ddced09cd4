"""The doorbell: telling a worker that a row may be due.

PostgreSQL holds all work, and beat sweeps up what is due, so a ring that is not heard costs a
little delay. It is counted and logged, and never an error of the request that rang.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from celery import current_app
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


class Task(Protocol):
    """A Celery task."""

    @property
    def name(self) -> str:
        """The whole name, with its module."""

    def apply_async(self, args: Sequence[object]) -> object:
        """Publish a message that names the task and its arguments."""


@dataclass(frozen=True, slots=True)
class NamedTask:
    """A task by its name: web processes ring for it without loading what it works with."""

    name: str

    def apply_async(self, args: Sequence[object]) -> object:
        """Publish a message that names the task and its arguments."""
        return current_app.send_task(self.name, args=list(args))


ASK_REMOTE_MODELS: Final = NamedTask("reviewqueue.tasks.ask_remote_models")
MAKE_INSIGHT_SHEETS: Final = NamedTask("reviewqueue.tasks.make_insight_sheets")
SEND_DELIVERIES: Final = NamedTask("reviewqueue.tasks.send_deliveries")
WORK_RUN_REQUESTS: Final = NamedTask("reviewqueue.tasks.work_run_requests")


class _Misses:
    """Rings of this process that nobody heard."""

    def __init__(self) -> None:
        self.count = 0


_misses = _Misses()


def ring(task: Task, *ids: object) -> bool:
    """Publish the task for these ids; whether the broker took it."""
    try:
        task.apply_async([str(one) for one in ids])
    except (OperationalError, OSError) as error:
        _misses.count += 1
        logger.warning("the broker did not take %s, miss %d: %s", task.name, _misses.count, error)
        return False
    return True


def count_misses() -> int:
    """How many rings of this process nobody heard."""
    return _misses.count
