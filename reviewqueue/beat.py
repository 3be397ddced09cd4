"""Beat tells that its main loop turns."""

from django_celery_beat.schedulers import DatabaseScheduler

from reviewqueue import liveness


class WatchedScheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped
    """The schedule in the database; a look at it that fails touches nothing."""

    def tick(self, *arguments: object, **named: object) -> float:
        """Start what is due; returns the seconds until the next look."""
        seconds: float = super().tick(*arguments, **named)
        liveness.touch()
        return seconds
