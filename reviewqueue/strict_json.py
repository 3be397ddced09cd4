"""Strict JSON, in which a flaw spoils its own item and no other.

Python's parser takes what no database column can hold or no two readers agree on: NaN, keys that
come twice, NUL characters, lone surrogates, integers of thousands of digits. Here each becomes a
`Flaw` at its place, and `find_flaw` names the first one of an item.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from reviewqueue.refusals import ProblemError

DEPTH_LIMIT: Final = 32
DIGITS_LIMIT: Final = 18
# From 1e16 on Python writes a double with an exponent; the largest has 309 digits, and a sign.
_WIDE: Final = 17
_WIDEST: Final = 310


@dataclass(frozen=True, slots=True)
class Flaw:
    """A value that JSON or the database cannot hold, left at its place in the parsed body."""

    text: str
    message: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class FoundFlaw:
    """Where a flaw stands and what to do about it."""

    field: str
    value: str
    message: str


class Element(NamedTuple):
    """One element of an array: as `parse_json` gives it, and its length in characters.

    `is_sound`: it certainly holds no flaw, so that nobody needs to walk through it.
    """

    value: object
    length: int
    is_sound: bool


def parse_json(body: bytes) -> object:
    """The parsed body, with a `Flaw` wherever strict JSON would not go on.

    Raises:
        ProblemError: it is no JSON at all; says at which line and column.
    """
    text = _decode_text(body)
    with _naming_the_place():
        return _PARSER.decode(text.strip())


def parse_array(body: bytes) -> Iterator[Element]:
    """The elements of a JSON array.

    One after the other, so that whoever has enough of them can stop.

    Raises:
        ProblemError: it is no JSON array; says at which line and column, but may say so only
            after the elements before that place.
    """
    text = _decode_text(body)
    parser = _Parser()
    with _naming_the_place():
        at = _skip(text, 0)
        if text[at : at + 1] != "[":
            parser.decode(text)
            raise ProblemError("invalid", "The body is no JSON array; wrap the item in [].")
        at = _skip(text, at + 1)
        mark = text[at : at + 1]
        if mark == "]":
            at = _skip(text, at + 1)
        while mark != "]":
            parser.has_flaws = False
            value, end = parser.raw_decode(text, at)
            is_sound = not parser.has_flaws and _looks_sound(text[at:end])
            yield Element(value, end - at, is_sound)
            end = _skip(text, end)
            mark = text[end : end + 1]
            if mark not in (",", "]"):
                raise json.JSONDecodeError("Expecting ',' delimiter", text, end)
            at = _skip(text, end + 1)
        if at != len(text):
            raise json.JSONDecodeError("Extra data", text, at)


def _looks_sound(text: str) -> bool:
    """Whether nothing can be wrong that the parser lets pass: searches instead of a walk.

    It is False now and then where nothing is wrong; the walk then finds that out.
    """
    if text.count("{") + text.count("[") > DEPTH_LIMIT:
        return False
    # NUL characters and halves of surrogate pairs cannot come but as escapes.
    if "\\u" in text and ("\\u0000" in text or "\\ud" in text or "\\uD" in text):
        return False
    # A number is finite unless it has an exponent of three digits or hundreds of digits.
    numbers = text.encode().translate(_NUMBERS)
    return b"e000" not in numbers and _MANY_DIGITS not in numbers


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _decode_text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProblemError(
            "malformed", f"Byte {error.start} is no UTF-8; encode the body as UTF-8."
        ) from error


@contextmanager
def _naming_the_place() -> Iterator[None]:
    try:
        yield
    except json.JSONDecodeError as error:
        raise ProblemError(
            "malformed", f"{error.msg} at line {error.lineno}, column {error.colno}; send JSON."
        ) from error
    except RecursionError as error:
        raise ProblemError(
            "malformed", f"The body is nested deeper than {DEPTH_LIMIT} levels; flatten it."
        ) from error


class _Parser(json.JSONDecoder):
    """Leaves a `Flaw` at its place, and remembers that it did."""

    def __init__(self) -> None:
        self.has_flaws = False
        super().__init__(
            object_pairs_hook=self._pairs,
            parse_int=self._integer,
            parse_constant=self._constant,
        )

    def _flaw(self, text: str, message: str) -> Flaw:
        self.has_flaws = True
        return Flaw(text, message)

    def _pairs(self, pairs: list[tuple[str, object]]) -> object:
        parsed = dict(pairs)
        if len(parsed) == len(pairs):
            return parsed
        # Each key that is met for the first time is taken out; the one that is missing came twice.
        twice = next(key for key, _ in pairs if parsed.pop(key, pairs) is pairs)
        return self._flaw(twice, "is a key that comes twice in one object; name it once")

    def _integer(self, digits: str) -> object:
        if len(digits) < _WIDE:
            return int(digits)
        if _is_double(digits):
            return float(digits)
        if len(digits) <= DIGITS_LIMIT:
            return int(digits)
        message = f"is an integer of over {DIGITS_LIMIT} digits; send it as a string"
        return self._flaw(digits[:40], message)

    def _constant(self, name: str) -> Flaw:
        message = "is not a number that JSON knows; send a finite number or leave it out"
        return self._flaw(name, message)


def _is_double(digits: str) -> bool:
    """Whether it is a large double, such as 1e300, as the database writes it: without exponent.

    Taken for the number that it was, so that what is exported comes back equal.
    """
    value = float(digits) if len(digits) <= _WIDEST else math.inf
    return math.isfinite(value) and Decimal(repr(value)) == Decimal(digits)


_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_PARSER: Final = _Parser()
# Every digit is a 0, whatever begins an exponent an e, so that numbers are alike.
_NUMBERS: Final = bytes.maketrans(b"123456789E+", b"000000000e0")
_MANY_DIGITS: Final = b"0" * 200


def find_flaw(value: object, path: str = "") -> FoundFlaw | None:
    """The first thing in a parsed value that cannot be stored and read back equal, if any."""
    return next(_flaws(value, path, 0), None)


def _flaws(value: object, path: str, depth: int) -> Iterator[FoundFlaw]:
    if isinstance(value, str):
        if "\0" in value:
            yield FoundFlaw(path, value, "holds a NUL character; remove it")
        elif not value.isascii() and _has_lone_surrogate(value):
            yield FoundFlaw(path, value, "holds half a surrogate pair; send whole characters")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield FoundFlaw(path, str(value), "is too large for a number; send a smaller one")
    elif isinstance(value, Flaw):
        yield FoundFlaw(path, value.text, value.message)
    elif isinstance(value, dict | list):
        if depth >= DEPTH_LIMIT:
            message = f"is nested deeper than {DEPTH_LIMIT} levels; flatten it"
            yield FoundFlaw(path, type(value).__name__, message)
            return
        yield from _flaws_inside(value, path, depth)


def _flaws_inside(
    value: dict[str, object] | list[object], path: str, depth: int
) -> Iterator[FoundFlaw]:
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from _flaws(part, f"{path}[{number}]", depth + 1)
        return
    for key, part in value.items():
        place = f"{path}.{key}" if path else key
        for flaw in _flaws(key, place, depth):
            yield FoundFlaw(path or "body", flaw.value, f"has a key that {flaw.message}")
        yield from _flaws(part, place, depth + 1)


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def decode_value(text: str, at: int) -> tuple[object, int]:
    """The value that begins at `at`, as `parse_json` gives it, and where it ends.

    Raises:
        json.JSONDecodeError: there is none, or the text ends before it does.
        RecursionError: it is nested too deep.
    """
    return _PARSER.raw_decode(text, at)


def skip_blanks(text: str, at: int) -> int:
    """Where the first character stands that is no blank, from `at` on."""
    return _skip(text, at)
