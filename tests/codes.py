"""Codes of an authenticator app, as RFC 6238 makes them."""

import base64
import hmac
import re
import struct
import time

from django.test import Client

STEP_SECONDS = 30


def code_of(secret: str, *, steps: int = 0) -> str:
    """The six digits of now, or so many steps later; never ones that end before they are read."""
    left = STEP_SECONDS - time.time() % STEP_SECONDS
    if left < 2:
        time.sleep(left)
    counter = struct.pack(">Q", int(time.time()) // STEP_SECONDS + steps)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def wrong_code(secret: str) -> str:
    """Six digits that are no code of now or soon."""
    return next(
        guess
        for guess in ("000000", "111111", "222222", "333333")
        if guess not in {code_of(secret, steps=step) for step in (-1, 0, 1)}
    )


def turn_on(client: Client) -> str:
    """Set a second factor up as its page asks; the secret of the app."""
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    found = re.search(r'class="secret">([A-Z2-7]+)<', page)
    assert found is not None, page
    secret = found[1]
    response = client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert response.headers["Location"] == "/accounts/2fa/recovery-codes/", response.content
    return secret


def sign_in(client: Client, name: str, password: str, **fields: str) -> str:
    """Send the sign-in; where it leads."""
    response = client.post("/accounts/login/", {"login": name, "password": password, **fields})
    return response.headers.get("Location", "")
