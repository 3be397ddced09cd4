"""Addresses in payloads: which may be followed, and which pictures may be shown.

A page loads nothing from a foreign host unless the stream's admin allowed that host
(`Stream.image_hosts`); the response's policy then says the same to the browser.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from reviewqueue.trees import DATA_IMAGE

# No blanks, quotes or brackets, and none of the marks that turn the reading direction about.
_ADDRESS = re.compile(
    r"\Ahttps?://[^\s<>\"'\\\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+\Z"
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address in three: what stands before its host, the host with its port, the rest."""

    before: str
    host: str
    after: str

    @property
    def whole(self) -> str:
        return f"{self.before}{self.host}{self.after}"


def read_address(text: str) -> Address | None:
    """The http or https address that `text` is; None for anything else."""
    if not _ADDRESS.match(text):
        return None
    try:
        parts = urlsplit(text)
        _port = parts.port
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    if not parts.hostname:
        return None
    start = text.index(parts.netloc) + len(parts.netloc) - len(host)
    return Address(text[:start], host, text[start + len(host) :])


def is_picture(text: str, image_hosts: Collection[str]) -> bool:
    """Whether `text` may be shown as a picture: a raster data URL, or of an allowed host."""
    if DATA_IMAGE.match(text):
        return True
    address = read_address(text)
    return address is not None and (
        address.before == "https://" and address.host.lower() in image_hosts
    )
