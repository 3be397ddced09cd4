"""Escalating: the expert reads why, the reviewer may take it back, and a late answer is kept."""

from datetime import timedelta
from uuid import uuid4

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviewqueue.claims import claim_next, escalate_task
from reviewqueue.models import Membership, ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Event, Stream
from tests import scenes
from tests.reviewqueue.views.test_verdict import HOLD, headings, take

ESCALATED = "/streams/helpdesk/escalated/"


@pytest.fixture
def expert(stream: Stream) -> Client:
    client = Client()
    client.force_login(scenes.make_person("eva", stream, Membership.Role.EXPERT))
    return client


def escalate(client: Client, task: ReviewTask, comment: str = "") -> str:
    """Escalate by the button; returns the page that comes back."""
    form = take(client, task) | {"comment": comment}
    response = client.post(f"/tasks/{task.id}/escalate", form)
    assert response.status_code in {200, 303}
    task.refresh_from_db()
    assert (task.queue, task.state) == ("escalated", "open")
    return response.content.decode()


def test_expert_reads_why_it_was_escalated_and_not_by_whom(
    stream: Stream, htmx: Client, expert: Client
) -> None:
    escalate(htmx, scenes.post(stream, "HD-1"), "Two intents in one.\nAsk the team lead?")
    page = expert.get(ESCALATED).content.decode()
    assert "A reviewer escalated this item." in page
    assert ">Two intents in one.\nAsk the team lead?</p>" in page
    assert "rita" not in page


def test_expert_reads_why_it_could_not_be_judged(
    stream: Stream, htmx: Client, expert: Client
) -> None:
    task = scenes.post(stream, "HD-1")
    answer = {"kind": "cannot_judge", "comment": "No log attached."}
    htmx.post(f"/tasks/{task.id}/verdict", take(htmx, task) | answer)
    page = expert.get(ESCALATED).content.decode()
    assert "A reviewer could not judge this item." in page
    assert ">No log attached.</p>" in page


def test_reviewers_and_colleagues_read_no_note_of_others(stream: Stream, htmx: Client) -> None:
    escalate(htmx, scenes.post(stream, "HD-1"), "Two intents in one.")
    scenes.post(stream, "HD-2")
    assert "Two intents" not in htmx.get(HOLD).content.decode()


def test_blind_expert_reads_only_what_was_written_blind(
    stream: Stream, reviewer: User, expert: Client
) -> None:
    """Whoever saw the machine's answer may have written it down."""
    task = scenes.post(stream, "HD-1")
    claimed = claim_next(user=reviewer, stream=stream, queue="hold")
    assert claimed is not None
    assert claimed.lease_token is not None
    answer = Answer(kind="cannot_judge", comment="The machine says VPN issue.")
    record_verdict(
        task_id=task.id, lease_token=claimed.lease_token, reviewer=reviewer, answer=answer
    )
    ReviewTask.objects.filter(queue="escalated").update(blind=True)
    page = expert.get(ESCALATED).content.decode()
    assert "Judged blind" in page
    assert "The machine says" not in page


@pytest.mark.parametrize("passed_on", [1, 3])
def test_queries_do_not_grow_with_what_was_passed_on(
    stream: Stream, htmx: Client, expert: Client, passed_on: int
) -> None:
    for number in range(passed_on):
        escalate(htmx, scenes.post(stream, f"HD-{number}"), "why")
    expert.get(ESCALATED)
    with CaptureQueriesContext(connection) as queries:
        expert.get(ESCALATED)
    assert len(queries) == 9


