"""The keyed draw: exact rate, stable, independent by purpose; and combined chances."""

import hashlib
import hmac
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.core.errors import CalibrationError
from calibration.core.sampling import combined_pi, is_drawn

SECRET = b"a secret for tests"


def drawn(item: str, rate: float, *, stream: str = "helpdesk", purpose: str = "audit") -> bool:
    return is_drawn(secret=SECRET, stream_id=stream, item_id=item, rate=rate, purpose=purpose)


def test_draw_follows_the_first_64_bits() -> None:
    message = b""
    for part in (b"audit", b"helpdesk", b"item-7"):
        message += len(part).to_bytes(8, "big") + part
    digest = hmac.new(SECRET, message, hashlib.sha256).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    assert drawn("item-7", share + 1e-9)
    assert not drawn("item-7", share - 1e-9)


def test_draw_rate_holds_and_purposes_are_independent() -> None:
    items = [str(number) for number in range(40_000)]
    audit = [drawn(item, 0.05) for item in items]
    top_up = [drawn(item, 0.2, purpose="near cut-off") for item in items]
    both = sum(one and other for one, other in zip(audit, top_up, strict=True))
    either = sum(one or other for one, other in zip(audit, top_up, strict=True))
    for count, rate in ((sum(audit), 0.05), (sum(top_up), 0.2), (both, 0.01), (either, 0.24)):
        assert abs(count / 40_000 - rate) < 4 * sqrt(rate * (1 - rate) / 40_000)


def test_draw_streams_secrets_and_boundaries_are_kept_apart() -> None:
    items = [str(number) for number in range(400)]
    here = [drawn(item, 0.5) for item in items]
    assert here != [drawn(item, 0.5, stream="other") for item in items]
    assert here != [
        is_drawn(secret=b"other", stream_id="helpdesk", item_id=item, rate=0.5) for item in items
    ]
    shifted = [
        (drawn(f"a{item}", 0.5, stream="x"), drawn(item, 0.5, stream="xa")) for item in items
    ]
    assert any(one != other for one, other in shifted)


@given(
    item=st.text(st.characters(exclude_categories=["Cs"])),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
)
def test_draw_is_stable_and_a_higher_rate_keeps_what_was_drawn(
    item: str, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    assert drawn(item, low) == drawn(item, low)
    assert drawn(item, low) <= drawn(item, high)
    assert drawn(item, 1.0)
    assert not drawn(item, 0.0)


@pytest.mark.parametrize("rate", [-0.1, 1.01, float("nan")])
def test_draw_rate_outside_is_refused(rate: float) -> None:
    with pytest.raises(CalibrationError, match=f"rate: {rate} is not a share"):
        drawn("item", rate)


def test_draw_empty_secret_is_refused() -> None:
    with pytest.raises(CalibrationError, match="secret: is empty"):
        is_drawn(secret=b"", stream_id="s", item_id="i", rate=0.5)


def test_combined_pi_by_hand() -> None:
    assert combined_pi() == 0.0
    assert combined_pi(0.05) == 0.05
    assert combined_pi(0.05, 0.1) == pytest.approx(0.145, abs=1e-15)
    assert combined_pi(0.05, 0.1, 0.5) == pytest.approx(0.5725, abs=1e-15)
    assert combined_pi(0.05, 1.0) == 1.0


@given(st.lists(st.floats(0, 1), max_size=5))
def test_combined_pi_is_the_complement_of_the_product(pis: list[float]) -> None:
    missed = 1.0
    for pi in pis:
        missed *= 1.0 - pi
    assert combined_pi(*pis) == pytest.approx(1.0 - missed, abs=1e-12)
    assert max(pis, default=0.0) <= combined_pi(*pis) <= 1.0


def test_combined_pi_outside_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r"pis\[1\]: 1.5 is not a probability"):
        combined_pi(0.5, 1.5)
