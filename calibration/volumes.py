"""How much was routed to each queue, day by day: from the counts of days, never from the items."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from calibration.labels import DAYS
from routing.models import Stream
from routing.reading import reading

BY_DAY_AND_QUEUE: Final = DAYS.format(columns="day, queue, sum(count)") + "GROUP BY day, queue"


def count_queues_by_day(
    *, stream: Stream, first: date, last: date
) -> dict[date, Mapping[str, int]]:
    """Decisions by queue of each day from `first` to `last` on which there were any; one query.

    A further decision on an item counts in the place of its earlier one.
    """
    found: dict[date, dict[str, int]] = {}
    with reading().cursor() as cursor:
        cursor.execute(BY_DAY_AND_QUEUE, {"stream": stream.id, "first": first, "last": last})
        for day, queue, count in cursor:
            if count > 0:
                found.setdefault(day, {})[queue] = int(count)
    return dict(found)
