"""The worker tells that its main loop turns."""

from typing import TYPE_CHECKING

from celery import bootsteps

from reviewqueue import liveness

if TYPE_CHECKING:
    from celery.worker import WorkController


class TouchFile(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is untyped
    """A timer of the worker's own loop."""

    requires = {"celery.worker.components:Timer"}

    def start(self, worker: "WorkController") -> None:
        """Begin with the worker; the timer ends with its loop."""
        liveness.touch()
        worker.timer.call_repeatedly(liveness.TOUCH_SECONDS, liveness.touch)
