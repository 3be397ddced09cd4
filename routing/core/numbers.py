"""Numbers of a sentence that stand in none of its source blocks.

Read from English text: thousands separators and decimals (1,234.5), magnitudes (1.2 million, 1.5k,
3bn), percentages (12%, 12 percent; the same as 0.12), amounts of money ($1.5k, EUR 20, 20 euros),
dates (3 March 2026, March 3rd, 2026-03-03, 03/04/2026 in either order, March 2026, 3 March), times
of day, version numbers, and the words one to twelve. An amount in one currency is not the same in
another, but is the same as the bare number. Of a date, the block must say all that the sentence
says. The sign is left out of account, and *one* is a number in a block but not in a sentence, where
it mostly is none.

The text is read once, by a pattern whose every repetition is bounded or can end in one way only, so
the time is linear in its length. What cannot be read as a number is compared as it stands.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Final, NamedTuple

LONGEST_DIGITS: Final = 40

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_MONTH_OF: Final = (
    {name: place for place, name in enumerate(_MONTHS, 1)}
    | {name[:3]: place for place, name in enumerate(_MONTHS, 1)}
    | {"sept": 9}
)
_WORDS: Final = {
    word: Decimal(place)
    for place, word in enumerate(
        (
            *("one", "two", "three", "four", "five", "six"),
            *("seven", "eight", "nine", "ten", "eleven", "twelve"),
        ),
        1,
    )
}
_MAGNITUDES: Final = {
    "thousand": Decimal(10**3),
    "million": Decimal(10**6),
    "billion": Decimal(10**9),
    "trillion": Decimal(10**12),
    "k": Decimal(10**3),
    "m": Decimal(10**6),
    "mn": Decimal(10**6),
    "bn": Decimal(10**9),
}
# A letter that is also a unit, as in 5m: both readings will do.
_DOUBTFUL: Final = frozenset({"k", "m"})
_CURRENCIES: Final = {
    **dict.fromkeys(("$", "us$", "usd", "dollar", "dollars"), "USD"),
    **dict.fromkeys(("€", "eur", "euro", "euros"), "EUR"),
    **dict.fromkeys(("£", "gbp", "pound", "pounds"), "GBP"),
    **dict.fromkeys(("¥", "jpy", "yen"), "JPY"),
    **dict.fromkeys(("chf", "franc", "francs"), "CHF"),
    **dict.fromkeys(("₹", "inr", "rupee", "rupees"), "INR"),
}

_SPACE: Final = r"[ \t\u00a0\u202f]{0,2}"
_MONTH: Final = rf"(?:{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\b\.?"
_DAY: Final = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_YEAR: Final = r"[0-9]{4}(?![0-9])"
_BEFORE: Final = r"us\$|[$€£¥₹]|\b(?:usd|eur|gbp|jpy|chf|inr)"
_AFTER: Final = r"[€£¥₹]|(?:usd|eur|euros?|gbp|pounds?|jpy|yen|chf|francs?|inr|rupees?|dollars?)\b"
_DIGITS: Final = r"(?:[0-9]{1,3}(?:[,'’\u00a0\u202f][0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?"
_TOKEN: Final = re.compile(
    rf"""
    (?<![0-9])(?P<iso>[0-9]{{4}}-[0-9]{{1,2}}(?:-[0-9]{{1,2}})?)(?![0-9-])
    |(?<![0-9/])(?P<slashed>[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}})(?![0-9/])
    |(?<![0-9])(?P<day_first>{_DAY}{_SPACE}(?:of{_SPACE})?{_MONTH}(?:,?{_SPACE}{_YEAR})?)
    |\b(?P<month_first>{_MONTH}{_SPACE}{_DAY}(?![0-9])(?:,?{_SPACE}{_YEAR})?)
    |\b(?P<month>{_MONTH},?{_SPACE}{_YEAR})
    |(?<![0-9:])(?P<time>[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?)(?![0-9:])
    |(?<![0-9.])(?P<version>[0-9]+(?:\.[0-9]+){{2,}})
    |(?:(?P<before>{_BEFORE}){_SPACE})?(?P<digits>{_DIGITS})
        (?:{_SPACE}(?P<percent>%|per{_SPACE}cent\b|percent\b|pct\b)
        |(?:{_SPACE}(?P<magnitude>thousand|million|billion|trillion|mn|bn|k|m)\b)?
            (?:{_SPACE}(?P<after>{_AFTER}))?)
    |\b(?P<word>{"|".join(_WORDS)})\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


class Span(NamedTuple):
    """A place in a text: from `start` up to but not including `end`, in characters."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Day:
    """A date, or what is told of it."""

    year: int | None = None
    month: int | None = None
    day: int | None = None

    def told(self) -> "Iterator[_Day]":
        """Every day of which this tells all, itself among them."""
        for year, month, day in product((self.year, None), (self.month, None), (self.day, None)):
            if year or month or day:
                yield _Day(year, month, day)


@dataclass(frozen=True, slots=True)
class _Number:
    """One number of a text in every reading that it may have."""

    span: Span
    values: frozenset[Decimal] = frozenset()
    currency: str = ""
    days: tuple[_Day, ...] = ()
    text: str = ""
    is_word_one: bool = False


@dataclass(slots=True)
class _Stock:
    """What numbers stand in some texts: values by currency, days and verbatim texts."""

    values: dict[Decimal, set[str]] = field(default_factory=dict)
    days: set[_Day] = field(default_factory=set)
    days_told: set[_Day] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    def add(self, number: _Number, *, years: bool = True) -> None:
        """`years`: whether a date counts as the bare number of its year besides."""
        for value in number.values:
            self.values.setdefault(value, set()).add(number.currency)
        self.days.update(number.days)
        for day in number.days:
            self.days_told.update(day.told())
            if years and day.year is not None:
                self.values.setdefault(Decimal(day.year), set()).add("")
        if number.text:
            self.texts.add(number.text)

    def has(self, number: _Number) -> bool:
        if number.text:
            return number.text in self.texts
        if number.days:
            return not self.days_told.isdisjoint(number.days)
        found = {currency for value in number.values for currency in self.values.get(value, ())}
        return bool(found) and (not number.currency or bool(found & {number.currency, ""}))

    def is_told_by(self, number: _Number) -> bool:
        """Whether `number` says all that one of these does."""
        if number.text:
            return number.text in self.texts
        if any(told in self.days for day in number.days for told in day.told()):
            return True
        years = {Decimal(day.year) for day in number.days if day.year is not None}
        found = {one for value in number.values | years for one in self.values.get(value, ())}
        return "" in found or number.currency in found or (bool(found) and not number.currency)


def find_unsupported(sentence: str, sources: Iterable[str]) -> list[Span]:
    """Where numbers stand in `sentence` that stand in none of `sources`, in order."""
    asked = [number for number in _read(sentence) if not number.is_word_one]
    if not asked:
        return []
    stock = _Stock()
    for source in sources:
        for number in _read(source):
            stock.add(number)
    return [number.span for number in asked if not stock.has(number)]


def find_shared(sentence: str, source: str) -> list[Span]:
    """Where numbers stand in `source` that a number of `sentence` says too, in order."""
    asked = _Stock()
    for number in _read(sentence):
        if not number.is_word_one:
            asked.add(number, years=False)
    return [number.span for number in _read(source) if asked.is_told_by(number)]


def _read(text: str) -> Iterator[_Number]:
    for match in _TOKEN.finditer(text):
        yield _interpret(match)


def _interpret(match: re.Match[str]) -> _Number:
    kind = match.lastgroup or ""
    # The last group that matched is one of several in an amount; elsewhere there is but one.
    for name in ("iso", "slashed", "day_first", "month_first", "month", "time", "version", "word"):
        if match[name] is not None:
            kind = name
            break
    else:
        return _read_amount(match)
    text, span = match[kind], Span(*match.span(kind))
    if kind == "word":
        word = text.lower()
        return _Number(span, frozenset({_WORDS[word]}), is_word_one=word == "one")
    if kind in ("time", "version"):
        return _Number(span, text=text)
    days = tuple(day for day in _read_days(kind, text) if _exists(day))
    return _Number(span, days=days) if days else _Number(span, text=text.lower())


def _read_days(kind: str, text: str) -> list[_Day]:
    """Every day that a date may mean."""
    numbers = [int(part) for part in re.findall(r"[0-9]+", text)]
    if kind == "iso":
        return [_Day(*numbers)]
    if kind == "slashed":
        first, second, year = numbers
        return [_Day(year, second, first), _Day(year, first, second)]
    name = next(word for word in re.findall(r"[a-z]+", text.lower()) if word in _MONTH_OF)
    month = _MONTH_OF[name]
    if kind == "month":
        return [_Day(numbers[0], month)]
    return [_Day(numbers[1] if len(numbers) > 1 else None, month, numbers[0])]


def _exists(day: _Day) -> bool:
    """Whether there is such a day; one of no year may be in a leap year."""
    try:
        date(2000 if day.year is None else day.year, day.month or 1, day.day or 1)
    except ValueError:
        return False
    return True


def _read_amount(match: re.Match[str]) -> _Number:
    start = match.start("before") if match["before"] else match.start("digits")
    span = Span(start, match.end())
    plain = re.sub(r"[^0-9.]", "", match["digits"])
    if len(plain) > LONGEST_DIGITS:
        return _Number(span, text=plain)
    value = Decimal(plain)
    if match["percent"]:
        return _Number(span, frozenset({value.scaleb(-2)}))
    values = {value}
    if match["magnitude"]:
        word = match["magnitude"].lower()
        larger = value * _MAGNITUDES[word]
        values = {value, larger} if word in _DOUBTFUL else {larger}
    currency = _CURRENCIES.get((match["before"] or match["after"] or "").lower(), "")
    return _Number(span, frozenset(values), currency)
