"""Publishing in the admin: the differences are shown, a reason is asked, the log keeps both."""

import threading

import pytest
from django.db import connection
from django.test import Client

from routing.models import Event, Policy, Stream
from routing.policies import copy_policy, publish_policy
from tests.forms import read_errors, send_form
from tests.routing.admin.conftest import EDITS_POLICIES, log_in, make_staff
from tests.scenes import make_bare_stream, publish

REVIEWED = {"mandatory_review": True, "mandatory_reason": "Incidents are for people."}
LIFT = "lift_mandatory_review"


def publish_path(policy: Policy) -> str:
    return f"/admin/routing/policy/{policy.id}/publish/"


@pytest.fixture
def reviewed(db: None) -> Stream:
    """A stream whose published policy reviews incidents in any case."""
    stream = make_bare_stream()
    publish(stream, {"security_incident": REVIEWED, "vpn_issue": {"watch": 0.4}})
    return stream


def make_draft(stream: Stream, **changes: object) -> Policy:
    policy = stream.policies.order_by("-version")[0]
    return copy_policy(policy=policy, created_by_id=None, changes=changes)


def post(client: Client, draft: Policy, reason: str = "a rollout") -> int:
    seen = client.get(publish_path(draft)).context["form"]["seen"].value()
    return client.post(publish_path(draft), {"reason": reason, "seen": seen}).status_code


def test_publish_page_lists_each_difference(root_client: Client, reviewed: Stream) -> None:
    draft = make_draft(reviewed, auto=0.95, min_margin=0.2)
    draft.rules.filter(category__key="vpn_issue").update(watch=None, auto=0.99)
    page = root_client.get(publish_path(draft))
    assert [
        (change.category, change.name, change.before, change.after)
        for change in page.context["changes"]
    ] == [
        ("", "auto from", "0.90", "0.95"),
        ("", "Least margin", "", "0.20"),
        ("VPN issue", "auto from", "", "0.99"),
        ("VPN issue", "watch from", "0.40", ""),
    ]
    assert page.context["current"].version == 1


@pytest.mark.parametrize("page", ["publish", "difference"])
def test_pages_of_a_policy_refuse_what_is_neither_a_look_nor_a_form(
    root_client: Client, reviewed: Stream, page: str
) -> None:
    draft = make_draft(reviewed, auto=0.95)
    path = f"/admin/routing/policy/{draft.id}/{page}/"
    assert [root_client.get(path).status_code, root_client.put(path).status_code] == [200, 405]


def test_publishing_numbers_the_policy_and_keeps_reason_and_difference(
    root_client: Client, reviewed: Stream
) -> None:
    draft = make_draft(reviewed, auto=0.95)
    assert post(root_client, draft, " fewer mistakes ") == 302
    draft.refresh_from_db()
    assert (draft.version, draft.reason) == (2, "fewer mistakes")
    assert draft.published_by is not None
    assert draft.published_by.username == "root"
    event = Event.objects.get(kind="policy.published", subject_id=draft.id)
    assert event.actor == draft.published_by
    assert event.data["differences"] == [
        {"category": "", "field": "auto", "before": "0.90", "after": "0.95"}
    ]


def test_publishing_asks_for_a_reason(root_client: Client, reviewed: Stream) -> None:
    draft = make_draft(reviewed, auto=0.95)
    seen = root_client.get(publish_path(draft)).context["form"]["seen"].value()
    response = root_client.post(publish_path(draft), {"reason": "  ", "seen": seen})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["reason"]
    draft.refresh_from_db()
    assert draft.version is None


def test_publishing_what_was_not_shown_is_refused(root_client: Client, reviewed: Stream) -> None:
    draft = make_draft(reviewed, auto=0.95)
    seen = root_client.get(publish_path(draft)).context["form"]["seen"].value()
    publish(reviewed, {"security_incident": REVIEWED}, auto=0.97)
    response = root_client.post(publish_path(draft), {"reason": "a rollout", "seen": seen})
    assert response.status_code == 422
    assert "Something changed while you were reading" in response.content.decode()
    assert response.context["form"]["reason"].value() == "a rollout"
    assert post(root_client, draft) == 302
    draft.refresh_from_db()
    assert draft.version == 3


def test_publishing_a_published_policy_leads_to_its_page(
    root_client: Client, reviewed: Stream
) -> None:
    policy = reviewed.policies.get()
    for response in (
        root_client.get(publish_path(policy)),
        root_client.post(publish_path(policy), {"reason": "again", "seen": "x"}),
    ):
        assert response.status_code == 302
    assert Event.objects.filter(kind="policy.published").count() == 1


def test_draft_that_contradicts_itself_says_so_and_is_not_published(
    root_client: Client, reviewed: Stream
) -> None:
    draft = make_draft(reviewed)
    draft.rules.filter(category__key="vpn_issue").update(flagged=0.95)
    page = root_client.get(publish_path(draft))
    assert "vpn_issue: flagged 0.95 is over auto 0.90" in page.content.decode()
    response = root_client.post(publish_path(draft), {"reason": "a rollout", "seen": "x"})
    assert response.status_code == 422
    draft.refresh_from_db()
    assert draft.version is None


def test_lifting_mandatory_review_needs_its_own_permission(reviewed: Stream) -> None:
    client = log_in(make_staff("sue", reviewed, *EDITS_POLICIES))
    draft = make_draft(reviewed)
    path = f"/admin/routing/policy/{draft.id}/change/"
    text = (
        "security_incident is under mandatory review in the published policy; turning it off "
        "needs the permission “Can turn mandatory review off”."
    )
    response = send_form(client, path, "policy_form", **{"rules-1-mandatory_review": None})
    assert read_errors(response) == {"rules-1-mandatory_review": [text]}
    response = send_form(client, path, "policy_form", **{"rules-1-DELETE": "on"})
    assert read_errors(response) == {"rules": [text]}
    assert draft.rules.filter(mandatory_review=True).count() == 1


