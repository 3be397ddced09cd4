"""Shares and measures as sheets hold them."""

from typing import TYPE_CHECKING, Final

from calibration.core.estimates import clopper_pearson_interval
from reviewqueue.insight.figures import MeasureFigures, RateFigures

if TYPE_CHECKING:
    from calibration.core.agreement import Agreement, Difference
    from reviewqueue.agreements import PairAgreement

MEASURES: Final = ("raw", "kappa", "alpha", "ac1")


def tell_rate(successes: int, n: int) -> RateFigures:
    """A share with its exact interval; null without any."""
    if not n:
        return {"successes": 0, "n": 0, "value": None, "low": None, "high": None}
    low, high = clopper_pearson_interval(successes, n)
    return {"successes": successes, "n": n, "value": successes / n, "low": low, "high": high}


def tell_measure(name: str, found: "Agreement | Difference") -> MeasureFigures:
    """A measure with its interval under its name."""
    return {"name": name, "value": found.value, "low": found.low, "high": found.high}


def tell_agreement(found: "PairAgreement") -> list[MeasureFigures]:
    """How far two people agree, by each measure."""
    return [tell_measure(name, getattr(found, name)) for name in MEASURES]
