"""The objects of a JSON array, or one behind the other, read one at a time.

What is held is a part of the text. An object that is longer than `LINE_BYTES` characters is passed
over without being held: it ends where its braces do.
"""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import Final, NamedTuple

from reviewqueue.files.records import LINE_BYTES, Source, too_long
from reviewqueue.refusals import ProblemError
from reviewqueue.strict_json import decode_value, skip_blanks

CHUNK_BYTES: Final = 256 * 1024
_MARK: Final = re.compile(r'[{}"]')
_REST_OF_TEXT: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class Part(NamedTuple):
    """An object, as text and as value, or why there is none; `text` is empty if it was not held."""

    text: str
    value: object = None
    problem: ProblemError | None = None


def split_objects(source: Source) -> Iterator[Part]:
    """The objects in order. After a problem in the array itself nothing can be read."""
    try:
        yield from _take_objects(_Window(source))
    except ProblemError as problem:
        yield Part("", problem=problem)


def _take_objects(window: "_Window") -> Iterator[Part]:
    if window.next_mark() != "[":
        while window.next_mark():
            yield window.take_object()
        return
    window.at += 1
    mark = "]" if window.next_mark() == "]" else ","
    while mark == ",":
        yield window.take_object()
        mark = window.next_mark()
        window.at += mark == ","
    if not mark:
        raise _missing()
    if mark != "]":
        raise _broken(f"begins with {mark!r}; put a comma before it")
    window.at += 1
    if window.next_mark():
        raise _broken("stands behind the end of the array")


class _Window:
    """The part of a file's text that is held; `at` is where what was not taken yet begins."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text, self.at, self.is_whole = "", 0, False
        self.decoder = getincrementaldecoder("utf-8-sig")(errors="surrogateescape")

    def next_mark(self) -> str:
        """The next character that is no blank; empty at the end."""
        while (at := skip_blanks(self.text, self.at)) == len(self.text) and not self.is_whole:
            self.at = at
            self._read_on()
        self.at = at
        return self.text[at : at + 1]

    def take_object(self) -> Part:
        """The object that begins here.

        Raises:
            ProblemError: none begins here, or it is no JSON and nobody knows where it ends.
        """
        mark = self.next_mark()
        if not mark:
            raise _missing()
        if mark != "{":
            raise _broken(f"begins with {mark!r} where a task should; begin it with {{")
        while True:
            try:
                value, end = decode_value(self.text, self.at)
            except (json.JSONDecodeError, RecursionError) as error:
                if self.is_whole or len(self.text) - self.at > LINE_BYTES:
                    return self._pass_over(error)
                self._read_on()
                continue
            begin, self.at = self.at, end
            if end - begin > LINE_BYTES:
                return Part("", problem=too_long("characters"))
            return Part(self.text[begin:end], value)

    def _read_on(self) -> None:
        """Twice as much as is held of an object, so that a long one is not parsed too often."""
        held = len(self.text) - self.at
        block = self.source.read(max(CHUNK_BYTES, min(held, LINE_BYTES + 1 - held)))
        self.is_whole = not block
        self.text = self.text[self.at :] + self.decoder.decode(block, final=self.is_whole)
        self.at = 0

    def _pass_over(self, error: Exception) -> Part:
        """Read to the end of an object that is too long.

        Raises:
            ProblemError: it has no end, or is not too long but no JSON, as `error` says.
        """
        why = _why(error, self.at, len(self.text) - self.at)
        at, passed, depth, in_text = self.at, 0, 0, False
        while True:
            found = (_REST_OF_TEXT.match if in_text else _MARK.search)(self.text, at)
            if found is None:
                if self.is_whole:
                    raise why
                end = _before_half_an_escape(self.text, at) if in_text else len(self.text)
                passed, self.at, at = passed + end - self.at, end, 0
                self._read_on()
                continue
            at = found.end()
            mark = self.text[at - 1]
            in_text ^= mark == '"'
            depth += (mark == "{") - (mark == "}")
            if depth == 0:
                break
        if passed + at - self.at <= LINE_BYTES:
            raise why
        self.at = at
        return Part("", problem=too_long("characters"))


def _before_half_an_escape(text: str, at: int) -> int:
    """The end of the text, or before a last backslash that belongs to what comes."""
    backslashes = len(text) - max(at, len(text.rstrip("\\")))
    return len(text) - backslashes % 2


def _why(error: Exception, at: int, length: int) -> ProblemError:
    if isinstance(error, json.JSONDecodeError):
        if length > LINE_BYTES:
            return _broken(f"is longer than {LINE_BYTES:,} characters, or is no JSON ({error.msg})")
        return _broken(f"is no JSON: {error.msg} at character {error.pos - at + 1} of it")
    return _broken("is nested too deep")


def _missing() -> ProblemError:
    return _broken("is missing, for the file ends inside the array")


def _broken(what: str) -> ProblemError:
    return ProblemError("malformed", f"{what}. Nothing from there on was read; mend the file.")
