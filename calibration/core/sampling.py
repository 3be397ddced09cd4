"""Audit sampling by keyed hash: the chance is exact, and asking again changes nothing.

An item is drawn when the first 64 bits of HMAC-SHA256(secret, purpose, stream, item) are below
rate x 2^64. Independent purposes (the weekly audit, a top-up near a cut-off) hash apart, and an
item that could have come by several of them has pi = 1 - prod(1 - pi_j).
"""

import hmac
from functools import lru_cache

from calibration.core.errors import CalibrationError


def is_drawn(
    *, secret: bytes, stream_id: str, item_id: str, rate: float, purpose: str = "audit"
) -> bool:
    """True where the item belongs to the sample of this ``purpose``; its pi is ``rate``.

    ``rate`` is a share from 0 (never) to 1 (always). Raising it keeps everything already drawn.
    """
    if not secret:
        raise CalibrationError("secret", "is empty; configure a sampling secret")
    if not 0.0 <= rate <= 1.0:
        raise CalibrationError("rate", f"{rate} is not a share; give a number from 0 to 1")
    if rate in (0.0, 1.0):  # no hash is below 0, and every one below 2^64
        return rate == 1.0
    keyed = _begin_digest(secret, purpose, stream_id).copy()
    keyed.update(_write_part(item_id))
    return int.from_bytes(keyed.digest()[:8], "big") < rate * 2.0**64


# The same for every item of a stream.
@lru_cache(maxsize=1024)
def _begin_digest(secret: bytes, *parts: str) -> hmac.HMAC:
    return hmac.new(secret, b"".join(map(_write_part, parts)), "sha256")


def _write_part(part: str) -> bytes:
    encoded = part.encode()
    # The length in front keeps ("a", "bc") and ("ab", "c") apart.
    return len(encoded).to_bytes(8, "big") + encoded


def combined_pi(*pis: float) -> float:
    """Chance of being drawn by at least one of several independent draws, 1 - prod(1 - pi_j).

    A single probability comes back unchanged to the last digit; none at all is 0.
    """
    combined = 0.0
    for at, pi in enumerate(pis):
        if not 0.0 <= pi <= 1.0:
            raise CalibrationError(
                f"pis[{at}]", f"{pi} is not a probability; give a number from 0 to 1"
            )
        combined += pi * (1.0 - combined)
    return combined
