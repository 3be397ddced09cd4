"""Policies: published once, copied freely, in force for the very next item."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone

from routing.core.policy import PolicyError
from routing.models import CategoryRule, Event, KeywordRule, Policy, Stream
from routing.policies import (
    AlreadyPublishedError,
    NoPolicyError,
    PublishReasonError,
    copy_policy,
    current_spec,
    load_spec,
    publish_policy,
    published_spec,
)
from tests.conftest import Upstream, make_body
from tests.scenes import KEYS, make_bare_stream


def test_spec_holds_the_rows(stream: Stream) -> None:
    _, spec = current_spec(stream.id)

    assert (spec.version, spec.categories) == (1, KEYS)
    assert [spec.effective(key).auto for key in KEYS] == [0.80, 0.72, 0.60]
    assert (spec.min_margin, spec.max_entropy, spec.escalate_entropy) == (0.30, 0.45, 0.80)
    assert spec.rules["security_incident"].watch == 0.34


def test_publication_holds_for_the_next_item(upstream: Upstream, stream: Stream) -> None:
    scores = (0.9, 0.06, 0.04)
    first = json.loads(upstream.post("items", make_body("a", scores)).content)
    draft = copy_policy(
        policy=stream.policies.get(), created_by_id=None, changes={"auto": 0.95, "flagged": 0.95}
    )
    publish_policy(policy_id=draft.id, reason="too many errors", published_by_id=None)
    second = json.loads(upstream.post("items", make_body("b", scores)).content)

    assert (first["queue"], first["policy_version"]) == ("auto", 1)
    assert (second["queue"], second["policy_version"]) == ("hold", 2)


def test_copy_has_everything_and_is_a_draft(stream: Stream) -> None:
    published = stream.policies.get()
    draft = copy_policy(policy=published, created_by_id=None, changes={"title": "looser"})

    assert (draft.version, draft.based_on, draft.title) == (None, published, "looser")
    old, new = load_spec(published), load_spec(draft)
    assert (new.rules, new.cut_offs, new.categories) == (old.rules, old.cut_offs, old.categories)
    assert current_spec(stream.id)[0] == published.id


def test_publish_records_who_why_and_what(stream: Stream) -> None:
    published = stream.policies.get()
    event = Event.objects.get(kind="policy.published")

    assert published.reason == "for the test"
    assert published.category_keys == list(KEYS)
    assert event.subject_id == published.id
    assert (event.data["version"], event.data["based_on"]) == (1, None)


def test_publish_refuses_twice_and_without_reason(stream: Stream) -> None:
    published = stream.policies.get()
    draft = copy_policy(policy=published, created_by_id=None)
    with pytest.raises(AlreadyPublishedError):
        publish_policy(policy_id=published.id, reason="again", published_by_id=None)
    with pytest.raises(PublishReasonError):
        publish_policy(policy_id=draft.id, reason="  ", published_by_id=None)


def test_draft_made_before_a_category_was_retired_is_published_without_its_measurements(
    stream: Stream,
) -> None:
    identity = {"kind": "identity", "parameters": [], "knots": []}
    measured = {
        "maps": {"": identity, "vpn_issue": identity},
        "distrusted": [["vpn_issue", 4], ["account_unlock", 5]],
        "model_versions": ["v1"],
    }
    draft = copy_policy(policy=stream.policies.get(), created_by_id=None, changes=measured)
    draft.rules.filter(category__key="vpn_issue").delete()
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())
    assert set(load_spec(draft).maps) == {""}
    published = publish_policy(policy_id=draft.id, reason="x", published_by_id=None)
    assert (published.maps, published.distrusted) == ({"": identity}, [["account_unlock", 5]])
    assert published_spec(published.id).categories == ("account_unlock", "security_incident")


def test_maps_of_a_retired_category_stay_in_the_version_that_had_them(stream: Stream) -> None:
    own = {"kind": "temperature", "parameters": [2.0], "knots": []}
    with_map = copy_policy(
        policy=stream.policies.get(),
        created_by_id=None,
        changes={"maps": {"vpn_issue": own}, "model_versions": ["v1"]},
    )
    publish_policy(policy_id=with_map.id, reason="map", published_by_id=None)
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())
    copy = copy_policy(policy=with_map, created_by_id=None)
    assert copy.maps == {}
    assert set(copy.rules.values_list("category__key", flat=True)) == {"security_incident"}
    with_map.refresh_from_db()
    assert set(load_spec(with_map).maps) == {"vpn_issue"}
    assert load_spec(with_map).categories == KEYS


@pytest.mark.parametrize(("kept", "steps"), [(1, ["rules", "person"]), (0, ["person"])])
def test_copy_asks_keyword_rules_only_where_a_category_of_theirs_is_left(
    stream: Stream, kept: int, steps: list[str]
) -> None:
    draft = copy_policy(
        policy=stream.policies.get(),
        created_by_id=None,
        changes={"fallback_steps": ["rules", "person"]},
    )
    for name in ("account_unlock", "vpn_issue")[1 - kept :]:
        category = stream.categories.get(key=name)
        KeywordRule.objects.create(
            stream=stream, policy=draft, category=category, name=name, pattern=name
        )
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())
    copy = copy_policy(policy=draft, created_by_id=None)
    assert list(copy.keyword_rules.values_list("name", flat=True)) == ["account_unlock"][:kept]
    assert copy.fallback_steps == steps
    assert load_spec(copy).fallback.steps == tuple(steps)


def test_publish_refuses_effective_cut_offs_that_rise(stream: Stream) -> None:
    draft = copy_policy(policy=stream.policies.get(), created_by_id=None)
    CategoryRule.objects.filter(policy=draft, category__key="vpn_issue").update(flagged=0.9)
    with pytest.raises(PolicyError, match="vpn_issue"):
        publish_policy(policy_id=draft.id, reason="x", published_by_id=None)
    assert Policy.objects.get(id=draft.id).version is None


def test_stream_without_policy_or_categories(db: None) -> None:
    stream = make_bare_stream(categories=())
    with pytest.raises(NoPolicyError):
        current_spec(stream.id)
    with pytest.raises(PolicyError, match="no categories"):
        publish_policy(
            policy_id=Policy.objects.create(stream=stream).id, reason="x", published_by_id=None
        )


@pytest.mark.django_db(transaction=True)
def test_racing_publications_get_one_version_each() -> None:
    stream = make_bare_stream()
    drafts = [Policy.objects.create(stream=stream) for _ in range(4)]

    def publish_twice(draft: Policy) -> list[object]:
        outcomes: list[object] = []
        for _ in range(2):
            try:
                done = publish_policy(policy_id=draft.id, reason="race", published_by_id=None)
                outcomes.append(done.version)
            except AlreadyPublishedError:
                outcomes.append("already")
        connections.close_all()
        return outcomes

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(publish_twice, drafts))

    assert sorted(str(first) for first, _ in outcomes) == ["1", "2", "3", "4"]
    assert [second for _, second in outcomes] == ["already"] * 4
