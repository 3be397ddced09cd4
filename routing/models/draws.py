"""Drawing by the random end of an item's id: the same items however often it is asked.

The end is read backwards, the last byte first, so that a draw at a small rate lies within that of
every larger one, and a partial index on the last byte serves all of them.
"""

from typing import Final

from django.db.models import F, Func, IntegerField, Q
from django.db.models.lookups import LessThan

# Of 256: the largest rate whose draw the index on decisions has.
INDEXED: Final = 16
BYTE: Final = 256
STEPS: Final = BYTE**3


class LastByte(Func):
    """The last byte of a uuid."""

    template = "get_byte(uuid_send(%(expressions)s), 15)"
    output_field = IntegerField()


class RandomEnd(Func):
    """The last three bytes of a uuid, the last one the most significant: 0 to 2^24 - 1."""

    template = (
        "(get_byte(uuid_send(%(expressions)s), 15) * 65536"
        " + get_byte(uuid_send(%(expressions)s), 14) * 256"
        " + get_byte(uuid_send(%(expressions)s), 13))"
    )
    output_field = IntegerField()


def is_indexed(field: str) -> Q:
    """That the last byte of the id is one of those that the index has."""
    return Q(LessThan(LastByte(F(field)), INDEXED))


def is_drawn_by_id(field: str, rate: float) -> Q:
    """That the id is drawn at this rate; all are from 1 up. Small rates are found by the index."""
    steps = round(rate * STEPS)
    if steps >= STEPS:
        return Q()
    drawn = Q(LessThan(RandomEnd(F(field)), steps))
    return drawn & is_indexed(field) if rate <= INDEXED / BYTE else drawn
