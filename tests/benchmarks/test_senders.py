"""The fault run's killing of senders, a short one, and that its checker sees every loss."""

import os

import pytest

from benchmarks.senders import Got, find_losses, kill_senders
from tests.addresses import database_url
from tests.scenes import make_bare_stream

LOG = {"a": ("delivered", 2), "b": ("delivered", 1)}
GOT = [Got("a", b"1", accepted=False), Got("a", b"1", accepted=True), Got("b", b"2", accepted=True)]


@pytest.mark.django_db(transaction=True)
def test_sender_that_is_killed_at_random_loses_and_repeats_nothing() -> None:
    told = kill_senders(
        make_bare_stream(),
        seed=20261122,
        kills=4,
        messages=120,
        environment=os.environ
        | {
            "DATABASE_URL": database_url(),
            "ALLOW_PRIVATE_ADDRESSES": "true",
            "DJANGO_SETTINGS_MODULE": "reviewqueue.settings",
        },
    )
    assert (told.violations, told.deliveries, told.kills) == ([], 120, 4)
    assert told.requests > 120


def test_kept_promises_are_no_losses() -> None:
    assert find_losses(LOG, GOT) == []


@pytest.mark.parametrize(
    ("log", "got", "broken"),
    [
        (LOG, GOT[:2], ["a message never arrived: 1 (b)"]),
        (LOG, [*GOT[:1], GOT[2]], ["a message never arrived: 1 (a)"]),
        (LOG | {"b": ("dead", 1)}, GOT, ["a message is given up: 1 (b)"]),
        (LOG, [*GOT, GOT[2]], ["a message came more often than it was tried: 1 (b)"]),
        (
            LOG,
            [*GOT, Got("c", b"3", accepted=True)],
            ["a message came that nobody announced: 1 (c)"],
        ),
        (
            LOG,
            [GOT[0], Got("a", b"0", accepted=True), GOT[2]],
            ["a message came with two bodies: 1 (a)"],
        ),
    ],
)
def test_every_loss_is_seen(
    log: dict[str, tuple[str, int]], got: list[Got], broken: list[str]
) -> None:
    assert find_losses(log, got) == broken
