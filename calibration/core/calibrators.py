"""Fits of one map for a whole stream, from raw to calibrated confidence.

With z = ln(p / (1 - p)) of the clipped raw confidence p and s the logistic function

    platt         s(a z + b)                            Platt 1999; on logits Guo et al. 2017
    temperature   s(z / T)                              Guo et al. 2017 (arXiv 1706.04599)
    beta          s(a ln p - b ln(1 - p) + c), a, b >= 0    Kull, Silva Filho & Flach 2017

Each is the identity for some coefficients, and a ridge of fixed strength holds it there where the
labels do not say otherwise: a = b = 1, intercepts 0, ln T = 0. So that the ridge stays a prior the
weights are normalised to the Kish size n_eff = sum(w)^2 / sum(w^2), never to the number of items.
Fewer than 30 effective labels, or labels that all say the same, give the identity, flagged.
"""

from dataclasses import dataclass
from math import exp

import numpy as np
import numpy.typing as npt

from calibration.core.estimates import (
    FloatArray,
    as_outcomes,
    as_probabilities,
    as_weights,
    hajek_mean,
    kish_size,
)
from calibration.core.logistic import Points, Prior, sigmoid, solve_logistic
from routing.core.maps import CLIP, IDENTITY, CalibrationMap

FEWEST_LABELS = 30.0
RIDGE = 1e-2
# ln T is sought within +-this: a slope of a thousandth to a thousand.
_WIDEST = 7.0
_BISECTIONS = 45


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted map, the effective number of labels behind it, and what a person should know.

    ``flagged`` marks a map that the labels do not really support; ``note`` says why.
    """

    map: CalibrationMap
    n_eff: float
    flagged: bool
    note: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Checked labels, (n,) each: raw confidences, outcomes and weights."""

    raw: FloatArray
    correct: FloatArray
    weights: FloatArray

    @property
    def n_eff(self) -> float:
        """Kish size of the weights."""
        return kish_size(self.weights)

    @property
    def normalised(self) -> FloatArray:
        """(n,) weights that sum to the Kish size."""
        return np.asarray(self.weights * (self.n_eff / float(self.weights.sum())), dtype=np.float64)

    def part(self, kept: npt.NDArray[np.bool_]) -> "Sample":
        """The labels for which ``kept`` (n,) is true."""
        return Sample(self.raw[kept], self.correct[kept], self.weights[kept])


