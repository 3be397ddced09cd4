"""Secrets as they are stored: sealed under keys that are not in the database.

Webhooks sign with their secret and codes are made from one, so that a hash would not do. What is
stored is a Fernet token (AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec), and who only
has a copy of the database can sign nothing and make no code. The first of `WEBHOOK_KEYS` seals,
each of them opens: a new key is put first, `manage.py reseal_webhooks` seals all anew, then the old
one goes. What was sealed for one purpose does not open for another.
"""

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

WEBHOOKS = "webhooks"


class SealError(Exception):
    """None of WEBHOOK_KEYS opens the secret; add the key that sealed it, or renew the secret."""

    def __init__(self) -> None:
        super().__init__(" ".join((type(self).__doc__ or "").split()))


def seal(text: str, purpose: str = WEBHOOKS) -> str:
    """The text as a token, another one each time."""
    return _box(purpose).encrypt(text.encode()).decode()


def unseal(token: str, purpose: str = WEBHOOKS) -> str:
    """The text of a token of `seal`. Raises `SealError` where no key fits."""
    try:
        return _box(purpose).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise SealError from error


def reseal(token: str, purpose: str = WEBHOOKS) -> str:
    """The same text under the first key. Raises `SealError` where no key fits."""
    return seal(unseal(token, purpose), purpose)


def _box(purpose: str) -> MultiFernet:
    return _make_box(purpose, tuple(settings.WEBHOOK_KEYS))


@lru_cache(maxsize=8)
def _make_box(purpose: str, keys: tuple[str, ...]) -> MultiFernet:
    """Keys are long random texts of any form; Fernet wants 32 bytes."""
    return MultiFernet(
        [
            Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"{purpose} {key}".encode()).digest()))
            for key in keys
        ]
    )
