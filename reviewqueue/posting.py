"""One signed POST to a webhook, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Final

import requests
from requests_hardened.ip_filter import InvalidIPAddress

from reviewqueue.outgoing import PRIVATE, open_session
from reviewqueue.webhook_signatures import signed_headers

DEADLINE: Final = 15.0  # seconds for the whole exchange
LONGEST_WAIT: Final = timedelta(hours=24)
LONGEST_NUMBER: Final = 9  # digits of a Retry-After that anybody means


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a try: the status and how long it took, or why there is none."""

    status: int | None = None
    error: str = ""
    duration_ms: int | None = None
    retry_after: timedelta | None = None

    @property
    def is_received(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post_message(
    *, url: str, secrets_in_force: Sequence[str], message_id: str, body: bytes
) -> Posted:
    """Send the body signed; only a 2xx is a receipt, and a redirect is none.

    Queries nothing, so that it may run in a thread. The answer's body is not read.
    """
    began = monotonic()
    headers = {"Content-Type": "application/json"} | signed_headers(
        secrets_in_force=secrets_in_force,
        message_id=message_id,
        at=datetime.now(UTC),
        body=body,
    )
    status, error, wait = None, "", None
    try:
        with (
            open_session(DEADLINE) as session,
            session.post(url, data=body, headers=headers, stream=True) as response,
        ):
            status = response.status_code
            wait = read_retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
    except InvalidIPAddress:
        error = PRIVATE
    except requests.exceptions.InvalidURL:
        error = "its address is no URL"
    except requests.Timeout:
        error = f"it did not answer within {DEADLINE:g} s"
    except (requests.RequestException, UnicodeError) as broken:
        error = f"it could not be reached ({type(broken).__name__})"
    took = int((monotonic() - began) * 1000)
    posted = Posted(status, error, took, wait)
    if status is None or posted.is_received:
        return posted
    return Posted(status, f"it answered {status}", took, wait)


def read_retry_after(text: str, now: datetime) -> timedelta | None:
    """How long the receiver asks to be left alone, a day at most; None where it does not say."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        seconds = int(text) if len(text) <= LONGEST_NUMBER else 10**LONGEST_NUMBER
        return min(timedelta(seconds=seconds), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # no such day, a year beyond any date
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), LONGEST_WAIT)
