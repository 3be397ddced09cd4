"""The loop played on labelled predictions: what a number of verdicts buys.

A stream is played item by item through the rules, the keyed draw of the audits, the recalibration
and its certificate, with the truth in place of the reviewers. Nothing is stored, and nothing is
acted on before the audits certify a cut-off for the budget. The plan:

    pilot    a uniform audit; says which confidences could be within the budget at all
    rounds   an audit at one rate of everything from there up, and a small one of the rest; after
             each the certificate is tried, at a risk of its own of the delta that all share

A certified draft is published where it acts on more than the policy in force.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from calibration.budgets import DELTA, expect_errors
from calibration.core.estimates import FloatArray, IndexArray
from calibration.core.sampling import combined_pi, is_drawn
from calibration.core.thresholds import plan_reach
from calibration.frames import confidence_bins
from calibration.judgements import judge_maps
from calibration.labels import Cohort, Evidence, FrameRows, Labels, OpenLabels, name_stratum
from calibration.proposals import Budget, Proposal, maps_in_force, propose
from routing.core.maps import CalibrationMap
from routing.core.policy import QUEUES, STREAM_WIDE, CutOffs, Policy
from routing.core.routes import Routes, route
from routing.core.signals import Signals, compute_signals, score_matrix
from routing.models import Stream

MODEL: Final = "simulated"
PILOT_ITEMS: Final = 1 / 6
PILOT_VERDICTS: Final = 0.12
ROUNDS: Final = 4
# The shares of delta that the attempts after each round take; most of it waits for the last.
SPENDING: Final = (0.05, 0.10, 0.15, 0.70)
LOW_RATE: Final = 0.02
RESERVE: Final = 0.985
NOBODY: Final = CutOffs(1.0, 1.0, 1.0)
DEFAULT: Final = CutOffs(0.90, 0.70, 0.50)


class SimulationError(ValueError):
    """A file that the loop cannot be played on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """n labelled predictions over `categories`: their signals, and whether each is right."""

    categories: tuple[str, ...]
    signals: Signals
    correct: FloatArray

    def __len__(self) -> int:
        return len(self.correct)

    def take(self, places: IndexArray) -> "Predictions":
        """Those at `places`, in that order."""
        signals = Signals(
            predicted=self.signals.predicted[places],
            raw_confidence=self.signals.raw_confidence[places],
            margin=self.signals.margin[places],
            entropy=self.signals.entropy[places],
        )
        return Predictions(self.categories, signals, self.correct[places])


@dataclass(frozen=True, slots=True)
class RoundResult:
    """How the loop stood after a round: shares of the future, and what it took."""

    verdicts: int
    auto_share: float
    auto_error: float
    certified: float | None


@dataclass(frozen=True, slots=True)
class Reference:
    """What the future would be under the default bands, and under the best cut-off in hindsight."""

    default_share: float
    default_error: float
    oracle_share: float


@dataclass(slots=True)
class _Routed:
    """What one round brought: its predictions, their strata, and which got a label."""

    items: Predictions
    stratum: npt.NDArray[np.object_]
    pi: FloatArray
    labelled: npt.NDArray[np.bool_]
    tail: npt.NDArray[np.uint64]


def read_predictions(
    rows: Sequence[Mapping[str, object]], *, categories: Sequence[str]
) -> Predictions:
    """Predictions from rows with `scores` and `truth`, a category or a list of those that would do.

    Where the truth is none of `categories`, whatever the model says is an error.

    Raises:
        SimulationError: a row's scores cannot be used; names the row.
    """
    scores: list[Mapping[str, float]] = [row["scores"] for row in rows]  # type: ignore[misc]
    matrix, errors = score_matrix(categories, scores)
    for number, error in sorted(errors.items()):
        raise SimulationError(f"row {number + 1}: {error}")
    signals = compute_signals(matrix)
    said = [categories[place] for place in signals.predicted.tolist()]
    correct = [
        key in truth if isinstance(truth := row.get("truth"), list) else key == truth
        for key, row in zip(said, rows, strict=True)
    ]
    return Predictions(tuple(categories), signals, np.array(correct, dtype=np.float64))


