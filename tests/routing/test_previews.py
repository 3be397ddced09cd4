"""Previews: what is read from stored signals is what deciding on the scores would say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from reviewqueue.intake import take_in
from routing import previews
from routing.core.fallback import Fallback
from routing.core.keywords import KeywordRule
from routing.core.policy import CategoryRule, CutOffs
from routing.core.policy import Policy as PolicySpec
from routing.core.rules import ACTIONS, Opinions, decide
from routing.core.signals import stored_matrix
from routing.items import Post
from routing.models import Category, Decision, Event, Item, Stream
from routing.policies import current_spec
from routing.previews import preview_change
from tests.scenes import HELD, KEYS, LIKELY, SURE, make_bare_stream, publish

pytestmark = pytest.mark.django_db

NO_CHANGE: tuple[object, ...] = ()


@pytest.fixture
def stream(db: None) -> Stream:
    """Default bands, nothing else."""
    made = make_bare_stream(audit_rate=0.0, bulk_label_rate=0.0)
    publish(made)
    return made


@pytest.fixture
def now(stream: Stream) -> PolicySpec:
    return current_spec(stream.id)[1]


def send(stream: Stream, rows: Sequence[dict[str, float]], **fields: object) -> None:
    first = Item.objects.count()
    posts = [
        Post(external_id=f"T-{first + number}", payload={"body": "Locked out."}, scores=row)
        for number, row in enumerate(rows)
    ]
    take_in(stream=stream, posts=[structs.replace(post, **fields) for post in posts])


def random_rows(size: int, keys: Sequence[str] = KEYS) -> list[dict[str, float]]:
    """Vectors of every kind: full, truncated, tied, and with a sum a little over 1."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(size):
        row = np.round(rng.dirichlet(np.full(len(keys), 0.6)), 3)
        row[-1] = max(round(1.0 - row[:-1].sum(), 3), 0.0)
        scores = dict(zip(keys, row.tolist(), strict=True))
        if number % 4 == 1:
            scores = {key: round(value * 1.008, 6) for key, value in scores.items()}
            scores = {key: min(value, 1.0) for key, value in scores.items()}
        if number % 4 == 2:
            del scores[min(scores, key=scores.__getitem__)]
        if number % 10 == 3:
            scores = dict.fromkeys(keys[:2], 0.4) | {keys[2]: 0.2}
        rows.append(scores)
    return rows


def count_by_scores(spec: PolicySpec) -> dict[str, int]:
    """Actions by deciding anew on every item's scores, with what was posted beside them."""
    items = list(Item.objects.order_by("id"))
    matrix, errors = stored_matrix(spec.categories, [item.scores for item in items])
    kept = [item for place, item in enumerate(items) if place not in errors]
    made = decide(
        spec,
        matrix,
        model_versions=[item.model_version for item in kept],
        opinions=Opinions(
            secondary=[item.secondary for item in kept],
            matched=[spec.fallback.match(item.payload) for item in kept],
            remote=[None] * len(kept),
        ),
    )
    counts = Counter(decision.action for decision in made)
    return {action: counts[action] for action in ACTIONS}


