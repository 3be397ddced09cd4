"""The item ahead: told beforehand, in hand with the answer before it, given back unread."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from reviewqueue.models import Membership, ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.conftest import Answered
from tests.reviewqueue.views.test_verdict import HOLD, expire, headings, take

ANSWER = {"kind": "category", "categories": "vpn_issue"}


@pytest.fixture
def tasks(stream: Stream) -> list[ReviewTask]:
    names = ["First", "Second", "Third"]
    return [
        scenes.post(stream, f"HD-{number}", payload={"subject": name})
        for number, name in enumerate(names, start=1)
    ]


def look_ahead(client: Client, in_hand: ReviewTask, ahead: ReviewTask) -> dict[str, str]:
    """Ask what comes after the task in hand, and return what an answer sends along."""
    assert client.post(f"/tasks/{in_hand.id}/ahead").status_code == 200
    ahead.refresh_from_db()
    return {"ahead": str(ahead.id), "ahead_token": str(ahead.lease_token)}


def test_item_ahead_is_a_whole_screen(htmx: Client, tasks: list[ReviewTask]) -> None:
    form = take(htmx, tasks[0])
    response = htmx.post(f"/tasks/{tasks[0].id}/ahead", form)
    page = response.content.decode()
    assert response.status_code == 200
    assert headings(response) == ["Second"]
    assert page.lstrip().startswith('<div class="work" id="work"')
    assert "no-store" in response.headers["Cache-Control"]
    assert "Saving …" in page
    assert "/undo" not in page
    assert headings(htmx.get(HOLD)) == ["First"]


def test_nothing_ahead_is_204(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    response = htmx.post(f"/tasks/{task.id}/ahead", take(htmx, task))
    assert (response.status_code, response.content) == (204, b"")


def test_nothing_is_ahead_of_a_lost_item(htmx: Client, tasks: list[ReviewTask]) -> None:
    form = take(htmx, tasks[0])
    expire(tasks[0])
    assert htmx.post(f"/tasks/{tasks[0].id}/ahead", form).status_code == 204
    assert not ReviewTask.objects.leased_to(User.objects.get(username="rita")).exists()


def test_blind_item_ahead_tells_nothing_of_the_machine(stream: Stream, htmx: Client) -> None:
    first = scenes.post_blind(stream, "HD-1")
    scenes.post_blind(stream, "HD-2")
    form = take(htmx, first, "audit")
    page = htmx.post(f"/tasks/{first.id}/ahead", form).content.decode()
    assert "HD-2" in page
    assert "Blind: the machine" in page
    assert 'data-predicted=""' in page
    assert "Model score" not in page


def test_plain_question_returns_to_the_page(plain: Client, tasks: list[ReviewTask]) -> None:
    response = plain.post(f"/tasks/{tasks[0].id}/ahead", take(plain, tasks[0]))
    assert (response.status_code, response.headers["Location"]) == (303, HOLD)
    assert ReviewTask.objects.filter(state="claimed").count() == 1


def answer_with(
    client: Client, tasks: list[ReviewTask], action: str = "verdict", **changed: str
) -> Answered:
    form = take(client, tasks[0]) | look_ahead(client, tasks[0], tasks[1])
    return client.post(f"/tasks/{tasks[0].id}/{action}", form | ANSWER | changed)


def test_answer_with_the_next_on_screen_gets_the_status_bar_alone(
    htmx: Client, tasks: list[ReviewTask]
) -> None:
    response = answer_with(htmx, tasks)
    page = response.content.decode()
    assert response.status_code == 200
    assert response["HX-Retarget"] == "#statusbar"
    assert response["HX-Replace-Url"] == HOLD
    assert page.lstrip().startswith('<footer class="statusbar" id="statusbar">')
    assert f"/verdicts/{Verdict.objects.get().id}/undo" in page
    assert "<b>1</b> done" in page
    claimed = ReviewTask.objects.get(state="claimed")
    assert claimed.id == tasks[1].id
    assert claimed.claimed_at is not None
    assert claimed.claimed_at > Verdict.objects.get().answered_at
    assert headings(htmx.get(HOLD)) == ["Second"]


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("skip", "Skipped HD-1: it waits for others, and comes back to you in 15 min"),
        ("escalate", "Escalated HD-1 to the experts"),
    ],
)
def test_what_became_of_the_item_is_told_and_announced(
    htmx: Client, tasks: list[ReviewTask], action: str, told: str
) -> None:
    response = answer_with(htmx, tasks, action)
    page = response.content.decode()
    assert response["HX-Retarget"] == "#statusbar"
    assert f'data-announce="{told}"' in page
    assert f"<span>{told}</span>" in page
    assert ReviewTask.objects.get(state="claimed").id == tasks[1].id


def test_answer_whose_next_was_lost_gets_another_screen(
    htmx: Client, tasks: list[ReviewTask]
) -> None:
    response = answer_with(htmx, tasks, ahead_token=str(uuid4()))
    assert response.status_code == 200
    assert response["HX-Retarget"] == "#work"
    assert headings(response) == ["Second"]
    assert "Your time with the item that was shown for a moment was over." in (
        response.content.decode()
    )
    assert Verdict.objects.get().task_id == tasks[0].id


@pytest.mark.parametrize(
    ("changed", "status"), [({"lease_token": str(uuid4())}, 409), ({"categories": "pizza"}, 422)]
)
def test_refused_answer_brings_its_screen_back(
    htmx: Client, tasks: list[ReviewTask], changed: dict[str, str], status: int
) -> None:
    response = answer_with(htmx, tasks, comment="hm", **changed)
    assert (response.status_code, response["HX-Retarget"]) == (status, "#work")
    assert headings(response) == ["First"]
    assert ">hm</textarea>" in response.content.decode()
    assert headings(htmx.get(HOLD)) == ["First"]
    assert not Verdict.objects.exists()
    held = ReviewTask.objects.filter(state="claimed").order_by("claimed_at")
    assert [task.id for task in held] == [tasks[0].id, tasks[1].id]


def test_answer_sent_twice_counts_once(htmx: Client, tasks: list[ReviewTask]) -> None:
    form = take(htmx, tasks[0]) | look_ahead(htmx, tasks[0], tasks[1]) | ANSWER
    path = f"/tasks/{tasks[0].id}/verdict"
    first, again = htmx.post(path, form), htmx.post(path, form)
    assert (first.headers["HX-Retarget"], again.headers["HX-Retarget"]) == (
        "#statusbar",
        "#statusbar",
    )
    assert Verdict.objects.get().task_id == tasks[0].id
    other = htmx.post(path, form | {"categories": "account_unlock"})
    assert other.status_code == 409
    assert "You have answered this item already, and that answer stands" in other.content.decode()
    assert Verdict.objects.get().categories == ["vpn_issue"]


def test_answer_without_the_next_on_screen_brings_it(htmx: Client, tasks: list[ReviewTask]) -> None:
    form = take(htmx, tasks[0])
    look_ahead(htmx, tasks[0], tasks[1])
    response = htmx.post(f"/tasks/{tasks[0].id}/verdict", form | ANSWER)
    assert headings(response) == ["Second"]
    claimed = ReviewTask.objects.get(state="claimed")
    assert claimed.claimed_at is not None
    assert claimed.claimed_at > Verdict.objects.get().answered_at


def test_plain_answer_takes_no_notice_of_the_one_ahead(
    plain: Client, tasks: list[ReviewTask]
) -> None:
    form = take(plain, tasks[0]) | {"ahead": str(tasks[1].id), "ahead_token": str(uuid4())}
    response = plain.post(f"/tasks/{tasks[0].id}/verdict", form | ANSWER)
    assert (response.status_code, response.headers["Location"]) == (303, HOLD)
    assert not ReviewTask.objects.filter(state="claimed").exists()


def test_unused_item_is_given_back(htmx: Client, tasks: list[ReviewTask]) -> None:
    take(htmx, tasks[0])
    ahead = look_ahead(htmx, tasks[0], tasks[1])
    for task, token, states in (
        (tasks[1], str(uuid4()), ["claimed", "claimed", "open"]),
        (tasks[1], "", ["claimed", "claimed", "open"]),
        (tasks[1], ahead["ahead_token"], ["claimed", "open", "open"]),
    ):
        response = htmx.post(f"/tasks/{task.id}/unused", {"lease_token": token})
        assert (response.status_code, response.content) == (204, b"")
        held = ReviewTask.objects.order_by("id").values_list("state", flat=True)
        assert list(held) == states


def test_item_in_hand_is_not_given_back_by_a_page_that_is_left(
    htmx: Client, tasks: list[ReviewTask]
) -> None:
    form = take(htmx, tasks[0])
    assert htmx.post(f"/tasks/{tasks[0].id}/unused", form).status_code == 204
    assert ReviewTask.objects.get(state="claimed").id == tasks[0].id


def test_stranger_finds_nothing_ahead(htmx: Client, tasks: list[ReviewTask]) -> None:
    form = take(htmx, tasks[0])
    client = Client(headers={"HX-Request": "true"})
    client.force_login(scenes.make_person("stranger"))
    for action in ("ahead", "unused"):
        assert client.post(f"/tasks/{tasks[0].id}/{action}", form).status_code == 404


def test_lower_role_may_not_look_ahead(
    reviewer: User, htmx: Client, tasks: list[ReviewTask]
) -> None:
    form = take(htmx, tasks[0])
    Membership.objects.filter(user=reviewer).update(role=Membership.Role.ANALYST)
    assert htmx.post(f"/tasks/{tasks[0].id}/ahead", form).status_code == 403


def test_nobody_logged_in_is_sent_to_the_log_in(tasks: list[ReviewTask]) -> None:
    for action in ("ahead", "unused"):
        response = Client().post(f"/tasks/{tasks[0].id}/{action}")
        assert (response.status_code, response.headers["Location"]) == (
            302,
            "/accounts/login/?next=/&ended=1",
        )


def test_asking_with_get_is_refused(plain: Client, tasks: list[ReviewTask]) -> None:
    for action in ("ahead", "unused"):
        assert plain.get(f"/tasks/{tasks[0].id}/{action}").status_code == 405
