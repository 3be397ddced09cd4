"""Ending an HTTP exchange at a deadline, however slowly the other side sends.

The time-outs of requests are between two bytes, so an answer that drips, one byte a second, headers
included, would hold a worker for hours. Here a timer shuts the connection down.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


@contextmanager
def cut_after(session: requests.Session, seconds: float) -> Iterator[threading.Event]:
    """Shut the session's connections down after `seconds`; the event says that it was done.

    To be entered before the session's first request; whoever reads meanwhile sees the end of the
    connection or one of requests' errors.
    """
    cut = threading.Event()
    opened: list[socket.socket] = []

    def end() -> None:
        cut.set()
        for each in list(opened):
            _shut(each)

    def note(opening: socket.socket) -> socket.socket:
        # TLS takes the socket over, even before its handshake; a duplicate ends both.
        opened.append(opening.dup())
        if cut.is_set():
            _shut(opened[-1])
        return opening

    _note_connections(session, note)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()
        timer.join()
        for each in opened:
            each.close()


def _shut(opened: socket.socket) -> None:
    with suppress(OSError):  # where the other side was faster
        opened.shutdown(socket.SHUT_RDWR)


def _note_connections(session: requests.Session, note: Any) -> None:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return cast(socket.socket, note(super()._new_conn()))

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return cast(socket.socket, note(super()._new_conn()))

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    for adapter in session.adapters.values():
        pools = cast(HTTPAdapter, adapter).poolmanager
        pools.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
