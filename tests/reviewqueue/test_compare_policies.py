"""`manage.py compare_policies`."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from reviewqueue.intake import take_in
from routing.items import Post
from routing.models import Decision, Stream
from tests.calibration.cohorts import NOON
from tests.scenes import HELD, LIKELY, SURE, make_bare_stream, publish

pytestmark = pytest.mark.django_db

CLOSE = {"account_unlock": 0.75, "vpn_issue": 0.25}


@pytest.fixture
def stream(db: None) -> Stream:
    """Two versions and six items, sent under the first; none is drawn to be judged blind."""
    made = make_bare_stream()
    Stream.objects.update(audit_rate=0.0, bulk_label_rate=0.0, blind_rate=0.0)
    made.refresh_from_db()
    publish(made)
    rows = [SURE, LIKELY, LIKELY, CLOSE, HELD, SURE]
    for number, row in enumerate(rows):
        one = Post(f"T-{number}", {"body": "x"}, row)
        take_in(stream=made, posts=[one], received_at=NOON + timedelta(minutes=number))
    publish(made, auto=0.95, flagged=0.85, min_margin=0.55)
    return made


def say(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("compare_policies", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_compare_policies_says_what_moves_and_why(stream: Stream) -> None:
    assert say("helpdesk", "1", "2") == [
        "6 items, 3 move",
        "",
        "                     version 1     version 2",
        "act                          2             2",
        "act_and_review               3             0",
        "wait                         1             4",
        "refuse                       0             0",
        "escalate                     0             0",
        "",
        "act_and_review -> wait: 3",
        "  by confidence 3, margin 1",
        "  T-3: confidence 0.75 under 0.95; margin 0.50 under 0.55",
        "  T-2: confidence 0.80 under 0.95",
        "  T-1: confidence 0.80 under 0.95",
    ]
    assert Decision.objects.count() == 6


def test_compare_policies_can_be_asked_the_other_way_round_about_few_items(
    stream: Stream,
) -> None:
    said = say("helpdesk", "2", "1", "--last", "3")
    assert said[0] == "3 items, 1 move"
    assert said[9:] == [
        "wait -> act_and_review: 1",
        "  by confidence 1, margin 1",
        "  T-3: confidence 0.75 under 0.95; margin 0.50 under 0.55",
    ]


def test_compare_policies_says_where_the_chain_lifts(stream: Stream) -> None:
    publish(stream, auto=0.95, flagged=0.85, min_margin=0.55, fallback_steps=["uncertain"])
    said = say("helpdesk", "2", "3")
    assert said[9:11] == ["wait -> refuse: 4", "  by the reject action or the fallback chain"]


def test_compare_policies_of_a_version_with_itself_moves_nothing(stream: Stream) -> None:
    assert say("helpdesk", "2", "2")[0] == "6 items, 0 move"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "1", "2"), "There is no stream 'nowhere'; the streams are: helpdesk."),
        (
            ("helpdesk", "1", "3"),
            "helpdesk has no published version 3; the versions are: 1, 2.",
        ),
        (
            ("helpdesk", "1", "2", "--last", "0"),
            "--last is 0; give a number from 1 to 50,000.",
        ),
    ],
)
def test_compare_policies_refuses_what_it_cannot_do(
    stream: Stream, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError) as refused:
        say(*arguments)
    assert str(refused.value) == message
