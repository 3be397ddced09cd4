"""The preview beside a draft's fields, and as a page."""

import pytest
from django.test import Client

from reviewqueue.intake import take_in
from routing.items import Post
from routing.models import Decision, Event, KeywordRule, Policy, Stream
from routing.policies import copy_policy
from tests.forms import read_form
from tests.routing.admin.conftest import EDITS_POLICIES, log_in, make_staff
from tests.scenes import HELD, LIKELY, SURE, make_bare_stream, publish

LIST = "/admin/routing/policy/"
REVIEWED = {"mandatory_review": True, "mandatory_reason": "Incidents are for people."}


@pytest.fixture
def stream(db: None) -> Stream:
    """Default bands; two sure items, a likely one and a held one."""
    made = make_bare_stream(audit_rate=0.0, bulk_label_rate=0.0)
    publish(made, {"security_incident": REVIEWED})
    post_items(made, SURE, SURE, LIKELY, HELD)
    return made


@pytest.fixture
def draft(stream: Stream) -> Policy:
    return copy_policy(policy=stream.policies.get(), created_by_id=None)


def post_items(stream: Stream, *rows: dict[str, float]) -> None:
    posts = [
        Post(external_id=f"T-{number}", payload={"body": "Locked out."}, scores=row)
        for number, row in enumerate(rows)
    ]
    take_in(stream=stream, posts=posts)


def preview_path(policy: Policy) -> str:
    return f"{LIST}{policy.id}/preview/"


def edit(client: Client, draft: Policy, **changes: str) -> dict[str, object]:
    """What the browser posts to the preview when these fields are edited."""
    page = client.get(f"{LIST}{draft.id}/change/")
    return {**read_form(page, "policy_form"), **changes}


def test_edited_cut_off_is_previewed_and_not_stored(root_client: Client, draft: Policy) -> None:
    sent = edit(root_client, draft, auto="0.98", flagged="0.75")
    stored = Event.objects.count(), Decision.objects.count()
    response = root_client.post(preview_path(draft), sent)
    assert response.status_code == 200
    assert [
        (share.name, share.before, share.after, share.percent_after, share.points)
        for share in response.context["shares"]
    ] == [
        ("auto", 2, 0, "0.0%", "−50.0"),
        ("flagged", 1, 3, "75.0%", "+50.0"),
        ("hold", 1, 1, "25.0%", ""),
    ]
    text = response.content.decode()
    assert "2 of 4 items change queue." in text
    assert 'id="preview-part"' in text
    assert "<html" not in text
    draft.refresh_from_db()
    assert draft.auto == 0.9
    assert (Event.objects.count(), Decision.objects.count()) == stored


def test_edited_rule_is_previewed(root_client: Client, draft: Policy) -> None:
    vpn = str(draft.stream.categories.get(key="vpn_issue").id)
    sent = edit(root_client, draft) | {
        "rules-1-category": vpn,
        "rules-1-mandatory_review": "on",
        "rules-1-mandatory_reason": "Tunnels are for people.",
    }
    response = root_client.post(preview_path(draft), sent)
    assert response.context["preview"].after["wait"] == 4
    assert [(each.label, each.reason) for each in response.context["reviewed"]] == [
        ("VPN issue", "Tunnels are for people."),
        ("Security incident", "Incidents are for people."),
    ]
    assert draft.rules.count() == 1


def test_errors_are_answered_in_words(root_client: Client, draft: Policy) -> None:
    sent = edit(root_client, draft, flagged="0.95")
    response = root_client.post(preview_path(draft), sent)
    assert response.status_code == 422
    assert response.context["problems"] == [
        "Flagged from: account_unlock: flagged 0.95 is over auto 0.90; cut-offs must not increase "
        "from auto to hold: lower flagged to 0.90 or raise auto"
    ]
    sent = edit(root_client, draft) | {"rules-0-watch": "3", "auto": "much"}
    response = root_client.post(preview_path(draft), sent)
    assert response.context["problems"] == [
        "Auto from: Enter a number.",
        "Security incident, Watch from: Ensure this value is less than or equal to 1.0.",
    ]


def test_cut_off_that_cannot_bind_is_pointed_out(root_client: Client, draft: Policy) -> None:
    sent = edit(root_client, draft, max_entropy="0.2")
    response = root_client.post(preview_path(draft), sent)
    assert [text.partition(":")[0] for text in response.context["warnings"]] == [
        "auto 0.90 cannot bind",
        "flagged 0.70 cannot bind",
    ]
    assert "auto 0.90 cannot bind" in response.content.decode()


