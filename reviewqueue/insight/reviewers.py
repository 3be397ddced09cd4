"""The reviewers sheet: pace, agreement and accuracy on known answers, of everybody on a stream."""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User

from reviewqueue.agreements import count_agreement_by_person, measure_agreement
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.figures import PersonFigures, ReviewersFigures
from reviewqueue.insight.people import people_chart
from reviewqueue.insight.rates import tell_agreement, tell_rate
from reviewqueue.insight.sheets import Made
from reviewqueue.known_answers import measure_reviewer
from reviewqueue.models import Membership
from reviewqueue.pace import measure_pace
from routing.models import Stream

DAYS: Final = 90
MOST_PEOPLE: Final = 500
# The table below the chart has all.
MOST_DRAWN: Final = 60
EVERYBODY: Final = "people"


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
        "measures": tell_agreement(agreement),
        "people": [each for each in told if _is_measured(each)],
    }
    return Made(dict(figures), draw(_documents(figures)))


def _documents(figures: ReviewersFigures) -> dict[str, object]:
    """A chart of everybody, for those who may see everybody's figures."""
    people = figures["people"][:MOST_DRAWN]
    has_rates = any(each["agreed"]["n"] or each["known"]["n"] for each in people)
    return {EVERYBODY: people_chart(people)} if has_rates else {}


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
        "agreed": tell_rate(*agreed),
        "known": {
            "successes": known.successes,
            "n": known.n,
            "value": known.value,
            "low": known.low,
            "high": known.high,
        },
    }


def _is_measured(person: PersonFigures) -> bool:
    return bool(person["timed"] or person["agreed"]["n"] or person["known"]["n"])
