"""A draft from a preset: its numbers, what was measured and promised stays."""

import pytest
from django.contrib.auth.models import User

from routing.core.policy import CategoryRule, CutOffs, PolicyError
from routing.core.presets import PRESETS, Preset, find_preset
from routing.drafts import draft_cut_offs, start_policy
from routing.models import Policy, Stream
from routing.policies import load_spec, publish_policy
from tests.scenes import KEYS, make_bare_stream, publish

PLATT = {"kind": "platt", "parameters": [1.0, 0.0], "knots": []}


@pytest.mark.parametrize("preset", PRESETS, ids=[preset.key for preset in PRESETS])
def test_draft_of_a_new_stream_has_the_numbers_and_can_be_published(
    db: None, preset: Preset
) -> None:
    stream = make_bare_stream()
    user = User.objects.create_user("ann")
    draft = start_policy(stream=stream, preset=preset, watched=(), created_by_id=user.id)
    spec = load_spec(draft)
    assert (spec.cut_offs, spec.min_margin, spec.uncalibrated) == (
        preset.cut_offs,
        preset.min_margin,
        preset.uncalibrated,
    )
    assert (draft.title, draft.created_by_id, draft.based_on) == (preset.name, user.id, None)
    publish_policy(policy_id=draft.id, reason="a start", published_by_id=user.id)


def test_watched_categories_get_the_presets_level(db: None) -> None:
    draft = start_policy(
        stream=make_bare_stream(),
        preset=find_preset("class-aware"),
        watched=KEYS[1:],
        created_by_id=None,
    )
    assert {key: rule.watch for key, rule in load_spec(draft).rules.items()} == {
        "vpn_issue": 0.34,
        "security_incident": 0.34,
    }
    assert {rule.stream_id for rule in draft.rules.all()} == {draft.stream_id}


def test_maps_and_mandatory_reviews_are_taken_over_and_other_rules_are_not(stream: Stream) -> None:
    base = publish(
        stream,
        {
            "vpn_issue": {"auto": 0.95},
            "security_incident": {
                "watch": 0.2,
                "auto": 0.97,
                "mandatory_review": True,
                "mandatory_reason": "Incidents are for people.",
            },
        },
        maps={"": PLATT},
        model_versions=["m1"],
        distrust_entropy=0.2,
    )
    draft = start_policy(
        stream=stream, preset=find_preset("four-bands"), watched=(), created_by_id=None
    )
    spec = load_spec(draft)
    assert (draft.based_on, draft.maps, draft.model_versions) == (base, {"": PLATT}, ["m1"])
    assert (spec.distrust_entropy, list(spec.rules)) == (None, ["security_incident"])
    rule = spec.rules["security_incident"]
    assert (rule.auto, rule.watch, rule.mandatory_reason) == (
        None,
        None,
        "Incidents are for people.",
    )


def test_watched_category_that_the_stream_does_not_have_is_refused(stream: Stream) -> None:
    with pytest.raises(PolicyError, match="'elsewhere' is no category of the stream"):
        start_policy(
            stream=stream,
            preset=find_preset("class-aware"),
            watched=["elsewhere"],
            created_by_id=None,
        )
    assert not stream.policies.filter(version=None).exists()


def test_watched_category_under_a_preset_without_a_level_is_refused(stream: Stream) -> None:
    with pytest.raises(PolicyError, match="Four bands has no watch level"):
        start_policy(
            stream=stream,
            preset=find_preset("four-bands"),
            watched=["vpn_issue"],
            created_by_id=None,
        )


def test_draft_of_cut_offs_keeps_all_else(stream: Stream) -> None:
    base = publish(
        stream,
        {"vpn_issue": {"auto": 0.95, "watch": 0.3}, "account_unlock": {"hold": 0.4}},
        min_margin=0.2,
    )
    draft = draft_cut_offs(
        policy=base,
        cut_offs=CutOffs(0.93, 0.7, 0.5),
        own={"vpn_issue": {"auto": None, "flagged": 0.8, "hold": None}},
        title="tried",
        created_by_id=None,
    )
    spec = load_spec(draft)
    assert (spec.cut_offs, spec.min_margin) == (CutOffs(0.93, 0.7, 0.5), 0.2)
    assert spec.rules["vpn_issue"] == CategoryRule(flagged=0.8, watch=0.3)
    assert spec.rules["account_unlock"] == CategoryRule(hold=0.4)
    assert (draft.title, draft.based_on, draft.version) == ("tried", base, None)


def test_draft_of_cut_offs_that_contradict_each_other_is_not_kept(stream: Stream) -> None:
    base = publish(stream)
    before = Policy.objects.count()
    with pytest.raises(PolicyError, match=r"vpn_issue: flagged 0\.95 is over auto"):
        draft_cut_offs(
            policy=base,
            cut_offs=CutOffs(0.9, 0.7, 0.5),
            own={"vpn_issue": {"flagged": 0.95}},
            title="",
            created_by_id=None,
        )
    with pytest.raises(PolicyError, match="'nothing' is no category"):
        draft_cut_offs(
            policy=base,
            cut_offs=CutOffs(0.9, 0.7, 0.5),
            own={"nothing": {"auto": 0.95}},
            title="",
            created_by_id=None,
        )
    assert Policy.objects.count() == before
