"""The runs page: every run with its figures and what became of its proposal."""

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import CalibrationRun
from reviewqueue.views.insight import runs
from routing.models import Policy, Stream
from routing.policies import publish_policy
from tests import scenes
from tests.reviewqueue.views.insight.test_reliability import text_of

PAGE = "/streams/helpdesk/insight/runs/"
START = datetime(2026, 3, 1, tzinfo=timezone.get_default_timezone())


def add_run(stream: Stream, number: int, **fields: object) -> CalibrationRun:
    return CalibrationRun.objects.create(
        **{
            "stream": stream,
            "kind": CalibrationRun.Kind.REFIT,
            "reason": f"reason {number}",
            "policy": stream.policies.get(version=1),
            "window_start": START,
            "window_end": START,
            "labels": 1_200 + number,
            "ece_before": 0.12,
            "created_at": START + timedelta(days=number),
        }
        | fields
    )


def test_runs_stand_newest_first_with_what_became_of_them(stream: Stream, plain: Client) -> None:
    published, waiting = (Policy.objects.create(stream=stream) for _ in range(2))
    ann = User.objects.create_user("ann")
    publish_policy(policy_id=published.id, reason="better", published_by_id=ann.id)
    add_run(stream, 0, kind=CalibrationRun.Kind.TABLE, ece_before=None)
    add_run(stream, 1)
    report = {"changes": ["a Platt map", "auto from 0.9 to 0.93"]}
    add_run(stream, 2, draft_id=published.id, ece_after=0.03, report=report)
    add_run(stream, 3, draft_id=waiting.id)
    page = plain.get(PAGE).content.decode()
    lines = re.findall(r'(?s)<tr>\s*<th scope="row">(.*?)</tr>', page)
    assert [re.sub(r"^.*?· |\d\d:\d\d ", "", text_of(line)) for line in lines] == [
        "refit of the maps reason 3 1,203 0.120 – proposes a draft that nobody has published",
        "refit of the maps reason 2 1,202 0.120 0.030 published as version 2 by ann "
        "2 changes a Platt map auto from 0.9 to 0.93",
        "refit of the maps reason 1 1,201 0.120 – nothing to change",
        "reliability table reason 0 1,200 – – measured only",
    ]


def test_empty_page_says_when_runs_come(plain: Client) -> None:
    assert "No runs yet" in plain.get(PAGE).content.decode()


def test_older_runs_follow_without_gap(
    stream: Stream, plain: Client, htmx: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 2)
    made = [add_run(stream, number) for number in range(3)]
    page = plain.get(PAGE).content.decode()
    assert ("reason 2" in page, "reason 1" in page, "reason 0" in page) == (True, True, False)
    older = f"{PAGE}?before={made[1].id}"
    assert f'hx-get="{older}"' in page
    part = htmx.get(older).content.decode()
    assert ("reason 0" in part, "reason 1" in part, "<html" in part) == (True, False, False)
    for wrong in ("x", str(stream.id)):
        assert plain.get(f"{PAGE}?before={wrong}").status_code == 404


def test_run_is_opened_by_who_may(stream: Stream, plain: Client) -> None:
    run = add_run(stream, 0)
    link = f"/admin/calibration/calibrationrun/{run.id}/change/"
    root = Client()
    root.force_login(scenes.make_person("root", is_staff=True, is_superuser=True))
    assert link in root.get(PAGE).content.decode()
    assert link not in plain.get(PAGE).content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_page_costs_the_same_at_every_number_of_rows(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    for number in range(count):
        draft = Policy.objects.create(stream=stream)
        add_run(stream, number, draft_id=draft.id)
    with django_assert_num_queries(6):
        plain.get(PAGE)
