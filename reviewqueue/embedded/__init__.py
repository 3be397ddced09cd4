"""The project's own PostgreSQL and Valkey, for when `DATABASE_URL` and `REDIS_URL` are not set.

Both are real servers from the package index, reached through Unix sockets only. One *keeper*
process per state folder owns them; every command that needs them is a *user* of that folder and
joins what runs or starts it. When the last user is gone, however it went, the keeper stops both.

    joining    a user's side: `services()`, `join_services()`
    keeper     the owner's side: `python -m reviewqueue.embedded.keeper STATE_DIR`
    postgres, valkey   one server each: create, start, stop, repair
    engines    where the binaries are
    accounts   as whom they run when we are root
    processes  child processes that never outlive their parent
"""

from reviewqueue.embedded.errors import ServicesError
from reviewqueue.embedded.joining import Membership, join_services, services
from reviewqueue.embedded.layout import Services

__all__ = ["Membership", "Services", "ServicesError", "join_services", "services"]
