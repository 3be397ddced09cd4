"""Review tasks in the admin: a lease is taken back, and nothing else is touched."""

from datetime import timedelta

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer, LateVerdictError, record_verdict
from routing.models import Event, Stream
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_stream, post

LIST = "/admin/reviewqueue/reviewtask/"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream()


def claim(stream: Stream, name: str) -> ReviewTask:
    user = User.objects.create_user(name, is_superuser=True)
    task = claim_next(user=user, stream=stream, queue="hold")
    assert task is not None
    return task


def release(client: Client, *tasks: ReviewTask) -> None:
    chosen = [str(task.id) for task in tasks]
    client.post(LIST, {"action": "release", "_selected_action": chosen})


def test_released_task_is_open_again_and_the_old_lease_void(stream: Stream) -> None:
    for name in ("t1", "t2", "t3"):
        post(stream, name)
    taken, kept = claim(stream, "rita"), claim(stream, "sam")
    root = make_superuser()
    waiting = ReviewTask.objects.get(state="open")
    release(log_in(root), taken, waiting)
    fresh = ReviewTask.objects.get(id=taken.id)
    assert (fresh.state, fresh.holder, fresh.lease_token) == ("open", None, None)
    assert ReviewTask.objects.get(id=kept.id).state == "claimed"
    [event] = Event.objects.filter(kind="task.released")
    assert (event.subject_id, event.actor) == (taken.id, root)
    assert event.data == {"held_by": taken.holder_id}
    assert taken.holder is not None
    assert taken.lease_token is not None
    with pytest.raises(LateVerdictError):
        record_verdict(
            task_id=taken.id,
            lease_token=taken.lease_token,
            reviewer=taken.holder,
            answer=Answer(kind="category", categories=["vpn_issue"]),
        )


def test_lease_is_released_by_staff_with_the_permission_on_their_streams(stream: Stream) -> None:
    post(stream, "t1")
    task = claim(stream, "rita")
    for name, where, permission in (
        ("viewer", stream, "view_reviewtask"),
        ("stranger", make_stream("other"), "change_reviewtask"),
    ):
        release(log_in(make_staff(name, where, "view_reviewtask", permission)), task)
        assert ReviewTask.objects.get(id=task.id).state == "claimed"
    release(log_in(make_staff("sue", stream, "view_reviewtask", "change_reviewtask")), task)
    assert ReviewTask.objects.get(id=task.id).state == "open"


def test_task_page_does_not_show_the_lease_token(stream: Stream) -> None:
    post(stream, "t1")
    task = claim(stream, "rita")
    content = log_in(make_superuser()).get(f"{LIST}{task.id}/change/").content.decode()
    assert str(task.lease_token) not in content
    assert "rita" in content


def test_verdict_of_an_item_that_is_to_be_judged_once_more_is_left_out(stream: Stream) -> None:
    Stream.objects.update(double_rate=1.0)
    stream.refresh_from_db()
    post(stream, "t1")
    root, page = make_superuser(), "/admin/reviewqueue/verdict/"
    listed = []
    for name in ("rita", "sam"):
        task = claim(stream, name)
        assert task.holder is not None
        assert task.lease_token is not None
        record_verdict(
            task_id=task.id,
            lease_token=task.lease_token,
            reviewer=task.holder,
            answer=Answer(kind="category", categories=["vpn_issue"]),
        )
        text = log_in(root).get(page).content.decode()
        listed.append((text.count('class="field-answer"'), "rita" in text, "sam" in text))
    assert listed == [(0, False, False), (2, True, True)]


def test_own_verdict_on_what_is_judged_blind_is_left_out_while_it_can_be_taken_back(
    stream: Stream,
) -> None:
    """Its column *confirms* tells what the machine had answered."""
    Stream.objects.update(blind_rate=1.0, undo_seconds=600)
    stream.refresh_from_db()
    post(stream, "t1")
    task = claim(stream, "rita")
    assert task.holder is not None
    assert task.lease_token is not None
    verdict = record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=task.holder,
        answer=Answer(kind="category", categories=["vpn_issue"]),
    )
    User.objects.filter(id=task.holder.pk).update(is_staff=True)
    client, page = log_in(task.holder), "/admin/reviewqueue/verdict/"
    before = client.get(page).context["cl"].result_count
    over = timezone.now() - timedelta(seconds=1)
    with pgtrigger.ignore():
        Verdict.objects.filter(id=verdict.id).update(published_at=over)
    assert (before, client.get(page).context["cl"].result_count) == (0, 1)


def test_task_page_leads_to_the_item(stream: Stream) -> None:
    task = post(stream, "t1")
    content = log_in(make_superuser()).get(f"{LIST}{task.id}/change/").content.decode()
    assert f'<a href="/streams/helpdesk/items/{task.item_id}/">t1</a>' in content
