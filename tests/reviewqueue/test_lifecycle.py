"""An item's life in whatever order, against a plain model that must also see seeded bugs."""

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from reviewqueue import claims, closings
from routing.models import Stream
from tests.reviewqueue.lifecycle import Loop
from tests.scenes import make_person, make_stream

LIVES = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# It only has to be seen, not to be told in the fewest steps.
SEEDED = settings(LIVES, max_examples=100, phases=[Phase.generate])

# Of the steps that are told of what failed.
LAST_STEP = r"\([^\n]*\nstate\.teardown"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream()


@pytest.fixture
def people(stream: Stream) -> tuple[User, User]:
    return make_person("rita", stream, "reviewer"), make_person("sam", stream, "reviewer")


def play(stream: Stream, people: tuple[User, User], how: settings) -> None:
    class Here(Loop):
        def __init__(self) -> None:
            super().__init__(stream, people)

    run_state_machine_as_test(Here, settings=how)


def test_tables_say_what_the_model_says(stream: Stream, people: tuple[User, User]) -> None:
    play(stream, people, LIVES)


def test_answer_under_a_stale_lease_would_be_seen(
    stream: Stream, people: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = closings.CLOSE.replace("AND lease_token = %(token)s", "")
    assert seeded != closings.CLOSE
    monkeypatch.setattr(closings, "CLOSE", seeded)

    with pytest.raises(AssertionError, match=rf"state\.answer{LAST_STEP}"):
        play(stream, people, SEEDED)


def test_heartbeat_that_wakes_a_dead_lease_would_be_seen(
    stream: Stream, people: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = claims.RENEW.replace("AND in_hand.lease_expires_at > statement_timestamp()", "")
    seeded = seeded.replace("AND task.lease_expires_at > statement_timestamp()", "")
    assert seeded != claims.RENEW
    monkeypatch.setattr(claims, "RENEW", seeded)

    with pytest.raises(AssertionError, match=rf"state\.beat{LAST_STEP}"):
        play(stream, people, SEEDED)