def find_reference(future: Predictions, *, alpha: float) -> Reference:
    """The default bands and the oracle on the future."""
    bands = Policy(version=1, categories=future.categories, cut_offs=DEFAULT)
    share, error = _fare(bands, future)
    order = np.argsort(-future.signals.raw_confidence, kind="stable")
    falling = future.signals.raw_confidence[order]
    rate = np.cumsum(1.0 - future.correct[order]) / np.arange(1, len(future) + 1)
    last_of_ties = np.append(falling[1:] != falling[:-1], True)
    within = np.flatnonzero((rate <= alpha) & last_of_ties)
    oracle = (int(within[-1]) + 1) / len(future) if within.size else 0.0
    return Reference(share, error, oracle)


def play_loop(
    *, past: Predictions, future: Predictions, alpha: float, verdicts: int, seed: int
) -> list[RoundResult]:
    """Play the loop once; returns how it stood after the pilot and after each round.

    `verdicts` bounds all that people are asked; `seed` orders the past and keys the draws.
    """
    loop = _Loop(past, alpha=alpha, verdicts=verdicts, seed=seed)
    results = []
    for items in loop.rounds:
        loop.play(items)
        share, error = _fare(loop.policy, future)
        results.append(RoundResult(loop.spent, share, error, loop.certified))
    return results


class _Loop:
    """One stream under simulation: the policy in force, the rates, and all that was routed."""

    def __init__(self, past: Predictions, *, alpha: float, verdicts: int, seed: int) -> None:
        self.alpha, self.verdicts = alpha, verdicts
        self.random = np.random.default_rng(seed)
        self.secret = self.random.bytes(32)
        shuffled = past.take(self.random.permutation(len(past)))
        first = max(1, round(len(past) * PILOT_ITEMS))
        cuts = np.linspace(first, len(past), ROUNDS + 1).astype(np.intp)
        places = np.split(np.arange(len(past)), cuts[:-1])
        self.rounds = [shuffled.take(part) for part in places if part.size]
        self.items_left = len(past)
        # Under this map not even a raw confidence of 1 reaches a cut-off of 1.
        self.policy = Policy(
            version=1,
            categories=past.categories,
            cut_offs=NOBODY,
            maps={STREAM_WIDE: CalibrationMap("platt", (1.0, 0.0))},
            model_versions=(MODEL,),
        )
        self.base_rate = min(1.0, PILOT_VERDICTS * verdicts / first)
        self.full_rate, self.full_from = self.base_rate, 0.0
        self.spent = 0
        self.certified: float | None = None
        self.pilot: Evidence | None = None
        self.routed: list[_Routed] = []

    def play(self, items: Predictions) -> None:
        """Route and audit a round, then recalibrate."""
        self.items_left -= len(items)
        self.routed.append(self._audit(items))
        if self.pilot is None:
            self.pilot = _gather(self.routed, self.policy.categories)
            self._adopt(self._propose(self.pilot, budget=None), share=None)
            self._plan_audits(self.pilot)
            self.routed.clear()
            return
        evidence = _gather(self.routed, self.policy.categories)
        delta = DELTA * SPENDING[min(len(self.routed), ROUNDS) - 1]
        budget = Budget(self.alpha, delta, planned_from=self.pilot)
        proposal = self._propose(evidence, budget=budget)
        if proposal and proposal.certificate and proposal.certificate.cut_off is not None:
            share = proposal.certificate.share
            if self.certified is None or share > self.certified:
                self._adopt(proposal, share=share)

    def _audit(self, items: Predictions) -> _Routed:
        """Route a round and draw who gets a label."""
        routes = _route(self.policy, items)
        ids = self.random.integers(0, 2**63, size=len(items), dtype=np.uint64)
        full = items.signals.raw_confidence >= self.full_from
        top_up = 0.0
        if self.full_rate > self.base_rate:
            top_up = 1.0 - (1.0 - self.full_rate) / (1.0 - self.base_rate)
        pi = np.where(full, combined_pi(self.base_rate, top_up), self.base_rate)
        labelled = np.zeros(len(items), dtype=np.bool_)
        for place, item_id in enumerate(ids.tolist()):
            if self.spent >= self.verdicts:
                break
            drawn = self._draws(item_id, self.base_rate, "audit")
            drawn |= bool(full[place]) and self._draws(item_id, top_up, "topup")
            labelled[place] = drawn
            self.spent += drawn
        strata = [
            name_stratum(QUEUES[queue], chance)
            for queue, chance in zip(routes.queue.tolist(), pi.tolist(), strict=True)
        ]
        return _Routed(items, np.array(strata, dtype=object), pi, labelled, ids)

    def _draws(self, item_id: int, rate: float, purpose: str) -> bool:
        return is_drawn(
            secret=self.secret, stream_id=MODEL, item_id=str(item_id), rate=rate, purpose=purpose
        )

    def _plan_audits(self, pilot: Evidence) -> None:
        """One rate for what could be within the budget, as high as the verdicts left allow."""
        frame_raw = np.sort(np.repeat(pilot.frame.raw, pilot.frame.count.astype(np.intp)))[::-1]
        expected = expect_errors(pilot.labels.raw, pilot.labels.correct, frame_raw)
        left = RESERVE * (self.verdicts - self.spent)
        reach = plan_reach(expected_error=expected, audits=left, alpha=self.alpha, delta=DELTA)
        affordable = int(left / max(self.items_left, 1) * frame_raw.size)
        # With verdicts for more than what looks hopeful, more is looked at.
        reach = min(max(reach, affordable, 1), frame_raw.size)
        share = reach / frame_raw.size
        self.full_from = float(frame_raw[reach - 1])
        wanted = share * self.items_left
        self.base_rate = min(LOW_RATE, left / max(self.items_left, 1))
        spare = left - self.base_rate * (self.items_left - wanted)
        self.full_rate = min(1.0, max(self.base_rate, spare / max(wanted, 1.0)))

    def _propose(self, evidence: Evidence, *, budget: Budget | None) -> Proposal | None:
        current = judge_maps(
            evidence, maps_in_force(self.policy, MODEL), edges=self.policy.reporting_edges
        )
        return propose(
            evidence=evidence,
            policy=self.policy,
            current=current,
            edges=self.policy.reporting_edges,
            categories=self.policy.categories,
            budget=budget,
        )

    def _adopt(self, proposal: Proposal | None, *, share: float | None) -> None:
        """Publish a draft, as a person would who sees that it acts on more."""
        if proposal is None or not proposal.changes:
            return
        self.policy = replace(
            self.policy,
            version=self.policy.version + 1,
            maps=proposal.maps,
            model_versions=proposal.model_versions,
            cut_offs=proposal.cut_offs if share is not None else self.policy.cut_offs,
        )
        self.certified = share


