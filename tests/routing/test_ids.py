"""Primary keys."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from routing.ids import (
    CLOCKS_DIFFER,
    FIRST_TIME,
    first_uuid7,
    least_uuid7_after,
    least_uuid7_since,
    uuid7,
)


def test_version_and_variant() -> None:
    made = uuid7()

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_time_is_in_front() -> None:
    before, made, after = time.time_ns() // 10**6, uuid7(), time.time_ns() // 10**6

    assert before <= made.int >> 80 <= after


def test_sorts_by_creation_and_never_repeats() -> None:
    made = []
    for _ in range(200):
        made.append(uuid7())
        time.sleep(2e-6)

    assert made == sorted(made)
    assert len(set(made)) == 200


def test_first_id_of_a_time_stands_before_all_that_are_made_from_then_on() -> None:
    now = datetime.now(UTC)
    assert first_uuid7(now) <= uuid7() < first_uuid7(now + timedelta(minutes=1))
    assert first_uuid7(now).int >> 80 == int(now.timestamp() * 1000)


def test_first_id_of_a_time_before_all_ids_is_the_first() -> None:
    for at in (datetime.min.replace(tzinfo=UTC), FIRST_TIME - timedelta(days=1), FIRST_TIME):
        assert first_uuid7(at) == UUID(int=0)


def test_looking_for_what_has_come_since_begins_ten_minutes_before() -> None:
    at, made = datetime(2026, 5, 4, 12, tzinfo=UTC), uuid7()

    assert timedelta(minutes=10) == CLOCKS_DIFFER
    assert least_uuid7_since(at) == first_uuid7(at - CLOCKS_DIFFER)
    assert least_uuid7_since(datetime.min.replace(tzinfo=UTC)) == UUID(int=0)
    assert (made.int - least_uuid7_after(made).int) >> 80 == 600_000
