"""Recalibration on demand in the admin: with a reason, and nothing is published."""

import pytest
from django.test import Client

from calibration.models import CalibrationRun
from routing.models import Event, Stream
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


def path(stream: Stream) -> str:
    return f"/admin/routing/stream/{stream.id}/recalibrate/"


def test_recalibration_runs_with_a_reason_and_shows_what_it_found(
    client: Client, stream: Stream
) -> None:
    assert (
        path(stream) in client.get(path(stream).replace("recalibrate", "change")).content.decode()
    )
    response = client.post(path(stream), {"reason": "a rollout"})
    run = CalibrationRun.objects.get()
    assert response.headers["Location"] == f"/admin/calibration/calibrationrun/{run.id}/change/"
    assert (run.stream, run.kind, run.reason) == (stream, "refit", "a rollout")
    event = Event.objects.get(subject_id=run.id)
    assert event.actor is not None
    assert event.actor.username == "root"
    assert stream.policies.filter(version__isnull=False).count() == 1


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_recalibration_asks_for_a_reason(client: Client, stream: Stream, reason: str) -> None:
    response = client.post(path(stream), {"reason": reason})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["reason"]
    assert not CalibrationRun.objects.exists()


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
