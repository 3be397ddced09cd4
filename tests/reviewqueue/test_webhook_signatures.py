"""Signatures: the specification's own example, and both secrets during a rotation."""

import base64
from datetime import UTC, datetime

from reviewqueue.webhook_signatures import make_secret, sign_message, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_signature_is_that_of_the_reference_libraries() -> None:
    assert sign_message(secret=SECRET, message_id=ID, at=AT, body=BODY) == SIGNATURE


def test_headers_carry_a_signature_of_each_secret() -> None:
    other = make_secret()
    headers = signed_headers(secrets_in_force=[other, SECRET], message_id=ID, at=AT, body=BODY)
    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": " ".join(
            [sign_message(secret=other, message_id=ID, at=AT, body=BODY), SIGNATURE]
        ),
    }


def test_secrets_are_256_bits_and_differ() -> None:
    first, second = make_secret(), make_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32