WATCHED = {"security_incident": CategoryRule(watch=0.34), "vpn_issue": CategoryRule(watch=0.4)}
MANDATORY = {"vpn_issue": CategoryRule(mandatory_review=True, mandatory_reason="costly")}
CHANGES: dict[str, dict[str, object]] = {
    "cut-offs": {"cut_offs": CutOffs(0.8, 0.6, 0.0)},
    "gates": {"min_margin": 0.3, "max_entropy": 0.45, "escalate_entropy": 0.8},
    "watch": {"rules": WATCHED},
    "watch of all": {"rules": {key: CategoryRule(watch=0.2) for key in KEYS}},
    "mandatory": {"rules": MANDATORY},
    "distrust": {"distrusted": frozenset({("vpn_issue", 5), ("account_unlock", 4)})},
    "other order": {"categories": KEYS[::-1], "min_margin": 0.3, "rules": WATCHED},
    "one category more": {"categories": (*KEYS, "printer"), "max_entropy": 0.45},
    "uncalibrated": {"uncalibrated": "hold"},
    "a person": {"fallback": Fallback(steps=("person",))},
    "second opinion": {"fallback": Fallback(steps=("secondary", "uncertain"))},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_counts_are_those_of_deciding_on_the_scores(
    stream: Stream, now: PolicySpec, change: dict[str, object]
) -> None:
    send(stream, random_rows(200))
    send(stream, random_rows(60), secondary=SURE, model_version="m2")
    draft = replace(now, **change)  # type: ignore[arg-type]
    found = preview_change(stream_id=stream.id, before=now, after=draft)
    assert (found.before, found.after) == (count_by_scores(now), count_by_scores(draft))
    assert (found.items, found.left_out) == (260, 0)
    gained = Counter[str]()
    for each in found.changes:
        gained[each.after] += each.items
        gained[each.before] -= each.items
    assert {action: found.before[action] + gained[action] for action in ACTIONS} == found.after


def test_score_at_the_watch_level_counts_after_division_by_the_sum(
    stream: Stream, now: PolicySpec
) -> None:
    over = {"vpn_issue": 0.662, "account_unlock": 0.001, "security_incident": 0.342}
    send(stream, [over, {**over, "vpn_issue": 0.657}])
    draft = replace(now, rules={"security_incident": CategoryRule(watch=0.3404)})
    found = preview_change(stream_id=stream.id, before=now, after=draft, examples=3)
    assert found.after == count_by_scores(draft)


def test_scores_outside_the_policy_count_as_they_would(stream: Stream, now: PolicySpec) -> None:
    send(stream, [SURE, LIKELY, {"vpn_issue": 0.95, "account_unlock": 0.05}, *random_rows(60)])
    fewer = replace(now, categories=KEYS[:2])
    found = preview_change(stream_id=stream.id, before=now, after=fewer, examples=3)
    # Truncated vectors that are no longer truncated under fewer categories sum to too little.
    assert (found.items, found.left_out) == (58, 5)
    assert found.after == count_by_scores(fewer)


def test_items_decided_with_scores_outside_the_policy_are_read_again(stream: Stream) -> None:
    Category.objects.create(stream=stream, key="printer", label="Printer", position=3)
    send(stream, random_rows(40, (*KEYS, "printer")))
    now = current_spec(stream.id)[1]
    draft = replace(now, cut_offs=CutOffs(0.3, 0.2, 0.1))
    found = preview_change(stream_id=stream.id, before=now, after=draft, examples=3)
    assert (found.before, found.after) == (count_by_scores(now), count_by_scores(draft))
    assert found.after["wait"] > 0


def test_items_are_routed_whatever_policy_they_were_decided_by(stream: Stream) -> None:
    send(stream, random_rows(20))
    Category.objects.create(stream=stream, key="printer", label="Printer", position=3)
    publish(stream, max_entropy=0.45)
    send(stream, random_rows(20, (*KEYS, "printer")))
    now = current_spec(stream.id)[1]
    draft = replace(now, max_entropy=0.6)
    found = preview_change(stream_id=stream.id, before=now, after=draft)
    assert (found.before, found.after) == (count_by_scores(now), count_by_scores(draft))


def test_keyword_rules_of_the_draft_read_the_payloads(stream: Stream, now: PolicySpec) -> None:
    send(stream, [HELD])
    send(stream, [HELD], payload={"body": "The tunnel drops."})
    rule = KeywordRule("tunnel", "keyword", "tunnel", "vpn_issue", 0.95)
    draft = replace(now, fallback=Fallback(steps=("rules",), keyword_rules=(rule,)))
    found = preview_change(stream_id=stream.id, before=now, after=draft, examples=3)
    assert found.after == count_by_scores(draft)
    (change,) = found.changes
    assert (change.before, change.after, change.causes) == ("wait", "act_and_review", ())
    assert [(each.external_id, each.reasons) for each in change.examples] == [
        ("T-1", ("keyword rules: vpn_issue at 0.95: acted on and reviewed",))
    ]


def test_only_the_latest_decision_of_an_item_counts(stream: Stream, now: PolicySpec) -> None:
    send(stream, [SURE])
    again = Decision.objects.get()
    fields = {
        field.attname: getattr(again, field.attname)
        for field in Decision._meta.concrete_fields
        if not field.primary_key
    }
    Decision.objects.create(**(fields | {"raw_confidence": 0.60, "confidence": 0.60}))
    found = preview_change(stream_id=stream.id, before=now, after=now)
    assert (found.items, found.before["wait"], found.changes) == (1, 1, NO_CHANGE)


def test_newest_items_are_taken_where_there_are_too_many(stream: Stream, now: PolicySpec) -> None:
    send(stream, [HELD] * 3)
    send(stream, [SURE] * 2)
    found = preview_change(stream_id=stream.id, before=now, after=now, most_items=2)
    assert (found.items, found.before["act"]) == (2, 2)
    newest = Item.objects.order_by("-received_at").values_list("received_at", flat=True)
    assert (found.first, found.last) == (newest[1], newest[0])


def test_fewer_items_are_taken_where_their_scores_have_to_be_read(
    stream: Stream, now: PolicySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "MOST_READ_AGAIN", 4)
    send(stream, random_rows(9))
    other = replace(now, categories=(*KEYS, "printer"))
    assert preview_change(stream_id=stream.id, before=now, after=other).items == 4
    asked = replace(now, fallback=Fallback(steps=("secondary",)), cut_offs=CutOffs(1.0, 1.0, 1.0))
    assert preview_change(stream_id=stream.id, before=now, after=asked).items == 4
    assert preview_change(stream_id=stream.id, before=now, after=now).items == 9


def test_examples_are_the_newest_with_the_reasons_of_the_move(
    stream: Stream, now: PolicySpec
) -> None:
    send(stream, [SURE, SURE, LIKELY, HELD])
    draft = replace(now, cut_offs=CutOffs(auto=0.98, flagged=0.7, hold=0.5))
    found = preview_change(stream_id=stream.id, before=now, after=draft, examples=1)
    (change,) = found.changes
    assert (change.before, change.after, change.items, found.moved) == (
        "act",
        "act_and_review",
        2,
        2,
    )
    (example,) = change.examples
    assert example.reasons == ("confidence 0.97 under 0.98",)
    assert Item.objects.get(id=example.item_id).external_id == example.external_id


def test_stream_without_items_has_an_empty_preview(stream: Stream, now: PolicySpec) -> None:
    found = preview_change(stream_id=stream.id, before=now, after=now, examples=3)
    assert (found.items, found.left_out, found.first, found.changes) == (0, 0, None, ())


def test_preview_stores_nothing_and_asks_a_constant_number_of_times(
    stream: Stream, now: PolicySpec, django_assert_num_queries: object
) -> None:
    draft = replace(now, cut_offs=CutOffs(0.98, 0.6, 0.5), rules=WATCHED)
    for size in (1, 3):
        send(stream, [SURE] * size)
        before = Decision.objects.count(), Event.objects.count()
        with django_assert_num_queries(3):  # type: ignore[operator]
            preview_change(stream_id=stream.id, before=now, after=draft, examples=3)
        assert (Decision.objects.count(), Event.objects.count()) == before