def test_draft_that_lifts_mandatory_review_is_not_published_without_the_permission(
    reviewed: Stream,
) -> None:
    draft = make_draft(reviewed)
    draft.rules.filter(mandatory_review=True).delete()
    client = log_in(make_staff("sue", reviewed, *EDITS_POLICIES))
    page = client.get(publish_path(draft))
    assert page.context["lifted"] == ["Security incident"]
    assert page.context["barred"] is True
    seen = page.context["form"]["seen"].value()
    response = client.post(publish_path(draft), {"reason": "a rollout", "seen": seen})
    assert response.status_code == 422
    draft.refresh_from_db()
    assert draft.version is None


def test_lifting_mandatory_review_leaves_its_own_event(reviewed: Stream) -> None:
    user = make_staff("sue", reviewed, *EDITS_POLICIES, LIFT)
    client = log_in(user)
    draft = make_draft(reviewed)
    path = f"/admin/routing/policy/{draft.id}/change/"
    response = send_form(client, path, "policy_form", **{"rules-1-mandatory_review": None})
    assert response.status_code == 302
    assert post(client, draft, "people asked for it") == 302
    event = Event.objects.get(kind="policy.mandatory_lifted")
    assert (event.subject_id, event.actor) == (draft.id, user)
    assert event.data == {"categories": ["security_incident"], "reason": "people asked for it"}


def test_publishing_without_lifting_leaves_no_such_event(
    root_client: Client, reviewed: Stream
) -> None:
    assert post(root_client, make_draft(reviewed, auto=0.95)) == 302
    assert not Event.objects.filter(kind="policy.mandatory_lifted").exists()


def test_going_back_is_a_new_version_of_an_old_one(root_client: Client, reviewed: Stream) -> None:
    old = reviewed.policies.get()
    publish(reviewed, {"security_incident": REVIEWED}, auto=0.97)
    root_client.post(f"/admin/routing/policy/{old.id}/copy/")
    draft = reviewed.policies.get(version=None)
    assert post(root_client, draft, "it was better") == 302
    page = root_client.get(f"/admin/routing/policy/{draft.id}/difference/?against={old.id}")
    assert page.context["changes"] == []


def test_difference_is_shown_to_the_base_or_to_any_other_version(
    root_client: Client, reviewed: Stream
) -> None:
    first = reviewed.policies.get()
    second = publish(reviewed, {"security_incident": REVIEWED}, auto=0.97)
    draft = copy_policy(policy=second, created_by_id=None, changes={"hold": 0.4})
    path = f"/admin/routing/policy/{draft.id}/difference/"
    page = root_client.get(path)
    assert page.context["base"] == second
    assert [(each.name, each.after) for each in page.context["changes"]] == [("hold from", "0.40")]
    page = root_client.get(f"{path}?against={first.id}")
    assert [(each.name, each.after) for each in page.context["changes"]] == [
        ("auto from", "0.97"),
        ("hold from", "0.40"),
        ("watch from", ""),
    ]


@pytest.mark.django_db(transaction=True)
def test_publications_at_the_same_time_follow_each_other() -> None:
    stream = make_bare_stream()
    first = publish(stream)
    drafts = [copy_policy(policy=first, created_by_id=None) for _ in range(4)]
    start = threading.Barrier(len(drafts))

    def run(draft: Policy) -> None:
        start.wait()
        publish_policy(policy_id=draft.id, reason="a race", published_by_id=None)
        connection.close()

    threads = [threading.Thread(target=run, args=(draft,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = stream.policies.order_by("version").values_list("version", flat=True)
    assert list(versions) == [1, 2, 3, 4, 5]


def test_draft_that_another_admin_edits_is_not_published_unseen(reviewed: Stream) -> None:
    draft = make_draft(reviewed, auto=0.95)
    ann, bob = (log_in(make_staff(name, reviewed, *EDITS_POLICIES)) for name in ("ann", "bob"))
    seen = ann.get(publish_path(draft)).context["form"]["seen"].value()
    path = f"/admin/routing/policy/{draft.id}/change/"
    assert send_form(bob, path, "policy_form", auto="0.97").status_code == 302
    refused = ann.post(publish_path(draft), {"reason": "a rollout", "seen": seen})
    assert refused.status_code == 422
    assert [change.after for change in refused.context["changes"]] == ["0.97"]
    assert post(ann, draft) == 302
    draft.refresh_from_db()
    assert (draft.version, draft.auto) == (2, 0.97)


def test_second_of_two_admins_who_publish_at_once_is_shown_the_first(reviewed: Stream) -> None:
    drafts = [make_draft(reviewed, auto=auto) for auto in (0.95, 0.96)]
    ann, bob = (log_in(make_staff(name, reviewed, *EDITS_POLICIES)) for name in ("ann", "bob"))
    sent = [
        {"reason": "a rollout", "seen": client.get(publish_path(draft)).context["form"]["seen"]}
        for client, draft in zip((ann, bob), drafts, strict=True)
    ]
    for each in sent:
        each["seen"] = each["seen"].value()
    assert ann.post(publish_path(drafts[0]), sent[0]).status_code == 302
    refused = bob.post(publish_path(drafts[1]), sent[1])
    assert refused.status_code == 422
    assert [(change.before, change.after) for change in refused.context["changes"]] == [
        ("0.95", "0.96")
    ]
    drafts[1].refresh_from_db()
    assert drafts[1].version is None
