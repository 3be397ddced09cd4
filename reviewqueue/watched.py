"""Worker and beat, as they are started, each telling that its main loop turns."""

from celery import bootsteps
from celery.worker import WorkController
from django_celery_beat.schedulers import DatabaseScheduler

from reviewqueue import liveness


class TouchFile(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is untyped
    """A timer of the worker's own loop."""

    requires = {"celery.worker.components:Timer"}

    def start(self, worker: WorkController) -> None:
        """Begin with the worker; the timer ends with its loop."""
        liveness.touch()
        worker.timer.call_repeatedly(liveness.TOUCH_SECONDS, liveness.touch)


class WatchedScheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped
    """The schedule in the database; a look at it that fails touches nothing."""

    def tick(self, *arguments: object, **named: object) -> float:
        """Start what is due; returns the seconds until the next look."""
        seconds: float = super().tick(*arguments, **named)
        liveness.touch()
        return seconds
