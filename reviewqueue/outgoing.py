"""Calling addresses that people entered: no redirects, no proxies, bounded in time.

Private addresses are refused unless the deployment allows them, and the address that was checked
is the one that is connected to.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress, filter_host

from reviewqueue.cutting import cut_after

PRIVATE = "its address is private; the deployment may allow it with ALLOW_PRIVATE_ADDRESSES=true"


@contextmanager
def open_session(timeout: float) -> Iterator[requests.Session]:
    """A session for one exchange, ended after `timeout` seconds however slowly it is answered.

    What comes of the end is raised as `requests.Timeout`, of a private address as
    `InvalidIPAddress`, which is a `requests.RequestException`.
    """
    session: requests.Session = HTTPSession(
        Config(
            ip_filter_enable=not settings.ALLOW_PRIVATE_ADDRESSES,
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=(timeout, timeout),
            user_agent_override="review-queue",
        )
    )
    # A proxy of the environment would connect for us, past the check of the address.
    session.trust_env = False
    with session, cut_after(session, timeout) as cut, _naming_the_cut(cut):
        yield session


def is_private(url: str) -> bool:
    """Whether the address is one that would be refused now; False where nobody knows it."""
    if settings.ALLOW_PRIVATE_ADDRESSES:
        return False
    parts = urlsplit(url)
    try:
        filter_host(parts.hostname or "", parts.port or 443, allow_loopback=False)
    except InvalidIPAddress:
        return True
    except (requests.RequestException, UnicodeError):
        return False
    return False


def holds_login(url: str) -> bool:
    """Whether a name or a password stands before the host (`https://name:password@host/`)."""
    return "@" in urlsplit(url).netloc


@contextmanager
def _naming_the_cut(cut: threading.Event) -> Iterator[None]:
    """A connection that was cut ends in any way that connections end; say the one that it was."""
    try:
        yield
    except requests.RequestException as error:
        if cut.is_set():
            raise requests.Timeout from error
        raise
    if cut.is_set():
        raise requests.Timeout
