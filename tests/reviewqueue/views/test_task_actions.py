"""Skip, escalate, release, heartbeat, undo."""

from datetime import timedelta
from uuid import uuid4

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from reviewqueue.claims import claim_next
from reviewqueue.models import Membership, ReviewTask, TaskSkip, Verdict
from routing.models import Event, Stream
from tests import scenes
from tests.reviewqueue.views.test_verdict import HOLD, expire, headings, take


def test_skip_passes_on_and_shows_the_next(stream: Stream, reviewer: User, htmx: Client) -> None:
    first = scenes.post(stream, "HD-1", payload={"subject": "First"})
    scenes.post(stream, "HD-2", payload={"subject": "Second"})
    response = htmx.post(f"/tasks/{first.id}/skip", take(htmx, first))
    assert headings(response) == ["Second"]
    assert (
        "Skipped HD-1: it waits for others, and comes back to you in 15 min</span>"
        in response.content.decode()
    )
    first.refresh_from_db()
    assert (first.state, first.holder_id) == ("open", None)
    assert TaskSkip.objects.get().user == reviewer


def test_skip_of_somebody_elses_task_is_not_called_one(
    stream: Stream, htmx: Client, second_reviewer: User
) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task)
    ReviewTask.objects.update(holder=second_reviewer, lease_token=uuid4())
    page = htmx.post(f"/tasks/{task.id}/skip", form).content.decode()
    assert "Skipped HD-1" not in page
    assert "Not skipped: your time with this item was over, or it is answered already" in page
    task.refresh_from_db()
    assert (task.holder, TaskSkip.objects.count()) == (second_reviewer, 0)


