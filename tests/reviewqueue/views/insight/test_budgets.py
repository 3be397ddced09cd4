"""The error budgets of all streams: who sees which, and what is promised, proved and found."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import CalibrationRun
from routing.models import Stream
from tests import scenes
from tests.calibration.cohorts import make_audited_stream
from tests.reviewqueue.views.insight.conftest import add_labels, make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of

PAGE = "/insight/budgets/"


def lines_of(client: Client) -> list[str]:
    response = client.get(PAGE)
    assert response.status_code == 200
    rows = re.findall(r'(?s)<tr>\s*<th scope="row">(.*?)</tr>', response.content.decode())
    return [text_of(row) for row in rows]


def certify(stream: Stream, **certificate: float | None) -> None:
    now = timezone.now()
    CalibrationRun.objects.create(
        stream=stream,
        kind=CalibrationRun.Kind.REFIT,
        reason="a test",
        policy=stream.policies.get(version=1),
        window_start=now - timedelta(days=90),
        window_end=now,
        labels=100,
        report={"certificate": {"alpha": 0.02, "delta": 0.05, "audits": 400} | certificate},
    )


def test_stream_without_a_budget_says_what_its_cut_off_implies(plain: Client) -> None:
    assert lines_of(plain) == [
        "Helpdesk auto from 0.90 implies 10% – – – no recalibration has tried yet"
    ]
    make_sheets()
    assert lines_of(plain) == [
        "Helpdesk auto from 0.90 implies 10% – – 15.0% 7.1–26.6%, 60 labels "
        "no recalibration has tried yet"
    ]


@pytest.mark.parametrize(
    ("budget", "says"),
    [(0.02, "over the budget"), (0.15, "not decided yet"), (0.4, "within the budget")],
)
def test_measured_errors_are_held_against_the_budget(
    stream: Stream, plain: Client, budget: float, says: str
) -> None:
    Stream.objects.filter(id=stream.id).update(error_budget=budget)
    plain.get(PAGE)
    make_sheets()
    [line] = lines_of(plain)
    assert line.startswith(f"Helpdesk {100 * budget:g}% ")
    assert says in line


def test_certificate_and_what_is_wanting(stream: Stream, plain: Client) -> None:
    certify(stream, cut_off=None, audits_needed=320)
    assert lines_of(plain)[0].endswith("about 320 more audits")
    certify(stream, cut_off=None, audits_needed=None)
    assert lines_of(plain)[0].endswith("more errors than that were seen")
    certify(stream, cut_off=0.9902, audits_needed=0)
    assert lines_of(plain)[0].endswith("– 2% from 0.9902, 400 audits – none")


def test_certificate_of_another_policy_is_none(stream: Stream, plain: Client) -> None:
    certify(stream, cut_off=0.9902)
    scenes.publish(stream, auto=0.8)
    assert "from 0.9902" not in lines_of(plain)[0]


def test_only_streams_that_one_may_analyse_are_listed(stream: Stream, plain: Client) -> None:
    other = make_audited_stream("other")
    assert [line.split()[0] for line in lines_of(plain)] == ["Helpdesk"]
    root = Client()
    root.force_login(scenes.make_person("root", is_superuser=True))
    assert [line.split()[0] for line in lines_of(root)] == ["Helpdesk", "Other"]
    reviewer = Client()
    reviewer.force_login(scenes.make_person("rita", other, "reviewer"))
    assert reviewer.get(PAGE).status_code == 403


def test_page_needs_a_session_and_is_only_read(plain: Client) -> None:
    assert Client().get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
    assert plain.post(PAGE).status_code == 405


@pytest.mark.parametrize("streams", [1, 3])
def test_page_costs_the_same_at_every_number_of_streams(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, streams: int
) -> None:
    root = Client()
    root.force_login(scenes.make_person("root", is_superuser=True))
    for number in range(streams - 1):
        further = make_audited_stream(f"further-{number}", audit_rate=0.0)
        add_labels(further, 3, right=2, confidence=0.95)
    root.get(PAGE)
    make_sheets()
    with django_assert_num_queries(6):
        root.get(PAGE)
