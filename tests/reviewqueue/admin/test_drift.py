"""What a stream's page and the list of alarms say of drift."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import DriftAlarm, DriftWatch
from calibration.monitoring import watch_audits
from routing.models import Stream
from tests.calibration.cohorts import VERSION, label_items, make_audited_stream, post_items
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream, publish

PAGE_QUERIES = 16
LIST_QUERIES = 5
LIST = "/admin/calibration/driftalarm/"


@pytest.fixture
def root(db: None) -> Client:
    return log_in(make_superuser())


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def audit(stream: Stream, size: int, *, right: int, days: int = 0) -> None:
    at = timezone.now() + timedelta(days=days)
    decided = at - timedelta(hours=2)
    label_items(post_items(stream, size, confidence=0.95, at=decided), right=right)
    watch_audits(stream=stream, at=at)


def page_of(client: Client, stream: Stream) -> str:
    response = client.get(f"/admin/routing/stream/{stream.id}/change/")
    assert response.status_code == 200
    return response.content.decode()


def test_stream_without_a_policy_has_no_promise(root: Client) -> None:
    page = page_of(root, make_bare_stream())
    assert "Nothing is published yet, so there is no promise to watch." in page


def test_stream_without_audits_says_since_when(root: Client, stream: Stream) -> None:
    page = page_of(root, stream)
    assert "No audited item has been settled since version 1." in page
    assert "Compared from a week after new maps are published." in page


def test_stream_without_audits_since_new_maps_says_since_when(root: Client, stream: Stream) -> None:
    maps = {"": {"kind": "platt", "parameters": [1.0, -1.0], "knots": []}}
    publish(stream, maps=maps, model_versions=[VERSION])
    publish(stream, maps=maps, model_versions=[VERSION], auto=0.85)
    assert "No audited item has been settled since version 2." in page_of(root, stream)


def test_kept_promise_is_said_with_its_evidence(root: Client, stream: Stream) -> None:
    audit(stream, 60, right=57)
    evidence = DriftWatch.objects.get().evidence
    words = f"No sign of drift: 60 audits since version 1, evidence {evidence:.1f} of 40."
    assert words in page_of(root, stream)


def test_alarm_is_said_with_what_to_do(root: Client, stream: Stream) -> None:
    audit(stream, 60, right=30)
    page = page_of(root, stream)
    assert "All categories: more errors than promised" in page
    assert "Account unlock: more errors than promised" in page
    assert "30 in 60 audits since version 1, 3.0 were promised." in page
    assert "Drifted: 60 audits since version 1, see the alarm above." in page
    assert "No sign of drift" not in page


def test_new_maps_end_the_alarm(root: Client, stream: Stream) -> None:
    audit(stream, 60, right=30)
    maps = {"": {"kind": "platt", "parameters": [1.0, -1.0], "knots": []}}
    publish(stream, maps=maps, model_versions=[VERSION])
    page = page_of(root, stream)
    assert "more errors than promised" not in page
    assert "No audited item has been settled since version 2." in page


def test_shift_is_said_in_words(root: Client, stream: Stream) -> None:
    audit(stream, 60, right=57)
    DriftWatch.objects.update(
        shift={
            "scores": {"value": 0.312, "noise_floor": 0.01, "verdict": "shifted", "reason": ""},
            "queues": {"value": None, "noise_floor": None, "verdict": "not_enough_items"},
        }
    )
    page = page_of(root, stream)
    assert "Scores of the last week: shifted (index 0.31, under 0.10 is stable)." in page
    assert "Queue shares: not enough items to compare." in page


def test_new_stream_has_no_drift(root: Client) -> None:
    page = root.get("/admin/routing/stream/add/").content.decode()
    assert "drift-heading" not in page


def test_alarms_are_listed_for_those_who_administer_the_stream(stream: Stream) -> None:
    audit(stream, 60, right=30)
    own = log_in(make_staff("ada", stream, "view_driftalarm"))
    page = own.get(LIST).content.decode()
    assert "all categories" in page
    assert "30 in 60 audits, 3.0 promised" in page
    assert page.count("more errors than promised") >= 2
    foreign = log_in(make_staff("bo", make_bare_stream("other"), "view_driftalarm"))
    assert "0 drift alarms" in foreign.get(LIST).content.decode()
    alarm = DriftAlarm.objects.first()
    assert alarm is not None
    assert own.get(f"{LIST}{alarm.id}/change/").status_code == 200
    assert foreign.get(f"{LIST}{alarm.id}/change/").status_code == 302
    assert log_in(make_staff("cy", stream, "view_jobrun")).get(LIST).status_code == 403
    anonymous = Client().get(LIST)
    assert anonymous.status_code == 302
    assert "login" in anonymous["Location"]


def test_stream_page_and_list_cost_the_same_whatever_has_drifted(
    root: Client, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    audit(stream, 60, right=30)
    page_of(root, stream)  # content types and sites are remembered
    with django_assert_num_queries(PAGE_QUERIES):
        page_of(root, stream)
    with django_assert_num_queries(LIST_QUERIES):
        root.get(LIST)
    watch = DriftWatch.objects.get()
    for number in range(3):
        DriftAlarm.objects.create(
            stream=stream,
            watch=watch,
            category=f"c{number}",
            side="more",
            audits=1,
            errors=1,
            promised_errors=0.1,
            evidence=50.0,
            threshold=40.0,
        )
    with django_assert_num_queries(PAGE_QUERIES):
        page_of(root, stream)
    with django_assert_num_queries(LIST_QUERIES):
        root.get(LIST)


def test_many_alarms_are_cut_short(root: Client, stream: Stream) -> None:
    audit(stream, 60, right=30)
    watch = DriftWatch.objects.get()
    for number in range(6):
        DriftAlarm.objects.create(
            stream=stream,
            watch=watch,
            category=f"c{number}",
            side="fewer",
            audits=900,
            errors=1,
            promised_errors=90.0,
            evidence=2e6,
            threshold=40.0,
        )
    page = page_of(root, stream)
    # All categories together come first, and five are shown.
    assert page.count("more errors than promised") == 2
    assert page.count("fewer errors than promised") == 3
    assert page.index("All categories: more") < page.index("c0: fewer")
    assert "More categories than these have drifted." in page
    assert "2e+06 of 40" in root.get(LIST).content.decode()
