"""Drafts that start from a ready-made policy, or from other cut-offs, instead of a copy."""

from collections.abc import Collection, Mapping
from dataclasses import asdict

from django.db import transaction

from routing.core.policy import CutOffs, PolicyError
from routing.core.presets import Preset
from routing.models import Category, CategoryRule, Policy, Stream
from routing.policies import copy_policy, load_spec


@transaction.atomic
def start_policy(
    *, stream: Stream, preset: Preset, watched: Collection[str], created_by_id: int | None
) -> Policy:
    """A draft with the numbers of `preset` that watches the categories of the keys `watched`.

    What was measured or promised stays as the published policy has it, where there is one: maps,
    distrusted cells, mandatory reviews, the fallback chain. Its other category rules are left
    behind.

    Raises:
        PolicyError: `watched` names no category of the stream, or the preset has no watch level or
            is for streams of another kind.
    """
    if stream.is_grounded != (preset.grounding is not None):
        raise PolicyError(
            f"preset: {preset.name} is for streams of another kind; choose one of this one's",
            field="preset",
        )
    active = Category.objects.filter(stream=stream, retired_at__isnull=True)
    categories = {category.key: category for category in active}
    _check_watched(preset, watched, categories)
    numbers: dict[str, object] = {
        "title": preset.name,
        **asdict(preset.cut_offs),
        "min_margin": preset.min_margin,
        "max_entropy": preset.max_entropy,
        "distrust_entropy": None,
        "escalate_entropy": preset.escalate_entropy,
        "uncalibrated": preset.uncalibrated,
        "grounding": preset.grounding.to_json() if preset.grounding else None,
    }
    base = stream.policies.current().first()
    if base is None:
        draft = Policy.objects.create(stream=stream, created_by_id=created_by_id, **numbers)
    else:
        draft = copy_policy(policy=base, created_by_id=created_by_id, changes=numbers)
        draft.rules.filter(mandatory_review=False).delete()
        draft.rules.update(auto=None, flagged=None, hold=None, watch=None)
    for key in sorted(watched):
        CategoryRule.objects.update_or_create(
            policy=draft,
            category=categories[key],
            defaults={"stream": stream, "watch": preset.watch},
        )
    return draft


@transaction.atomic
def draft_cut_offs(
    *,
    policy: Policy,
    cut_offs: CutOffs,
    own: Mapping[str, Mapping[str, float | None]],
    title: str,
    created_by_id: int | None,
) -> Policy:
    """A draft that is `policy` with other cut-offs, of the stream and, under `own`, of categories.

    `own` gives auto, flagged and hold by category key, None for the stream's; what other categories
    have of their own stays, and so does all else of a category's rule.

    Raises:
        PolicyError: `own` names no category of the stream, or the cut-offs contradict each other.
    """
    changes: dict[str, object] = {"title": title, **asdict(cut_offs)}
    draft = copy_policy(policy=policy, created_by_id=created_by_id, changes=changes)
    active = Category.objects.filter(stream=policy.stream_id, retired_at__isnull=True)
    categories = {category.key: category for category in active.filter(key__in=own)}
    for key, numbers in own.items():
        if key not in categories:
            raise PolicyError(
                f"{key!r} is no category of the stream; choose among its own", field=f"rules.{key}"
            )
        rule = {"stream_id": policy.stream_id, **numbers}
        CategoryRule.objects.update_or_create(policy=draft, category=categories[key], defaults=rule)
    load_spec(draft)
    return draft


def _check_watched(
    preset: Preset, watched: Collection[str], categories: Mapping[str, Category]
) -> None:
    for key in watched:
        if key not in categories:
            raise PolicyError(
                f"watched: {key!r} is no category of the stream; choose among its own",
                field="watched",
            )
    if watched and preset.watch is None:
        raise PolicyError(
            f"watched: {preset.name} has no watch level; name no categories", field="watched"
        )
