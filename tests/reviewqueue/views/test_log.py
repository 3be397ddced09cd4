"""A stream's log: what it tells, its filters, its files, and who may read it."""

import csv
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import claim_next
from reviewqueue.verdicts import Answer, record_verdict
from routing.events import record_event
from routing.models import Event, Stream
from tests import scenes

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

PAGE = "/streams/helpdesk/log/"
FILE = "/streams/helpdesk/log/file"
PAGE_QUERIES = 8


@pytest.fixture
def ada(stream: Stream) -> User:
    return scenes.make_person("ada", stream, "stream_admin")


@pytest.fixture
def client(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def judge(stream: Stream, person: User, external_id: str) -> None:
    scenes.post(stream, external_id)
    task = claim_next(user=person, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    answer = Answer("category", ("vpn_issue",))
    record_verdict(task_id=task.id, lease_token=task.lease_token, reviewer=person, answer=answer)


def lines_of(response: "Response") -> list[tuple[str, str, str]]:
    return [(line.who, line.words, line.item) for line in response.context["lines"]]


def test_log_tells_who_did_what_to_which_item(
    stream: Stream, reviewer: User, client: Client
) -> None:
    judge(stream, reviewer, "HD-1")
    page = client.get(PAGE)
    assert page.status_code == 200
    assert lines_of(page) == [("rita", "answered", "HD-1"), ("", "published a policy", "")]
    line = page.context["lines"][0]
    item = Event.objects.get(kind="verdict.recorded").subject_id
    assert line.address == f"/streams/helpdesk/items/{item}/"
    assert line.details == ()
    published = page.context["lines"][1].details
    assert published[:2] == (("version", "1"), ("auto", "– → 0.90"))


def test_log_tells_what_changed_from_what_to_what(
    stream: Stream, ada: User, client: Client
) -> None:
    record_event(
        stream_id=stream.id,
        kind="stream.changed",
        subject_id=stream.id,
        actor_id=ada.pk,
        changes={"audit_rate": [0.05, 0.1], "description": ["", "Tickets"]},
    )
    line = client.get(PAGE).context["lines"][0]
    assert (line.who, line.words) == ("ada", "changed the stream")
    assert line.details == (("audit rate", "0.05 → 0.1"), ("description", "– → Tickets"))


def test_log_tells_counts_lists_and_switches_in_words(
    stream: Stream, ada: User, client: Client
) -> None:
    record_event(
        stream_id=stream.id,
        kind="audit.opened",
        subject_id=stream.id,
        counts={"drawn": 4, "opened": 3, "settled": 0},
    )
    record_event(
        stream_id=stream.id,
        kind="stream.changed",
        subject_id=stream.id,
        actor_id=ada.pk,
        changes={  # the database puts short names first
            "image_hosts": [[], ["a.example", "b.example"]],
            "is_demo": [True, False],
            "layout": [{}, {"body": "text", "rows": [1, None]}],
        },
    )
    changed, opened = client.get(PAGE).context["lines"][:2]
    assert opened.details == (("counts", "drawn 4, opened 3, settled 0"),)
    assert changed.details == (
        ("layout", "– → body text, rows 1, –"),
        ("is demo", "yes → no"),
        ("image hosts", "– → a.example, b.example"),
    )


def test_log_tells_a_tasks_item_too(stream: Stream, reviewer: User, client: Client) -> None:
    task = scenes.post(stream, "HD-1")
    record_event(stream_id=stream.id, kind="task.skipped", subject_id=task.id, actor_id=reviewer.pk)
    assert lines_of(client.get(PAGE))[0] == ("rita", "passed an item on", "HD-1")


def test_log_keeps_what_was_written_for_the_expert(
    stream: Stream, reviewer: User, client: Client
) -> None:
    """It may say what the machine answered, of an item that somebody else judges blind."""
    task = scenes.post(stream, "HD-1")
    record_event(
        stream_id=stream.id,
        kind="task.escalated",
        subject_id=task.id,
        actor_id=reviewer.pk,
        queue="hold",
        comment="The model says VPN",
    )
    page = client.get(PAGE)
    assert lines_of(page)[0][2] == "HD-1"
    assert "The model says VPN" not in page.content.decode()
    for kind in ("jsonl", "csv"):
        told = content_of(client.get(f"{FILE}?format={kind}"))
        assert (b"HD-1" in told, b"The model says VPN" in told) == (True, False)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("about=work", ["answered"]),
        ("about=rest", ["published a policy"]),
        ("who=rita", ["answered"]),
        ("who=nobody", []),
        ("who=rita&about=rest", []),
        ("since=2026-01-01", ["answered", "published a policy"]),
        ("since=1969-12-31", ["answered", "published a policy"]),
        ("since=0001-01-01", ["answered", "published a policy"]),
        ("since=2999-01-01", []),
        ("since=9999-12-31", []),
    ],
)
def test_log_is_filtered(
    stream: Stream, reviewer: User, client: Client, asked: str, expected: list[str]
) -> None:
    judge(stream, reviewer, "HD-1")
    page = client.get(f"{PAGE}?{asked}")
    assert [words for _, words, _ in lines_of(page)] == expected
    assert ("Nothing like this in the log" in page.content.decode()) is not bool(expected)
    files = client.get(f"{FILE}?format=jsonl&{asked}")
    assert len(content_of(files).splitlines()) == len(expected)


