"""Category lists of the answer form. With 77 categories they are most of the page, so that what a
category always looks like is drawn by its template once and kept.
"""

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from reviewqueue.views.answer_panel import Choice, Choices

register = template.Library()

KEPT = 8_192
# What differs from item to item; control characters, which no label can hold, stand for it.
_SCORE, _WIDTH = "\x01", "\x02"


@register.simple_tag
def draw_choices(choices: Iterable[Choice], mode: str) -> SafeString:
    """Each choice as `review/choice.html` draws it, for an answer of this mode."""
    several = mode == "ambiguous"
    rows = []
    for choice in choices:
        frame = _draw_choice(
            choice.key,
            choice.label,
            choice.hotkey,
            with_bar=choice.with_bar,
            with_score=bool(choice.score),
            checked=choice.checked,
            several=several,
        )
        if choice.score:
            frame = frame.replace(_SCORE, choice.score).replace(_WIDTH, choice.width)
        rows.append(frame)
    return mark_safe("".join(rows))  # noqa: S308 - templates escaped it, figures are our own


@register.simple_tag
def draw_definitions(choices: Choices) -> SafeString:
    """The definition of each choice that has one, hidden where another is chosen."""
    chosen = bool(choices.chosen)
    rows = [
        _draw_definition(
            choice.key, choice.label, choice.definition, hidden=chosen and not choice.checked
        )
        for choice in choices.all
        if choice.definition
    ]
    return mark_safe("".join(rows))  # noqa: S308 - templates escaped it


@lru_cache(maxsize=KEPT)
def _draw_choice(
    key: str,
    label: str,
    hotkey: str,
    *,
    with_bar: bool,
    with_score: bool,
    checked: bool,
    several: bool,
) -> str:
    choice = Choice(
        key=key,
        label=label,
        definition="",
        hotkey=hotkey,
        score=_SCORE if with_score else "",
        width=_WIDTH if with_bar else "",
        checked=checked,
    )
    return render_to_string("review/choice.html", {"choice": choice, "several": several})


@lru_cache(maxsize=KEPT)
def _draw_definition(key: str, label: str, definition: str, *, hidden: bool) -> str:
    choice = Choice(key=key, label=label, definition=definition)
    return render_to_string("review/definition.html", {"choice": choice, "hidden": hidden})