def read_sample(
    raw: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> Sample:
    """Labels of (n,) arrays; CalibrationError for what is no probability, outcome or weight."""
    scores = as_probabilities("raw", raw)
    return Sample(
        scores,
        as_outcomes("correct", correct, scores.size),
        as_weights("weights", weights, scores.size),
    )


def fit_platt(*, raw: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None) -> Fit:
    """Weighted Platt map of (n,) raw confidences, outcomes and weights w = 1/pi.

    A slope that would turn the order of the scores round is held at 0 and flagged.
    Raises CalibrationError for what is no probability, outcome or weight.
    """
    sample = read_sample(raw, correct, weights)
    if refusal := explain_refusal(sample):
        return refuse(sample, refusal)
    slope, intercept = solve_platt(sample, Prior(np.array([1.0, 0.0]), np.full(2, RIDGE))).tolist()
    if slope <= 0.0:
        return level_out(sample)
    note = f"platt, slope {slope:.3f}, intercept {intercept:.3f}"
    return Fit(CalibrationMap("platt", (slope, intercept)), sample.n_eff, False, note)


def fit_temperature(
    *, raw: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> Fit:
    """Weighted temperature of (n,) raw confidences, outcomes and weights w = 1/pi.

    Where no temperature above 0 brings the confidences nearer to the outcomes the identity is
    given, flagged. Raises CalibrationError for what is no probability, outcome or weight.
    """
    sample = read_sample(raw, correct, weights)
    if refusal := explain_refusal(sample):
        return refuse(sample, refusal)
    z, total = logit_of(sample.raw), sample.normalised
    if float(np.dot(total * (0.5 - sample.correct), z)) >= 0.0:
        return refuse(sample, "identity: hotter is always better, so no temperature fits")
    low, high = -_WIDEST, _WIDEST
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        scaled = z * exp(-middle)
        rise = -float(np.dot(total * (sigmoid(scaled) - sample.correct), scaled)) + RIDGE * middle
        low, high = (middle, high) if rise < 0.0 else (low, middle)
    temperature = exp((low + high) / 2.0)
    note = f"temperature {temperature:.3f}"
    return Fit(CalibrationMap("temperature", (temperature,)), sample.n_eff, False, note)


def fit_beta(*, raw: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None) -> Fit:
    """Weighted beta map of (n,) raw confidences, outcomes and weights w = 1/pi.

    Coefficients that would be negative are held at 0; where both are, the map is flagged.
    Raises CalibrationError for what is no probability, outcome or weight.
    """
    sample = read_sample(raw, correct, weights)
    if refusal := explain_refusal(sample):
        return refuse(sample, refusal)
    a, b, c = _solve_beta(sample).tolist()
    if a == b == 0.0:
        return level_out(sample)
    note = f"beta, a {a:.3f}, b {b:.3f}, c {c:.3f}"
    return Fit(CalibrationMap("beta", (a, b, c)), sample.n_eff, False, note)


def explain_refusal(sample: Sample) -> str:
    """Why these labels support no map; empty where they do."""
    n_eff = sample.n_eff
    if n_eff < FEWEST_LABELS:
        return f"identity: {n_eff:.1f} effective labels, {FEWEST_LABELS:.0f} are needed for a fit"
    if sample.correct.min() == sample.correct.max():
        what = "right" if sample.correct[0] == 1.0 else "wrong"
        return f"identity: all labels say that the model was {what}, which fixes no slope"
    return ""


def refuse(sample: Sample, note: str) -> Fit:
    """The identity, flagged."""
    return Fit(IDENTITY, sample.n_eff, True, note)


def level_out(sample: Sample) -> Fit:
    """The mean accuracy for every item, flagged: what is left where no rising map fits."""
    accuracy = hajek_mean(sample.correct, sample.weights)
    level = float(np.log(accuracy / (1.0 - accuracy)))
    note = (
        "accuracy does not rise with the raw confidence: every item gets the mean accuracy; "
        "check that these labels belong to this model"
    )
    return Fit(CalibrationMap("platt", (0.0, level)), sample.n_eff, True, note)


def logit_of(raw: FloatArray) -> FloatArray:
    """(n,) ln(p / (1 - p)) of the clipped raw confidences."""
    clipped = np.clip(raw, CLIP, 1.0 - CLIP)
    return np.asarray(np.log(clipped / (1.0 - clipped)), dtype=np.float64)


def solve_platt(sample: Sample, prior: Prior) -> FloatArray:
    """Slope and intercept (2,) on these labels, held near ``prior``."""
    z, total = logit_of(sample.raw), sample.normalised
    columns = np.stack([z, np.ones_like(z)])
    return solve_logistic(Points(columns, total, total * sample.correct), prior, along=z)


def _solve_beta(sample: Sample) -> FloatArray:
    """(a, b, c) of least ridged loss: free, or else on the best face of a, b >= 0."""
    clipped = np.clip(sample.raw, CLIP, 1.0 - CLIP)
    columns = np.stack([np.log(clipped), -np.log1p(-clipped), np.ones_like(clipped)])
    total, along = sample.normalised, columns[0] + columns[1]
    points = Points(columns, total, total * sample.correct)
    prior = Prior(np.array([1.0, 1.0, 0.0]), np.full(3, RIDGE))
    found = []
    for free in ([0, 1, 2], [0, 2], [1, 2], [2]):
        theta = np.zeros(3)
        theta[free] = solve_logistic(
            Points(columns[free], total, points.positive),
            Prior(prior.mean[free], prior.precision[free]),
            along=along,
        )
        if theta[:2].min() >= 0.0:
            found.append((_ridged_loss(points, prior, theta), theta))
            if len(free) == 3:
                break
    return min(found, key=lambda each: each[0])[1]


def _ridged_loss(points: Points, prior: Prior, theta: FloatArray) -> float:
    linear = theta @ points.columns
    loss = np.dot(points.total, np.logaddexp(0.0, linear)) - np.dot(points.positive, linear)
    return float(loss + np.dot(prior.precision, (theta - prior.mean) ** 2) / 2.0)
