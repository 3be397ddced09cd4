"""Categories as the taxonomy has them now, beside the policy that pinned them when published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from routing.events import record_event
from routing.ids import least_uuid7_after
from routing.models import Category, CategoryRule, Item, KeywordRule, Policy, Stream
from routing.policies import active_keys

RULES: Final = (CategoryRule.objects, KeywordRule.objects)


@dataclass(frozen=True, slots=True)
class TaxonomyGap:
    """How the active categories differ from those of the policy in force; keys, in order.

    `reordered`: the categories that both have stand in another order.
    """

    policy: Policy
    added: tuple[str, ...]
    retired: tuple[str, ...]
    reordered: bool


def known_keys(stream_id: UUID) -> frozenset[str]:
    """Keys of all categories that the stream has or had, in one statement."""
    return frozenset(Category.objects.filter(stream_id=stream_id).values_list("key", flat=True))


def find_gap(stream: Stream) -> TaxonomyGap | None:
    """What a new version of the published policy would change; None where there is nothing."""
    policy = stream.policies.current().first()
    if policy is None:
        return None
    active, pinned = active_keys(stream.id), tuple(policy.category_keys)
    gap = TaxonomyGap(
        policy=policy,
        added=_without(active, pinned),
        retired=_without(pinned, active),
        reordered=_without(active, _without(active, pinned))
        != _without(pinned, _without(pinned, active)),
    )
    return gap if gap.added or gap.retired or gap.reordered else None


def _without(keys: Sequence[str], left_out: Sequence[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key not in left_out)


def record_retirement(*, category: Category, actor_id: int | None) -> TaxonomyGap | None:
    """Note that the category was retired or, if it is active, revived; the gap that is left."""
    gap = find_gap(category.stream)
    record_event(
        stream_id=category.stream_id,
        kind="category.revived" if category.retired_at is None else "category.retired",
        subject_id=category.id,
        actor_id=actor_id,
        key=category.key,
        still_in=gap.policy.version if gap and category.key in gap.retired else None,
    )
    return gap


def is_in_history(category: Category) -> bool:
    """Whether a policy, published or draft, or an item's scores name the category."""
    published = Policy.objects.filter(
        stream_id=category.stream_id, category_keys__contains=[category.key]
    )
    if published.exists():
        return True
    if any(rules.filter(category=category).exists() for rules in RULES):
        return True
    items = Item.objects.filter(
        stream_id=category.stream_id, id__gte=least_uuid7_after(category.id)
    )
    return items.filter(scores__has_key=category.key).exists()
