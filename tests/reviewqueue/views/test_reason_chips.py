"""Reasons in the reader's words."""

import pytest

from reviewqueue.views.reason_chips import word_reason
from tests import scenes


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            {
                "code": "composite",
                "numbers": {
                    "entailment_part": 0.546,
                    "gap_part": 0.1,
                    "claims_part": 0.075,
                    "composite": 0.721,
                },
            },
            "Entailment 0.55, gap 0.10, claims 0.07: together 0.72",
        ),
        ({"code": "no_source", "numbers": {}}, "No block supports the sentence"),
        (
            {"code": "stale_source", "numbers": {"age_days": 412, "limit_days": 365}},
            "The cited block is 412 days old, over the limit of 365",
        ),
        (
            {"code": "number_not_found", "numbers": {"count": 1, "places": "1-2"}},
            "1 number of the sentence stands in no block",
        ),
        (
            {"code": "number_not_found", "numbers": {"count": 2, "places": "1-2 4-5"}},
            "2 numbers of the sentence stand in no block",
        ),
        (
            {"code": "confidence", "numbers": {"confidence": 0.8996, "cut_off": 0.9}},
            "Confidence 89.96% under 90%",
        ),
        (
            {"code": "margin", "numbers": {"margin": 0.19, "min_margin": 0.3}},
            "Margin 0.19 under 0.30",
        ),
        (
            {"code": "watch", "numbers": {"category": "vpn", "score": 0.38, "watch": 0.34}},
            "VPN issue 0.38 reaches 0.34",
        ),
        (
            {"code": "mandatory_review", "numbers": {"category": "vpn", "reason": "prices"}},
            "VPN issue always goes to a person: prices",
        ),
        (
            {
                "code": "outside_policy",
                "numbers": {"category": "vpn", "more": 2, "outside": 0.62, "top": 0.3},
            },
            "VPN issue and 2 more 0.62 is not in the policy, whose best has 0.30",
        ),
        (
            {"code": "distrust", "numbers": {"category": "vpn", "lower": 0.8, "upper": 0.9}},
            "VPN issue at 80 to 90% was found overconfident",
        ),
        (
            {
                "code": "distrust",
                "numbers": {
                    "category": "vpn",
                    "lower": 0.8,
                    "upper": 0.9,
                    "entropy": 0.31,
                    "distrust_entropy": 0.2,
                },
            },
            "VPN issue at 80 to 90% was found overconfident: entropy 0.31 over 0.20",
        ),
        (
            {"code": "model_version", "numbers": {"model_version": "m2", "policy_says": "hold"}},
            "Model version m2 is not one the maps were fitted on: confidence is not calibrated",
        ),
        (
            {"code": "model_version", "numbers": {"model_version": "", "policy_says": "hold"}},
            "No model version was named: confidence is not calibrated",
        ),
        (
            {"code": "uncalibrated", "numbers": {"category": "vpn", "policy_says": "warn"}},
            "No calibration map for VPN issue yet: its confidence is as the model gave it",
        ),
        (
            {"code": "capacity", "message": "full", "numbers": {}},
            "No seat in hold was free, so it was answered uncertain at once",
        ),
        ({"code": "novel", "message": "a rule of tomorrow"}, "A rule of tomorrow"),
        ({"code": "margin", "message": "margin lost", "numbers": {}}, "Margin lost"),
    ],
)
def test_reasons_are_worded(reason: dict[str, object], words: str) -> None:
    chip = word_reason(reason, label_of={"vpn": "VPN issue"}.__getitem__)
    assert chip.before + chip.number + chip.after == words


OPINION = {"category": "vpn", "confidence": 0.86, "queue": "flagged"}


@pytest.mark.parametrize(
    ("step", "numbers", "words"),
    [
        ("secondary", {"result": "missing"}, "No second opinion was posted"),
        ("rules", {"result": "missing"}, "No keyword rule matches"),
        ("remote", {"result": "asking"}, "The remote model is asked for a second opinion"),
        ("remote", {"result": "failed", "error": "timed out"}, "Remote model: timed out"),
        ("rules", {"result": "failed", "rules": "a, b"}, "Keyword rules contradict each other"),
        ("secondary", {"result": "failed"}, "As it was stored"),
        ("rules", {"result": "skipped"}, "Keyword rules: not asked"),
        (
            "secondary",
            {"result": "lifted", **OPINION},
            "Second opinion: VPN issue at 86%: acted on and reviewed",
        ),
        (
            "remote",
            {"result": "stands", **OPINION},
            "Remote model: VPN issue at 86% is not enough either",
        ),
        (
            "secondary",
            {"result": "ended", "by": "watch", **OPINION},
            "Second opinion: VPN issue at 86%, which reaches a watch level: it stays",
        ),
        ("person", {"result": "waits", "instead_of": "refuse"}, "A person decides"),
        ("person", {"result": "waits"}, "An expert decides"),
        (
            "uncertain",
            {"result": "refused", "instead_of": "wait"},
            "Nothing settled it, so it is answered uncertain at once",
        ),
    ],
)
def test_steps_of_the_fallback_chain_are_worded(
    step: str, numbers: dict[str, object], words: str
) -> None:
    reason = {"code": f"fallback_{step}", "message": "as it was stored", "numbers": numbers}
    chip = word_reason(reason, label_of={"vpn": "VPN issue"}.__getitem__)
    assert chip.before + chip.number + chip.after == words


def test_stored_chain_is_read_with_labels(db: None) -> None:
    stream = scenes.make_stream("chain")
    scenes.publish(stream, min_margin=0.3, fallback_steps=["secondary", "person"])
    task = scenes.post(stream, "HD-1", secondary={"account_unlock": 0.55, "vpn_issue": 0.45})
    labels = {"account_unlock": "Account unlock", "vpn_issue": "VPN issue"}
    chips = [word_reason(reason, label_of=labels.__getitem__) for reason in task.decision.reasons]
    assert [chip.before + chip.number + chip.after for chip in chips] == [
        "Confidence 52% under 90%",
        "Margin 0.21 under 0.30",
        "Second opinion: Account unlock at 55% is not enough either",
        "A person decides",
    ]
