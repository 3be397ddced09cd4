"""Earlier answers on items like the one in hand: whose, how alike, and what is left out."""

import random
import string
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import claim_next
from reviewqueue.models import KnownAnswer, ReviewTask, Verdict
from reviewqueue.neighbours import Neighbour, find_neighbours, read_words
from reviewqueue.trees import Json
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests.scenes import join, make_person, make_stream, post, post_blind

DROPS: dict[str, Json] = {
    "subject": "VPN drops",
    "body": "The tunnel drops after a minute on my laptop.",
}
SCREEN = {"subject": "Broken screen", "body": "My monitor flickers green since Monday."}
PICTURE: dict[str, Json] = {"scan": "data:image/png;base64,iVBORw0KGgo="}


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream(undo_seconds=0)


@pytest.fixture
def reviewer(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer")


def settle(
    stream: Stream, reviewer: User, external_id: str, *categories: str, **fields: object
) -> Verdict:
    """Post an item and let the reviewer answer it a moment ago."""
    post(stream, external_id, **fields)  # type: ignore[arg-type]
    task = claim_next(user=reviewer, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    assert task.item.external_id == external_id
    kind = "category" if categories else "no_category_fits"
    return record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=reviewer,
        answer=Answer(kind=kind, categories=categories),
    )


def ask(stream: Stream, payload: dict[str, Json] | None = None) -> list[Neighbour]:
    """What is like a new item that nobody has answered."""
    return find_neighbours(post(stream, "in-hand", payload=payload or DROPS))


def names(found: list[Neighbour]) -> list[str]:
    return [each.item.external_id for each in found]


def test_most_alike_come_first_with_their_answers(stream: Stream, reviewer: User) -> None:
    settle(stream, reviewer, "screen", "vpn_issue", payload=SCREEN)
    settle(stream, reviewer, "near", payload={"body": "My tunnel drops on the new laptop"})
    same = settle(stream, reviewer, "same", "account_unlock", payload=DROPS)
    found = ask(stream)
    assert names(found) == ["same", "near"]
    assert (found[0].verdict, found[0].by_text) == (same, True)
    assert found[0].likeness == pytest.approx(1.0)
    assert found[1].verdict.kind == "no_category_fits"


def test_without_words_scores_are_compared(stream: Stream, reviewer: User) -> None:
    settle(stream, reviewer, "same", "vpn_issue", payload=PICTURE)
    other = {"vpn_issue": 0.36, "account_unlock": 0.02, "security_incident": 0.62}
    settle(stream, reviewer, "other", "vpn_issue", payload=PICTURE, scores=other)
    found = ask(stream, PICTURE)
    assert [(each.item.external_id, each.by_text) for each in found] == [("same", False)]
    assert found[0].likeness == pytest.approx(1.0)


def test_at_most_five_are_shown(stream: Stream, reviewer: User) -> None:
    for number in range(7):
        settle(stream, reviewer, f"HD-{number}", "vpn_issue", payload=DROPS)
    assert len(ask(stream)) == 5


def test_what_shares_no_likely_category_is_left_out(reviewer: User) -> None:
    keys = [(key, key, "") for key in ("a", "b", "c", "d", "e")]
    stream = make_stream("other", categories=keys, undo_seconds=0)
    join(reviewer, stream)
    far = {"e": 0.52, "d": 0.3, "a": 0.1, "b": 0.05, "c": 0.03}
    near = {"a": 0.52, "b": 0.3, "c": 0.1, "d": 0.05, "e": 0.03}
    settle(stream, reviewer, "predicted", "e", payload=DROPS, scores=near)
    settle(stream, reviewer, "labelled", "b", payload=DROPS, scores=far)
    settle(stream, reviewer, "neither", "e", payload=DROPS, scores=far)
    found = find_neighbours(post(stream, "in-hand", payload=DROPS, scores=near))
    assert sorted(names(found)) == ["labelled", "predicted"]


def test_other_streams_are_left_out(stream: Stream, reviewer: User) -> None:
    other = make_stream("other", undo_seconds=0)
    join(reviewer, other)
    settle(other, reviewer, "HD-1", "vpn_issue", payload=DROPS)
    assert ask(stream) == []


def test_answer_that_can_be_undone_is_left_out(stream: Stream, reviewer: User) -> None:
    Stream.objects.update(undo_seconds=3600)
    stream.refresh_from_db()
    settle(stream, reviewer, "HD-1", "vpn_issue", payload=DROPS)
    assert ask(stream) == []


def test_item_that_somebody_is_still_to_judge_is_left_out(stream: Stream, reviewer: User) -> None:
    verdict = settle(stream, reviewer, "HD-1", "vpn_issue", payload=DROPS)
    first = verdict.task
    second = ReviewTask.objects.create(
        stream=stream,
        item=verdict.item,
        decision=first.decision,
        queue="hold",
        seat=2,
        blind=True,
        priority=-1,
        due_at=timezone.now() + timedelta(days=30),
    )
    asked = post(stream, "in-hand", payload=DROPS)
    assert find_neighbours(asked) == []
    second.delete()
    assert names(find_neighbours(asked)) == ["HD-1"]


def test_item_that_measures_reviewers_is_left_out(stream: Stream, reviewer: User) -> None:
    verdict = settle(stream, reviewer, "HD-1", "vpn_issue", payload=DROPS)
    known = KnownAnswer.objects.create(
        stream=stream,
        item=verdict.item,
        decision=verdict.task.decision,
        kind="category",
        categories=["vpn_issue"],
    )
    asked = post(stream, "in-hand", payload=DROPS)
    assert find_neighbours(asked) == []
    known.retired_at = timezone.now()
    known.save()
    assert names(find_neighbours(asked)) == ["HD-1"]


def test_item_itself_is_left_out(stream: Stream, reviewer: User) -> None:
    verdict = settle(stream, reviewer, "HD-1", "vpn_issue", payload=DROPS)
    assert find_neighbours(verdict.task) == []


def test_blind_seat_is_refused(stream: Stream) -> None:
    task = post_blind(stream, "HD-1")
    with pytest.raises(ValueError, match="this seat is blind"):
        find_neighbours(task)


def test_large_payload_is_compared_by_scores(stream: Stream, reviewer: User) -> None:
    noise = "".join(random.Random(5).choices(string.ascii_letters, k=90_000))
    settle(stream, reviewer, "large", "vpn_issue", payload=DROPS | {"log": noise})
    found = ask(stream)
    assert [(each.item.external_id, each.by_text) for each in found] == [("large", False)]


def test_two_statements_for_any_number(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    asked = ReviewTask.objects.select_related("item", "decision", "stream")
    settle(stream, reviewer, "HD-1", "vpn_issue", payload=DROPS)
    task = asked.get(id=post(stream, "in-hand", payload=DROPS).id)
    with django_assert_num_queries(2):
        assert len(find_neighbours(task)) == 1
    ReviewTask.objects.filter(id=task.id).update(priority=-1)
    for number in range(2, 4):
        settle(stream, reviewer, f"HD-{number}", "vpn_issue", payload=DROPS)
    with django_assert_num_queries(2):
        assert len(find_neighbours(task)) == 3


def test_words_leave_out_what_is_hidden_or_no_words() -> None:
    payload: dict[str, Json] = {
        "secret": "hush",
        "subject": "No <b>mail</b>",
        "scan": "data:image/png;base64,iVBORw0KGgo=",
        "see": "https://example.org/a",
        "count": 4,
        "turns": [{"role": "user", "text": "Since Monday"}, None],
    }
    assert read_words(payload, hidden=["secret"]).split() == [
        "No",
        "mail",
        "user",
        "Since",
        "Monday",
    ]


def test_words_are_bounded() -> None:
    assert read_words({"body": "word " * 100_000}, hidden=[]) == ("word " * 160).strip()
    assert len(read_words({str(n): "word" for n in range(5_000)}, hidden=[])) <= 800
