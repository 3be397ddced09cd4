"""Who may see and work what."""

import pytest
from django.contrib.auth.models import AnonymousUser, User

from reviewqueue.access import (
    queues_workable_by,
    streams_visible_to,
    tasks_visible_to,
    verdicts_visible_to,
    workable_seats,
)
from reviewqueue.claims import claim_next
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests.reviewqueue.test_claims import claim, post_held, token
from tests.scenes import make_bare_stream, make_person


@pytest.mark.parametrize(
    ("roles", "queues"),
    [
        (("reviewer",), ("hold", "flagged", "audit")),
        (("expert",), ("escalated", "hold", "flagged", "audit")),
        (("adjudicator",), ("adjudication",)),
        (("reviewer", "adjudicator"), ("adjudication", "hold", "flagged", "audit")),
        (("analyst", "stream_admin"), ()),
        ((), ()),
    ],
)
def test_queues_by_role(stream: Stream, roles: tuple[str, ...], queues: tuple[str, ...]) -> None:
    user = make_person("p", stream, *roles)

    assert queues_workable_by(user, stream) == queues
    assert queues_workable_by(user, make_bare_stream("other")) == ()


def test_streams_visible_to_members_only(stream: Stream, reviewer: User) -> None:
    make_bare_stream("other")

    assert list(streams_visible_to(reviewer)) == [stream]
    assert list(streams_visible_to(AnonymousUser())) == []
    assert streams_visible_to(make_person("root", is_superuser=True)).count() == 2


def test_workable_seats_by_stream_name(stream: Stream, reviewer: User) -> None:
    other = make_bare_stream("a-first")
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
    claim_next(user=adjudicator, stream=stream, queue="hold")
    assert tasks_visible_to(adjudicator).count() == 1


def test_who_has_left_a_stream_sees_nothing_of_it(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b")
    answered = claim(stream, reviewer)
    record_verdict(
        task_id=answered.id,
        lease_token=token(answered),
        reviewer=reviewer,
        answer=Answer("cannot_judge"),
    )
    claim(stream, reviewer)
    assert (tasks_visible_to(reviewer).count(), verdicts_visible_to(reviewer).count()) == (2, 1)

    reviewer.memberships.all().delete()
    assert (tasks_visible_to(reviewer).count(), verdicts_visible_to(reviewer).count()) == (0, 0)
