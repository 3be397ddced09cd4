"""Earlier answers on items like the one in hand, as pages and as parts of one."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests import scenes
from tests.grounded_scenes import make_grounded_stream, post_sentence
from tests.reviewqueue.test_neighbours import DROPS, settle

QUERIES = 7


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=0)


@pytest.fixture
def colleague(stream: Stream) -> User:
    return scenes.make_person("carl", stream, "reviewer")


def take(client: Client, stream: Stream, *, queue: str = "hold") -> ReviewTask:
    """What the reviewer has in hand."""
    client.get(f"/streams/{stream.key}/{queue}/")
    return ReviewTask.objects.get(holder__username="rita", state="claimed")


def path_of(task: ReviewTask) -> str:
    return f"/tasks/{task.id}/alike"


def answer_three(stream: Stream, colleague: User) -> None:
    for number in range(3):
        settle(stream, colleague, f"HD-{number}", "vpn_issue", payload=DROPS)


def test_plain_browser_gets_a_page_with_the_way_back(
    plain: Client, stream: Stream, colleague: User
) -> None:
    settle(stream, colleague, "HD-1", "account_unlock", payload=DROPS)
    scenes.post(stream, "HD-2", payload=DROPS)
    task = take(plain, stream)
    response = plain.get(path_of(task))
    assert response.status_code == 200
    (line,) = response.context["lines"]
    assert (line.external_id, line.paper.title) == ("HD-1", "VPN drops")
    assert (line.answer, line.likeness) == ("Account unlock", "very alike")
    assert line.excerpt == DROPS["body"]
    assert 'href="/streams/helpdesk/hold/"' in response.content.decode()
    assert "carl" not in response.content.decode()


def test_htmx_gets_only_the_answers(
    plain: Client, htmx: Client, stream: Stream, colleague: User
) -> None:
    settle(stream, colleague, "HD-1", "vpn_issue", payload=DROPS)
    scenes.post(stream, "HD-2", payload=DROPS)
    page = htmx.get(path_of(take(plain, stream))).content.decode()
    assert page.lstrip().startswith('<section class="item__more alike"')
    assert 'data-announce="1 earlier answer below the item."' in page


def test_nothing_alike_says_so(plain: Client, stream: Stream) -> None:
    scenes.post(stream, "HD-2", payload=DROPS)
    response = plain.get(path_of(take(plain, stream)))
    assert response.context["lines"] == []
    assert "no settled item among the last ones is like this one" in response.content.decode()


def test_nothing_is_loaded_before_it_is_asked_for(
    plain: Client, stream: Stream, colleague: User
) -> None:
    settle(stream, colleague, "HD-1", "vpn_issue", payload=DROPS | {"subject": "An earlier one"})
    scenes.post(stream, "HD-2", payload=DROPS)
    page = plain.get("/streams/helpdesk/hold/").content.decode()
    assert 'data-key="m"' in page
    assert "An earlier one" not in page


def test_blind_review_has_neither_button_nor_answer(
    plain: Client, htmx: Client, stream: Stream, colleague: User
) -> None:
    settle(stream, colleague, "HD-1", "vpn_issue", payload=DROPS)
    scenes.post_blind(stream, "HD-2", payload=DROPS)
    task = take(plain, stream, queue="audit")
    assert "alike" not in plain.get("/streams/helpdesk/audit/").content.decode()
    for client in (plain, htmx):
        response = client.get(path_of(task))
        assert response.status_code == 404
        assert "VPN issue" not in response.content.decode()


def test_adjudication_between_blind_answers_has_none(
    plain: Client, stream: Stream, reviewer: User, colleague: User
) -> None:
    scenes.join(reviewer, stream, "adjudicator")
    settle(stream, colleague, "HD-1", "vpn_issue", payload=DROPS)
    task = scenes.post_blind(stream, "HD-2", payload=DROPS)
    ReviewTask.objects.filter(id=task.id).update(queue="adjudication")
    task = take(plain, stream, queue="adjudication")
    assert plain.get(path_of(task)).status_code == 404
    ReviewTask.objects.filter(id=task.id).update(blind=False)
    assert plain.get(path_of(task)).status_code == 200


def test_only_the_holder_may_ask(plain: Client, stream: Stream, colleague: User) -> None:
    scenes.post(stream, "HD-2", payload=DROPS)
    task = take(plain, stream)
    assert Client().get(path_of(task)).status_code == 302
    for person in (
        colleague,
        scenes.make_person("ana", stream, "analyst"),
        scenes.make_person("sue"),
    ):
        other = Client()
        other.force_login(person)
        assert other.get(path_of(task)).status_code == 404
    assert plain.post(path_of(task)).status_code == 405


def test_as_many_queries_for_three_as_for_one(
    plain: Client,
    stream: Stream,
    colleague: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    settle(stream, colleague, "HD-9", "vpn_issue", payload=DROPS)
    scenes.post(stream, "in-hand", payload=DROPS)
    task = take(plain, stream)
    with django_assert_num_queries(QUERIES):
        plain.get(path_of(task))
    answer_three(stream, colleague)
    with django_assert_num_queries(QUERIES):
        plain.get(path_of(task))


def judge_sentence(stream: Stream, person: User, external_id: str, answer: Answer) -> None:
    """A sentence that is held, and what somebody says of it."""
    taken = post_sentence(stream, external_id)
    ReviewTask.objects.filter(item=taken.item_id).update(queue="hold")
    task = claim_next(user=person, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    record_verdict(task_id=task.id, lease_token=task.lease_token, reviewer=person, answer=answer)


def test_sentence_is_answered_with_the_sources_of_others(plain: Client, reviewer: User) -> None:
    stream = make_grounded_stream(undo_seconds=0)
    scenes.join(reviewer, stream)
    carl = scenes.make_person("carl", stream, "reviewer")
    judge_sentence(stream, carl, "s-1", Answer("category", ("supported",), block="files#limits"))
    judge_sentence(stream, carl, "s-2", Answer("category", ("not_supported",), off_topic=True))
    post_sentence(stream, "s-3")
    ReviewTask.objects.filter(item__external_id="s-3").update(queue="hold")

    page = plain.get("/streams/drafts/hold/").content.decode()
    response = plain.get(path_of(ReviewTask.objects.get(state="claimed")))

    assert 'data-key="m"' in page
    lines = [(line.answer, line.grounds, line.likeness) for line in response.context["lines"]]
    assert sorted(lines) == [
        ("Not supported", ("retrieval off topic",), "very alike"),
        ("Supported", ("by “Limits”",), "very alike"),
    ]
    assert "each by the sources that it had" in response.content.decode()


def test_sentence_that_is_judged_blind_offers_none(plain: Client, reviewer: User) -> None:
    stream = make_grounded_stream()
    scenes.join(reviewer, stream)
    post_sentence(stream, "s-1")
    ReviewTask.objects.update(queue="audit", blind=True)

    page = plain.get("/streams/drafts/audit/").content.decode()

    assert 'data-key="m"' not in page
    assert plain.get(path_of(ReviewTask.objects.get())).status_code == 404