def _gather(rounds: Sequence[_Routed], categories: tuple[str, ...]) -> Evidence:
    """The evidence of these rounds, as a cohort's is read from the database."""
    strata = sorted({key for one in rounds for key in one.stratum.tolist()})
    number = {key: code for code, key in enumerate(strata)}
    raw = np.concatenate([one.items.signals.raw_confidence for one in rounds])
    category = np.concatenate([one.items.signals.predicted for one in rounds])
    correct = np.concatenate([one.items.correct for one in rounds])
    pi = np.concatenate([one.pi for one in rounds])
    tail = np.concatenate([one.tail for one in rounds])
    taken = np.concatenate([one.labelled for one in rounds])
    stratum = np.array([number[key] for one in rounds for key in one.stratum.tolist()])
    cells = np.stack([category, confidence_bins(raw), stratum])
    found, cell, count = np.unique(cells, axis=1, return_inverse=True, return_counts=True)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Evidence(
        cohort=Cohort(Stream(key=MODEL), MODEL, date(2026, 1, 1), date(2026, 1, 1), now, now),
        categories=categories,
        strata=tuple(strata),
        labels=Labels(
            tail=tail[taken],
            raw=raw[taken],
            category=category[taken].astype(np.int32),
            stratum=stratum[taken].astype(np.int32),
            correct=correct[taken],
            pi=pi[taken],
            free=np.ones(int(taken.sum()), dtype=np.bool_),
        ),
        frame=FrameRows(
            raw=np.minimum(np.bincount(cell.ravel(), weights=raw) / count, 1.0),
            count=count.astype(np.float64),
            category=found[0].astype(np.int32),
            stratum=found[2].astype(np.int32),
        ),
        open=OpenLabels(0, 0.0),
    )


def _route(policy: Policy, items: Predictions) -> Routes:
    return route(policy, items.signals, None, [MODEL] * len(items))


def _fare(policy: Policy, future: Predictions) -> tuple[float, float]:
    """The share of the future that the policy acts on alone, and how much of that is wrong."""
    automatic = _route(policy, future).queue == QUEUES.index("auto")
    acted = int(automatic.sum())
    errors = float((1.0 - future.correct[automatic]).sum())
    return acted / len(future), errors / acted if acted else 0.0
