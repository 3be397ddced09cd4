"""CSV: a header with the names of the fields, and a row for each item."""

import csv
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from reviewqueue.files.columns import FIELDS, PARTS, name_fields, read_row
from reviewqueue.files.records import (
    ERROR_FIELD,
    LINE_BYTES,
    FileError,
    Record,
    Source,
    skip_line,
    too_long,
)
from reviewqueue.refusals import ProblemError

DELIMITERS: Final = (",", ";", "\t", "|")
_FIRST_CELL: Final = r'\A(?:"(?:[^"]|"")*"|[^"{0}]*){0}'


class _TooLongError(Exception):
    """A row that is longer than any is taken."""


@dataclass(slots=True)
class _Lines:
    """The lines of a file as text, one row's bytes of them at a time."""

    source: Source
    number: int = 0
    taken: list[bytes] = field(default_factory=list)
    size: int = 0

    def begin_row(self) -> None:
        self.taken.clear()
        self.size = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.source.readline(LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(BOM_UTF8)
        if len(line) > LINE_BYTES and not line.endswith(b"\n"):
            skip_line(self.source)
            raise _TooLongError
        self.taken.append(line)
        self.size += len(line)
        if self.size > LINE_BYTES:
            raise _TooLongError
        return line.decode("utf-8", "surrogateescape")


class Table:
    """The rows of a CSV in UTF-8.

    Without a `delimiter` the one by which the first line has most known columns. `columns` says
    of a column which field it is, as `--column` does; `""` leaves it out.
    """

    suffix = ".csv"

    def __init__(
        self, source: Source, *, delimiter: str = "", columns: Mapping[str, str] | None = None
    ) -> None:
        csv.field_size_limit(LINE_BYTES)
        self.lines = _Lines(source)
        self.columns = columns or {}
        self.delimiter = delimiter
        self.header = b""
        # Whether this is a file of refused rows, whose first column says why.
        self.has_notes = False

    def __iter__(self) -> Iterator[Record]:
        names = self._read_header()
        fields = name_fields(names, self.columns)
        rows = csv.reader(self.lines, delimiter=self.delimiter, strict=True)
        while True:
            begins = self.lines.number + 1
            self.lines.begin_row()
            try:
                cells = next(rows, None)
                if cells is None:
                    return
                if cells:
                    yield self._read(begins, fields, cells)
            except _TooLongError:
                yield Record(f"line {begins}", b"", problem=too_long())
            except csv.Error as error:
                yield Record(f"line {begins}", self._source(), problem=_explain(error))

    def _read_header(self) -> list[str]:
        try:
            first = next(self.lines)
        except (StopIteration, _TooLongError) as error:
            raise FileError(
                "The file has no header; its first line names the columns, such as "
                "external_id,text,score.CATEGORY."
            ) from error
        if self.lines.taken[0].startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or "\0" in first:
            raise FileError("The file is UTF-16; save it as UTF-8.")
        self.delimiter = self.delimiter or _sniff(first, self.columns)
        [names] = csv.reader([first], delimiter=self.delimiter)
        self.has_notes = names[:1] == [ERROR_FIELD]
        self.header = self._source()
        return names

    def _read(self, begins: int, fields: list[str], cells: list[str]) -> Record:
        place, source = f"line {begins}", self._source()
        if len(cells) != len(fields):
            detail = (
                f"has {len(cells)} cells and the header {len(fields)}; "
                "quote cells that hold a delimiter."
            )
            return Record(place, source, problem=ProblemError("malformed", detail))
        try:
            return Record(place, source, read_row(fields, cells))
        except ProblemError as problem:
            return Record(place, source, problem=problem)

    def _source(self) -> bytes:
        """The row as it stands in the file, without a note that was added to it."""
        source = b"".join(self.lines.taken)
        if not self.has_notes:
            return source
        pattern = _FIRST_CELL.format(re.escape(self.delimiter)).encode()
        return re.sub(pattern, b"", source, count=1)

    def note_head(self) -> bytes:
        """The header, behind a first column for the messages."""
        return self._note(ERROR_FIELD, self.header)

    def note(self, record: Record, message: str, *, is_first: bool) -> bytes:  # noqa: ARG002
        return self._note(message, record.source)

    def note_tail(self) -> bytes:
        return b""

    def _note(self, message: str, row: bytes) -> bytes:
        quoted = message.replace('"', '""')
        note = f'"{quoted}"{self.delimiter}'
        return note.encode("utf-8", "replace") + row.rstrip(b"\r\n") + b"\n"


def _sniff(first: str, columns: Mapping[str, str]) -> str:
    def known(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        found = [
            name
            for name in map(str.strip, names)
            if name in FIELDS or name in columns or name.startswith(tuple(PARTS))
        ]
        return len(found), len(names)

    return max(DELIMITERS, key=known)


def _explain(error: csv.Error) -> ProblemError:
    return ProblemError(
        "malformed",
        f"is no CSV: {error}; quote cells that hold quotes or line breaks, and double the quotes "
        "inside.",
    )
