"""Making sheets: a worker takes one that is due, counts and draws, and writes it down."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from reviewqueue.insight.budget import make_budget
from reviewqueue.insight.drifting import make_drift
from reviewqueue.insight.health import make_health
from reviewqueue.insight.mixups import make_ambiguity
from reviewqueue.insight.reliability import make_month, make_quarter
from reviewqueue.insight.reviewers import make_reviewers
from reviewqueue.insight.sheets import Made, data_version
from reviewqueue.insight.trials import make_trials
from reviewqueue.insight_models import InsightSheet
from routing.models import Stream
from routing.reading import from_replica, has_replica

logger = logging.getLogger(__name__)

Kind = InsightSheet.Kind

LEASE: Final = timedelta(minutes=5)
# A busy stream's labels change all the time; its sheet rests so long, and longer where the making
# took long, before it is made anew. Another policy does not wait.
REST_SECONDS: Final = 45
REST_FACTOR: Final = 20
LONGEST_ERROR: Final = 500
MAKERS: Final[Mapping[str, Callable[[Stream, datetime], Made]]] = {
    Kind.MONTH: make_month,
    Kind.QUARTER: make_quarter,
    Kind.WHAT_IF: make_trials,
    Kind.BUDGET: make_budget,
    Kind.AMBIGUITY: make_ambiguity,
    Kind.DRIFT: make_drift,
    Kind.REVIEWERS: make_reviewers,
    Kind.HEALTH: make_health,
}

TAKE_NEXT: Final = """
    UPDATE reviewqueue_insightsheet SET token = gen_random_uuid(),
        leased_until = statement_timestamp() + make_interval(secs => %(lease)s)
    WHERE id = (
        SELECT id FROM reviewqueue_insightsheet
        WHERE version <> asked_version
            AND (leased_until IS NULL OR leased_until <= statement_timestamp())
            AND (made_at IS NULL OR split_part(version, ' ', 1) <> split_part(asked_version, ' ', 1)
                OR made_at + make_interval(secs => greatest(%(rest)s, %(factor)s * seconds))
                    <= statement_timestamp())
        ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
"""


def make_next() -> InsightSheet | None:
    """Make the sheet that was asked for first and is due; None where none is."""
    with connection.cursor() as cursor:
        cursor.execute(
            TAKE_NEXT,
            {"lease": LEASE.total_seconds(), "rest": REST_SECONDS, "factor": REST_FACTOR},
        )
        row = cursor.fetchone()
    if row is None:
        return None
    sheet = InsightSheet.objects.defer("arrays").select_related("stream").get(id=row[0])
    _make(sheet)
    return sheet


def _make(sheet: InsightSheet) -> None:
    began = time.monotonic()
    made, error, version = None, "", sheet.asked_version
    try:
        # The words of an item that was erased a moment ago may stand on a replica still.
        has_words = sheet.kind == Kind.AMBIGUITY
        with nullcontext() if has_words else from_replica():
            if has_replica() and not has_words:
                # A replica may be behind what was asked for: then a page asks again.
                version = data_version(sheet.stream)
            made = MAKERS[sheet.kind](sheet.stream, timezone.now())
    except Exception as failure:
        logger.exception("%s: could not be made", sheet)
        error = _("%(error)s. The worker's log has all.") % {
            "error": f"{type(failure).__name__}: {failure}"
        }
    sheet.seconds = time.monotonic() - began
    fields: dict[str, object] = {
        "error": Truncator(error).chars(LONGEST_ERROR),
        "version": version,
        "seconds": sheet.seconds,
        "leased_until": None,
    }
    if version != sheet.asked_version:
        fields["asked_version"] = version
    if made is not None:
        fields |= {
            "figures": made.figures,
            "pictures": made.pictures,
            "arrays": made.arrays,
            "made_at": Now(),
        }
    if not InsightSheet.objects.filter(id=sheet.id, token=sheet.token).update(**fields):
        logger.warning("%s: another worker took it over", sheet)
