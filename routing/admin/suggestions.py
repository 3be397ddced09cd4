"""What another page suggests for a stream's categories: its fields are filled in, nothing is saved.

The address says it: `new=key&new=label&new=words` for another category, `apart=a&apart=b` for two
whose definitions are to tell them apart, `merge=a&merge=b` to put a into b.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.http import HttpRequest
from django.utils.translation import gettext as _

from routing.models import Category, Stream

LONGEST: Final = 500

Initial = dict[str, object]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Values for the fields of a new category, and of those that there are by key."""

    new: Initial = field(default_factory=dict)
    of: Mapping[str, Initial] = field(default_factory=dict)


def read_suggestion(request: HttpRequest, stream: Stream) -> Suggestion:
    """What the address suggests; nothing where it does not hold together or a form is sent."""
    if request.method != "GET":
        return Suggestion()
    new = request.GET.getlist("new")
    if len(new) == 3:
        key, label, words = (text[:LONGEST] for text in new)
        hint = _("About: %(words)s") % {"words": words} if words else ""
        return Suggestion(new={"key": key, "label": label, "definition": hint})
    for name, suggest in (("apart", _tell_apart), ("merge", _merge)):
        keys = request.GET.getlist(name)
        rows = {each.key: each for each in stream.categories.filter(key__in=keys)}
        if len(keys) == 2 and len(rows) == 2:
            return suggest(rows[keys[0]], rows[keys[1]])
    return Suggestion()


def _tell_apart(first: Category, second: Category) -> Suggestion:
    """Each definition is to say what belongs to the other."""
    return Suggestion(
        of={
            one.key: {
                "definition": _join(
                    one.definition, _("Not “%(other)s”: …") % {"other": other.label}
                )
            }
            for one, other in ((first, second), (second, first))
        }
    )


def _merge(dropped: Category, kept: Category) -> Suggestion:
    """What goes is retired, what stays says so."""
    words = _("Also what was “%(other)s”.") % {"other": dropped.label}
    definition = _join(kept.definition, words, dropped.definition)
    return Suggestion(of={dropped.key: {"retired": True}, kept.key: {"definition": definition}})


def _join(*parts: str) -> str:
    return " ".join(part.strip() for part in parts if part.strip())
