"""Processes that fall are started again, later each time."""

import sys

import pytest

from reviewqueue.children import Child


def test_child_that_falls_at_once_is_started_again_ever_later() -> None:
    child = Child("The web server", [sys.executable, "-c", "raise SystemExit(3)"])
    pauses, now = [], 1000.0
    child.start()
    for _ in range(9):
        assert child.wait() == 3
        said = child.keep_up(now)
        assert said is not None
        pauses.append(float(said.partition("again in ")[2].split()[0]))
        assert child.keep_up(now + pauses[-1] - 0.01) is None
        assert child.again_at is not None
        now += pauses[-1]
        assert child.keep_up(now) is None
    child.wait()
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_child_that_stood_for_long_is_started_again_at_once() -> None:
    child = Child("The web server", [sys.executable, "-c", "raise SystemExit(3)"])
    child.start()
    for at in (1000.0, 1061.0):
        child.wait()
        assert child.keep_up(at) == "The web server ended (exit code 3): again in 0.5 s"
        assert child.keep_up(at + 0.5) is None
    child.wait()


@pytest.mark.parametrize(("code", "said"), [(0, None), (3, "Preparing failed (exit code 3)")])
def test_child_that_runs_once_is_not_started_again(code: int, said: str | None) -> None:
    child = Child("Preparing", [sys.executable, "-c", f"raise SystemExit({code})"], once=True)
    child.start()
    child.wait()
    assert child.keep_up(1000.0) == said
    assert child.keep_up(2000.0) is None
