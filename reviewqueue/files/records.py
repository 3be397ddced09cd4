"""What every format has: records with their place, and files of refused ones to be mended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from reviewqueue.refusals import ProblemError

# What one item may take in a file. Of the largest that is posted (1 MiB) an export takes up to 3.4
# times that: a task has the payload twice, once as a text with its quotes escaped.
LINE_BYTES: Final = 4 * 1024 * 1024
# Says in a file of refused records why each was refused; passed over when that is imported.
ERROR_FIELD: Final = "import_error"
# What an export tells beside the item itself; passed over in imports.
TOLD_FIELDS: Final = (
    *("blind", "state", "received_at", "settled_at", "erased_at"),
    *("decision", "label", "verdicts"),
)


class FileError(ValueError):
    """A file of which nothing can be taken in; the message says what to do."""


class Source(Protocol):
    """Bytes of a file that is open."""

    def read(self, size: int = ..., /) -> bytes: ...
    def readline(self, size: int = ..., /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One item of a file by its place, such as `line 3`.

    `source` is how it stands there, empty where it is too long to be kept; `body` what it says, as
    the API takes items, with `truth` besides; `problem` why that could not be read.
    """

    place: str
    source: bytes
    body: object = None
    problem: ProblemError | None = None


class ItemFile(Protocol):
    """A file of items that is being read, and how to write those of it that were refused."""

    # How a file of its refused records ends, with the dot.
    suffix: str

    def __iter__(self) -> Iterator[Record]:
        """The records in order; raises `FileError` where nothing at all can be read."""

    def note_head(self) -> bytes:
        """What a file of refused records begins with."""

    def note(self, record: Record, message: str, *, is_first: bool) -> bytes:
        """The record as it was, with the message, which is passed over when it is imported."""

    def note_tail(self) -> bytes:
        """What a file of refused records ends with."""


class RefusedFile:
    """A file of refused records, in the format that they came in; made when the first comes."""

    def __init__(self, items: ItemFile, make: Callable[[], BinaryIO]) -> None:
        self._items = items
        self._make = make
        self._file: BinaryIO | None = None

    def add(self, record: Record, message: str) -> None:
        """Write a record and why it was refused."""
        is_first = self._file is None
        if self._file is None:
            self._file = self._make()
            self._file.write(self._items.note_head())
        # What is quoted in a message may be anything; a line of it must stay one.
        said = " ".join(message.split())
        self._file.write(self._items.note(record, said, is_first=is_first))

    def end(self) -> bool:
        """Write the end; whether there is a file."""
        if self._file is None:
            return False
        self._file.write(self._items.note_tail())
        self._file.flush()
        return True


def remove_refused(path: Path) -> bool:
    """Remove a file of refused records; whether there was one.

    What does not begin as one, is a link or is no file at all stays. Raises OSError.
    """
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        beginning = file.read(2 * len(ERROR_FIELD)).lstrip(b"[{ \n")
    if not beginning.startswith(f'"{ERROR_FIELD}"'.encode()):
        return False
    path.unlink()
    return True


def skip_line(source: Source) -> None:
    """Read on to the end of a line of any length."""
    while (rest := source.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


def too_long(unit: str = "bytes") -> ProblemError:
    return ProblemError("too_large", f"is longer than {LINE_BYTES:,} {unit}; shorten its payload.")
