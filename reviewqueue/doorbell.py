"""The doorbell: telling a worker that a row may be due.

PostgreSQL holds all work, and beat sweeps up what is due, so a ring that is not heard costs a
little delay. It is counted and logged, and never an error of the request that rang.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


class Task(Protocol):
    """A Celery task."""

    name: str

    def apply_async(self, args: Sequence[object]) -> object:
        """Publish a message that names the task and its arguments."""


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
