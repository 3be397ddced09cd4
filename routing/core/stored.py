"""What stored items bring to be routed again: scores, or of drafted sentences the evidence."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from routing.core.evidence import EvidenceTable, ground_signals, stored_evidence
from routing.core.policy import Policy
from routing.core.signals import (
    ScoreError,
    ScoreMatrix,
    Signals,
    compute_signals,
    stored_matrix,
)

Stored: TypeAlias = ScoreMatrix | EvidenceTable


def read_stored(
    policy: Policy, documents: Sequence[Any]
) -> tuple[Stored, Mapping[int, ScoreError]]:
    """The rows that the policy can read, their places in `index`, and what is wrong with others.

    `documents` are columns `scores` of items, or `evidence` where the policy is of sentences.
    """
    if policy.grounding is not None:
        return stored_evidence(documents)
    return stored_matrix(policy.categories, documents)


def find_signals(policy: Policy, stored: Stored) -> tuple[ScoreMatrix | None, Signals]:
    """What `route` takes of `read_stored` under the same policy: no matrix of sentences."""
    if isinstance(stored, EvidenceTable):
        if policy.grounding is None:
            raise TypeError("Evidence is read under a policy for drafted sentences.")
        return None, ground_signals(policy.grounding, stored)[0]
    return stored, compute_signals(stored)
