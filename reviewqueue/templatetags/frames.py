"""Frames: parts of a page that look the same but for a few values, drawn once and filled in.

    {% framed queue=task.queue with task=task.id %}<a href="{% url 'skip' task %}">…{% endframed %}

What stands before `with` decides how the frame looks; it is drawn once for each such set of values.
What stands behind it fills holes: a frame may show it or make an address of it, never ask about it.
Inside nothing else of the page is in sight, so that a frame cannot keep what is somebody else's.
"""

import re
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from django import template
from django.template.base import (
    FilterExpression,
    NodeList,
    Parser,
    Token,
    render_value_in_context,
    token_kwargs,
)
from django.urls import get_script_prefix
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

register = template.Library()

KEPT: Final = 1_024
# Stands for a hole where a frame is drawn. Nobody can guess one, and addresses take them for ids.
_MARKS: Final = tuple(str(uuid4()) for _ in range(12))
_HOLE: Final = re.compile("|".join(_MARKS))

Values = Mapping[str, FilterExpression]
Drawn = tuple[list[str], list[int]]


class FrameNode(template.Node):
    """Nodes that are drawn once per language and `shape`; `holes` are filled at each rendering."""

    def __init__(self, nodelist: NodeList, shape: Values, holes: Values) -> None:
        self.nodelist = nodelist
        self.shape = dict(shape)
        self.holes = list(holes.values())
        self._marks = dict(zip(holes, _MARKS, strict=False))
        self._drawn: dict[tuple[object, ...], Drawn] = {}

    def render(self, context: template.Context) -> SafeString:
        """The frame of this shape with its holes filled, escaped like any variable."""
        shape = [expression.resolve(context) for expression in self.shape.values()]
        # Equal values of different types may look different: 1 and True, words safe and unsafe.
        place = get_language(), get_script_prefix(), context.use_l10n
        key = (*place, *shape, *map(type, shape))
        drawn = self._drawn.get(key)
        if drawn is None:
            if len(self._drawn) >= KEPT:
                self._drawn.clear()
            drawn = self._drawn[key] = self._draw(shape, context)
        pieces, order = drawn
        filled = [render_value_in_context(one.resolve(context), context) for one in self.holes]
        page = pieces.copy()
        page[1::2] = [filled[hole] for hole in order]
        return mark_safe("".join(page))  # noqa: S308 - a template and escaped values

    def _draw(self, shape: list[object], context: template.Context) -> Drawn:
        """Pieces of the drawing with room for a hole between each two, and which goes there."""
        drawn = self.nodelist.render(
            context.new(dict(zip(self.shape, shape, strict=True)) | self._marks)
        )
        order = [_MARKS.index(mark) for mark in _HOLE.findall(drawn)]
        pieces = [""] * (2 * len(order) + 1)
        pieces[::2] = _HOLE.split(drawn)
        return pieces, order


@register.tag
def framed(parser: Parser, token: Token) -> FrameNode:
    """Draw what stands up to `endframed` once; `name=value` pairs, holes behind `with`."""
    words = token.split_contents()[1:]
    at = words.index("with") if "with" in words else len(words)
    before, behind = words[:at], words[at + 1 :]
    shape, holes = token_kwargs(before, parser), token_kwargs(behind, parser)
    if before or behind or len(holes) > len(_MARKS):
        raise template.TemplateSyntaxError(
            f"{token.contents!r}: write name=value pairs, and behind `with` at most "
            f"{len(_MARKS)} more."
        )
    nodelist = parser.parse(("endframed",))
    parser.delete_first_token()
    return FrameNode(nodelist, shape, holes)
