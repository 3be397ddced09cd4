"""What a verdict on a drafted sentence says beside its answer, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from reviewqueue.models import Verdict
from routing.models import Item

TITLE_SHOWN = 80


def word_grounds(verdict: Verdict, item: Item) -> tuple[str, ...]:
    """By which block, off topic, how many claims; nothing where nothing was said."""
    said: list[str] = []
    if verdict.block:
        said.append(_("by “%(title)s”") % {"title": title_of_block(item, verdict.block)})
    if verdict.off_topic:
        said.append(_("retrieval off topic"))
    if verdict.claims is not None:
        shown = {"good": sum(verdict.claims), "all": len(verdict.claims)}
        said.append(_("%(good)d of %(all)d claims supported") % shown)
    return tuple(said)


def title_of_block(item: Item, block: str) -> str:
    """The title of a block of the item, else its id; not longer than fits a line."""
    blocks: Iterable[Mapping[str, Any]] = item.blocks or ()
    found = next((each for each in blocks if each["id"] == block), {})
    title = str(found.get("title") or block)
    return title if len(title) <= TITLE_SHOWN else f"{title[:TITLE_SHOWN].rstrip()}…"
