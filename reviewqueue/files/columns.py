"""Which column of a CSV says what of an item."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from reviewqueue.files.cells import restore
from reviewqueue.files.records import ERROR_FIELD, TOLD_FIELDS, FileError
from reviewqueue.refusals import ProblemError
from reviewqueue.strict_json import parse_json

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_WHOLE: Final = re.compile(r"[+-]?\d{1,7}")
# Between several categories of one cell; no key holds it.
BETWEEN: Final = "|"
JSON_FIELDS: Final = ("payload", "scores", "signals", "secondary", "metadata")
LIST_FIELDS: Final = ("blocks", "claims")
TEXT_FIELDS: Final = ("external_id", "model_version", "due_at", "draft", "retry_of")
FIELDS: Final = (
    *(*TEXT_FIELDS, "text", "priority", "position", "truth"),
    *(*JSON_FIELDS, *LIST_FIELDS),
)
PARTS: Final[Mapping[str, str]] = {
    "payload.": "payload",
    "metadata.": "metadata",
    "score.": "scores",
    "secondary.": "secondary",
    "signal.": "signals",
}
_TOLD_PARTS: Final = ("decision.", "label.", "verdict.")


# Where a person says which field a column is.
WHERE: Final = " (--column, or Columns in the admin)"


def read_columns(given: Iterable[str]) -> dict[str, str]:
    """Fields by column, of texts such as `body=payload.body`; an empty one leaves the column out.

    Raises:
        FileError: a text is none such.
    """
    columns = {}
    for text in given:
        name, equals, field = text.partition("=")
        if not equals or not name.strip():
            raise FileError(f"{text}: write NAME=FIELD, such as body=payload.body.")
        columns[name.strip()] = field.strip()
    return columns


def name_fields(header: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The field of each column: by `given` (column to field, empty to ignore), else its name.

    Raises:
        FileError: a column is unknown or comes twice, or there are no ids or neither scores nor
            blocks.
    """
    columns = [name.strip() for name in header]
    missing = [name for name in given if name not in columns]
    if missing:
        raise FileError(
            f"There is no column {missing[0]!r}: the file has {', '.join(columns[:20])}."
        )
    fields = [given.get(name, _own_field(name)) for name in columns]
    for name, field in zip(columns, fields, strict=True):
        if not _is_field(field):
            raise FileError(_advise(name, field))
    told = [field for field in fields if field]
    twice = next((field for field in told if told.count(field) > 1), None)
    if twice:
        raise FileError(f"Two columns are {twice}; name one of them otherwise.")
    if "external_id" not in told:
        raise FileError(
            f"There is no column external_id; say which it is, such as id=external_id{WHERE}."
        )
    if not any(field in ("scores", "blocks") or field.startswith("score.") for field in told):
        raise FileError(
            "There is no column of scores; name them score.CATEGORY, or name one blocks if these "
            "are drafted sentences."
        )
    return fields


def _own_field(name: str) -> str:
    told = name == ERROR_FIELD or name in TOLD_FIELDS or name.startswith(_TOLD_PARTS)
    return "" if told else name


def _is_field(field: str) -> bool:
    return field in ("", *FIELDS) or any(field.startswith(part) and field != part for part in PARTS)


def _advise(name: str, field: str) -> str:
    if field != name:
        return f"{name}={field}: {field} is no field; known are {', '.join(FIELDS)}."
    close = get_close_matches(name, FIELDS, n=1)
    hint = f"did you mean {close[0]}? Or " if close else ""
    return (
        f"Column {name!r} is no field of an item; {hint}say what it is, such as "
        f"{name}=payload.{name}, or {name}= to leave it out{WHERE}."
    )


def read_row(fields: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
    """What a row says, as the API takes items; an empty cell says nothing.

    Raises:
        ProblemError: names the column.
    """
    body: dict[str, object] = {}
    parts: dict[str, dict[str, object]] = {}
    for field, cell in zip(fields, cells, strict=True):
        if not field or not cell:
            continue
        text = restore(_decoded(field, cell))
        head, dot, name = field.partition(".")
        if dot:
            into = PARTS[head + dot]
            parts.setdefault(into, {})[name] = _PART_READERS.get(into, _text)(field, text)
        elif field in JSON_FIELDS:
            parts.setdefault(field, {}).update(_object(field, text))
        elif field == "text":
            parts.setdefault("payload", {})["text"] = text
        else:
            body[field] = _READERS.get(field, _text)(field, text)
    return body | parts


def _decoded(field: str, cell: str) -> str:
    """The cell, unless some byte of it was no UTF-8: such came as half a surrogate pair."""
    if not cell.isascii() and any("\udc80" <= char <= "\udcff" for char in cell):
        raise ProblemError(
            "malformed", f"{field} is no UTF-8; save the file as UTF-8.", field=field
        )
    return cell


def _text(field: str, text: str) -> object:  # noqa: ARG001 - as the others
    return text


def _number(field: str, text: str) -> object:
    if not _NUMBER.fullmatch(text.strip()):
        raise ProblemError(
            "invalid", f"{field} is no number; write it such as 0.25.", field=field, value=text
        )
    return float(text)


def _count_or_number(field: str, text: str) -> object:
    """A whole number stays one, as a signal that counts something is posted."""
    return int(text) if _WHOLE.fullmatch(text.strip()) else _number(field, text)


def _whole(field: str, text: str) -> object:
    if not _WHOLE.fullmatch(text.strip()):
        raise ProblemError(
            "invalid", f"{field} is no whole number; write it such as 3.", field=field, value=text
        )
    return int(text)


def _keys(field: str, text: str) -> object:  # noqa: ARG001 - as the others
    keys = [key.strip() for key in text.split(BETWEEN)]
    return keys if len(keys) > 1 else keys[0]


def _object(field: str, text: str) -> dict[str, object]:
    parsed = _json(field, text)
    if not isinstance(parsed, dict):
        detail = f'{field} is no JSON object; write it such as {{"a": 1}}.'
        raise ProblemError("invalid", detail, field=field, value=text)
    return parsed


def _array(field: str, text: str) -> object:
    parsed = _json(field, text)
    if not isinstance(parsed, list):
        detail = f'{field} is no JSON array; write it such as [{{"text": "..."}}].'
        raise ProblemError("invalid", detail, field=field, value=text)
    return parsed


def _json(field: str, text: str) -> object:
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"))
    except ProblemError as problem:
        detail = f"{field} is no JSON: {problem.detail}"
        raise ProblemError("malformed", detail, field=field) from problem


_READERS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "priority": _whole,
    "position": _whole,
    "truth": _keys,
    "blocks": _array,
    "claims": _array,
}
_PART_READERS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "scores": _number,
    "secondary": _number,
    "signals": _count_or_number,
}
