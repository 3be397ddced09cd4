"""The ready-made policies: their numbers as they are promised, each one publishable."""

import pytest

from routing.core.policy import CategoryRule, Policy
from routing.core.presets import PRESETS, Preset, find_preset
from tests.routing.core.policies import CLASS_AWARE, HELPDESK, decide_one


def make_policy(preset: Preset, **fields: object) -> Policy:
    gates = {name: getattr(preset, name) for name in ("min_margin", "max_entropy")}
    made: dict[str, object] = {
        "version": 0,
        "categories": HELPDESK,
        "cut_offs": preset.cut_offs,
        "escalate_entropy": preset.escalate_entropy,
        "uncalibrated": preset.uncalibrated,
        **gates,
        **fields,
    }
    return Policy(**made)  # type: ignore[arg-type]  # by name


def test_presets_are_these_four() -> None:
    assert [preset.key for preset in PRESETS] == [
        "four-bands",
        "three-buckets",
        "class-aware",
        "conservative",
    ]


@pytest.mark.parametrize(
    ("key", "confidence", "queue"),
    [
        ("four-bands", 0.90, "auto"),
        ("four-bands", 0.70, "flagged"),
        ("four-bands", 0.50, "hold"),
        ("four-bands", 0.49, "reject"),
        ("three-buckets", 0.85, "auto"),
        ("three-buckets", 0.60, "flagged"),
        ("three-buckets", 0.59, "hold"),
        ("three-buckets", 0.34, "hold"),
        ("conservative", 0.99, "hold"),
        ("conservative", 0.49, "reject"),
    ],
)
def test_preset_routes_by_its_bands(key: str, confidence: float, queue: str) -> None:
    rest = (1.0 - confidence) / 2
    policy = make_policy(find_preset(key))
    assert decide_one(policy, confidence, rest, rest).queue == queue


def test_class_aware_preset_has_the_gates_of_the_worked_policy() -> None:
    preset = find_preset("class-aware")
    rules = {"security_incident": CategoryRule(watch=preset.watch)}
    policy = make_policy(preset, rules=rules)
    assert policy.cut_offs == CLASS_AWARE.cut_offs
    for row in ((0.576, 0.386, 0.038), (0.576, 0.044, 0.380), (0.450, 0.210, 0.340)):
        made, worked = decide_one(policy, *row), decide_one(CLASS_AWARE, *row)
        assert (made.queue, made.action, made.watch) == (worked.queue, worked.action, worked.watch)


def test_preset_of_an_unknown_key_is_an_error() -> None:
    with pytest.raises(KeyError):
        find_preset("five-bands")
