"""What a verdict on a drafted sentence may say besides: which block, which claims, off topic."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _

from routing.core.evidence import rank_blocks
from routing.core.grounding import SUPPORTED
from routing.models import Item


class Contradiction(NamedTuple):
    """Why a verdict does not hold together, and at which place of the form."""

    message: str
    field: str


def cited_block(item: Item) -> str | None:
    """The id of the block that the machine cites; None without any."""
    blocks = rank_blocks(item.blocks or ())
    return str(blocks[0]["id"]) if blocks else None


def find_contradiction(
    *,
    item_id: UUID,
    categories: Sequence[str],
    block: str,
    claims: Sequence[bool] | None,
    item: Item | None = None,
) -> Contradiction | None:
    """What is wrong about the block or the claims that an answer names, None where nothing is.

    `item`: the sentence, where it has been read for many answers.
    """
    if not block and claims is None:
        return None
    is_supported = SUPPORTED in categories
    if block and not is_supported:
        text = _("Name a block only where it supports the sentence.")
        return Contradiction(text, "block")
    item = item or Item.objects.only("blocks", "claims").get(id=item_id)
    if block and block not in {each["id"] for each in item.blocks or ()}:
        text = _("“%(block)s” is no block of this sentence; choose one of those shown.")
        return Contradiction(text % {"block": block[:60]}, "block")
    if claims is None:
        return None
    count = len(item.claims or ())
    if len(claims) != count:
        text = _("The sentence makes %(count)d claims; say of each whether it is supported.")
        return Contradiction(text % {"count": count}, "claims")
    if is_supported and not all(claims):
        text = _("A claim is not supported, so the sentence is not; answer “not supported”.")
        return Contradiction(text, "claims")
    return None
