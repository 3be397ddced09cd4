"""What stored items bring to be routed once more."""

import pytest

from routing.core.evidence import EvidenceTable
from routing.core.signals import ScoreMatrix
from routing.core.stored import find_signals, read_stored
from tests.routing.core.policies import CLASS_AWARE
from tests.routing.core.test_evidence import block, read
from tests.routing.core.test_grounded_rules import POLICY as GROUNDED

SCORES = {"account_unlock": 0.9, "vpn_issue": 0.06, "security_incident": 0.04}


def test_scores_are_read_row_by_row() -> None:
    stored, errors = read_stored(CLASS_AWARE, [{"vpn_issue": 2.0}, SCORES])
    matrix, signals = find_signals(CLASS_AWARE, stored)

    assert isinstance(stored, ScoreMatrix)
    assert matrix is stored
    assert (stored.index.tolist(), list(errors)) == ([1], [0])
    assert signals.raw_confidence.tolist() == [0.9]


def test_evidence_has_signals_and_no_matrix() -> None:
    evidence = read(block("a", 9.0), block("b", 4.0)).to_json()
    stored, errors = read_stored(GROUNDED, [evidence, {"gap": "wide"}])
    matrix, signals = find_signals(GROUNDED, stored)

    assert isinstance(stored, EvidenceTable)
    assert matrix is None
    assert (stored.index.tolist(), list(errors)) == ([0], [1])
    assert GROUNDED.grounding is not None
    assert signals.raw_confidence.tolist() == stored.combine(GROUNDED.grounding).total.tolist()


def test_evidence_under_a_policy_for_scores_is_a_mistake() -> None:
    stored, _errors = read_stored(GROUNDED, [])

    with pytest.raises(TypeError, match="drafted sentences"):
        find_signals(CLASS_AWARE, stored)
