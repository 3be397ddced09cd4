"""The demo's streams: their categories, policies and rates, created once and never overwritten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.utils import timezone

from reviewqueue.demo import Category as Kind
from reviewqueue.demo import digits, helpdesk
from routing.core.grounding import Grounding
from routing.grounded import draft_grounded_policy, open_grounded_stream
from routing.models import Category, CategoryRule, Policy, Stream
from routing.policies import publish_policy

# A fifth instead of the usual twentieth, so that a small stream has labels soon.
_DEMO_AUDIT_RATE = 0.20
# The demo's past began under this policy: somebody published it the day before.
_AGE: Final = timedelta(weeks=8, days=1)
_WORKED = ("account_unlock", "vpn_issue", "security_incident")

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DemoStream:
    """A stream as the demo creates it; a person may change all of it afterwards.

    `stream` and `policy` are fields of their models, `rules` those of the category rules and
    `audit_rates` and `double_rates` the categories' own rates, all by category key. One of drafted
    sentences has `grounding`, and the two categories of every such stream.
    """

    key: str
    name: str
    description: str
    categories: Sequence[Kind] = ()
    stream: Fields = field(default_factory=dict)
    policy: Fields = field(default_factory=dict)
    rules: Mapping[str, Fields] = field(default_factory=dict)
    audit_rates: Mapping[str, float] = field(default_factory=dict)
    double_rates: Mapping[str, float] = field(default_factory=dict)
    grounding: Grounding | None = None


HELPDESK: Final = DemoStream(
    key="helpdesk",
    name="Helpdesk",
    description=(
        "Support tickets, scored by a classifier that is too sure of itself. 20% of what nobody "
        "looked at is audited, so that there are labels soon; 5% is usual. Two people judge 10%."
    ),
    categories=helpdesk.CATEGORIES,
    stream={
        "audit_rate": _DEMO_AUDIT_RATE,
        "blind_rate": 0.10,
        "double_rate": 0.10,
        "known_rate": 0.02,
        "payload_fields": {"subject": "title", "body": "text"},
    },
    policy={
        "title": "Default bands",
        "max_entropy": 0.45,
        "reject_action": Policy.RejectAction.ESCALATE,
    },
    rules={
        "security_incident": {
            "watch": 0.25,
            "mandatory_review": True,
            "mandatory_reason": "An incident is closed by the security team, never by a model.",
        }
    },
    audit_rates={"security_incident": 1.0},
    double_rates={"security_incident": 0.5},
)
DIGITS: Final = DemoStream(
    key="digits",
    name="Handwritten digits",
    description=(
        "Scanned digits, scored by a naive Bayes that is famously sure and wrong on 18 in 100. "
        "20% of what nobody looked at is audited, and every 1 and 7."
    ),
    categories=digits.CATEGORIES,
    stream={"audit_rate": _DEMO_AUDIT_RATE, "payload_fields": {"image": "image"}},
    policy={
        "title": "Default bands",
        "max_entropy": 0.45,
        "reject_action": Policy.RejectAction.REFUSE,
    },
    audit_rates={"1": 1.0, "7": 1.0},
)
WORKED_POLICY: Final = DemoStream(
    key="helpdesk-policy",
    name="Helpdesk, class-aware policy",
    description=(
        "Three intents with a cut-off each, gates on margin and entropy, and a watch on "
        "security incidents. Empty: post to it and see what is decided."
    ),
    categories=[kind for kind in helpdesk.CATEGORIES if kind.key in _WORKED],
    stream={"payload_fields": {"subject": "title", "body": "text"}},
    policy={
        "title": "Class-aware",
        "auto": 0.80,
        "flagged": 0.80,
        "hold": 0.0,
        "min_margin": 0.30,
        "max_entropy": 0.45,
        "escalate_entropy": 0.80,
    },
    rules={
        "vpn_issue": {"auto": 0.72, "flagged": 0.72},
        "security_incident": {"auto": 0.60, "flagged": 0.60, "watch": 0.34},
    },
)
DRAFTS: Final = DemoStream(
    key="drafts",
    name="Drafted answers",
    description=(
        "Answers about this product, a sentence at a time, with the passages of its documentation "
        "that were found for each. The stream is young, so all that nobody looked at is judged, by "
        "two people each."
    ),
    stream={
        "audit_rate": 1.0,
        "bulk_label_rate": 0.50,
        "double_rate": 1.0,
        "error_budget": 0.05,
        "freshness_days": 365,
        "payload_fields": {"question": "text"},
    },
    # Set as people do before there are labels: half of this reranker's gaps are over 0.2.
    grounding=Grounding(gap_low=0.0, gap_high=0.2),
)
DEMO_STREAMS: Final = (HELPDESK, DIGITS, DRAFTS, WORKED_POLICY)


def create_streams() -> list[Stream]:
    """The demo's streams, created where missing; what exists stays as people left it.

    A stream of somebody's own that happens to have such a key is no demo stream and left out.
    """
    return [stream for wanted in DEMO_STREAMS if (stream := _create(wanted)).is_demo]


def _create(wanted: DemoStream) -> Stream:
    found = Stream.objects.filter(key=wanted.key).first()
    if found is not None:
        return found
    fields = {"description": wanted.description, "is_demo": True, **wanted.stream}
    if wanted.grounding is not None:
        stream = open_grounded_stream(key=wanted.key, name=wanted.name, **fields)
        draft = draft_grounded_policy(stream=stream, grounding=wanted.grounding)
        _publish(draft)
        return stream
    stream = Stream.objects.create(key=wanted.key, name=wanted.name, **fields)
    _create_policy(stream, wanted, _create_categories(stream, wanted))
    return stream


def _create_categories(stream: Stream, wanted: DemoStream) -> dict[str, Category]:
    made = Category.objects.bulk_create(
        Category(
            stream=stream,
            key=kind.key,
            label=kind.label,
            definition=kind.definition,
            position=position,
            audit_rate=wanted.audit_rates.get(kind.key),
            double_rate=wanted.double_rates.get(kind.key),
        )
        for position, kind in enumerate(wanted.categories)
    )
    return {category.key: category for category in made}


def _create_policy(stream: Stream, wanted: DemoStream, categories: Mapping[str, Category]) -> None:
    draft = Policy.objects.create(stream=stream, **wanted.policy)
    CategoryRule.objects.bulk_create(
        CategoryRule(stream=stream, policy=draft, category=categories[key], **fields)
        for key, fields in wanted.rules.items()
    )
    _publish(draft)


def _publish(draft: Policy) -> None:
    publish_policy(
        policy_id=draft.id,
        reason="The demo's first policy.",
        published_by_id=None,
        at=timezone.now() - _AGE,
    )
