"""Signatures of the Standard Webhooks specification, symmetric (v1).

    signature = base64(HMAC-SHA256(secret, id "." timestamp "." body))

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
A secret is `whsec_` and its base64. During a rotation a message has a signature of either secret.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def make_secret() -> str:
    """A new secret: 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign_message(*, secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The signature of one secret, as `v1,…`; `at` in whole seconds of UTC."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signed_headers(
    *, secrets_in_force: Sequence[str], message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """The three headers of a message, with a signature of each secret, the newest first."""
    signatures = [
        sign_message(secret=secret, message_id=message_id, at=at, body=body)
        for secret in secrets_in_force
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