def test_undo_puts_the_escalated_item_back_in_hand(stream: Stream, htmx: Client) -> None:
    first = scenes.post(stream, "HD-1", payload={"subject": "First"})
    second = scenes.post(stream, "HD-2", payload={"subject": "Second"})
    page = escalate(htmx, first)
    assert "Escalated HD-1 to the experts</span>" in page
    assert f'hx-post="/tasks/{first.id}/take-back"' in page
    response = htmx.post(f"/tasks/{first.id}/take-back")
    assert response.status_code == 200
    assert headings(response) == ["First"]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.queue, first.state) == ("hold", "claimed")
    # What was being read meanwhile comes next.
    assert (second.state, second.claimed_at > first.claimed_at) == ("claimed", True)  # type: ignore[operator]
    answer = {"kind": "category", "categories": "vpn_issue"}
    assert htmx.post(f"/tasks/{first.id}/verdict", take(htmx, first) | answer).status_code == 200
    kinds = Event.objects.filter(subject_id=first.id).order_by("id").values_list("kind", flat=True)
    assert list(kinds)[-2:] == ["task.escalated", "task.escalation_undone"]


def test_plain_undo_of_an_escalation_returns_to_the_queue(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    escalate(plain, task)
    response = plain.post(f"/tasks/{task.id}/take-back")
    assert (response.status_code, response.headers["Location"]) == (303, HOLD)
    task.refresh_from_db()
    assert task.state == "claimed"


def test_escalation_that_an_expert_has_begun_on_stays(
    stream: Stream, htmx: Client, plain: Client, expert: Client
) -> None:
    task = scenes.post(stream, "HD-1")
    escalate(htmx, task)
    expert.get(ESCALATED)
    response = htmx.post(f"/tasks/{task.id}/take-back")
    assert response.status_code == 409
    assert "Too late to undo: the item stays with the experts." in response.content.decode()
    response = plain.post(f"/tasks/{task.id}/take-back", follow=True)
    assert response.redirect_chain == [(HOLD, 303)]
    assert "Too late to undo: the item stays with the experts." in response.content.decode()
    task.refresh_from_db()
    assert (task.queue, task.holder and task.holder.username) == ("escalated", "eva")


def test_escalation_is_not_undone_after_the_window(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    escalate(htmx, task)
    with pgtrigger.ignore():
        long_ago = timezone.now() - timedelta(hours=2)
        Event.objects.filter(kind="task.escalated").update(happened_at=long_ago)
    assert htmx.post(f"/tasks/{task.id}/take-back").status_code == 409
    task.refresh_from_db()
    assert task.queue == "escalated"


def test_nobody_undoes_the_escalation_of_another(
    stream: Stream, htmx: Client, expert: Client
) -> None:
    task = scenes.post(stream, "HD-1")
    escalate(htmx, task)
    colleague, stranger = Client(), Client()
    colleague.force_login(scenes.make_person("omar", stream, "reviewer"))
    stranger.force_login(scenes.make_person("stranger"))
    path = f"/tasks/{task.id}/take-back"
    assert [client.post(path).status_code for client in (colleague, expert, stranger)] == [404] * 3
    assert htmx.get(path).status_code == 405
    assert Client().post(path).headers["Location"] == "/accounts/login/?next=/&ended=1"
    task.refresh_from_db()
    assert (task.queue, task.state) == ("escalated", "open")


def test_second_press_of_escalate_changes_nothing(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task) | {"comment": "once"}
    pages = [htmx.post(f"/tasks/{task.id}/escalate", form) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    assert Event.objects.filter(kind="task.escalated").count() == 1


def escalate_elsewhere(stream: Stream, task: ReviewTask) -> None:
    """The lease runs out, somebody else gets the item and passes it on."""
    ReviewTask.objects.filter(id=task.id).update(
        lease_expires_at=timezone.now() - timedelta(minutes=1)
    )
    other = scenes.make_person("omar", stream, "reviewer")
    claimed = claim_next(user=other, stream=stream, queue="hold")
    assert claimed is not None
    assert claimed.lease_token is not None
    assert escalate_task(task_id=claimed.id, user=other, lease_token=claimed.lease_token)


@pytest.mark.parametrize("kind", ["htmx", "plain"])
def test_late_verdict_on_an_escalated_item_is_409_and_keeps_what_was_entered(
    stream: Stream, request: pytest.FixtureRequest, kind: str
) -> None:
    client: Client = request.getfixturevalue(kind)
    task = scenes.post(stream, "HD-1")
    answer = {"kind": "category", "categories": "account_unlock", "comment": "half a thought"}
    form = take(client, task) | answer
    escalate_elsewhere(stream, task)
    response = client.post(f"/tasks/{task.id}/verdict", form)
    page = response.content.decode()
    assert response.status_code == 409
    assert "This item was passed on to the experts meanwhile." in page
    assert ">half a thought</textarea>" in page
    assert f'href="{HOLD}" data-key="Enter"' in page
    assert ESCALATED not in page
    assert not Verdict.objects.exists()


def test_other_requests_about_an_escalated_item_lead_on(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1", payload={"subject": "First"})
    form = take(htmx, task)
    escalate_elsewhere(stream, task)
    scenes.post(stream, "HD-2", payload={"subject": "Second"})
    path = f"/tasks/{task.id}"
    assert htmx.post(f"{path}/heartbeat", form).status_code == 409
    assert htmx.post(f"{path}/escalate", form).status_code == 409
    assert headings(htmx.post(f"{path}/skip", form)) == ["Second"]
    assert htmx.post(f"{path}/release", form).headers["HX-Redirect"] == "/"


def test_item_that_the_machine_escalated_is_not_a_reviewers(stream: Stream, htmx: Client) -> None:
    scenes.publish(stream, escalate_entropy=0.5)
    task = scenes.post(stream, "HD-1")
    assert (task.queue, task.decision.action) == ("escalated", "escalate")
    answer = {"lease_token": str(uuid4()), "kind": "category", "categories": "vpn_issue"}
    for action in ("verdict", "skip", "escalate", "take-back", "release", "heartbeat"):
        assert htmx.post(f"/tasks/{task.id}/{action}", answer).status_code == 404


UNDO = '<form method="post" action="/tasks/{}/take-back"'


@pytest.mark.parametrize("client_name", ["plain", "htmx"])
def test_undo_of_an_escalation_is_there_after_a_reload_and_without_a_script(
    stream: Stream, request: pytest.FixtureRequest, client_name: str, reviewer: User
) -> None:
    Stream.objects.update(undo_seconds=60)
    client: Client = request.getfixturevalue(client_name)
    task = scenes.post(stream, "HD-1")
    scenes.post(stream, "HD-2")
    escalate(client, task)
    page = Client()
    page.cookies = client.cookies
    content = page.get(HOLD).content.decode()
    assert content.count(UNDO.format(task.id)) == 1
    assert content.count("Escalated HD-1 to the experts") == 1
    assert page.post(f"/tasks/{task.id}/take-back").headers["Location"] == HOLD
    assert "Escalated HD-1" not in page.get(HOLD).content.decode()


def test_answer_given_since_is_undone_before_the_escalation(stream: Stream, htmx: Client) -> None:
    Stream.objects.update(undo_seconds=60)
    task = scenes.post(stream, "HD-1")
    second = scenes.post(stream, "HD-2")
    scenes.post(stream, "HD-3")
    escalate(htmx, task)
    with pgtrigger.ignore():
        earlier = timezone.now() - timedelta(seconds=5)
        Event.objects.filter(kind="task.escalated").update(happened_at=earlier)
    answer = {"kind": "category", "categories": "vpn_issue"}
    htmx.post(f"/tasks/{second.id}/verdict", take(htmx, second) | answer)
    page = htmx.get(HOLD).content.decode()
    assert UNDO.format(task.id) not in page
    assert f'action="/verdicts/{Verdict.objects.get().id}/undo"' in page


def test_escalation_is_forgotten_when_its_time_is_over(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    scenes.post(stream, "HD-2")
    plain.get(HOLD)
    with CaptureQueriesContext(connection) as before:
        plain.get(HOLD)
    plain.post(f"/tasks/{task.id}/escalate", take(plain, task))
    with pgtrigger.ignore():
        long_ago = timezone.now() - timedelta(hours=2)
        Event.objects.filter(kind="task.escalated").update(happened_at=long_ago)
    assert "take-back" not in plain.get(HOLD).content.decode()
    plain.get(HOLD)
    with CaptureQueriesContext(connection) as after:
        plain.get(HOLD)
    assert len(after) == len(before)
