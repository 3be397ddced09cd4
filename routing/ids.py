"""Primary keys that sort by time of creation: UUID version 7, RFC 9562 section 5.7.

The twelve bits behind the milliseconds hold their fraction (section 6.2, method 3), so that the
rows of one batch keep its order.
"""

import time
from datetime import UTC, datetime, timedelta
from os import urandom
from typing import Final
from uuid import UUID, SafeUUID

# No id is older, so whoever reckons back from a day that somebody typed need go no further.
FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Ids tell the time by the clock of whoever made them. Clocks differ and are set back, never so far.
CLOCKS_DIFFER: Final = timedelta(minutes=10)


def _make_uuid(value: int) -> UUID:
    """As `UUID(int=value)`, whose checks take longer than all the rest of making one."""
    made = object.__new__(UUID)
    object.__setattr__(made, "int", value)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


def uuid7() -> UUID:
    """48 bits of Unix milliseconds, 12 of their fraction (244 ns steps), 62 random ones."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76
    value |= nanoseconds * 4096 // 1_000_000 << 64 | 0b10 << 62 | int.from_bytes(urandom(8)) >> 2
    return _make_uuid(value)


def first_uuid7(at: datetime) -> UUID:
    """The smallest of all that are made from this time on: where their range begins.

    Before 1970 there are none, so that the range begins with the first.
    """
    return UUID(int=(max(int(at.timestamp() * 1000), 0) & (1 << 48) - 1) << 80)


def least_uuid7_since(at: datetime) -> UUID:
    """An id before all of what has come since, by whatever clock."""
    return first_uuid7(max(at, FIRST_TIME) - CLOCKS_DIFFER)


def least_uuid7_after(made: UUID) -> UUID:
    """An id before all that were made after this one, by whatever clock."""
    return UUID(int=made.int - (CLOCKS_DIFFER // timedelta(milliseconds=1) << 80))


def uuid7s(count: int) -> list[UUID]:
    """As many of them, in order: each 244 ns step is a later one, the random bits fresh."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    first = milliseconds << 12 | nanoseconds * 4096 // 1_000_000
    noise = memoryview(urandom(8 * count)).cast("Q")
    return [
        _make_uuid((step >> 12) << 80 | 0x7 << 76 | (step & 0xFFF) << 64 | 0b10 << 62 | random >> 2)
        for step, random in enumerate(noise, first)
    ]