def test_skip_that_arrives_twice_is_told_as_one(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    scenes.post(stream, "HD-2")
    form = take(htmx, task)
    pages = [htmx.post(f"/tasks/{task.id}/skip", form).content.decode() for _ in range(2)]
    assert ["Skipped HD-1" in page for page in pages] == [True, True]
    assert TaskSkip.objects.count() == 1


def skip(client: Client, task: ReviewTask) -> str:
    """Skip by the button; returns the page that comes back."""
    response = client.post(f"/tasks/{task.id}/skip", take(client, task))
    assert response.status_code in {200, 303}
    return response.content.decode()


def test_undo_puts_the_skipped_item_back_in_hand(stream: Stream, htmx: Client) -> None:
    first = scenes.post(stream, "HD-1", payload={"subject": "First"})
    second = scenes.post(stream, "HD-2", payload={"subject": "Second"})
    assert f'hx-post="/tasks/{first.id}/unskip"' in skip(htmx, first)
    response = htmx.post(f"/tasks/{first.id}/unskip")
    assert (response.status_code, headings(response)) == (200, ["First"])
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("claimed", "claimed")
    # What was being read meanwhile comes next.
    assert second.claimed_at > first.claimed_at  # type: ignore[operator]
    # Asked twice, the reply having been lost: it is in hand all the same.
    response = htmx.post(f"/tasks/{first.id}/unskip")
    assert (response.status_code, headings(response)) == (200, ["First"])
    assert Event.objects.filter(kind="task.skip_undone", subject_id=first.id).count() == 1


@pytest.mark.parametrize("client_name", ["plain", "htmx"])
def test_undo_of_a_skip_is_there_after_a_reload_and_without_a_script(
    stream: Stream, request: pytest.FixtureRequest, client_name: str
) -> None:
    client: Client = request.getfixturevalue(client_name)
    task = scenes.post(stream, "HD-1")
    scenes.post(stream, "HD-2")
    skip(client, task)
    page = Client()
    page.cookies = client.cookies
    content = page.get(HOLD).content.decode()
    assert content.count(f'<form method="post" action="/tasks/{task.id}/unskip"') == 1
    assert content.count("Skipped HD-1: it waits for others") == 1
    assert page.post(f"/tasks/{task.id}/unskip").headers["Location"] == HOLD
    assert "Skipped HD-1" not in page.get(HOLD).content.decode()


def test_answer_given_since_is_undone_before_the_skip(stream: Stream, htmx: Client) -> None:
    first = scenes.post(stream, "HD-1")
    second = scenes.post(stream, "HD-2")
    scenes.post(stream, "HD-3")
    skip(htmx, first)
    with pgtrigger.ignore():
        earlier = timezone.now() - timedelta(seconds=5)
        Event.objects.filter(kind="task.skipped").update(happened_at=earlier)
    verdict = answer(htmx, second)
    page = htmx.get(HOLD).content.decode()
    assert "/unskip" not in page
    assert f'action="/verdicts/{verdict.id}/undo"' in page


def test_skip_that_somebody_else_has_taken_up_says_so(
    stream: Stream, htmx: Client, plain: Client, second_reviewer: User
) -> None:
    task = scenes.post(stream, "HD-1")
    skip(htmx, task)
    assert claim_next(user=second_reviewer, stream=stream, queue="hold") is not None
    response = htmx.post(f"/tasks/{task.id}/unskip")
    assert response.status_code == 409
    words = "Not undone: somebody else has this item by now."
    assert words in response.content.decode()
    response = plain.post(f"/tasks/{task.id}/unskip", follow=True)
    assert response.redirect_chain == [(HOLD, 303)]
    assert words in response.content.decode()
    assert "/unskip" not in plain.get(HOLD).content.decode()


def test_skip_is_not_undone_after_the_window(stream: Stream, htmx: Client) -> None:
    Stream.objects.update(undo_seconds=0)
    task = scenes.post(stream, "HD-1")
    assert "/unskip" not in skip(htmx, task)
    response = htmx.post(f"/tasks/{task.id}/unskip")
    assert response.status_code == 409
    assert "Too late to undo: the item stays skipped." in response.content.decode()


def test_nobody_undoes_the_skip_of_another(
    stream: Stream, htmx: Client, second_reviewer: User
) -> None:
    task = scenes.post(stream, "HD-1")
    skip(htmx, task)
    colleague, stranger = Client(), Client()
    colleague.force_login(second_reviewer)
    stranger.force_login(scenes.make_person("stranger"))
    path = f"/tasks/{task.id}/unskip"
    assert [client.post(path).status_code for client in (colleague, stranger)] == [404, 404]
    assert htmx.get(path).status_code == 405
    assert Client().post(path).headers["Location"] == "/accounts/login/?next=/&ended=1"
    Membership.objects.filter(user__username="rita").update(role=Membership.Role.ANALYST)
    assert htmx.post(path).status_code == 404
    task.refresh_from_db()
    assert task.state == "open"


def test_verdict_can_be_undone_beside_a_skip_that_was_none(
    stream: Stream, htmx: Client, second_reviewer: User
) -> None:
    verdict = answer(htmx, scenes.post(stream, "HD-1"))
    task = scenes.post(stream, "HD-2")
    form = take(htmx, task)
    ReviewTask.objects.filter(id=task.id).update(holder=second_reviewer, lease_token=uuid4())
    page = htmx.post(f"/tasks/{task.id}/skip", form).content.decode()
    assert "Not skipped: your time with this item was over" in page
    assert f'hx-post="/verdicts/{verdict.id}/undo"' in page


def test_last_item_skipped_says_so(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    response = htmx.post(f"/tasks/{task.id}/skip", take(htmx, task))
    assert headings(response) == ["Nothing waits for you in Hold"]
    page = response.content.decode()
    assert "What is left here you skipped a moment ago" in page
    assert "comes back to you after 15 minutes" in page


def test_escalate_hands_to_the_experts(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    response = htmx.post(f"/tasks/{task.id}/escalate", take(htmx, task))
    assert response.status_code == 200
    assert "<span>Escalated HD-1 to the experts</span>" in response.content.decode()
    task.refresh_from_db()
    assert (task.queue, task.state) == ("escalated", "open")


def test_experts_are_not_offered_to_escalate_again(stream: Stream) -> None:
    expert = scenes.make_person("eva")
    scenes.join(expert, stream, Membership.Role.EXPERT)
    client = Client()
    client.force_login(expert)
    ReviewTask.objects.filter(id=scenes.post(stream, "HD-1").id).update(queue="escalated")
    scenes.post(stream, "HD-2")
    offered = [
        '/escalate"' in client.get(f"/streams/helpdesk/{queue}/").content.decode()
        for queue in ("hold", "escalated")
    ]
    assert offered == [True, False]


def test_late_escalation_is_told(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task) | {"comment": "please look"}
    expire(task)
    response = htmx.post(f"/tasks/{task.id}/escalate", form)
    assert response.status_code == 409
    assert ">please look</textarea>" in response.content.decode()


def test_release_gives_back_and_goes_home(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    response = plain.post(f"/tasks/{task.id}/release", take(plain, task))
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    task.refresh_from_db()
    assert task.state == "open"


def test_release_gives_the_one_ahead_back_too(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    scenes.post(stream, "HD-2")
    form = take(htmx, task)
    assert htmx.post(f"/tasks/{task.id}/ahead", form).status_code == 200
    response = htmx.post(f"/tasks/{task.id}/release", form)
    assert response.headers["HX-Redirect"] == "/"
    assert list(ReviewTask.objects.values_list("state", flat=True)) == ["open", "open"]


def test_heartbeat_renews_the_lease(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task)
    soon = timezone.now() + timedelta(seconds=30)
    ReviewTask.objects.filter(id=task.id).update(lease_expires_at=soon)
    response = htmx.post(f"/tasks/{task.id}/heartbeat", form)
    assert response.status_code == 200
    assert response.content.decode().lstrip().startswith('<form class="lease push" id="lease"')
    task.refresh_from_db()
    assert task.lease_expires_at is not None
    assert task.lease_expires_at > soon + timedelta(minutes=10)


def test_heartbeat_of_a_lost_lease_is_409(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task)
    expire(task)
    response = htmx.post(f"/tasks/{task.id}/heartbeat", form)
    assert response.status_code == 409
    assert 'data-lease-left="0"' in response.content.decode()


def test_plain_heartbeat_returns_to_the_page(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    response = plain.post(f"/tasks/{task.id}/heartbeat", take(plain, task))
    assert (response.status_code, response.headers["Location"]) == (303, HOLD)


def answer(client: Client, task: ReviewTask) -> Verdict:
    form = take(client, task) | {"kind": "category", "categories": "vpn_issue"}
    client.post(f"/tasks/{task.id}/verdict", form)
    return Verdict.objects.get(task=task)


def test_undo_puts_the_item_back_in_hand(stream: Stream, htmx: Client) -> None:
    first = scenes.post(stream, "HD-1", payload={"subject": "First"})
    second = scenes.post(stream, "HD-2", payload={"subject": "Second"})
    verdict = answer(htmx, first)
    response = htmx.post(f"/verdicts/{verdict.id}/undo")
    assert response.status_code == 200
    assert headings(response) == ["First"]
    assert headings(htmx.get(HOLD)) == ["First"]
    assert not Verdict.objects.live().exists()
    second.refresh_from_db()
    assert second.state == "claimed"  # what was being read is the one ahead
    third = scenes.post(stream, "HD-3")
    htmx.post(f"/tasks/{first.id}/ahead")
    third.refresh_from_db()
    assert third.state == "open"


def test_plain_undo_gives_the_others_back(stream: Stream, plain: Client) -> None:
    first = scenes.post(stream, "HD-1", payload={"subject": "First"})
    second = scenes.post(stream, "HD-2", payload={"subject": "Second"})
    verdict = answer(plain, first)
    response = plain.post(f"/verdicts/{verdict.id}/undo", follow=True)
    assert headings(response) == ["First"]
    second.refresh_from_db()
    assert second.state == "open"


def test_undo_after_the_window_is_409(stream: Stream, htmx: Client) -> None:
    Stream.objects.filter(id=stream.id).update(undo_seconds=0)
    verdict = answer(htmx, scenes.post(stream, "HD-1"))
    response = htmx.post(f"/verdicts/{verdict.id}/undo")
    assert response.status_code == 409
    assert Verdict.objects.live().count() == 1


def test_plain_undo_says_when_it_is_too_late(stream: Stream, plain: Client) -> None:
    Stream.objects.filter(id=stream.id).update(undo_seconds=0)
    verdict = answer(plain, scenes.post(stream, "HD-1"))
    response = plain.post(f"/verdicts/{verdict.id}/undo", follow=True)
    assert response.redirect_chain == [(HOLD, 303)]
    assert "Too late to undo" in response.content.decode()


def test_nobody_undoes_for_another(stream: Stream, htmx: Client) -> None:
    verdict = answer(htmx, scenes.post(stream, "HD-1"))
    other = scenes.make_person("omar")
    scenes.join(other, stream, "expert")
    client = Client()
    client.force_login(other)
    assert client.post(f"/verdicts/{verdict.id}/undo").status_code == 404
    assert Verdict.objects.live().count() == 1
