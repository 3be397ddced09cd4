"""Positions: none skipped, none twice, whoever commits late; and who is first, undo or telling."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviewqueue import sequencer
from reviewqueue.outcomes import read_outcomes
from reviewqueue.sequencer import sequence_all, sequence_due, sequence_stream
from reviewqueue.verdicts import UndoWindowPassedError, undo_verdict
from reviewqueue.webhook_models import Delivery, Webhook
from routing.models import Announcement, Item, Stream
from tests.reviewqueue.test_announcements import fall_due
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_verdicts import judge, wait_until_somebody_waits_for_a_lock
from tests.scenes import make_bare_stream, make_person, publish_worked_policy

PATIENCE = 30.0


def make_items(stream: Stream, count: int) -> list[Item]:
    post_held(stream, *(f"i{number}" for number in range(count)))
    return list(Item.objects.filter(stream=stream).order_by("id"))


def announce(item: Item, kind: str = "item.settled", *, seconds: float = -1) -> Announcement:
    return Announcement.objects.create(
        stream_id=item.stream_id,
        item=item,
        kind=kind,
        subject_id=uuid4(),
        due_at=timezone.now() + timedelta(seconds=seconds),
    )


def positions(stream: Stream) -> list[int | None]:
    rows = Announcement.objects.filter(stream=stream, item__isnull=False).order_by("id")
    return list(rows.values_list("position", flat=True))


@pytest.fixture
def quiet(stream: Stream) -> Stream:
    """The stream with nothing announced yet."""
    with pgtrigger.ignore():
        Announcement.objects.all().delete()
    return stream


def test_positions_follow_the_due_time_and_sequences_count_per_item(quiet: Stream) -> None:
    first, second = make_items(quiet, 2)
    late = announce(first, seconds=-1)
    early = announce(second, seconds=-5)
    future = announce(second, seconds=60)
    third = announce(first, "audit.overturned", seconds=0)
    assert sequence_due(quiet.id) == 3
    rows = {row.id: (row.position, row.sequence) for row in Announcement.objects.all()}
    assert rows == {
        early.id: (1, 1),
        late.id: (2, 1),
        third.id: (3, 2),
        future.id: (None, None),
    }
    fall_due()
    assert sequence_due(quiet.id) == 1
    future.refresh_from_db()
    assert (future.position, future.sequence) == (4, 2)
    assert sequence_due(quiet.id) == 0


def test_streams_count_for_themselves(quiet: Stream) -> None:
    other = make_bare_stream("other")
    publish_worked_policy(other)
    with pgtrigger.ignore():
        Announcement.objects.all().delete()
    for one in (quiet, other):
        announce(make_items(one, 1)[0])
    assert sequence_all() == 2
    assert (positions(quiet), positions(other)) == ([1], [1])


def test_deliveries_go_to_who_hears_of_the_kind(quiet: Stream) -> None:
    fields: dict[str, dict[str, object]] = {
        "active": {},
        "paused": {"state": "paused"},
        "disabled": {"state": "disabled"},
        "other": {"events": ["item.overturned"]},
    }
    hooks = {
        name: Webhook.objects.create(stream=quiet, url=f"https://{name}.example/", **own)
        for name, own in fields.items()
    }
    other = make_bare_stream("other")
    Webhook.objects.create(stream=other, url="https://foreign.example/")
    row = announce(make_items(quiet, 1)[0])
    sequence_due(quiet.id)
    made = Delivery.objects.order_by("id")
    assert {(d.announcement_id, d.webhook, d.state, d.tries) for d in made} == {
        (row.id, hooks["active"], "due", 0),
        (row.id, hooks["paused"], "due", 0),
    }


def test_sequencing_costs_the_same_for_one_and_for_many(quiet: Stream) -> None:
    Webhook.objects.create(stream=quiet, url="https://a.example/")
    items = make_items(quiet, 21)
    counts = []
    for part in (items[:1], items[1:]):
        for item in part:
            announce(item)
        with CaptureQueriesContext(connection) as queries:
            sequence_due(quiet.id)
        counts.append(len(queries))
    assert counts == [6, 6]


def test_more_than_a_transaction_takes_follows_in_the_next(
    quiet: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "AT_ONCE", 2)
    for item in make_items(quiet, 5):
        announce(item)
    assert sequence_stream(quiet.id) == 5
    assert positions(quiet) == [1, 2, 3, 4, 5]


@contextmanager
def busy_stream() -> Iterator[tuple[Stream, list[Item]]]:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    items = make_items(stream, 12)
    with pgtrigger.ignore():
        Announcement.objects.all().delete()
    yield stream, items


def read_on(stream: Stream, after: str) -> tuple[list[str], str]:
    page = read_outcomes(stream=stream, after=after)
    return [outcome["id"] for outcome in page.outcomes], page.next


@pytest.mark.django_db(transaction=True)
def test_transactions_that_commit_late_are_neither_skipped_nor_repeated() -> None:
    with busy_stream() as (stream, items), ThreadPoolExecutor(6) as threads:
        written, go = [Event() for _ in range(6)], [Event() for _ in range(6)]

        def write_late(number: int) -> str:
            try:
                with transaction.atomic():
                    row = announce(items[number])
                    written[number].set()
                    assert go[number].wait(PATIENCE)
            finally:
                connections.close_all()
            return str(row.id)

        late = []
        for number in range(6):  # one after the other, so that their ids are in this order
            late.append(threads.submit(write_late, number))
            assert written[number].wait(PATIENCE)
        read: list[str] = []
        cursor = ""
        expected: list[str] = []
        for number in (3, 0, 5, 4, 1, 2):  # they commit in another one
            prompt = announce(items[6 + number])
            go[number].set()
            expected_now = {late[number].result(PATIENCE), str(prompt.id)}
            part, cursor = read_on(stream, cursor)
            assert set(part) == expected_now
            assert read_on(stream, cursor) == ([], cursor)
            read += part
            expected += sorted(expected_now)
        assert sorted(read) == sorted(expected)
        assert len(set(read)) == 12
        assert read_on(stream, "")[0] == read
        assert sorted(p or 0 for p in positions(stream)) == list(range(1, 13))


@pytest.mark.django_db(transaction=True)
def test_sequencers_and_readers_at_once_agree_on_one_order() -> None:
    with busy_stream() as (stream, items), ThreadPoolExecutor(5) as threads:
        done = Event()

        def write(part: int) -> None:
            try:
                for number in range(60):
                    with transaction.atomic():
                        announce(items[(part * 60 + number) % 12])
                        if number % 7 == 0:
                            connection.cursor().execute("SELECT pg_sleep(0.01)")
            finally:
                connections.close_all()

        def follow() -> list[str]:
            read: list[str] = []
            cursor = ""
            try:
                while True:
                    over = done.is_set()
                    sequence_all()
                    part, cursor = read_on(stream, cursor)
                    read += part
                    if over and not part:
                        return read
            finally:
                connections.close_all()

        followers = [threads.submit(follow) for _ in range(2)]
        for writer in [threads.submit(write, part) for part in range(3)]:
            writer.result(PATIENCE)
        sequence_all()
        done.set()
        first, second = (follower.result(PATIENCE) for follower in followers)
    assert len(first) == len(set(first)) == 180
    assert first == second
    counts: dict[object, list[int | None]] = {}
    for row in Announcement.objects.filter(item__isnull=False).order_by("position"):
        counts.setdefault(row.item_id, []).append(row.sequence)
    assert all(count == list(range(1, 16)) for count in counts.values())


@pytest.mark.django_db(transaction=True)
def test_who_sequences_beside_another_leaves_it_to_them() -> None:
    with busy_stream() as (stream, items), ThreadPoolExecutor(1) as threads:
        announce(items[0])

        def sequence() -> int:
            try:
                return sequence_due(stream.id)
            finally:
                connections.close_all()

        with transaction.atomic():
            assert sequence_due(stream.id) == 1
            assert threads.submit(sequence).result(PATIENCE) == 0
        assert positions(stream) == [1]


@pytest.mark.django_db(transaction=True)
def test_who_reads_beside_a_sequencer_is_told_that_there_is_more() -> None:
    with busy_stream() as (stream, items), ThreadPoolExecutor(1) as threads:
        announce(items[0])

        def read() -> tuple[int, str, bool]:
            try:
                page = read_outcomes(stream=stream)
            finally:
                connections.close_all()
            return len(page.outcomes), page.next, page.more

        with transaction.atomic():
            assert sequence_due(stream.id) == 1
            assert threads.submit(read).result(PATIENCE) == (0, "o0", True)
        assert threads.submit(read).result(PATIENCE) == (1, "o1", False)


def make_announced_verdict() -> tuple[Stream, User, str]:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    reviewer = make_person("rita", stream, "reviewer")
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    with pgtrigger.ignore():
        Announcement.objects.filter(item=None).delete()
    fall_due()
    return stream, reviewer, str(verdict.id)


@pytest.mark.django_db(transaction=True)
def test_undo_that_is_first_is_never_told_of() -> None:
    stream, reviewer, verdict_id = make_announced_verdict()
    with ThreadPoolExecutor(1) as threads:

        def sequence() -> int:
            try:
                return sequence_due(stream.id)
            finally:
                connections.close_all()

        with transaction.atomic():
            undo_verdict(verdict_id=verdict_id, reviewer=reviewer)  # type: ignore[arg-type]
            assert threads.submit(sequence).result(PATIENCE) == 0
        assert threads.submit(sequence).result(PATIENCE) == 0
    assert positions(stream) == [None]
    assert Announcement.objects.get().withdrawn_at is not None


@pytest.mark.django_db(transaction=True)
def test_undo_that_waits_for_the_sequencer_is_too_late() -> None:
    stream, reviewer, verdict_id = make_announced_verdict()
    with ThreadPoolExecutor(1) as threads:

        def undo() -> str:
            try:
                undo_verdict(verdict_id=verdict_id, reviewer=reviewer)  # type: ignore[arg-type]
            except UndoWindowPassedError:
                return "too late"
            finally:
                connections.close_all()
            return "undone"

        with transaction.atomic():
            assert sequence_due(stream.id) == 1
            undoing = threads.submit(undo)
            wait_until_somebody_waits_for_a_lock()
        assert undoing.result(PATIENCE) == "too late"
    assert positions(stream) == [1]
    assert Item.objects.get().state == "settled"
