"""Secrets as they are stored: sealed under keys that are not in the database.

Webhooks sign with their secret, so that a hash of it would not do. What is stored is a Fernet token
(AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec), and who only has a copy of the
database can sign nothing. The first of `WEBHOOK_KEYS` seals, each of them opens: a new key is put
first, `manage.py reseal_webhooks` seals all anew, then the old one goes.
"""

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SealError(Exception):
    """None of WEBHOOK_KEYS opens the secret; add the key that sealed it, or renew the secret."""

    def __init__(self) -> None:
        super().__init__(" ".join((type(self).__doc__ or "").split()))


def seal(text: str) -> str:
    """The text as a token, another one each time."""
    return _box().encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """The text of a token of `seal`. Raises `SealError` where no key fits."""
    try:
        return _box().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise SealError from error


def reseal(token: str) -> str:
    """The same text under the first key. Raises `SealError` where no key fits."""
    return seal(unseal(token))


def _box() -> MultiFernet:
    return _make_box(tuple(settings.WEBHOOK_KEYS))


@lru_cache(maxsize=4)
def _make_box(keys: tuple[str, ...]) -> MultiFernet:
    """Keys are long random texts of any form; Fernet wants 32 bytes."""
    return MultiFernet(
        [
            Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"webhooks {key}".encode()).digest()))
            for key in keys
        ]
    )
