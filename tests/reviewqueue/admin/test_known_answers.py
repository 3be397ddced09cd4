"""Known answers in the admin: marked, counted and retired; what is wrong stands at its field."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import claim_next
from reviewqueue.known_answers import mark_known
from reviewqueue.models import KnownAnswer
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_person, make_stream, post

LIST = "/admin/reviewqueue/knownanswer/"
ADD = f"{LIST}add/"
REVIEWERS = f"{LIST}reviewers/"
VPN = Answer("category", ("vpn_issue",))
ALL = ("add_knownanswer", "change_knownanswer", "view_knownanswer")


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream(undo_seconds=0)


@pytest.fixture
def root(db: None) -> Client:
    return log_in(make_superuser())


def settle(stream: Stream, *names: str, user: User | None = None) -> None:
    user = user or make_person(f"erik-{uuid4()}", stream, "expert")
    for name in names:
        post(stream, name)
        judge(stream, user)


def judge(stream: Stream, user: User, answer: Answer = VPN) -> None:
    task = claim_next(user=user, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    record_verdict(task_id=task.id, lease_token=task.lease_token, reviewer=user, answer=answer)


def form_of(stream: Stream, **fields: object) -> dict[str, object]:
    category = stream.categories.get(key="vpn_issue")
    return {
        "stream": str(stream.id),
        "external_id": "k",
        "kind": "category",
        "categories": [str(category.id)],
        "reason": "By the book.",
    } | fields


def test_item_is_marked_by_its_external_id(stream: Stream, root: Client) -> None:
    settle(stream, "k")
    response = root.post(ADD, form_of(stream))
    assert (response.status_code, response.headers["Location"]) == (302, LIST)
    known = KnownAnswer.objects.get()
    assert (known.item.external_id, known.kind, known.categories) == (
        "k",
        "category",
        ["vpn_issue"],
    )
    assert (known.reason, known.created_by) == ("By the book.", User.objects.get(username="root"))
    page = root.get(LIST).content.decode()
    assert "Slipped in from now on: k" in page


def test_form_is_filled_in_from_the_address(stream: Stream, root: Client) -> None:
    query = f"?stream={stream.id}&external_id=k&kind=ambiguous&categories=vpn_issue,account_unlock"
    page = root.get(f"{ADD}{query}").content.decode()
    assert f'<input type="hidden" name="stream" value="{stream.id}">' in page
    assert 'value="k"' in page
    assert '<option value="ambiguous" selected>' in page
    assert re.findall(r"selected>([^<]+)<", page) == ["ambiguous", "Account unlock", "VPN issue"]
    assert root.get(f"{ADD}?stream=x").status_code == 422


def test_categories_are_the_streams_own(stream: Stream, root: Client) -> None:
    """With several streams it is asked for first; a list of all their categories helps nobody."""
    assert "VPN issue</option>" in root.get(ADD).content.decode()
    other = make_stream("other", categories=[("spam", "Spam", "")])
    first = root.get(ADD).content.decode()
    assert re.findall(r">([^<]+)</option>", first) == ["---------", "Helpdesk", "Other"]
    page = root.get(f"{ADD}?stream={other.id}").content.decode()
    assert "Spam</option>" in page
    assert "VPN issue" not in page


def test_list_has_labels_and_times_of_24_hours(stream: Stream, root: Client) -> None:
    settle(stream, "k")
    mark_known(stream=stream, external_id="k", answer=VPN)
    afternoon = datetime(2026, 5, 3, 16, 5, tzinfo=UTC)
    with pgtrigger.ignore():
        KnownAnswer.objects.update(created_at=afternoon)
    page = root.get(LIST).content.decode()
    assert '<td class="field-answer">VPN issue</td>' in page
    assert "3 May 2026, 16:05" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"external_id": "none"}, "No item “none” was posted to Helpdesk; check the id."),
        ({"external_id": "open"}, "“open” still waits for a person"),
        ({"categories": []}, "Choose exactly one category."),
        ({"kind": "no_category_fits"}, "This answer names no category."),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    stream: Stream, root: Client, fields: dict[str, object], words: str
) -> None:
    settle(stream, "k")
    post(stream, "open")
    response = root.post(ADD, form_of(stream, **fields))
    assert (response.status_code, words in response.content.decode()) == (422, True)
    assert KnownAnswer.objects.count() == 0


def test_category_of_another_stream_is_refused(stream: Stream, root: Client) -> None:
    settle(stream, "k")
    foreign = make_stream("other").categories.get(key="vpn_issue")
    response = root.post(ADD, form_of(stream, categories=[str(foreign.id)]))
    assert "That is no category of this stream; choose its own." in (response.content.decode())


def test_list_counts_how_often_each_was_judged_and_rightly(stream: Stream, root: Client) -> None:
    settle(stream, "k")
    mark_known(stream=stream, external_id="k", answer=VPN)
    Stream.objects.update(known_rate=1.0)
    stream.refresh_from_db()
    post(stream, "a")
    judge(stream, make_person("rita", stream, "reviewer"))
    judge(stream, make_person("otto", stream, "reviewer"), Answer("no_category_fits"))
    page = root.get(LIST).content.decode()
    assert '<td class="field-judged">2</td><td class="field-right">1</td>' in page
    reviewers = root.get(REVIEWERS).content.decode()
    for words in ("<td>rita</td>", "<td>otto</td>", "100%", "0% – 98%"):
        assert words in reviewers


@pytest.mark.parametrize("rows", [1, 3])
def test_list_and_reviewers_cost_the_same_for_any_number(
    stream: Stream, root: Client, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    names = [f"k{number}" for number in range(rows)]
    settle(stream, *names)
    for name in names:
        mark_known(stream=stream, external_id=name, answer=VPN)
    root.get(LIST)
    with django_assert_num_queries(7):
        root.get(LIST)
    with django_assert_num_queries(3):
        root.get(REVIEWERS)


def test_retired_answers_stay_listed(stream: Stream, root: Client) -> None:
    settle(stream, "k")
    known = mark_known(stream=stream, external_id="k", answer=VPN)
    root.post(LIST, {"action": "retire", "_selected_action": [str(known.id)]})
    known.refresh_from_db()
    assert known.retired_at is not None
    assert str(known.id) in root.get(f"{LIST}?state=retired").content.decode()
    assert str(known.id) not in root.get(f"{LIST}?state=live").content.decode()


def test_staff_reach_their_own_streams_only(stream: Stream) -> None:
    settle(stream, "k")
    known = mark_known(stream=stream, external_id="k", answer=VPN)
    own = log_in(make_staff("sue", stream, *ALL))
    other = make_stream("other")
    foreign = log_in(make_staff("tom", other, *ALL))
    assert str(known.id) in own.get(LIST).content.decode()
    assert str(known.id) not in foreign.get(LIST).content.decode()
    refused = foreign.post(ADD, form_of(stream))
    assert refused.status_code == 422
    assert KnownAnswer.objects.count() == 1


def test_pages_need_their_permissions_and_methods(stream: Stream, root: Client) -> None:
    bare = log_in(make_staff("bob", stream, "view_jobrun"))
    viewer = log_in(make_staff("vic", stream, "view_knownanswer"))
    assert [bare.get(path).status_code for path in (LIST, ADD, REVIEWERS)] == [403, 403, 403]
    assert [viewer.get(path).status_code for path in (LIST, ADD, REVIEWERS)] == [200, 403, 200]
    assert root.post(REVIEWERS).status_code == 405
    assert Client().get(REVIEWERS).status_code == 302
    assert "Nobody has judged a known item yet." in root.get(REVIEWERS).content.decode()
