"""An item's page: its history for each role, what blind review keeps off it, and finding one."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from calibration.models import AuditDraw
from reviewqueue.claims import claim_next, escalate_task
from reviewqueue.escalations import take_back_escalation
from reviewqueue.known_answers import mark_known
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import overturn_verdict
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests import scenes
from tests.reviewqueue.test_overturns import set_window

VPN = Answer("category", ("vpn_issue",), comment="Only the tunnel.")
UNLOCK = Answer("category", ("account_unlock",), comment="The lock after all.")


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=0)


def address(task: ReviewTask) -> str:
    return f"/streams/helpdesk/items/{task.item_id}/"


def text_of(content: bytes) -> str:
    return " ".join(re.sub(r"(?s)<[^>]+>", " ", content.decode()).split())


def read(client: Client, task: ReviewTask) -> str:
    response = client.get(address(task))
    assert response.status_code == 200
    return text_of(response.content)


def history_of(page: str) -> str:
    found = re.search(r"What happened (.*?) (?:State|What was said)", page)
    return re.sub(r"\d\d:\d\d ", "", found.group(1)) if found else ""


def as_role(stream: Stream, role: str) -> Client:
    client = Client()
    client.force_login(scenes.make_person(role, stream, role))
    return client


def judge(user: User, stream: Stream, answer: Answer = VPN, queue: str = "hold") -> Verdict:
    task = claim_next(user=user, stream=stream, queue=queue)
    assert task is not None
    assert task.lease_token is not None
    return record_verdict(
        task_id=task.id, lease_token=task.lease_token, reviewer=user, answer=answer
    )


def test_page_shows_item_decision_judgements_and_label(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    task = scenes.post(stream, "HD-1")
    verdict = judge(reviewer, stream)
    set_window(stream, 3600)
    overturn_verdict(verdict_id=verdict.id, by=scenes.make_person("erin"), answer=UNLOCK)
    page = read(plain, task)
    assert "VPN drops after a minute" in page
    assert "State Settled Account unlock" in page
    assert "Machine's answer Not calibrated VPN issue 52 %" in page
    assert "Margin 0.21 under 0.30" in page
    assert history_of(page) == (
        "A seat opened Hold You answered: VPN issue Only the tunnel. "
        "A reviewer overturned the answer: Account unlock The lock after all."
    )


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("reviewer", "A reviewer"),
        ("analyst", "A reviewer"),
        ("adjudicator", "rita"),
        ("expert", "rita"),
        ("stream_admin", "rita"),
    ],
)
def test_names_are_shown_by_role(stream: Stream, reviewer: User, role: str, name: str) -> None:
    task = scenes.post(stream, "HD-1")
    judge(reviewer, stream)
    page = read(as_role(stream, role), task)
    assert history_of(page).startswith(f"A seat opened Hold {name} answered: VPN issue")
    assert ("rita" in page) is (name == "rita")


def escalate(user: User, stream: Stream, comment: str) -> ReviewTask:
    task = claim_next(user=user, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    assert escalate_task(task_id=task.id, user=user, lease_token=task.lease_token, comment=comment)
    return task


def test_what_was_written_for_the_experts_is_shown_with_the_escalation(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    task = scenes.post(stream, "HD-1")
    escalate(reviewer, stream, "Two intents in one.")
    assert history_of(read(plain, task)) == (
        "A seat opened Escalated You handed it to the experts Two intents in one."
    )
    judge(scenes.make_person("erin", stream, "expert"), stream, queue="escalated")
    page = read(as_role(stream, "analyst"), task)
    assert history_of(page) == (
        "A seat opened Escalated A reviewer handed it to the experts Two intents in one. "
        "A reviewer answered: VPN issue Only the tunnel."
    )


def test_escalation_that_was_taken_back_is_told_in_words(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    set_window(stream, 3600)
    scenes.post(stream, "HD-1")
    task = escalate(reviewer, stream, "Ask the team lead?")
    assert take_back_escalation(task=task, user=reviewer)
    assert history_of(read(as_role(stream, "analyst"), task)) == (
        "A seat opened Hold A reviewer handed it to the experts Ask the team lead? "
        "A reviewer took it back from the experts"
    )
    assert history_of(read(plain, task)) == ""


def test_comment_on_a_seat_is_not_shown_while_another_is_judged_blind(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    """It may say what the machine answered."""
    task = scenes.post(stream, "HD-1")
    escalate(reviewer, stream, "The machine says VPN issue.")
    assert "The machine says" in read(plain, task)
    ReviewTask.objects.filter(id=task.id).update(blind=True)
    for client in (plain, as_role(stream, "expert"), as_role(stream, "stream_admin")):
        page = read(client, task)
        assert "is not shown yet" in page
        assert "The machine says" not in page


def test_expert_who_may_be_asked_next_reads_no_comment_on_the_items_page(
    stream: Stream, reviewer: User
) -> None:
    task = scenes.post(stream, "HD-1")
    escalate(reviewer, stream, "Two intents in one.")
    assert "Two intents" not in read(as_role(stream, "expert"), task)


def test_item_that_waits_says_so_and_shows_no_person(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    page = read(plain, task)
    assert "State Waiting for a person" in page
    assert "What people answered is shown once nobody asks for your own answer any more." in page
    assert history_of(page) == ""


@pytest.mark.parametrize("role", ["reviewer", "expert", "analyst", "stream_admin"])
def test_blind_item_shows_its_words_only(stream: Stream, role: str) -> None:
    task = scenes.post_blind(stream, "HD-1")
    assert_hidden(as_role(stream, role), task)


def test_drawn_item_looks_as_a_blind_one(stream: Stream, plain: Client) -> None:
    blind = scenes.post_blind(stream, "HD-1")
    drawn = scenes.post(stream, "HD-1 again")
    AuditDraw.objects.create(stream=stream, item=drawn.item, decision=drawn.decision, pi=0.05)
    drawn.delete()
    assert_hidden(plain, drawn)
    pages = [plain.get(address(task)).content.decode() for task in (blind, drawn)]
    same = [re.sub(r"HD-1( again)?|<time.*?</time>|nonce=\S+", "", page) for page in pages]
    assert re.sub(r"value=\"\w+\"", "", same[0]) == re.sub(r"value=\"\w+\"", "", same[1])


def assert_hidden(client: Client, task: ReviewTask) -> None:
    content = client.get(address(task)).content.decode()
    assert "VPN drops after a minute" in content
    assert "is not shown yet" in content
    # The help on keys is the same for every item.
    told = text_of(re.sub(r"(?s)<dialog .*?</dialog>", "", content).encode())
    for word in ("VPN issue", "Hold", "Audit", "52", "Margin", "answered", "seat", "State"):
        assert word not in told.replace("VPN drops", ""), word


def test_known_item_tells_its_holder_nothing_else(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    known = scenes.post(stream, "K-1")
    judge(scenes.make_person("erik", stream, "expert"), stream)
    mark_known(stream=stream, external_id="K-1", answer=VPN)
    Stream.objects.update(known_rate=1.0)
    stream.refresh_from_db()
    ordinary = scenes.post(stream, "HD-1")
    assert_hidden(plain, known)
    judge(reviewer, stream, UNLOCK)
    judge(reviewer, stream, UNLOCK)
    pages = [re.sub(r"HD-1|K-1|\d\d:\d\d", "", read(plain, task)) for task in (known, ordinary)]
    assert pages[0] == pages[1]
    assert "State Settled Account unlock" in pages[0]
    assert "Overturn the answer" in pages[0]
    others = read(as_role(stream, "analyst"), known)
    assert "State Settled VPN issue" in others
    assert "Account unlock" not in others.split("State")[0]
    assert (
        history_of(others) == "A seat opened Hold A reviewer answered: VPN issue Only the tunnel."
    )


def test_overturn_is_offered_to_those_who_may(stream: Stream, reviewer: User) -> None:
    task = scenes.post(stream, "HD-1")
    verdict = judge(reviewer, stream)
    offers = {
        role: f'href="/verdicts/{verdict.id}/overturn/" data-key="o"'
        in as_role(stream, role).get(address(task)).content.decode()
        for role in ("reviewer", "analyst", "adjudicator", "expert", "stream_admin")
    }
    assert offers == {
        "reviewer": False,
        "analyst": False,
        "adjudicator": True,
        "expert": True,
        "stream_admin": True,
    }


def test_stream_admin_is_offered_to_use_it_as_known(stream: Stream, reviewer: User) -> None:
    task = scenes.post(stream, "HD-1")
    judge(reviewer, stream)
    admin = scenes.make_person("sue", stream, "stream_admin")
    client = Client()
    client.force_login(admin)
    admin.user_permissions.add(Permission.objects.get(codename="view_knownanswer"))
    assert "Use as known answer" not in read(client, task)
    admin.user_permissions.clear()
    page = client.get(address(task)).content.decode()
    assert (
        f"/admin/reviewqueue/knownanswer/add/?stream={stream.id}&amp;external_id=HD-1"
        "&amp;kind=category&amp;categories=vpn_issue" in page
    )
    mark_known(stream=stream, external_id="HD-1", answer=VPN)
    assert "Use as known answer" not in read(client, task)


def test_page_needs_a_session_a_membership_and_get(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    stranger = Client()
    stranger.force_login(scenes.make_person("stranger"))
    for path in (address(task), "/items/?id=HD-1"):
        login = Client().get(path).headers["Location"]
        assert login.startswith("/accounts/login/?next=")
        assert plain.post(path).status_code == 405
        assert stranger.get(path).status_code == 404
    other = scenes.make_stream("other")
    foreign = scenes.post(other, "X")
    assert plain.get(address(foreign)).status_code == 404
    assert plain.get(f"/streams/other/items/{foreign.item_id}/").status_code == 404


@pytest.mark.parametrize("judged", [1, 3])
def test_queries_do_not_grow_with_judgements(
    stream: Stream, plain: Client, judged: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    task = scenes.post(stream, "HD-1")
    verdict = judge(scenes.make_person("erik", stream, "expert"), stream)
    by = scenes.make_person("erin")
    for turn in range(judged - 1):
        verdict = overturn_verdict(
            verdict_id=verdict.id, by=by, answer=UNLOCK if turn % 2 == 0 else VPN
        )
    plain.get(address(task))
    with django_assert_num_queries(18):
        plain.get(address(task))


def test_search_leads_to_the_item(stream: Stream, plain: Client, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    for asked in ("HD-1", " HD-1 "):
        response = plain.get("/items/", {"id": asked})
        assert (response.status_code, response.headers["Location"]) == (303, address(task))
    assert htmx.get("/items/", {"id": "HD-1"}).headers["HX-Redirect"] == address(task)


def test_search_offers_each_stream_that_has_it(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    other = scenes.make_stream("other")
    hidden = scenes.make_stream("hidden")
    scenes.join(reviewer, other)
    tasks = [scenes.post(each, "HD-1") for each in (stream, other, hidden)]
    response = plain.get("/items/", {"id": "HD-1"})
    page = response.content.decode()
    assert response.status_code == 200
    assert "2 streams have it" in page
    assert f'href="/streams/other/items/{tasks[1].item_id}/">Other<' in page
    assert "Hidden" not in page


@pytest.mark.parametrize("asked", ["HD", "hd-1", "x" * 300])
def test_search_without_a_find_says_so(stream: Stream, plain: Client, asked: str) -> None:
    scenes.post(stream, "HD-1")
    response = plain.get("/items/", {"id": asked})
    assert response.status_code == 404
    assert "Give the whole id under which upstream posted it." in response.content.decode()


def test_empty_search_asks(stream: Stream, plain: Client) -> None:
    response = plain.get("/items/")
    assert response.status_code == 200
    assert text_of(response.content).count("No item") == 0


def test_home_and_my_verdict_lead_there(stream: Stream, reviewer: User, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    verdict = judge(reviewer, stream)
    assert '<form class="find" method="get" action="/items/"' in plain.get("/").content.decode()
    page = plain.get(f"/verdicts/{verdict.id}/").content.decode()
    assert f'href="{address(task)}">HD-1</a>' in page
