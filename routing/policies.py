"""Policies: from rows to the pure value that decides, and from draft to published."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from routing.announcements import announce
from routing.core.difference import find_differences, find_lifted
from routing.core.fallback import Fallback
from routing.core.grounding import Grounding
from routing.core.keywords import KeywordRule as KeywordRuleSpec
from routing.core.maps import CalibrationMap
from routing.core.policy import STREAM_WIDE, CutOffs, PolicyError
from routing.core.policy import CategoryRule as RuleSpec
from routing.core.policy import Policy as PolicySpec
from routing.events import record_event
from routing.models import Announcement, Category, CategoryRule, KeywordRule, Policy, Stream
from routing.rows import fetch_row

COPIED = (
    "title",
    "auto",
    "flagged",
    "hold",
    "min_margin",
    "max_entropy",
    "distrust_entropy",
    "escalate_entropy",
    "reject_action",
    "model_versions",
    "on_other_model",
    "uncalibrated",
    "fallback_steps",
    "remote_model_id",
    "maps",
    "source_maps",
    "distrusted",
    "grounding",
)
COPIED_RULE = (
    "category_id",
    "auto",
    "flagged",
    "hold",
    "watch",
    "mandatory_review",
    "mandatory_reason",
)
COPIED_KEYWORD_RULE = ("name", "kind", "pattern", "category_id", "confidence", "field")


class NoPolicyError(LookupError):
    """The stream has no published policy yet; publish one in the admin."""


class AlreadyPublishedError(ValueError):
    """The policy was published before; make a new version of it instead."""


class PublishReasonError(ValueError):
    """A policy is published with a reason, for those who read the history."""


def load_spec(policy: Policy) -> PolicySpec:
    """The pure value of a policy's rows.

    A published policy uses the categories it was published with, a draft those of now.

    Raises:
        PolicyError: the rows contradict each other; names the field.
    """
    keys = tuple(policy.category_keys) or active_keys(policy.stream_id)
    return build_spec(
        policy,
        keys=keys,
        rules=policy.rules.select_related("category"),
        keyword_rules=policy.keyword_rules.select_related("category"),
    )


def build_spec(
    policy: Policy,
    *,
    keys: tuple[str, ...],
    rules: Iterable[CategoryRule],
    keyword_rules: Iterable[KeywordRule] | None = None,
) -> PolicySpec:
    """The pure value of `policy` with these category keys and rules, saved or not.

    Without `keyword_rules` the fallback step that asks them is left out. Queries nothing but a
    remote model that is not loaded.

    Raises:
        PolicyError: they contradict each other; names the field.
    """
    specs = {
        rule.category.key: RuleSpec(
            auto=rule.auto,
            flagged=rule.flagged,
            hold=rule.hold,
            mandatory_review=rule.mandatory_review,
            mandatory_reason=rule.mandatory_reason,
            watch=rule.watch,
        )
        for rule in rules
    }
    measured = _measured_for(policy, keys)
    return PolicySpec(
        version=policy.version or 0,
        categories=keys,
        cut_offs=CutOffs(auto=policy.auto, flagged=policy.flagged, hold=policy.hold),
        min_margin=policy.min_margin,
        max_entropy=policy.max_entropy,
        distrust_entropy=policy.distrust_entropy,
        escalate_entropy=policy.escalate_entropy,
        reject_action=policy.reject_action,
        rules=specs,
        maps={key: CalibrationMap.from_json(document) for key, document in measured.maps.items()},
        model_versions=tuple(policy.model_versions),
        on_other_model=policy.on_other_model,
        uncalibrated=policy.uncalibrated,
        fallback=_build_fallback(policy, keyword_rules),
        distrusted=frozenset((category, int(band)) for category, band in measured.distrusted),
        reporting_edges=tuple(policy.reporting_edges),
        grounding=None if policy.grounding is None else Grounding.from_json(policy.grounding),
    )


class _Measured(NamedTuple):
    """What recalibration writes into a policy and nobody can edit there."""

    maps: dict[str, Any]
    distrusted: list[list[Any]]


def _measured_for(policy: Policy, keys: Collection[str]) -> _Measured:
    """Without what concerns other categories, such as one that was retired after a draft was made.

    Left in place it would keep the draft from being published for good. A draft that weighs the
    signals of sentences in another way makes another confidence of them, about which nothing that
    was measured before says anything.
    """
    if weighs_anew(policy):
        return _Measured(maps={}, distrusted=[])
    return _Measured(
        maps={key: own for key, own in policy.maps.items() if key in keys or key == STREAM_WIDE},
        distrusted=[[key, band] for key, band in policy.distrusted if key in keys],
    )


def weighs_anew(policy: Policy) -> bool:
    """Whether this draft composes the confidence in another way than the version it is based on."""
    if policy.is_published or policy.grounding is None or policy.based_on is None:
        return False
    before = policy.based_on.grounding or {}
    return Grounding.from_json(before) != Grounding.from_json(policy.grounding)


def composed_since(stream_id: UUID, *, at: datetime) -> datetime | None:
    """Since when a stream of sentences composes their confidence as at `at`; None: it always did.

    None, too, where nothing was published by then.
    """
    published = Policy.objects.published().filter(stream_id=stream_id, published_at__lte=at)
    newest = published.order_by("-version").first()
    if newest is None:
        return None
    others = published.exclude(grounding=newest.grounding)
    last_other = others.aggregate(version=Max("version"))["version"]
    if last_other is None:
        return None
    return published.get(version=last_other + 1).published_at


def _build_fallback(policy: Policy, rules: Iterable[KeywordRule] | None) -> Fallback:
    steps = policy.fallback_steps
    return Fallback(
        steps=tuple(step for step in steps if rules is not None or step != "rules"),
        keyword_rules=tuple(
            KeywordRuleSpec(
                id=rule.name,
                kind=rule.kind,
                pattern=rule.pattern,
                category=rule.category.key,
                confidence=rule.confidence,
                field=rule.field,
            )
            for rule in rules or ()
        ),
        remote_model=policy.remote_model.name if policy.remote_model else "",
        source_maps={
            source: CalibrationMap.from_json(document)
            for source, document in policy.source_maps.items()
        },
    )


def current_spec(stream_id: UUID) -> tuple[UUID, PolicySpec]:
    """Id and value of the stream's published policy: one indexed query, the value from memory.

    Asked anew for every request, so a publication holds for the very next item in every process.

    Raises:
        NoPolicyError: nothing is published yet.
    """
    return spec_of(_find_published(stream_id))


def spec_of(found: UUID | None) -> tuple[UUID, PolicySpec]:
    """Id and value of a published policy that was looked for; raises NoPolicyError without one."""
    if found is None:
        raise NoPolicyError(NoPolicyError.__doc__)
    return found, published_spec(found)


def find_published_spec(stream_id: UUID) -> PolicySpec | None:
    """The value of the stream's published policy, None where nothing is published yet."""
    found = _find_published(stream_id)
    return None if found is None else published_spec(found)


