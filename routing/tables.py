"""Rows of our models written past the ORM: one binary COPY a table, or one statement for a few.

The values of a row are Python's own (UUID, str, float, datetime ...); of a JSON column its text
as bytes. COPY's binary format is described in PostgreSQL's documentation of the command, that of
each value is what the `recv` function of its type reads.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from itertools import chain, islice, repeat
from typing import Any, Final
from uuid import UUID

import msgspec
from django.contrib.postgres.fields import ArrayField
from django.db import models

from routing.rows import fetch_row, open_copy

Row = Sequence[object]
Encode = Callable[[Any], bytes]

# The text of a JSON column.
encode_json: Final = msgspec.json.Encoder().encode
NO_JSON: Final = b"{}"

# Up to so many rows a prepared INSERT costs less than a COPY for each table.
FEW: Final = 8
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_VARCHAR: Final = 1043
# A signature, no flags, no extension; behind the rows a count of columns that no row has.
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_pack_int: Final = struct.Struct("!i").pack


def _with_length(encoded: bytes) -> bytes:
    return _pack_int(len(encoded)) + encoded


def _encode_uuid(value: UUID) -> bytes:
    return _SIXTEEN + value.int.to_bytes(16)


def _encode_text(text: str) -> bytes:
    return _with_length(text.encode())


def _encode_json_text(text: bytes) -> bytes:
    # The version of the format stands in front of it.
    return _pack_int(len(text) + 1) + b"\x01" + text


def _encode_time(at: datetime) -> bytes:
    since = at - _EPOCH
    return _pack_time((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _encode_day(day: date) -> bytes:
    return _pack_day(day.toordinal() - _EPOCH.toordinal())


def _encode_texts(texts: Sequence[str]) -> bytes:
    """varchar[]: dimensions, whether any is NULL, the type; length and lower bound; the texts."""
    if not texts:
        return _with_length(struct.pack("!iii", 0, 0, _VARCHAR))
    head = struct.pack("!iiiii", 1, 0, _VARCHAR, len(texts), 1)
    return _with_length(b"".join([head, *map(_encode_text, texts)]))


def _pack(code: str) -> Encode:
    """A number of fixed size, its length in front."""
    packed = struct.Struct(f"!i{code}")
    return partial(packed.pack, packed.size - 4)


_pack_time: Final = _pack("q")
_pack_day: Final = _pack("i")
_SIXTEEN: Final = struct.pack("!i", 16)

# Each value as it stands in a row: its length, then its bytes.
_ENCODERS: Final[Mapping[str, Encode]] = {
    "UUIDField": _encode_uuid,
    "CharField": _encode_text,
    "FloatField": _pack("d"),
    "SmallIntegerField": _pack("h"),
    "PositiveSmallIntegerField": _pack("h"),
    "IntegerField": _pack("i"),
    "PositiveIntegerField": _pack("i"),
    "BooleanField": tuple(map(_pack("?"), (False, True))).__getitem__,
    "DateTimeField": _encode_time,
    "DateField": _encode_day,
    "BinaryField": _with_length,
    "JSONField": _encode_json_text,
}


class Table:
    """Columns of a model in the order in which rows give them; the others take NULL.

    Raises TypeError for a column of a type that nobody has written yet.
    """

    def __init__(self, model: type[models.Model], *columns: str) -> None:
        found = {str(field.column): field for field in model._meta.concrete_fields}
        fields = [found[column] for column in columns]
        self.name = model._meta.db_table
        self.columns = columns
        self.encoders = [_find_encoder(field) for field in fields]
        self.json = [n for n, field in enumerate(fields) if isinstance(field, models.JSONField)]


def _find_encoder(field: "models.Field[Any, Any]") -> Encode:
    if isinstance(field, models.ForeignKey):
        return _find_encoder(field.target_field)
    if isinstance(field, ArrayField):
        return _encode_texts
    encode = _ENCODERS.get(field.get_internal_type())
    if encode is None:
        raise TypeError(f"{field} has a type without an encoder; add one to routing.tables")
    return encode


def store_rows(*parts: tuple[Table, Sequence[Row]]) -> None:
    """Store new rows of several tables that cannot conflict; their order does not matter."""
    given = [(table, rows) for table, rows in parts if rows]
    if sum(len(rows) for _table, rows in given) <= FEW:
        insert_rows([(table, row) for table, rows in given for row in rows])
        return
    for table, rows in given:
        copy_into(table, rows)


def copy_into(table: Table, rows: Sequence[Row]) -> None:
    """Write rows with one COPY; nothing where there are none.

    Raises IntegrityError where one conflicts with what is stored; the transaction is then lost up
    to its last savepoint.
    """
    if not rows:
        return
    names = ", ".join(table.columns)
    with open_copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(encode_rows(table, rows))


def encode_rows(table: Table, rows: Sequence[Row]) -> bytes:
    """Rows as binary COPY takes them, made column by column."""
    columns = zip(*rows, strict=True)
    parts = [_encode_column(*pair) for pair in zip(table.encoders, columns, strict=True)]
    begin = repeat(struct.pack("!h", len(parts)))
    # Columns that repeat one value have no end.
    values = islice(zip(begin, *parts, strict=False), len(rows))
    return b"".join([_HEADER, *chain.from_iterable(values), _END])


def _encode_column(encode: Encode, column: Sequence[object]) -> Iterable[bytes]:
    """Most columns of a batch are one value throughout, most others have no NULL."""
    places = set(map(id, column))
    if len(places) == 1:
        return repeat(_NULL if column[0] is None else encode(column[0]))
    if id(None) in places:
        return [_NULL if value is None else encode(value) for value in column]
    return map(encode, column)


def insert_rows(rows: Sequence[tuple[Table, Row]], *, ending: str = "") -> bool:
    """Write a few rows in one prepared statement.

    Foreign keys are checked at commit, so that the order does not matter. With an `ending` the
    first row may be kept out, and the others with it; False where it was.
    """
    if not rows:
        return False
    values: dict[str, object] = {}
    named: dict[int, str] = {}
    parts: list[tuple[Table, tuple[str, ...]]] = []
    for place, (table, row) in enumerate(rows):
        names = []
        for number, given in enumerate(row):
            name, value = f"{place}_{number}", given
            if isinstance(given, UUID | datetime):  # keys and times stand in several rows
                name = named.setdefault(id(given), name)
            elif isinstance(given, tuple):  # an array to the database
                value = list(given)
            elif isinstance(given, bytes) and number in table.json:
                value = given.decode()
            names.append(name)
            values[name] = value
        parts.append((table, tuple(names)))
    return fetch_row(_compose_insert(tuple(parts), ending), values) is not None


@lru_cache(maxsize=256)
def _compose_insert(rows: tuple[tuple[Table, tuple[str, ...]], ...], ending: str) -> str:
    parts = []
    for place, (table, names) in enumerate(rows):
        values = ", ".join(f"%({name})s" for name in names)
        source = " FROM row_0" if ending and place else ""
        into = f"{table.name} ({', '.join(table.columns)})"
        end = ending if place == 0 else ""
        parts.append(
            f"row_{place} AS (INSERT INTO {into} SELECT {values}{source} {end} RETURNING 1)"
        )
    return f"WITH {', '.join(parts)} SELECT 1 FROM row_0"  # noqa: S608