def test_saved_draft_has_a_page_of_its_own(root_client: Client, draft: Policy) -> None:
    Policy.objects.filter(id=draft.id).update(auto=0.98)
    page = root_client.get(preview_path(draft))
    assert page.status_code == 200
    assert page.context["preview"].moved == 2
    assert "2 of 4 items change queue." in page.content.decode()
    assert preview_path(draft) in root_client.get(f"{LIST}{draft.id}/change/").content.decode()


def test_saved_draft_that_contradicts_itself_says_so(root_client: Client, draft: Policy) -> None:
    draft.rules.update(flagged=0.95)
    page = root_client.get(preview_path(draft))
    assert page.context["problems"][0].startswith("security_incident: flagged 0.95 is over auto")


def test_stream_without_a_published_policy_has_no_figures(root_client: Client) -> None:
    first = Policy.objects.create(stream=make_bare_stream())
    page = root_client.get(preview_path(first))
    assert page.status_code == 200
    assert "Nothing is published yet" in page.content.decode()


def test_stream_without_items_says_so(root_client: Client) -> None:
    stream = make_bare_stream(audit_rate=0.0, bulk_label_rate=0.0)
    draft = copy_policy(policy=publish(stream), created_by_id=None)
    assert "No items have come yet" in root_client.get(preview_path(draft)).content.decode()


def test_published_policy_is_read_and_not_edited(root_client: Client, stream: Stream) -> None:
    policy = stream.policies.get()
    assert root_client.get(preview_path(policy)).context["preview"].moved == 0
    assert root_client.post(preview_path(policy), {"auto": "0.1"}).status_code == 403
    page = root_client.get(f"{LIST}{policy.id}/change/")
    assert "hx-post" not in page.content.decode()
    assert "Incidents are for people." in page.content.decode()


def test_preview_is_for_staff_of_the_stream(draft: Policy) -> None:
    path = preview_path(draft)
    response = Client().get(path)
    assert response.headers["Location"].startswith("/admin/login/")
    stranger = log_in(make_staff("sue", make_bare_stream("other"), *EDITS_POLICIES))
    assert stranger.get(path).status_code == 404
    viewer = log_in(make_staff("vic", draft.stream, "view_policy"))
    assert viewer.get(path).status_code == 200
    assert viewer.post(path, {}).status_code == 403
    nobody = log_in(make_staff("ned", draft.stream, "view_stream"))
    assert nobody.get(path).status_code == 403
    editor = log_in(make_staff("ann", draft.stream, *EDITS_POLICIES))
    assert editor.put(path).status_code == 405
    assert editor.post(path, edit(editor, draft)).status_code == 200


def test_preview_asks_as_often_for_three_items_as_for_one(
    root_client: Client, django_assert_num_queries: object
) -> None:
    stream = make_bare_stream(audit_rate=0.0, bulk_label_rate=0.0)
    draft = copy_policy(policy=publish(stream), created_by_id=None)
    post_items(stream, SURE)
    sent = edit(root_client, draft, auto="0.98")
    root_client.post(preview_path(draft), sent)
    for _more in range(2):
        with django_assert_num_queries(PREVIEW_QUERIES):  # type: ignore[operator]
            root_client.post(preview_path(draft), sent)
        post_items(stream, SURE, HELD, LIKELY)


PREVIEW_QUERIES = 21


def test_text_is_tried_on_the_keyword_rules_as_edited(root_client: Client, draft: Policy) -> None:
    vpn = draft.stream.categories.get(key="vpn_issue")
    KeywordRule.objects.create(
        stream=draft.stream, policy=draft, name="tunnel", pattern="tunnel", category=vpn
    )
    sent = edit(root_client, draft) | {
        "keyword_rules-0-pattern": "drops",
        "keyword_rules-0-field": "body",
        "try_text": "The VPN drops.",
    }
    response = root_client.post(preview_path(draft), sent)
    assert [rule.id for rule in response.context["tried"]] == ["tunnel"]
    assert "<strong>tunnel</strong> says vpn_issue at 0.9" in response.content.decode()
    response = root_client.post(preview_path(draft), sent | {"try_text": "The tunnel is open."})
    assert "No rule matches." in response.content.decode()