FIND_PUBLISHED: Final = """
    SELECT id FROM routing_policy
    WHERE stream_id = %(stream)s AND version IS NOT NULL ORDER BY version DESC LIMIT 1
"""


def _find_published(stream_id: UUID) -> UUID | None:
    row = fetch_row(FIND_PUBLISHED, {"stream": stream_id})
    return row[0] if row else None


@lru_cache(maxsize=512)
def published_spec(policy_id: UUID) -> PolicySpec:
    """The value of a published policy; immutable, so it is kept for the life of the process."""
    return load_spec(
        Policy.objects.published().select_related("stream", "remote_model").get(id=policy_id)
    )


@transaction.atomic
def copy_policy(
    *, policy: Policy, created_by_id: int | None, changes: Mapping[str, object] | None = None
) -> Policy:
    """A new draft with the content of `policy`, rules included, and `changes` to its fields.

    What concerns categories retired since is left behind; a draft could not be published with it.
    """
    fields = {name: getattr(policy, name) for name in COPIED}
    fields |= _measured_for(policy, active_keys(policy.stream_id))._asdict()
    keyword_rules = list(policy.keyword_rules.filter(category__retired_at__isnull=True))
    if not keyword_rules:
        fields["fallback_steps"] = [step for step in policy.fallback_steps if step != "rules"]
    fields |= dict(changes or {})
    draft = Policy.objects.create(
        stream_id=policy.stream_id, based_on=policy, created_by_id=created_by_id, **fields
    )
    CategoryRule.objects.bulk_create(
        CategoryRule(
            stream_id=policy.stream_id,
            policy=draft,
            **{name: getattr(rule, name) for name in COPIED_RULE},
        )
        for rule in policy.rules.filter(category__retired_at__isnull=True)
    )
    KeywordRule.objects.bulk_create(
        KeywordRule(
            stream_id=policy.stream_id,
            policy=draft,
            **{name: getattr(rule, name) for name in COPIED_KEYWORD_RULE},
        )
        for rule in keyword_rules
    )
    return draft


