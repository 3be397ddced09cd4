"""The history of a stream's policies, and from it to a difference or back to a version."""

import pytest
from django.test import Client

from calibration.models import AuditDraw
from reviewqueue.intake import take_in
from routing.admin import versions
from routing.items import Post
from routing.models import Decision, Policy, Stream
from routing.policies import copy_policy
from tests.routing.admin.conftest import log_in, make_staff
from tests.scenes import HELD, SURE, make_bare_stream, publish

LIST = "/admin/routing/policy/"


def history_path(stream: Stream) -> str:
    return f"{LIST}of/{stream.id}/"


@pytest.fixture
def stream(db: None) -> Stream:
    """The default bands, published."""
    made = make_bare_stream(audit_rate=0.0, bulk_label_rate=0.0)
    publish(made)
    return made


@pytest.fixture
def first(stream: Stream) -> Policy:
    return stream.policies.get()


@pytest.fixture
def second(stream: Stream, first: Policy) -> Policy:
    return publish(stream, auto=0.98)


def test_history_says_who_when_and_why(
    root_client: Client, stream: Stream, first: Policy, second: Policy
) -> None:
    draft = copy_policy(policy=second, created_by_id=None)
    page = root_client.get(history_path(stream))
    text = page.content.decode()
    assert (page.context["drafts"], page.context["versions"]) == ([draft], [second, first])
    assert page.context["in_force"] == second
    assert text.count("for the test") == 2
    assert f"{LIST}{second.id}/difference/?against={first.id}" in text
    assert f"{LIST}{draft.id}/difference/?against={second.id}" in text
    assert f'action="{LIST}{first.id}/copy/"' in text
    assert f'action="{LIST}{second.id}/copy/"' not in text


def test_history_is_linked_from_the_stream_and_the_policy(
    root_client: Client, stream: Stream, first: Policy
) -> None:
    for page in (f"/admin/routing/stream/{stream.id}/change/", f"{LIST}{first.id}/change/"):
        assert history_path(stream) in root_client.get(page).content.decode()


def test_two_versions_that_are_picked_are_compared(
    root_client: Client, first: Policy, second: Policy
) -> None:
    response = root_client.get(f"{LIST}compare/?from={first.id}&to={second.id}")
    path = f"{LIST}{second.id}/difference/?against={first.id}"
    assert response.headers["Location"] == path
    assert root_client.get(f"{LIST}compare/?from=x&to={second.id}").status_code == 404
    assert root_client.get(f"{LIST}compare/").status_code == 404


def test_older_versions_follow_on_a_page_of_their_own(
    root_client: Client, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "SHOWN", 2)
    for _more in range(3):
        publish(stream)
    page = root_client.get(history_path(stream))
    assert [policy.version for policy in page.context["versions"]] == [4, 3]
    assert page.context["older_than"] == 3
    page = root_client.get(f"{history_path(stream)}?before=3")
    assert [policy.version for policy in page.context["versions"]] == [2, 1]
    assert (page.context["older_than"], page.context["in_force"].version) == (None, 4)


def test_history_asks_as_often_for_three_versions_as_for_one(
    root_client: Client, stream: Stream, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(HISTORY_QUERIES):  # type: ignore[operator]
        root_client.get(history_path(stream))
    for name in ("ann", "bob"):
        policy = publish(stream)
        copy_policy(policy=policy, created_by_id=make_staff(name, None).id)
    with django_assert_num_queries(HISTORY_QUERIES):  # type: ignore[operator]
        root_client.get(history_path(stream))


HISTORY_QUERIES = 6


def test_history_is_for_staff_of_the_stream(stream: Stream, first: Policy) -> None:
    path = history_path(stream)
    assert Client().get(path).headers["Location"].startswith("/admin/login/")
    stranger = log_in(make_staff("sue", make_bare_stream("other"), "view_policy"))
    assert stranger.get(path).status_code == 404
    viewer = log_in(make_staff("vic", stream, "view_policy"))
    page = viewer.get(path)
    assert page.status_code == 200
    assert "Go back to this version" not in page.content.decode()
    assert log_in(make_staff("ned", stream, "view_jobrun")).get(path).status_code == 403
    assert viewer.post(path).status_code == 405


def test_difference_shows_which_items_change_queue_and_why(
    root_client: Client, stream: Stream, first: Policy, second: Policy
) -> None:
    sure = {**SURE, "vpn_issue": 0.95, "account_unlock": 0.04}
    rows = {"A": sure, "B": sure, "C": HELD}
    take_in(
        stream=stream,
        posts=[
            Post(external_id=name, payload={"body": "Locked out."}, scores=row)
            for name, row in rows.items()
        ],
    )
    page = root_client.get(f"{LIST}{second.id}/difference/?against={first.id}")
    (move,) = page.context["moves"]
    assert (move.before, move.after, move.items, move.why) == (
        "auto",
        "flagged",
        2,
        [("confidence", 2)],
    )
    assert {example.external_id for example in move.examples} == {"A", "B"}
    assert move.examples[0].reasons == ("confidence 0.95 under 0.98",)
    assert [(row.name, row.cells) for row in page.context["rows"]] == [
        ("auto", [(0, True), (2, False), (0, False)]),
        ("flagged", [(0, False), (0, True), (0, False)]),
        ("hold", [(0, False), (0, False), (1, True)]),
    ]
    assert f"/admin/routing/item/{move.examples[0].item_id}/change/" in page.content.decode()
    viewer = log_in(make_staff("vic", stream, "view_policy"))
    text = viewer.get(f"{LIST}{second.id}/difference/?against={first.id}").content.decode()
    assert "/admin/routing/item/" not in text
    assert "confidence 0.95 under 0.98" in text


def test_examples_leave_out_what_is_still_to_be_judged_blind(
    root_client: Client, stream: Stream, first: Policy, second: Policy
) -> None:
    sure = {**SURE, "vpn_issue": 0.95, "account_unlock": 0.04}
    take_in(stream=stream, posts=[Post(name, {}, sure) for name in "AB"])
    drawn = Decision.objects.get(item__external_id="B")
    AuditDraw.objects.create(stream=stream, item=drawn.item, decision=drawn, pi=0.05)
    page = root_client.get(f"{LIST}{second.id}/difference/?against={first.id}")
    (move,) = page.context["moves"]
    assert (move.items, [example.external_id for example in move.examples]) == (2, ["A"])


def test_difference_without_items_says_so(
    root_client: Client, first: Policy, second: Policy
) -> None:
    page = root_client.get(f"{LIST}{second.id}/difference/?against={first.id}")
    assert "nothing to route again" in page.content.decode()
