"""Text in pieces, some of them marked."""

from collections.abc import Iterable

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reviewqueue.marks import MISSING, Piece

register = template.Library()


@register.simple_tag
def draw_pieces(pieces: Iterable[Piece]) -> SafeString:
    """The text, marked; what is missing from the sources says so to who cannot see the wave."""
    return mark_safe("".join(_draw(piece) for piece in pieces))  # noqa: S308 - each is escaped


def _draw(piece: Piece) -> SafeString:
    if piece.kind == MISSING:
        return format_html(
            '<mark class="mark mark--missing" title="{0}">{1}'
            '<span class="visually-hidden"> ({0})</span></mark>',
            _("stands in no source"),
            piece.text,
        )
    if piece.kind:
        return format_html('<mark class="mark mark--{}">{}</mark>', piece.kind, piece.text)
    return format_html("{}", piece.text)
