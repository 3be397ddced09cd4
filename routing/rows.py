"""Objects of our models from hand-written statements.

For statements that are asked at every click: composing one through the ORM costs more than the
database takes to answer it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db import connection, models

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
        converters: list[Convert | None] = [getattr(field, "from_db_value", None) for field in fields]
        self._converters = [
            (position, convert) for position, convert in enumerate(converters) if convert
        ]
        self.sql = ", ".join(f"{alias}.{field.column}" for field in fields)
        self.width = len(fields)

    def make(self, row: Sequence[object], start: int = 0) -> M:
        """The object whose columns stand in `row` from `start` on."""
        values = list(row[start : start + self.width])
        for position, convert in self._converters:
            values[position] = convert(values[position], None, connection)
        return self._model.from_db(connection.alias, self._names, values)