@transaction.atomic
def publish_policy(
    *, policy_id: UUID, reason: str, published_by_id: int | None, at: datetime | None = None
) -> Policy:
    """Give a draft the stream's next version; it decides from the next item on.

    Publications of one stream wait for each other, so versions follow without a gap. `at` is for a
    past that is told later: it was published then.

    Raises:
        AlreadyPublishedError: somebody was faster.
        PublishReasonError: the reason is empty.
        PolicyError: the draft contradicts itself.
    """
    if not reason.strip():
        raise PublishReasonError(PublishReasonError.__doc__)
    stream = Stream.objects.select_for_update().get(policies=policy_id)
    policy = Policy.objects.select_for_update().get(id=policy_id)
    if policy.is_published:
        raise AlreadyPublishedError(AlreadyPublishedError.__doc__)
    keys = active_keys(stream.id)
    if not keys:
        raise PolicyError("The stream has no categories; add them first.", field="categories")
    if stream.is_grounded != (policy.grounding is not None):
        raise PolicyError(
            "A stream of drafted sentences needs the weights of their signals; set grounding."
            if stream.is_grounded
            else "Only a stream of drafted sentences has grounding; leave it out.",
            field="grounding",
        )
    policy.category_keys = list(keys)
    policy.reporting_edges = stream.reporting_edges
    policy.maps, policy.distrusted = _measured_for(policy, keys)
    spec = load_spec(policy)
    policy.grounding = spec.grounding and spec.grounding.to_json()
    base = find_published_spec(stream.id)
    policy.version = base.version + 1 if base else 1
    policy.reason = reason.strip()
    policy.published_by_id = published_by_id
    policy.published_at = at or timezone.now()
    policy.save()
    _tell_of_publication(stream, policy, base, spec)
    return policy


def _tell_of_publication(
    stream: Stream, policy: Policy, base: PolicySpec | None, spec: PolicySpec
) -> None:
    record_event(
        stream_id=stream.id,
        kind="policy.published",
        subject_id=policy.id,
        actor_id=policy.published_by_id,
        version=policy.version,
        based_on=str(policy.based_on_id) if policy.based_on_id else None,
        differences=[asdict(each) for each in find_differences(base, spec)],
    )
    announce(
        stream_id=stream.id,
        kind=Announcement.Kind.POLICY_PUBLISHED,
        subject_id=policy.id,
        stream=stream.key,
        policy=str(policy.id),
        version=policy.version,
        categories=policy.category_keys,
    )
    if lifted := find_lifted(base, spec):
        record_event(
            stream_id=stream.id,
            kind="policy.mandatory_lifted",
            subject_id=policy.id,
            actor_id=policy.published_by_id,
            categories=list(lifted),
            reason=policy.reason,
        )


def active_keys(stream_id: UUID) -> tuple[str, ...]:
    """Keys of the categories that are not retired, in the order of the taxonomy."""
    return tuple(
        Category.objects.filter(stream_id=stream_id, retired_at__isnull=True)
        .order_by("position", "key")
        .values_list("key", flat=True)
    )
