"""Keyword and regex rules: what words in a payload say about its category.

Patterns run on RE2, whose time is linear in the text whatever the pattern (Cox 2010), so no rule
can hang the service. RE2 has no look-around and no back-references; a pattern that needs them is
refused with the reason.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import re2

from routing.core.maps import PolicyError
from routing.core.signals import show_value

__all__ = ["KIND_CHOICES", "KeywordRule", "KeywordRules", "payload_text"]

KIND_CHOICES: Final = ("keyword", "regex")
ANY_FIELD: Final = ""
LONGEST_PATTERN: Final = 1000
LONGEST_TEXT: Final = 200_000
# RE2 turns repetitions into states, so a short pattern may need much memory; these bound it, for a
# rule alone and for all that read one field.
MEMORY: Final = 1 << 20
SET_MEMORY: Final = 8 << 20
# Letters, the marks that belong to them, digits.
_OF_WORDS: Final = r"\pL\pM\pN_"


@dataclass(frozen=True, slots=True)
class KeywordRule:
    """If `pattern` stands in the text, `category` has probability `confidence`.

    `id` names the rule in decisions. A keyword is whole words, their case and the width of spaces
    ignored, so in a script without spaces a regex serves better; a regex is RE2's, its case ignored
    unless it says (?-i). `field` is the payload field that is read, all of the payload's text where
    empty. Raises PolicyError naming the field.
    """

    id: str
    kind: str
    pattern: str
    category: str
    confidence: float
    field: str = ANY_FIELD

    def __post_init__(self) -> None:
        place = f"keyword_rules.{self.id}"
        if self.kind not in KIND_CHOICES:
            raise PolicyError(
                f"{self.id}: kind is {self.kind!r}; use keyword or regex", field=f"{place}.kind"
            )
        if not self.pattern.strip():
            raise PolicyError(
                f"{self.id}: the pattern is empty; give the words to look for",
                field=f"{place}.pattern",
            )
        if len(self.pattern) > LONGEST_PATTERN:
            raise PolicyError(
                f"{self.id}: the pattern has {len(self.pattern)} characters; "
                f"use at most {LONGEST_PATTERN}",
                field=f"{place}.pattern",
            )
        if not 0.0 <= self.confidence <= 1.0:
            raise PolicyError(
                f"{self.id}: confidence is {show_value(self.confidence)}; "
                "give a number from 0 to 1",
                field=f"{place}.confidence",
            )
        # Words are escaped, so that RE2 takes any; they are compiled when they first may match.
        if self.kind == "regex":
            self.compile()

    def necessary(self) -> str:
        """An RE2 expression that matches wherever the rule does: its words without their edges.

        The edges take a hundred times the memory of the words, for they name all letters there are.
        """
        if self.kind == "regex":
            return f"(?i:{self.pattern})"
        return f"(?i:{self._words()})"

    def expression(self) -> str:
        """The rule as an RE2 expression."""
        if self.kind == "regex":
            return self.necessary()
        words, text = self.pattern.split(), self._words()
        # An edge that is no letter or digit, as of "c++", is one whatever stands beside it.
        begin = rf"(?:^|[^{_OF_WORDS}])" if _is_of_word(words[0][0]) else ""
        end = rf"(?:$|[^{_OF_WORDS}])" if _is_of_word(words[-1][-1]) else ""
        return f"(?i:{begin}{text}{end})"

    def _words(self) -> str:
        return r"[\s\pZ]+".join(map(re2.escape, self.pattern.split()))

    def compile(self) -> Any:
        """The compiled expression.

        Raises:
            PolicyError: RE2 refuses it; says why.
        """
        place = f"keyword_rules.{self.id}.pattern"
        try:
            # Alone first: wrapped in a group, `a)(b` would pass.
            if self.kind == "regex":
                re2.compile(self.pattern, _options(MEMORY))
            found = re2.compile(self.expression(), _options(MEMORY))
        except re2.error as error:
            raise PolicyError(
                f"{self.id}: {show_value(self.pattern)} is no expression: {_read_error(error)}",
                field=place,
            ) from None
        if self.kind == "regex" and found.search("") is not None:
            raise PolicyError(
                f"{self.id}: {show_value(self.pattern)} matches every text; say what must be there",
                field=place,
            )
        return found


@dataclass(frozen=True, slots=True)
class KeywordRules:
    """A policy's rules, compiled: one pass over a text finds every rule that may match."""

    rules: tuple[KeywordRule, ...] = ()
    _sets: Mapping[str, tuple[Any, tuple[KeywordRule, ...]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        ids = [rule.id for rule in self.rules]
        for rule_id in ids:
            if ids.count(rule_id) > 1:
                raise PolicyError(
                    f"two rules are called {rule_id!r}; give each its own name",
                    field=f"keyword_rules.{rule_id}",
                )
        sets = {
            name: _compile_set(self.rules, name) for name in {rule.field for rule in self.rules}
        }
        object.__setattr__(self, "_sets", sets)

    def match(self, payload: Mapping[str, object]) -> tuple[str, ...]:
        """Ids of the rules that match, in the rules' order."""
        found: set[str] = set()
        for name, (patterns, rules) in self._sets.items():
            text = payload_text(payload if name == ANY_FIELD else payload.get(name))
            # RE2's set answers None where nothing matches.
            maybe = (rules[place] for place in patterns.Match(text) or ())
            found.update(
                rule.id
                for rule in maybe
                if rule.kind == "regex" or _compile_once(rule).search(text) is not None
            )
        return tuple(rule.id for rule in self.rules if rule.id in found)

    def scores(self, matched: Sequence[str]) -> dict[str, float]:
        """What the matched rules say: each category's highest confidence."""
        scores: dict[str, float] = {}
        for rule in self.rules:
            if rule.id in matched:
                scores[rule.category] = max(rule.confidence, scores.get(rule.category, 0.0))
        return scores


def _is_of_word(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LMN"


def payload_text(payload: object) -> str:
    """All text of a payload, its values joined by line breaks; keys and data URLs left out."""
    text = "\n".join(_list_texts(payload))[:LONGEST_TEXT]
    # PostgreSQL holds no lone surrogate, but a dry run may; RE2 reads UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")


def _list_texts(value: object) -> Iterator[str]:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            if not one.startswith("data:"):
                yield one
        elif isinstance(one, Mapping):
            stack.extend(reversed(list(one.values())))
        elif isinstance(one, (list, tuple)):
            stack.extend(reversed(one))


@lru_cache(maxsize=4096)
def _compile_once(rule: KeywordRule) -> Any:
    return rule.compile()


def _compile_set(rules: Sequence[KeywordRule], name: str) -> tuple[Any, tuple[KeywordRule, ...]]:
    """What the rules that read a field need in one machine, and the rules in its order.

    Raises:
        PolicyError: together they need more memory than they may have.
    """
    patterns = re2.Set.SearchSet(_options(SET_MEMORY))
    mine = [rule for rule in rules if rule.field == name]
    for rule in mine:
        patterns.Add(rule.necessary())
    try:
        patterns.Compile()
    except re2.error:
        where = f"the field {name}" if name else "the whole payload"
        raise PolicyError(
            f"the {len(mine)} keyword rules for {where} are too large together; "
            "shorten their repetitions or remove some",
            field="keyword_rules",
        ) from None
    return patterns, tuple(mine)


def _options(memory: int) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    return options


def _read_error(error: Exception) -> str:
    (said,) = error.args or (b"",)
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
