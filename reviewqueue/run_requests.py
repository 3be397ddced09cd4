"""Recalibrations on demand: asked for in a row, worked on by a worker, one at a time per stream.

The `RunRequest` row is all the work there is; a message to a worker only says that one may be due.
Its worker holds it by a lease on the database's clock, renewed at each step. A worker that dies
lets the lease run out, and another begins anew; one that was only slow finds out when it wants to
write, and writes nothing.
"""

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from calibration.models import CalibrationRun, RunRequest
from routing.events import record_event
from routing.models import Stream
from routing.policies import NoPolicyError, current_spec

logger = logging.getLogger(__name__)

MOST_TRIES: Final = 3
# Beyond the longest step of a large stream on a slow machine.
LEASE: Final = timedelta(minutes=2)
LONGEST_ERROR: Final = 500
ONE_UNDER_WAY: Final = "run_request_unfinished_unique"

TAKE_NEXT: Final = """
    UPDATE calibration_runrequest SET state = 'running', tries = tries + 1, step = '', share = 0,
        token = gen_random_uuid(), started_at = coalesce(started_at, statement_timestamp()),
        leased_until = statement_timestamp() + make_interval(secs => %s)
    WHERE id = (
        SELECT id FROM calibration_runrequest
        WHERE state = 'queued' OR (state = 'running' AND leased_until <= statement_timestamp())
        ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
"""


class RunUnderWayError(ValueError):
    """A recalibration of this stream is under way; wait for its end."""


class _LostError(Exception):
    """The lease ran out and another worker has the request."""


def request_run(*, stream: Stream, reason: str, requested_by_id: int | None) -> RunRequest:
    """Ask for a recalibration of the stream; a worker has to be rung for it.

    Raises:
        NoPolicyError: the stream has no published policy.
        RunUnderWayError: an earlier request of the stream has not ended.
    """
    current_spec(stream.id)
    try:
        with transaction.atomic():
            request = RunRequest.objects.create(
                stream=stream, reason=reason.strip(), requested_by_id=requested_by_id
            )
            record_event(
                stream_id=stream.id,
                kind="calibration.requested",
                subject_id=request.id,
                actor_id=requested_by_id,
            )
    except IntegrityError as error:
        if ONE_UNDER_WAY not in str(error):
            raise
        raise RunUnderWayError(RunUnderWayError.__doc__) from None
    return request


def find_under_way(stream: Stream) -> RunRequest | None:
    """The stream's request that waits or is worked on."""
    return RunRequest.objects.unfinished().filter(stream=stream).first()


def work_next() -> RunRequest | None:
    """Take the oldest request that waits, or whose worker died, and work on it to its end.

    Returns it as it stands then; None where nothing is due.
    """
    request = _take_next()
    if request is None:
        return None
    if request.tries > MOST_TRIES:
        _fail(
            request,
            _("%(tries)d workers ended while they worked on it, perhaps for want of memory.")
            % {"tries": MOST_TRIES},
        )
    else:
        _work(request)
    request.refresh_from_db()
    return request


def _take_next() -> RunRequest | None:
    with connection.cursor() as cursor:
        cursor.execute(TAKE_NEXT, [LEASE.total_seconds()])
        row = cursor.fetchone()
    return None if row is None else RunRequest.objects.select_related("stream").get(id=row[0])


def _work(request: RunRequest) -> None:
    token = request.token

    def tell(step: str, share: float) -> None:
        _update(request.id, token, step=step, share=share, leased_until=Now() + LEASE)

    def finish(run: CalibrationRun) -> None:
        _update(
            request.id,
            token,
            state=RunRequest.State.DONE,
            run=run,
            step="",
            share=1.0,
            ended_at=Now(),
        )

    # Here, since whoever only asks for a run should not wait for scipy.
    from calibration.runs import OvertakenError  # noqa: PLC0415
    from reviewqueue.recalibrations import recalibrate_stream  # noqa: PLC0415

    try:
        recalibrate_stream(
            stream=request.stream,
            at=timezone.now(),
            reason=request.reason,
            created_by_id=request.requested_by_id,
            progress=tell,
            finish=finish,
        )
    except _LostError:
        logger.warning("%s: another worker took over the recalibration", request.stream.key)
    except (NoPolicyError, OvertakenError) as error:
        _fail(request, str(error))
    except Exception as error:
        logger.exception("%s: the recalibration failed", request.stream.key)
        _fail(
            request,
            _("It ended with an error that it did not expect: %(error)s. The worker's log has all.")
            % {"error": f"{type(error).__name__}: {error}"},
        )


def _fail(request: RunRequest, why: str) -> None:
    try:
        _update(
            request.id,
            request.token,
            state=RunRequest.State.FAILED,
            error=Truncator(why).chars(LONGEST_ERROR),
            ended_at=Now(),
        )
    except _LostError:
        logger.warning("%s: another worker took over the recalibration", request.stream.key)


def _update(request_id: UUID, token: UUID | None, **fields: object) -> None:
    held = RunRequest.objects.filter(id=request_id, token=token, state=RunRequest.State.RUNNING)
    if not held.update(**fields):
        raise _LostError
