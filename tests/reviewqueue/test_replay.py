"""`manage.py replay`."""

from datetime import UTC, datetime
from io import StringIO

import pgtrigger
import pytest
from django.core.management import CommandError, call_command

from routing.models import Decision, Stream
from tests.calibration.cohorts import make_audited_stream, post_items

pytestmark = pytest.mark.django_db

# 23:30 on the 17th in UTC is the 18th in Berlin.
EVE = datetime(2026, 11, 17, 23, 30, tzinfo=UTC)
LONG_BEFORE = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def stream(db: None) -> Stream:
    made = make_audited_stream()
    made.time_zone = "Europe/Berlin"
    made.save()
    post_items(made, 3, confidence=0.95, at=EVE)
    post_items(made, 2, confidence=0.6, at=LONG_BEFORE)
    return made


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue()


def test_replay_counts_what_it_replayed(stream: Stream) -> None:
    assert say("helpdesk") == "5 decisions replayed, 0 differ\n"


@pytest.mark.parametrize(
    ("since", "count"),
    [
        ("2026-11-18", 3),
        ("2026-11-19", 0),
        ("2026-11-01", 5),
        ("2026-11-18T00:30", 3),
        ("2026-11-18T00:31", 0),
        ("2026-11-17T23:31Z", 0),
        ("2026-11-17T23:30Z", 3),
    ],
)
def test_replay_since_reads_dates_in_the_streams_zone(
    stream: Stream, since: str, count: int
) -> None:
    assert say("helpdesk", "--since", since) == f"{count} decisions replayed, 0 differ\n"


def test_replay_prints_each_difference_and_fails(stream: Stream) -> None:
    wrong = Decision.objects.filter(decided_at=EVE).earliest("id")
    with pgtrigger.ignore():
        Decision.objects.filter(id=wrong.id).update(queue="flagged", confidence=0.5)
    out = StringIO()
    with pytest.raises(CommandError, match="Stored decisions differ from what") as failed:
        call_command("replay", "helpdesk", stdout=out)
    assert failed.value.returncode == 1
    name = f"{wrong.item.external_id}, decision {wrong.id}"
    assert out.getvalue().splitlines() == [
        f"{name}: queue is 'flagged', recomputed 'auto'",
        f"{name}: confidence is 0.5, recomputed 0.95",
        "5 decisions replayed, 1 differ",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "There is no stream 'nowhere'; the streams are: helpdesk."),
        *(
            (
                ("helpdesk", "--since", text),
                f"--since is {text!r}; give a date as in 2026-11-22 or a time as in "
                "2026-11-22T14:30.",
            )
            for text in ("yesterday", "2026-13-01", "2026-11-18T25:00", "22.11.2026")
        ),
    ],
)
def test_replay_refuses_what_it_cannot_do(
    stream: Stream, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError) as refused:
        say(*arguments)
    assert (str(refused.value), refused.value.returncode) == (message, 2)
