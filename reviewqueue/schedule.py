"""What beat starts, and how often: rows of the database, made after every migration.

Sweeps run far more often than the jobs that they start: whether a week's, month's or quarter's
job is due is for its own row to say, so a missed beat is made up and a double one does nothing.
An existing row is never touched, so the admin may slow down, speed up or switch off a sweep.
"""

from dataclasses import dataclass
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

MINUTE: Final = 60
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Sweep:
    """A task that beat starts every `seconds`; a message that waited longer is dropped."""

    name: str
    task: str
    seconds: int


SWEEPS: Final = (
    Sweep("Free lapsed leases", "reviewqueue.tasks.expire_leases", 15),
    Sweep("Announce what is due", "reviewqueue.tasks.sequence_announcements", 5),
    Sweep("Send to webhooks", "reviewqueue.tasks.send_deliveries", 15),
    Sweep("Second opinions", "reviewqueue.tasks.ask_remote_models", 15),
    Sweep("Recalibrations on demand", "reviewqueue.tasks.work_run_requests", 15),
    Sweep("Insight pages", "reviewqueue.tasks.make_insight_sheets", 15),
    Sweep("Fold frame counts", "calibration.tasks.fold_frame_deltas", MINUTE),
    Sweep("Drop old deliveries", "reviewqueue.tasks.delete_old_deliveries", HOUR),
    Sweep("Retention", "reviewqueue.tasks.sweep_retention", HOUR),
    Sweep("Drop ended sessions", "reviewqueue.tasks.drop_ended_sessions", HOUR),
    Sweep("Weekly audit", "reviewqueue.tasks.sweep_audits", HOUR),
    Sweep("Daily drift watch", "reviewqueue.tasks.sweep_drift", HOUR),
    Sweep("Monthly table", "reviewqueue.tasks.sweep_tables", HOUR),
    Sweep("Quarterly recalibration", "reviewqueue.tasks.sweep_recalibrations", HOUR),
)


def create_schedule(using: str = DEFAULT_DB_ALIAS, **_signal: object) -> None:
    """Receiver of `post_migrate`: the rows that beat reads, where they are missing."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask  # noqa: PLC0415

    if PeriodicTask._meta.db_table not in connections[using].introspection.table_names():
        return  # only some of the apps are migrated so far
    for sweep in SWEEPS:
        interval, _ = IntervalSchedule.objects.using(using).get_or_create(
            every=sweep.seconds, period=IntervalSchedule.SECONDS
        )
        PeriodicTask.objects.using(using).get_or_create(
            name=sweep.name,
            defaults={
                "task": sweep.task,
                "interval": interval,
                "expire_seconds": sweep.seconds,
            },
        )
