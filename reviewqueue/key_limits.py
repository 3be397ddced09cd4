"""How much a key may send, and how often.

The rate is the generic cell rate algorithm (ITU-T I.371, annex A): a key keeps the time at which
its budget is whole again, and each request moves it on by T = 60 s / limit. A request that would
move it more than 60 s ahead is refused. So a key may send a minute's worth at once, and then one
every T. One script in Redis, on Redis's own clock: one round trip, and right over many processes.

Redis holds nothing that counts: while it is away every request is let through.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from reviewqueue.models import ApiKey

logger = logging.getLogger(__name__)

WINDOW_MICROSECONDS: Final = 60_000_000
# A Redis that does not answer costs a request this long, and then none for a while.
TIMEOUT_SECONDS: Final = 0.1
PAUSE_SECONDS: Final = 5.0

# Returns how long the next request has to wait, and how long until the budget is whole again.
SPEND: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local ahead = whole + interval - now
if ahead > window then
    return {math.ceil(ahead - window), math.ceil(whole - now)}
end
local lasts = math.ceil(ahead / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', lasts)
return {0, math.ceil(ahead)}
"""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key may do: requests a minute (0: no limit), bytes, items of a batch."""

    requests_per_minute: int
    item_bytes: int
    batch_bytes: int
    batch_items: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key has left after a request, in whole seconds; `wait_seconds` is 0 if it was let in.

    `reset_seconds` is the time until the whole budget is there again.
    """

    limit: int
    remaining: int
    reset_seconds: int
    wait_seconds: int


def limits_of(key: ApiKey) -> KeyLimits:
    """The key's own limits, where it has some, and never more bytes or items than for all."""
    own_rate = key.requests_per_minute
    return KeyLimits(
        requests_per_minute=settings.API_REQUESTS_PER_MINUTE if own_rate is None else own_rate,
        item_bytes=min(key.item_max_bytes or settings.ITEM_MAX_BYTES, settings.ITEM_MAX_BYTES),
        batch_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        batch_items=min(key.batch_max_items or settings.BATCH_MAX_ITEMS, settings.BATCH_MAX_ITEMS),
    )


def spend_request(*, key_id: UUID, limit: int) -> Allowance | None:
    """Count one request of a key; None where there is no limit or no Redis to count in."""
    url = settings.REDIS_URL
    if limit <= 0 or not url or time.monotonic() < _paused.get(url, 0.0):
        return None
    interval = WINDOW_MICROSECONDS / limit
    try:
        wait, reset = _script(url)([f"reviewqueue:rate:{key_id}"], [interval, WINDOW_MICROSECONDS])
    except (RedisError, OSError) as error:
        _paused[url] = time.monotonic() + PAUSE_SECONDS
        logger.warning("requests are not counted for %.0f s: %s", PAUSE_SECONDS, error)
        return None
    return Allowance(
        limit=limit,
        remaining=0 if wait else max(0, math.floor((WINDOW_MICROSECONDS - reset) / interval)),
        reset_seconds=math.ceil(reset / 1e6),
        wait_seconds=math.ceil(wait / 1e6),
    )


# Until when a Redis that did not answer is left alone, by its address.
_paused: Final[dict[str, float]] = {}


@cache
def _script(url: str) -> Callable[[list[str], list[float]], tuple[int, int]]:
    """The script on a pool of connections of this process."""
    client = Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    registered = client.register_script(SPEND)

    def spend(keys: list[str], arguments: list[float]) -> tuple[int, int]:
        wait, reset = registered(keys=keys, args=arguments)
        return int(wait), int(reset)

    return spend
