"""The page of a recalibration that was asked for: how far it is, what it led to, why it failed."""

from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import CalibrationRun, RunRequest
from reviewqueue.run_requests import LEASE, request_run, work_next
from routing.models import Stream
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream, publish

HTMX = {"HX-Request": "true"}
LIST = "/admin/calibration/runrequest/"


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


@pytest.fixture
def asked(stream: Stream) -> RunRequest:
    return request_run(stream=stream, reason="a rollout", requested_by_id=None)


def path(asked: RunRequest) -> str:
    return f"{LIST}{asked.id}/change/"


def begin(asked: RunRequest, step: str, share: float, tries: int = 1) -> None:
    RunRequest.objects.filter(id=asked.id).update(
        state="running",
        token=uuid4(),
        leased_until=timezone.now() + LEASE,
        step=step,
        share=share,
        tries=tries,
    )


def test_waiting_request_says_so_and_polls(client: Client, asked: RunRequest) -> None:
    response = client.get(path(asked))
    page = response.content.decode()
    assert response.status_code == 200
    assert "Waiting for a worker" in page
    assert f'hx-get="{path(asked)}" hx-trigger="every 1s"' in page
    assert "Reload to see how far it is" in page


def test_running_request_shows_step_and_share(client: Client, asked: RunRequest) -> None:
    begin(asked, "fitting maps on 1,000,000 labels", 0.55)
    response = client.get(path(asked), headers=HTMX)
    part = response.content.decode()
    assert response.status_code == 200
    assert part.lstrip().startswith('<section class="progress"')
    assert "Fitting maps on 1,000,000 labels" in part
    assert '<progress max="1" value="0.55"' in part
    assert "An earlier worker ended" not in part
    begin(asked, "reading the labels", 0.0, tries=2)
    assert "this is try 2." in client.get(path(asked)).content.decode()


def test_done_request_stops_the_polling_and_leads_to_the_run(
    client: Client, asked: RunRequest
) -> None:
    work_next()
    run = CalibrationRun.objects.get()
    link = f'href="/admin/calibration/calibrationrun/{run.id}/change/"'
    response = client.get(path(asked), headers=HTMX)
    assert response.status_code == 286
    assert link in response.content.decode()
    assert "hx-get" not in response.content.decode()
    whole = client.get(path(asked))
    assert whole.status_code == 200
    assert link in whole.content.decode()


def test_failed_request_says_why_and_how_to_try_again(client: Client, asked: RunRequest) -> None:
    RunRequest.objects.update(state="failed", error="There is <no> room.", ended_at=timezone.now())
    response = client.get(path(asked), headers=HTMX)
    part = response.content.decode()
    assert response.status_code == 286
    assert "There is &lt;no&gt; room." in part
    assert f'href="/admin/routing/stream/{asked.stream_id}/recalibrate/"' in part


def test_request_is_shown_to_staff_who_may_recalibrate_their_stream(asked: RunRequest) -> None:
    other = make_bare_stream("other")
    for name, permission, where, status in (
        ("a", "view_stream", asked.stream, 403),
        ("b", "add_calibrationrun", other, 404),
        ("c", "add_calibrationrun", asked.stream, 200),
        ("d", "view_runrequest", asked.stream, 200),
    ):
        client = log_in(make_staff(name, where, permission))
        assert client.get(path(asked)).status_code == status


def test_request_is_only_read(client: Client, asked: RunRequest) -> None:
    assert client.post(path(asked)).status_code == 405
    assert client.get(f"{LIST}{uuid4()}/change/").status_code == 404
    assert client.get(f"{LIST}add/").status_code == 403


def test_nobody_without_a_session_sees_it(asked: RunRequest) -> None:
    response = Client().get(path(asked))
    assert (response.status_code, response.headers["Location"]) == (
        302,
        f"/accounts/login/?next={path(asked)}",
    )
    polled = Client().get(path(asked), headers=HTMX)
    assert polled.headers["HX-Redirect"].startswith("/accounts/login/")


def test_page_costs_the_same_at_any_number_of_requests(
    client: Client,
    stream: Stream,
    asked: RunRequest,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client.get(path(asked))
    with django_assert_num_queries(3):
        client.get(path(asked), headers=HTMX)


def test_list_costs_the_same_at_one_and_three_rows(
    client: Client, asked: RunRequest, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.get(LIST)
    with django_assert_num_queries(5):
        assert path(asked) in client.get(LIST).content.decode()
    for key in ("two", "three"):
        other = make_bare_stream(key)
        publish(other)
        request_run(stream=other, reason="a rollout", requested_by_id=None)
    with django_assert_num_queries(5):
        client.get(LIST)
