"""JSON lines: an object a line, as the API takes items, or as the export writes them.

A line may have `text` instead of a payload, which becomes `{"text": ...}`, and `truth`.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Final

from reviewqueue.files.records import (
    ERROR_FIELD,
    LINE_BYTES,
    TOLD_FIELDS,
    FileError,
    Record,
    Source,
    skip_line,
    too_long,
)
from reviewqueue.refusals import ProblemError
from reviewqueue.strict_json import parse_json

# A note as `note_error` writes it. Found in the text, so that what follows need not be JSON.
_NOTE: Final = re.compile(rb'\A\s*\{"%s": "(?:[^"\\]|\\.)*"(?:, ?|(?=\}))' % ERROR_FIELD.encode())


class JsonLines:
    """The lines of `source` that are not blank."""

    suffix = ".jsonl"

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Iterator[Record]:
        number = 0
        while line := self.source.readline(LINE_BYTES + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(BOM_UTF8)
                _check_is_text(line)
            place = f"line {number}"
            if len(line) > LINE_BYTES and not line.endswith(b"\n"):
                skip_line(self.source)
                yield Record(place, b"", problem=too_long())
                continue
            said = strip_note(line)
            if said.strip() and not (said is not line and said.strip() == b"{}"):
                yield _read(place, said)

    def note_head(self) -> bytes:
        return b""

    def note(self, record: Record, message: str, *, is_first: bool) -> bytes:  # noqa: ARG002
        """The line; if it is no object the message stands in a line before it."""
        line = record.source.rstrip(b"\r\n")
        if line.lstrip().startswith(b"{"):
            return note_error(line, message) + b"\n"
        return note_error(b"{}", message) + b"\n" + (line + b"\n" if line else b"")

    def note_tail(self) -> bytes:
        return b""


def _check_is_text(line: bytes) -> None:
    """Tell a picture, or a text in UTF-16, as a whole instead of line by line.

    Raises:
        FileError: the file begins neither with text in UTF-8 nor with an object.
    """
    if line.lstrip().startswith(b"{"):
        return
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise FileError(
            "The file is no text in UTF-8; save it as JSON lines, CSV or Label Studio's JSON."
        ) from error


def _read(place: str, line: bytes) -> Record:
    try:
        body = parse_json(line)
        return Record(place, line, plain_body(body) if isinstance(body, dict) else body)
    except ProblemError as problem:
        # Every line is line 1 to the parser.
        problem.detail = problem.detail.replace(" at line 1, column ", " at column ").replace(
            "encode the body as UTF-8", "save the file as UTF-8"
        )
        return Record(place, line, problem=problem)


def plain_body(parsed: dict[str, object]) -> dict[str, object]:
    """The object without what an export tells beside the item.

    Raises:
        ProblemError: the export had left scores or signals out, or there are text and payload.
    """
    needed = "signals" if "blocks" in parsed else "scores"
    if parsed.get("blind") is True and parsed.get(needed) is None:
        raise ProblemError(
            "invalid",
            f"{needed} were left out, since the item was to be judged blind; "
            "export it again once it is judged, or with --include-blind.",
            field=needed,
        )
    body = {key: value for key, value in parsed.items() if key not in TOLD_FIELDS}
    if body.get("truth", ...) is None:
        del body["truth"]
    if "text" in body:
        if "payload" in body:
            raise ProblemError("invalid", "text stands beside payload; give one.", field="text")
        body["payload"] = {"text": body.pop("text")}
    return body


def note_error(line: bytes, message: str) -> bytes:
    """The text of an object with the message as its first field, unchanged behind it."""
    _, _, rest = line.partition(b"{")
    note = json.dumps({ERROR_FIELD: message})[:-1].encode()
    return note + (b"" if rest.lstrip().startswith(b"}") else b", ") + rest


def strip_note(line: bytes) -> bytes:
    """The text of an object as it was before a message was noted; the same object if none was."""
    found = _NOTE.match(line)
    return line if found is None else b"{" + line[found.end() :]