def content_of(response: "Response") -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_older_entries_follow(
    stream: Stream, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reviewqueue.event_log.PAGE", 2)
    for number in range(4):
        record_event(stream_id=stream.id, kind=f"n.{number}", subject_id=uuid4())
    first = client.get(PAGE)
    assert [words for _, words, _ in lines_of(first)] == ["n 3", "n 2"]
    older = first.context["older"]
    part = client.get(older, headers={"HX-Request": "true"}).content.decode()
    assert ("<html" in part, part.count("<tr>")) == (False, 2)
    second = client.get(older)
    assert [words for _, words, _ in lines_of(second)] == ["n 1", "n 0"]
    last = client.get(second.context["older"])
    assert ([words for _, words, _ in lines_of(last)], last.context["older"]) == (
        ["published a policy"],
        "",
    )


def test_wrong_filter_is_refused_and_says_so(client: Client) -> None:
    for asked in ("since=soon", "before=x", "about=all", "who=%00"):
        page = client.get(f"{PAGE}?{asked}")
        assert page.status_code in (400, 422), asked
        assert client.get(f"{FILE}?{asked}").status_code in (400, 422), asked
    assert client.get(f"{FILE}?format=xls").status_code == 422


def test_files_hold_the_whole_log(
    stream: Stream, reviewer: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reviewqueue.event_log.FILE_PAGE", 2)
    judge(stream, reviewer, "=HD-1")
    judge(stream, reviewer, "HD-2")
    told = [
        json.loads(line)
        for line in content_of(client.get(f"{FILE}?format=jsonl")).decode().splitlines()
    ]
    assert [(one["kind"], one["who"], one["item"]) for one in told] == [
        ("policy.published", None, None),
        ("verdict.recorded", "rita", "=HD-1"),
        ("verdict.recorded", "rita", "HD-2"),
    ]
    response = client.get(f"{FILE}?format=csv")
    rows = list(csv.DictReader(io.StringIO(content_of(response).decode())))
    assert [(row["kind"], row["who"], row["item"]) for row in rows] == [
        ("policy.published", "", ""),
        ("verdict.recorded", "rita", "'=HD-1"),
        ("verdict.recorded", "rita", "HD-2"),
    ]
    assert json.loads(rows[1]["data"]) == told[1]["data"]
    assert response["Content-Disposition"].endswith('.csv"')


def test_what_happened_before_it_was_imported_is_found_by_its_day(
    stream: Stream, client: Client
) -> None:
    long_ago = timezone.now() - timedelta(days=400)
    record_event(stream_id=stream.id, kind="n.old", subject_id=uuid4(), happened_at=long_ago)
    since = (timezone.now() - timedelta(days=1)).date()
    assert [words for _, words, _ in lines_of(client.get(f"{PAGE}?since={since}"))] == [
        "published a policy"
    ]


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
@pytest.mark.parametrize(
    ("day", "count"), [("0001-01-01", 1), ("1970-01-01", 1), ("9999-12-31", 0)]
)
def test_first_and_last_days_are_days_in_every_time_zone(
    stream: Stream, client: Client, zone: str, day: str, count: int
) -> None:
    Stream.objects.update(time_zone=zone)
    assert len(lines_of(client.get(f"{PAGE}?since={day}"))) == count
    files = client.get(f"{FILE}?format=jsonl&since={day}")
    assert len(content_of(files).splitlines()) == count


@pytest.mark.parametrize("rows", [1, 3])
def test_log_costs_the_same_whatever_it_holds(
    stream: Stream,
    reviewer: User,
    client: Client,
    rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(rows):
        judge(stream, reviewer, f"HD-{number}")
    with django_assert_num_queries(PAGE_QUERIES):
        assert client.get(PAGE).status_code == 200


@pytest.mark.parametrize("address", [PAGE, FILE])
def test_log_is_for_who_administers_the_stream(stream: Stream, address: str) -> None:
    for role in ("reviewer", "adjudicator", "expert", "analyst"):
        person = Client()
        person.force_login(scenes.make_person(role, stream, role))
        assert person.get(address).status_code == 403, role
    stranger = Client()
    stranger.force_login(scenes.make_person("stan"))
    assert stranger.get(address).status_code == 404
    assert Client().get(address).headers["Location"] == f"/accounts/login/?next={address}"
    assert stranger.post(address).status_code == 405
