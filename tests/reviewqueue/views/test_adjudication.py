"""Items judged twice on the screens: what each of the three people sees, and what nobody may."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import claim_next, escalate_task
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Category, Stream
from tests import scenes

ADJUDICATION = "/streams/helpdesk/adjudication/"
HOLD = "/streams/helpdesk/hold/"
VPN = Answer("category", ("vpn_issue",), comment="It is the tunnel.")
UNLOCK = Answer("category", ("account_unlock",), comment="Read the second line.")
SCREEN_QUERIES = 8


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(double_rate=1.0)


@pytest.fixture
def second(stream: Stream) -> User:
    return scenes.make_person("sam", stream, "reviewer")


@pytest.fixture
def adjudicator(stream: Stream) -> User:
    return scenes.make_person("ada", stream, "adjudicator")


def browser(person: User, **headers: str) -> Client:
    client = Client(headers=headers)
    client.force_login(person)
    return client


def judge(stream: Stream, person: User, answer: Answer, queue: str = "hold") -> Verdict:
    task = claim_next(user=person, stream=stream, queue=queue)
    assert task is not None
    assert task.lease_token is not None
    return record_verdict(
        task_id=task.id, lease_token=task.lease_token, reviewer=person, answer=answer
    )


def dispute(
    stream: Stream,
    people: tuple[User, User],
    answers: tuple[Answer, Answer] = (VPN, UNLOCK),
    **fields: object,
) -> ReviewTask:
    """An item on which two people differ; the seat of its adjudicator."""
    number = stream.items.count()
    scenes.post(stream, f"HD-{number}", **fields)  # type: ignore[arg-type]
    for person, answer in zip(people, answers, strict=True):
        judge(stream, person, answer)
    return ReviewTask.objects.get(
        stream=stream, item__external_id=f"HD-{number}", queue="adjudication"
    )


def page_of(client: Client, address: str = ADJUDICATION) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def work_of(page: str) -> str:
    return page.split('id="work"', 1)[1].split("<dialog", 1)[0]


def cards(page: str) -> list[tuple[str, str]]:
    """Who and what, of each card."""
    return re.findall(
        r'class="given" aria-label="([^"]+)".*?class="given__answer">([^<]+)<', page, re.DOTALL
    )


def test_shows_both_answers_and_no_name(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    dispute(stream, (reviewer, second))
    page = page_of(browser(adjudicator))
    who, what = zip(*cards(page), strict=True)
    assert who == ("One reviewer", "Another reviewer")
    assert sorted(what) == ["Account unlock", "VPN issue"]
    assert "It is the tunnel." in page
    assert "Read the second line." in page
    work = work_of(page)
    assert (reviewer.username in work, second.username in work) == (False, False)
    assert "Two answers differ. One reviewer: " in page
    assert "badge--adjudication" in work


def test_order_of_the_cards_tells_nothing_of_the_time(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    client, first_shown = browser(adjudicator), set()
    for _ in range(12):
        task = dispute(stream, (reviewer, second))
        first_shown.add(cards(page_of(client))[0][1])
        ReviewTask.objects.filter(id=task.id).update(priority=-9)
        judge(stream, adjudicator, VPN, "adjudication")
    assert first_shown == {"VPN issue", "Account unlock"}


def test_nothing_is_chosen_beforehand_and_one_and_two_take_an_answer(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    dispute(stream, (reviewer, second), (VPN, Answer("ambiguous", ("vpn_issue", "account_unlock"))))
    page = page_of(browser(adjudicator))
    assert "Choose a category" in page
    assert " checked" not in work_of(page)
    taken = re.findall(r'data-take="(\w+)" data-take-categories="([^"]+)".*?data-key="(\d)"', page)
    assert sorted(taken) in (
        [
            ("ambiguous", "vpn_issue account_unlock", key),
            ("category", "vpn_issue", other),
        ]
        for key, other in (("1", "2"), ("2", "1"))
    )
    keys = re.findall(r'name="categories" value="(\w+)"(?: data-key="(\d)")?', page)
    assert keys == [("vpn_issue", ""), ("account_unlock", ""), ("security_incident", "3")]


def test_machine_is_shown_where_the_two_saw_it(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    dispute(stream, (reviewer, second))
    work = work_of(page_of(browser(adjudicator)))
    assert "Machine's answer" in work.replace("&#x27;", "'")
    assert "headline__figure" in work


def test_machine_is_hidden_where_the_two_judged_blind(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    Stream.objects.update(blind_rate=1.0)
    stream.refresh_from_db()
    scores = {"security_incident": 0.613, "vpn_issue": 0.251, "account_unlock": 0.136}
    dispute(stream, (reviewer, second), scores=scores)
    work = work_of(page_of(browser(adjudicator)))
    assert len(cards(work)) == 2
    for leak in ("0.61", "0.25", "0.14", ">61<", "headline", "policy 1"):
        assert leak not in work, leak
    assert 'data-predicted=""' in work


def test_answer_with_a_category_that_was_retired_cannot_be_taken(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    dispute(stream, (reviewer, second))
    category = Category.objects.get(stream=stream, key="vpn_issue")
    Category.objects.filter(id=category.id).update(retired_at=category.stream.created_at)
    page = page_of(browser(adjudicator))
    assert page.count("Names a category that was retired since.") == 1
    assert len(re.findall("data-take=", page)) == 1


def test_adjudicator_decides_and_goes_on(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    task = dispute(stream, (reviewer, second))
    client = browser(adjudicator, **{"HX-Request": "true"})
    page_of(client)
    task.refresh_from_db()
    response = client.post(
        f"/tasks/{task.id}/verdict",
        {"lease_token": str(task.lease_token), "kind": "category", "categories": "vpn_issue"},
    )
    assert response.status_code == 200
    page = response.content.decode()
    assert "Nothing waits for you in Adjudication" in page
    assert "Not enough yet: 1 item was judged by two people in the last 90 days" in page
    task.item.refresh_from_db()
    assert task.item.state == "settled"


def test_invalid_answer_keeps_the_cards(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    task = dispute(stream, (reviewer, second))
    client = browser(adjudicator)
    page_of(client)
    task.refresh_from_db()
    response = client.post(
        f"/tasks/{task.id}/verdict", {"lease_token": str(task.lease_token), "kind": "ambiguous"}
    )
    assert response.status_code == 422
    assert len(cards(response.content.decode())) == 2


@pytest.mark.parametrize(
    ("role", "status"), [("adjudicator", 200), ("reviewer", 403), ("expert", 403), ("analyst", 403)]
)
def test_adjudication_is_for_adjudicators(stream: Stream, role: str, status: int) -> None:
    person = scenes.make_person("p", stream, role)
    assert browser(person).get(ADJUDICATION).status_code == status
    assert (browser(person).get(HOLD).status_code == 200) == (role in {"reviewer", "expert"})


def test_stranger_anonymous_and_wrong_method(stream: Stream, adjudicator: User) -> None:
    assert browser(scenes.make_person("stan")).get(ADJUDICATION).status_code == 404
    assert Client().get(ADJUDICATION).status_code == 302
    assert browser(adjudicator).post(ADJUDICATION).status_code == 405


def test_home_offers_the_queue_to_adjudicators(
    stream: Stream, reviewer: User, second: User, adjudicator: User
) -> None:
    dispute(stream, (reviewer, second))
    assert ADJUDICATION in page_of(browser(adjudicator), "/")
    assert "1 item waits for you" in page_of(browser(adjudicator), "/")
    assert ADJUDICATION not in page_of(browser(reviewer), "/")


def test_second_person_learns_nothing_of_the_first_answer(
    stream: Stream, reviewer: User, second: User
) -> None:
    Stream.objects.update(undo_seconds=0)
    scenes.post(stream, "HD-1")
    stream.refresh_from_db()
    verdict = judge(stream, reviewer, UNLOCK)
    client = browser(second)
    for address in (HOLD, "/", "/streams/helpdesk/mine/", "/streams/helpdesk/watch/"):
        page = page_of(client, address)
        assert (UNLOCK.comment in page, reviewer.username in page) == (False, False), address
    assert client.get(f"/verdicts/{verdict.id}/").status_code == 404


def test_first_person_does_not_read_the_other_answer_as_an_adjudicator(
    stream: Stream, reviewer: User, second: User
) -> None:
    scenes.join(reviewer, stream, "adjudicator")
    task = dispute(stream, (reviewer, second))
    client = browser(reviewer)
    assert "Nothing waits for you" in page_of(client)
    response = client.post(
        f"/tasks/{task.id}/verdict",
        {"lease_token": str(task.id), "kind": "category", "categories": "vpn_issue"},
    )
    assert response.status_code == 409
    assert UNLOCK.comment not in response.content.decode()


def test_holder_of_a_seat_that_is_not_needed_any_more_is_told_so(
    stream: Stream, reviewer: User, second: User
) -> None:
    expert = scenes.make_person("erin", stream, "expert")
    task = scenes.post(stream, "HD-1")
    held = claim_next(user=second, stream=stream, queue="hold")
    other = claim_next(user=reviewer, stream=stream, queue="hold")
    assert held is not None
    assert other is not None
    assert other.lease_token is not None
    escalate_task(task_id=other.id, user=reviewer, lease_token=other.lease_token)
    judge(stream, expert, VPN, "escalated")
    client = browser(second, **{"HX-Request": "true"})
    beat = client.post(f"/tasks/{held.id}/heartbeat", {"lease_token": str(held.lease_token)})
    words = "Somebody else’s answer has settled this item"
    assert (beat.status_code, words in beat.content.decode()) == (409, True)
    response = client.post(
        f"/tasks/{held.id}/verdict",
        {
            "lease_token": str(held.lease_token),
            "kind": "category",
            "categories": "account_unlock",
            "comment": "what I wrote",
        },
    )
    assert response.status_code == 409
    page = response.content.decode()
    assert f"{words} meanwhile, so yours is not needed." in page
    assert "what I wrote" in page
    assert Verdict.objects.filter(item=task.item).count() == 1


def test_adjudication_screen_query_count(
    stream: Stream,
    reviewer: User,
    second: User,
    adjudicator: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = browser(adjudicator)
    for _ in range(3):
        dispute(stream, (reviewer, second))
    page_of(client)
    with django_assert_num_queries(SCREEN_QUERIES):
        page_of(client)
