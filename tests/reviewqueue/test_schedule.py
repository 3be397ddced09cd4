"""The rows that beat reads."""

from importlib import import_module

import pytest
from celery import current_app
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from reviewqueue.schedule import SWEEPS, create_schedule

pytestmark = pytest.mark.django_db


def test_migrating_made_a_row_for_every_sweep() -> None:
    rows = PeriodicTask.objects.filter(name__in=[sweep.name for sweep in SWEEPS])
    found = {
        (row.name, row.task, row.interval.every, row.interval.period, row.expire_seconds)
        for row in rows.select_related("interval")
    }
    assert found == {(s.name, s.task, s.seconds, "seconds", s.seconds) for s in SWEEPS}


def test_every_task_of_the_schedule_is_registered() -> None:
    for sweep in SWEEPS:
        import_module(sweep.task.rpartition(".")[0])
        assert sweep.task in current_app.tasks


def test_making_the_schedule_again_changes_nothing() -> None:
    before = list(PeriodicTask.objects.order_by("id").values())
    create_schedule()
    assert list(PeriodicTask.objects.order_by("id").values()) == before


def test_what_an_admin_changed_is_kept_and_what_is_missing_is_made() -> None:
    slow = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.DAYS)
    PeriodicTask.objects.filter(name="Weekly audit").update(enabled=False, interval=slow)
    PeriodicTask.objects.filter(name="Fold frame counts").delete()
    create_schedule()
    audit = PeriodicTask.objects.get(name="Weekly audit")
    assert (audit.enabled, audit.interval) == (False, slow)
    assert PeriodicTask.objects.get(name="Fold frame counts").enabled
