"""A rolling restart under load, a short one: no request fails, nothing acknowledged is lost."""

import os
from pathlib import Path

import pytest

from benchmarks.cast import make_stream
from benchmarks.rolling import Rolled, find_losses, roll
from tests.addresses import database_url


@pytest.mark.django_db(transaction=True)
def test_rolling_restart_fails_no_request(tmp_path: Path) -> None:
    stream = make_stream("rolling")
    told = roll(
        stream,
        way="balancer",
        rounds=1,
        folder=tmp_path,
        environment=os.environ | {"DATABASE_URL": database_url()},
    )
    assert (told.failed, find_losses(stream, told), told.restarts) == ([], [], 2)
    assert told.answered > 50


@pytest.mark.django_db
def test_losses_are_seen() -> None:
    told = Rolled(acknowledged=["a", "b", "b"])
    assert find_losses(make_stream("rolling"), told) == [
        "a was acknowledged and is not stored",
        "b was acknowledged and is not stored",
        "b was acknowledged and is not stored",
        "1 items were acknowledged twice",
    ]
