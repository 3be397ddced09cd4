"""Primary keys that sort by time of creation: UUID version 7, RFC 9562 section 5.7."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A 48-bit Unix time in milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76
    value |= (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return UUID(int=value)
