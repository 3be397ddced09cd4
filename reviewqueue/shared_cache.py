"""Django's cache in one table that all processes share: what allauth counts, codes that were used.

Django's own database cache stores pickles, which whoever writes to the table could make code of,
and counts its rows at every write. This one stores JSON, by one statement each and the database's
clock; an hourly task drops what has expired.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

FIND: Final = """
    SELECT value::text FROM reviewqueue_cache
    WHERE cache_key = %(key)s AND expires > clock_timestamp()
"""
KEEP: Final = """
    INSERT INTO reviewqueue_cache (cache_key, value, expires)
    VALUES (%(key)s, %(value)s, clock_timestamp() + make_interval(secs => %(seconds)s))
    ON CONFLICT (cache_key) DO UPDATE SET value = EXCLUDED.value, expires = EXCLUDED.expires
"""
# Of two who add at once one is told that it was there.
ADD: Final = f"{KEEP} WHERE reviewqueue_cache.expires <= clock_timestamp()"
DROP: Final = """
    DELETE FROM reviewqueue_cache
    WHERE cache_key = %(key)s RETURNING expires > clock_timestamp()
"""
DROP_EXPIRED: Final = "DELETE FROM reviewqueue_cache WHERE expires <= clock_timestamp()"
EMPTY: Final = "DELETE FROM reviewqueue_cache"
# As good as for ever.
LONGEST_SECONDS: Final = 10 * 365 * 24 * 60 * 60.0


class SharedCache(BaseCache):
    """`CACHES["default"]`; values are whatever JSON holds."""

    def __init__(self, _location: str, params: Mapping[str, Any]) -> None:
        super().__init__(dict(params))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(FIND, {"key": self.make_and_validate_key(key, version)})
            row = cursor.fetchone()
        return json.loads(row[0]) if row else default

    def set(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        self._keep(KEEP, key, value, timeout, version)

    def add(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        return self._keep(ADD, key, value, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(DROP, {"key": self.make_and_validate_key(key, version)})
            row = cursor.fetchone()
        return bool(row and row[0])

    def clear(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(EMPTY)

    def _keep(self, statement: str, key: Any, value: Any, timeout: Any, version: Any) -> bool:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        values: dict[str, str | float] = {
            "key": self.make_and_validate_key(key, version),
            "value": json.dumps(value),
            "seconds": LONGEST_SECONDS if seconds is None else float(seconds),
        }
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return bool(cursor.rowcount == 1)


def drop_expired() -> int:
    """Forget what has expired; how many."""
    with connection.cursor() as cursor:
        cursor.execute(DROP_EXPIRED)
        return int(cursor.rowcount)
