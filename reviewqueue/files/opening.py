"""Opening a file of items by its format, which its name tells unless it is given."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from reviewqueue.files.jsonl import JsonLines
from reviewqueue.files.label_studio import Tasks
from reviewqueue.files.records import ItemFile, Source
from reviewqueue.files.tables import Table

JSONL: Final = "jsonl"
CSV: Final = "csv"
LABEL_STUDIO: Final = "label-studio"
FORMATS: Final = (JSONL, CSV, LABEL_STUDIO)
_BY_ENDING: Final[Mapping[str, str]] = {
    ".csv": CSV,
    ".tsv": CSV,
    ".json": LABEL_STUDIO,
}


def format_of(name: str) -> str:
    """The format that a file's name tells; JSON lines where it tells none."""
    path = PurePath(name.lower().removesuffix(".gz"))
    return _BY_ENDING.get(path.suffix, JSONL)


def open_items(
    source: Source,
    *,
    format_name: str,
    delimiter: str = "",
    columns: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> ItemFile:
    """The items of `source`. `delimiter` and `columns` are for CSV, `names` for Label Studio."""
    if format_name == CSV:
        return Table(source, delimiter=delimiter, columns=columns)
    if format_name == LABEL_STUDIO:
        return Tasks(source, names=names)
    return JsonLines(source)
