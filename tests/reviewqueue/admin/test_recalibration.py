"""Recalibration on demand in the admin: asked for with a reason, one at a time."""

import pytest
from django.test import Client
from django.utils import timezone

from calibration.models import CalibrationRun, RunRequest
from routing.models import Stream
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


def path(stream: Stream) -> str:
    return f"/admin/routing/stream/{stream.id}/recalibrate/"


def test_recalibration_is_asked_for_with_a_reason_and_shown(client: Client, stream: Stream) -> None:
    assert (
        path(stream) in client.get(path(stream).replace("recalibrate", "change")).content.decode()
    )
    response = client.post(path(stream), {"reason": "a rollout"})
    asked = RunRequest.objects.get()
    assert response.headers["Location"] == f"/admin/calibration/runrequest/{asked.id}/change/"
    assert (asked.stream, asked.state, asked.reason) == (stream, "queued", "a rollout")
    assert asked.requested_by is not None
    assert asked.requested_by.username == "root"
    assert not CalibrationRun.objects.exists()


def test_second_recalibration_is_refused_with_a_link_to_the_first(
    client: Client, stream: Stream
) -> None:
    client.post(path(stream), {"reason": "a rollout"})
    asked = RunRequest.objects.get()
    response = client.post(path(stream), {"reason": "another"})
    assert response.status_code == 422
    page = response.content.decode()
    assert "A recalibration of this stream is under way; wait for its end." in page
    assert f"/admin/calibration/runrequest/{asked.id}/change/" in page
    assert RunRequest.objects.count() == 1


def test_stream_page_leads_to_the_request_under_way(client: Client, stream: Stream) -> None:
    where = path(stream).replace("recalibrate", "change")
    assert "See how far it is" not in client.get(where).content.decode()
    client.post(path(stream), {"reason": "a rollout"})
    asked = RunRequest.objects.get()
    link = f"/admin/calibration/runrequest/{asked.id}/change/"
    assert link in client.get(where).content.decode()
    RunRequest.objects.update(state="failed", error="no", ended_at=timezone.now())
    assert link not in client.get(where).content.decode()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_recalibration_asks_for_a_reason(client: Client, stream: Stream, reason: str) -> None:
    response = client.post(path(stream), {"reason": reason})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["reason"]
    assert not RunRequest.objects.exists()


def test_recalibration_of_a_stream_without_policy_says_so(client: Client) -> None:
    response = client.post(path(make_bare_stream()), {"reason": "a rollout"})
    assert response.status_code == 422
    assert "has no published policy yet" in response.content.decode()


def test_recalibration_is_for_staff_with_the_permission_on_their_streams(stream: Stream) -> None:
    other = make_bare_stream("other")
    for name, permission, where, status in (
        ("a", "view_stream", stream, 403),
        ("b", "add_calibrationrun", other, 404),
        ("c", "add_calibrationrun", stream, 200),
    ):
        client = log_in(make_staff(name, stream, permission))
        assert client.get(path(where)).status_code == status
