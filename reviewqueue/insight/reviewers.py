"""The reviewers sheet: pace, agreement and accuracy on known answers, of everybody on a stream."""

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User

from calibration.core.estimates import clopper_pearson_interval
from reviewqueue.agreements import count_agreement_by_person, measure_agreement
from reviewqueue.insight.figures import (
    MeasureFigures,
    PersonFigures,
    RateFigures,
    ReviewersFigures,
)
from reviewqueue.insight.sheets import Made
from reviewqueue.known_answers import measure_reviewer
from reviewqueue.models import Membership
from reviewqueue.pace import measure_pace
from routing.models import Stream

if TYPE_CHECKING:
    from calibration.core.agreement import Agreement

DAYS: Final = 90
MOST_PEOPLE: Final = 500


def make_reviewers(stream: Stream, at: datetime) -> Made:
    """Measure the people of a stream over the last 90 whole days.

    Today is left out: whoever saw a count grow would know which of their items had a known answer.
    """
    zone = ZoneInfo(stream.time_zone)
    today = at.astimezone(zone).date()
    end = datetime.combine(today, time.min, zone)
    start = datetime.combine(today - timedelta(days=DAYS), time.min, zone)
    agreement = measure_agreement(stream=stream, start=start, end=end)
    pairs = count_agreement_by_person(stream=stream, start=start, end=end)
    members = Membership.objects.filter(stream=stream).values("user_id")
    people = User.objects.filter(id__in=members).order_by("username")[:MOST_PEOPLE]
    told = [_measure(stream, person, pairs.get(person.pk, (0, 0)), start, end) for person in people]
    figures: ReviewersFigures = {
        "first": start.date().isoformat(),
        "last": (today - timedelta(days=1)).isoformat(),
        "pairs": agreement.pairs,
        "measures": [
            _tell_measure(name, getattr(agreement, name))
            for name in ("raw", "kappa", "alpha", "ac1")
        ],
        "people": [each for each in told if _is_measured(each)],
    }
    return Made(dict(figures))


def _measure(
    stream: Stream, person: User, agreed: tuple[int, int], start: datetime, end: datetime
) -> PersonFigures:
    pace = measure_pace(stream=stream, user=person, start=start, end=end)
    known = measure_reviewer(stream=stream, user=person, start=start, end=end)
    return {
        "user": person.pk,
        "name": person.get_username(),
        "timed": pace.verdicts,
        "pace": pace.median,
        "pace_low": pace.low,
        "pace_high": pace.high,
        "agreed": _tell_rate(*agreed),
        "known": {
            "successes": known.successes,
            "n": known.n,
            "value": known.value,
            "low": known.low,
            "high": known.high,
        },
    }


def _tell_rate(successes: int, n: int) -> RateFigures:
    if not n:
        return {"successes": 0, "n": 0, "value": None, "low": None, "high": None}
    low, high = clopper_pearson_interval(successes, n)
    return {"successes": successes, "n": n, "value": successes / n, "low": low, "high": high}


def _tell_measure(name: str, found: "Agreement") -> MeasureFigures:
    return {"name": name, "value": found.value, "low": found.low, "high": found.high}


def _is_measured(person: PersonFigures) -> bool:
    return bool(person["timed"] or person["agreed"]["n"] or person["known"]["n"])
