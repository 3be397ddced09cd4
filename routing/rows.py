"""Objects of our models from hand-written statements.

For statements that are asked at every click: composing one through the ORM, and planning it anew,
cost more than the database takes to answer it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper
from django.db.models.base import ModelState
from psycopg import Copy

M = TypeVar("M", bound=models.Model)
Convert = Callable[[Any, Any, Any], Any]


class Columns(Generic[M]):
    """Columns of a model under an alias of a statement; those left out are loaded when asked for.

    `sql` is what stands behind SELECT, `width` how many columns that are.
    """

    def __init__(self, model: type[M], alias: str, *, without: Sequence[str] = ()) -> None:
        fields = [field for field in model._meta.concrete_fields if field.name not in without]
        self._model = model
        self._names = [field.attname for field in fields]
        converters: list[Convert | None] = [
            getattr(field, "from_db_value", None) for field in fields
        ]
        self._converters = [
            (position, convert) for position, convert in enumerate(converters) if convert
        ]
        self.sql = ", ".join(f"{alias}.{field.column}" for field in fields)
        self.width = len(fields)

    def make(self, row: Sequence[object], start: int = 0) -> M:
        """The object whose columns stand in `row` from `start` on.

        Filled as `Model.__setstate__` fills one: calling the class costs five times that, for
        signals that nobody hears and setters that have nothing to forget yet.
        """
        values = list(row[start : start + self.width])
        for position, convert in self._converters:
            values[position] = convert(values[position], None, connection)
        made = self._model.__new__(self._model)
        made._state = ModelState()
        made._state.adding, made._state.db = False, connection.alias
        made.__dict__.update(zip(self._names, values, strict=True))
        return made


@dataclass(slots=True)
class Question:
    """A statement whose first row is wanted, now or along with another; `row` once it was asked."""

    statement: str
    values: Mapping[str, Any]
    row: Sequence[Any] | None = None
    is_answered: bool = False

    def answer(self) -> Sequence[Any] | None:
        """Its first row; asked of the database unless it went along with another."""
        if not self.is_answered:
            self.row, self.is_answered = fetch_row(self.statement, self.values), True
        return self.row


def fetch_row(
    statement: str,
    values: Mapping[str, Any],
    *,
    before: tuple[str, Mapping[str, Any]] | None = None,
    along: Question | None = None,
) -> Sequence[Any] | None:
    """The first row of a prepared statement, None where there is none.

    What stands `before` is sent along and runs first, in the same transaction; the statement sees
    what was committed until it was through. What goes `along` runs last, and all of it takes one
    journey to the database.
    """
    together = before or along
    with _cursor() as cursor, _pipeline() if together else nullcontext():
        if before is not None:
            cursor.execute(*before)
        cursor.execute(statement, values)
        if along is None:
            row: Sequence[Any] | None = cursor.fetchone()
            return row
        with _cursor() as other:
            other.execute(along.statement, along.values)
            row = cursor.fetchone()
            along.row, along.is_answered = other.fetchone(), True
    return row


def fetch_rows(statement: str, values: Mapping[str, Any]) -> list[Sequence[Any]]:
    """All rows of a prepared statement."""
    with _cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Sequence[Any]] = cursor.fetchall()
    return rows


@contextmanager
def open_copy(statement: str, *, on: BaseDatabaseWrapper = connection) -> Iterator[Copy]:
    """A COPY, in or out, whose errors are Django's: by itself it raises those of psycopg."""
    with on.cursor() as cursor, on.wrap_database_errors, cursor.copy(statement) as copy:
        yield copy


def insert_together(
    *rows: models.Model, before: tuple[str, Mapping[str, Any]] | None = None
) -> None:
    """Store new rows, of several models perhaps, in one prepared statement.

    Their keys are made by us, and foreign keys are checked at commit: the order does not matter.
    """
    values = {
        f"{place}_{field.column}": field.get_db_prep_save(field.pre_save(row, True), connection)
        for place, row in enumerate(rows)
        for field in row._meta.concrete_fields
    }
    fetch_row(_compose_insert(tuple(type(row) for row in rows)), values, before=before)
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@lru_cache(maxsize=64)
def _compose_insert(kinds: tuple[type[models.Model], ...]) -> str:
    parts = []
    for place, model in enumerate(kinds):
        columns = [str(field.column) for field in model._meta.concrete_fields]
        values = ", ".join(f"%({place}_{column})s" for column in columns)
        into = f"{model._meta.db_table} ({', '.join(columns)})"
        parts.append(f"row_{place} AS (INSERT INTO {into} VALUES ({values}))")  # noqa: S608
    return f"WITH {', '.join(parts)} SELECT 1"


@contextmanager
def _pipeline() -> Iterator[None]:
    """One journey for what is asked within; its own errors are Django's, by itself psycopg's."""
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def _cursor() -> CursorWrapper:
    """A cursor that sends values apart from the statement, whose plan the connection then keeps."""
    connection.ensure_connection()
    cursor: Any = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    return wrap(cursor)
