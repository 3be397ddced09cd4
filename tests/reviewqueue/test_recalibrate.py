"""`manage.py recalibrate` and `manage.py open_audit`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from calibration.models import CalibrationRun
from reviewqueue.models import ReviewTask
from routing.models import Policy, Stream
from tests.calibration.cohorts import label_items, make_audited_stream, post_items
from tests.scenes import make_bare_stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def say(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_recalibrate_drafts_a_policy_and_says_what_it_found(stream: Stream) -> None:
    now = timezone.now()
    label_items(post_items(stream, 200, confidence=0.95, at=now), right=150)
    label_items(post_items(stream, 100, confidence=0.60, at=now), right=55)
    said = say("recalibrate", "helpdesk", "--reason", "a rollout")
    run = CalibrationRun.objects.get()
    assert run.reason == "a rollout"
    assert said.startswith("300 labels, 0 still open, model 'model-1'\ncalibration error 0.15")
    assert "finding: all categories, 0.90 to 1.00: promised 95.0%, right 75.0%" in said
    assert "change: calibration: platt " in said
    assert said.endswith(f"Draft {run.draft_id}, to be published by a person.\n")
    assert Policy.objects.published().count() == 1


def test_recalibrate_without_labels_says_so(stream: Stream) -> None:
    said = say("recalibrate", "helpdesk", "--reason", "a rollout")
    assert "note: not enough labels: there are none in this window" in said
    assert said.endswith("No draft.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--reason", "x"), "There is no stream 'nowhere'; the streams are: helpdesk."),
        (("helpdesk", "--reason", " "), "helpdesk: reason has 0 characters; give 1 to 200"),
        (("helpdesk", "--reason", "x", "--days", "0"), "--days is 0; give 1 or more."),
    ],
)
def test_recalibrate_refuses_what_it_cannot_do(
    stream: Stream, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError) as refused:
        say("recalibrate", *arguments)
    assert str(refused.value) == message
    assert not CalibrationRun.objects.exists()


def test_recalibrate_asks_for_a_policy_first(db: None) -> None:
    make_bare_stream("bare")
    with pytest.raises(CommandError, match="bare: The stream has no published policy yet"):
        say("recalibrate", "bare", "--reason", "too early")


def test_open_audit_opens_the_named_streams_once(stream: Stream) -> None:
    other = make_audited_stream("other")
    now = timezone.now()
    for one in (stream, other):
        post_items(one, 2, confidence=0.95, at=now)
    opened = "helpdesk: {'drawn': 2, 'opened': 2, 'settled': 0, 'seated': 0}\n"
    assert say("open_audit", "helpdesk") == opened
    assert say("open_audit", "helpdesk") == "helpdesk: nothing to open, or done this week\n"
    assert ReviewTask.objects.filter(stream=other).count() == 0
    assert say("open_audit").endswith("other: " + opened.removeprefix("helpdesk: "))
    with pytest.raises(CommandError, match="There is no stream 'nowhere'"):
        say("open_audit", "nowhere")
