"""Who may see and work what."""

import pytest
from django.contrib.auth.models import AnonymousUser, User

from reviewqueue.access import (
    queues_workable_by,
    streams_visible_to,
    tasks_visible_to,
    workable_seats,
)
from reviewqueue.claims import claim_next
from routing.models import Stream
from tests.conftest import make_person, make_stream
from tests.reviewqueue.test_claims import post_held


@pytest.mark.parametrize(
    ("roles", "queues"),
    [
        (("reviewer",), ("hold", "flagged", "audit")),
        (("expert",), ("escalated", "hold", "flagged", "audit")),
        (("adjudicator",), ("escalated",)),
        (("reviewer", "adjudicator"), ("escalated", "hold", "flagged", "audit")),
        (("analyst", "stream_admin"), ()),
        ((), ()),
    ],
)
def test_queues_by_role(stream: Stream, roles: tuple[str, ...], queues: tuple[str, ...]) -> None:
    user = make_person("p", stream, *roles)

    assert queues_workable_by(user, stream) == queues
    assert queues_workable_by(user, make_stream("other")) == ()


def test_streams_visible_to_members_only(stream: Stream, reviewer: User) -> None:
    make_stream("other")

    assert list(streams_visible_to(reviewer)) == [stream]
    assert list(streams_visible_to(AnonymousUser())) == []
    assert streams_visible_to(make_person("root", superuser=True)).count() == 2


def test_workable_seats_by_stream_name(stream: Stream, reviewer: User) -> None:
    other = make_stream("a-first")
    other.memberships.create(user=reviewer, role="expert")
    seats = workable_seats(reviewer)

    assert [(seat.stream.key, seat.queues) for seat in seats] == [
        ("a-first", ("escalated", "hold", "flagged", "audit")),
        ("helpdesk", ("hold", "flagged", "audit")),
    ]


def test_tasks_visible_to(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    adjudicator = make_person("ada", stream, "adjudicator")
    stranger = make_person("stan")

    assert tasks_visible_to(reviewer).count() == 1
    assert tasks_visible_to(adjudicator).count() == 0
    assert tasks_visible_to(stranger).count() == 0
    claim_next(user=stranger, stream=stream, queue="hold")
    assert tasks_visible_to(stranger).count() == 1
