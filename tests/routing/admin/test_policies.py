"""Policies in the admin: drafts are edited under the core's rules, published ones only read."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from routing.models import Category, CategoryRule, Policy, RemoteModel, Stream
from routing.policies import copy_policy, current_spec, load_spec, publish_policy
from tests.forms import read_errors, read_form, send_form
from tests.routing.admin.conftest import EDITS_POLICIES, log_in, make_staff
from tests.scenes import make_bare_stream, publish

LIST = "/admin/routing/policy/"


@pytest.fixture
def draft(stream: Stream) -> Policy:
    """A draft of the worked policy."""
    return copy_policy(policy=stream.policies.get(), created_by_id=None)


def change_path(policy: Policy) -> str:
    return f"{LIST}{policy.id}/change/"


def send(client: Client, policy: Policy, **changes: object) -> dict[str, list[str]]:
    """Change a policy's page; the errors by field, none when it was saved."""
    response = send_form(client, change_path(policy), "policy_form", **changes)
    if response.status_code == 302:
        return {}
    return read_errors(response)


def test_first_draft_of_a_stream_is_made_on_the_add_page(root_client: Client) -> None:
    stream = make_bare_stream()
    response = send_form(
        root_client,
        f"{LIST}add/?empty=1&stream={stream.id}",
        "policy_form",
        auto="0.95",
        title="First",
    )
    policy = stream.policies.get()
    assert response.headers["Location"] == change_path(policy)
    assert (policy.title, policy.auto, policy.flagged, policy.version) == ("First", 0.95, 0.7, None)
    assert policy.created_by is not None
    assert policy.created_by.username == "root"


def test_draft_of_a_stream_without_categories_is_refused_by_name(root_client: Client) -> None:
    stream = make_bare_stream(categories=())
    response = send_form(root_client, f"{LIST}add/?empty=1&stream={stream.id}", "policy_form")
    assert read_errors(response) == {
        "stream": ["The stream has no categories; add them first."],
    }
    assert not stream.policies.exists()


def test_saving_a_draft_as_it_stands_changes_nothing(root_client: Client, draft: Policy) -> None:
    before = load_spec(draft)
    assert send(root_client, draft) == {}
    assert load_spec(Policy.objects.get(id=draft.id)) == before


def test_cut_offs_that_rise_are_refused_at_their_field(root_client: Client, draft: Policy) -> None:
    assert send(root_client, draft, flagged="0.9") == {
        "flagged": [
            "account_unlock: flagged 0.90 is over auto 0.80; cut-offs must not increase from auto "
            "to hold: lower flagged to 0.80 or raise auto"
        ]
    }
    draft.refresh_from_db()
    assert draft.flagged == 0.8


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan"])
def test_gate_outside_0_to_1_is_refused_at_its_field(
    root_client: Client, draft: Policy, value: str
) -> None:
    assert list(send(root_client, draft, min_margin=value)) == ["min_margin"]


def test_override_that_rises_is_refused_in_its_row(root_client: Client, draft: Policy) -> None:
    assert send(root_client, draft, **{"rules-0-flagged": "0.75"}) == {
        "rules-0-flagged": [
            "vpn_issue: flagged 0.75 is over auto 0.72; cut-offs must not increase from auto to "
            "hold: lower flagged to 0.72 or raise auto"
        ]
    }


def test_policy_that_breaks_an_override_is_refused_in_the_row_of_it(
    root_client: Client, draft: Policy
) -> None:
    errors = send(root_client, draft, hold="0.65")
    assert list(errors) == ["rules-1-flagged"]
    assert "security_incident: hold 0.65 is over flagged 0.60" in errors["rules-1-flagged"][0]


def test_rule_is_added_changed_and_deleted(root_client: Client, draft: Policy) -> None:
    unlock = Category.objects.get(key="account_unlock")
    errors = send(
        root_client,
        draft,
        **{
            "rules-0-DELETE": "on",
            "rules-1-watch": "0.5",
            "rules-2-category": str(unlock.id),
            "rules-2-mandatory_review": "on",
            "rules-2-mandatory_reason": "Accounts are keys.",
        },
    )
    assert errors == {}
    rules = load_spec(Policy.objects.get(id=draft.id)).rules
    assert {key: (rule.watch, rule.mandatory_reason) for key, rule in rules.items()} == {
        "account_unlock": (None, "Accounts are keys."),
        "security_incident": (0.5, ""),
    }
    assert {rule.stream_id for rule in draft.rules.all()} == {draft.stream_id}


def test_mandatory_review_without_a_reason_is_refused_in_its_row(
    root_client: Client, draft: Policy
) -> None:
    errors = send(root_client, draft, **{"rules-0-mandatory_review": "on"})
    assert errors == {
        "rules-0-mandatory_reason": [
            "Say why nothing of this category is acted on without a person."
        ]
    }


def test_second_rule_of_a_category_is_refused(root_client: Client, draft: Policy) -> None:
    vpn = Category.objects.get(key="vpn_issue")
    errors = send(root_client, draft, **{"rules-2-category": str(vpn.id), "rules-2-watch": "0.5"})
    assert "Please correct the duplicate data for category." in errors["rules"]
    assert draft.rules.count() == 2


def test_rule_offers_the_categories_of_its_own_stream_only(
    root_client: Client, draft: Policy
) -> None:
    other = make_bare_stream("other", categories=("elsewhere",))
    Category.objects.create(
        stream=draft.stream, key="old", label="Old", retired_at=draft.created_at
    )
    page = root_client.get(change_path(draft))
    rows = page.context["inline_admin_formsets"][0].formset.forms
    assert [label for _key, label in rows[-1].fields["category"].choices] == [
        "---------",
        "Account unlock",
        "VPN issue",
        "Security incident",
    ]
    foreign = str(other.categories.get().id)
    errors = send(root_client, draft, **{"rules-2-category": foreign, "rules-2-watch": "0.5"})
    assert list(errors) == ["rules-2-category"]


def test_rule_of_a_category_retired_since_is_named_in_its_row(
    root_client: Client, draft: Policy
) -> None:
    Category.objects.filter(key="vpn_issue").update(retired_at=draft.created_at)
    errors = send(root_client, draft)
    assert list(errors) == ["rules-0-category"]
    assert "'vpn_issue' is no category of this policy" in errors["rules-0-category"][0]
    assert send(root_client, draft, **{"rules-0-DELETE": "on"}) == {}


def test_cut_off_that_cannot_bind_is_pointed_out(root_client: Client, draft: Policy) -> None:
    response = send_form(root_client, change_path(draft), "policy_form")
    messages = [str(message) for message in get_messages(response.wsgi_request)]
    assert (
        "auto 0.80 cannot bind: with 3 categories and entropy at most 0.45 nothing under 0.804 "
        "can pass the gate"
    ) in messages


def test_published_policy_is_only_read(root_client: Client, stream: Stream) -> None:
    policy = stream.policies.get()
    page = root_client.get(change_path(policy))
    assert page.status_code == 200
    assert not {"auto", "title", "rules-0-auto", "rules-2-auto"} & set(
        read_form(page, "policy_form")
    )
    assert 'name="_save"' not in page.content.decode()
    assert root_client.post(change_path(policy), {"auto": "0.1"}).status_code == 302
    assert root_client.post(f"{LIST}{policy.id}/delete/", {"post": "yes"}).status_code == 403
    policy.refresh_from_db()
    assert policy.auto == 0.8


def test_edit_that_meets_a_publication_is_refused_in_words(
    root_client: Client, draft: Policy, stream: Stream
) -> None:
    page = root_client.get(change_path(draft))
    sent = read_form(page, "policy_form") | {"auto": ["0.99"]}
    root_client.post(
        f"{LIST}{draft.id}/publish/", {"reason": "now", "seen": _seen(root_client, draft)}
    )
    response = root_client.post(change_path(draft), sent, follow=True)
    assert response.redirect_chain == [(change_path(draft), 302)]
    assert [str(message) for message in response.context["messages"]][-1] == (
        "Helpdesk v2 is published by now, so nothing of yours was saved. Make a new version of it; "
        "your browser's back button shows what you had entered."
    )
    assert current_spec(stream.id)[1].cut_offs.auto == 0.8


def _seen(client: Client, draft: Policy) -> str:
    page = client.get(f"{LIST}{draft.id}/publish/")
    return str(page.context["form"]["seen"].value())


def test_draft_is_deleted_with_its_rules(root_client: Client, draft: Policy) -> None:
    response = root_client.post(f"{LIST}{draft.id}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not Policy.objects.filter(id=draft.id).exists()
    assert not CategoryRule.objects.filter(policy=draft.id).exists()


def test_new_version_copies_any_version_by_post_alone(root_client: Client, stream: Stream) -> None:
    old = stream.policies.get()
    publish(stream, auto=0.99)
    assert root_client.get(f"{LIST}{old.id}/copy/").status_code == 405
    response = root_client.post(f"{LIST}{old.id}/copy/")
    draft = stream.policies.get(version=None)
    assert response.headers["Location"] == change_path(draft)
    assert draft.based_on == old
    assert load_spec(draft).cut_offs == load_spec(old).cut_offs
    assert load_spec(draft).rules == load_spec(old).rules


def test_new_version_leaves_behind_what_concerns_retired_categories(
    root_client: Client, stream: Stream
) -> None:
    platt = {"kind": "platt", "parameters": [1.0, 0.0], "knots": []}
    old = publish(
        stream,
        maps={"": platt, "vpn_issue": platt},
        model_versions=["m1"],
        distrusted=[["vpn_issue", 5], ["account_unlock", 5]],
    )
    Category.objects.filter(key="vpn_issue").update(retired_at=old.created_at)
    root_client.post(f"{LIST}{old.id}/copy/")
    draft = stream.policies.get(version=None)
    assert list(draft.maps) == [""]
    assert draft.distrusted == [["account_unlock", 5]]


def test_list_shows_who_when_and_why_in_constant_queries(
    root_client: Client, stream: Stream, django_assert_num_queries: object
) -> None:
    page = root_client.get(f"{LIST}?stream={stream.id}&state=published")
    assert [str(policy) for policy in page.context["cl"].result_list] == ["Helpdesk v1"]
    assert "for the test" in page.content.decode()
    with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
        root_client.get(LIST)
    for name in ("ann", "bob"):
        draft = copy_policy(policy=stream.policies.latest("version"), created_by_id=None)
        user = make_staff(name, None)
        publish_policy(policy_id=draft.id, reason="for the test", published_by_id=user.pk)
    with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
        root_client.get(LIST)


LIST_QUERIES = 5


def test_change_page_asks_as_much_for_many_rules_as_for_two(
    root_client: Client, draft: Policy, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(PAGE_QUERIES):  # type: ignore[operator]
        root_client.get(change_path(draft))
    stream = draft.stream
    for number in range(40):
        category = Category.objects.create(
            stream=stream, key=f"c{number}", label=f"C {number}", position=number + 3
        )
        CategoryRule.objects.create(stream=stream, policy=draft, category=category, watch=0.5)
    with django_assert_num_queries(PAGE_QUERIES):  # type: ignore[operator]
        root_client.get(change_path(draft))


PAGE_QUERIES = 12


def test_staff_see_and_change_policies_of_their_own_stream_only(stream: Stream) -> None:
    other = make_bare_stream("other")
    foreign = publish(other)
    client = log_in(make_staff("sue", stream, *EDITS_POLICIES))
    listed = client.get(LIST).context["cl"].result_list
    assert {policy.stream_id for policy in listed} == {stream.id}
    assert client.get(change_path(foreign)).headers["Location"] == "/admin/"
    assert client.get(f"{LIST}{foreign.id}/publish/").status_code == 404
    assert client.get(f"{LIST}{foreign.id}/difference/").status_code == 404
    assert client.post(f"{LIST}{foreign.id}/copy/").status_code == 404
    page = client.get(f"{LIST}add/?empty=1")
    choices = page.context["adminform"].form.fields["stream"].queryset
    assert list(choices) == [stream]


def test_pages_are_for_staff_with_the_permission(draft: Policy) -> None:
    viewer = log_in(make_staff("vic", draft.stream, "view_policy"))
    assert viewer.get(change_path(draft)).status_code == 200
    assert viewer.get(f"{LIST}{draft.id}/difference/").status_code == 200
    assert viewer.post(f"{LIST}{draft.id}/copy/").status_code == 403
    assert viewer.get(f"{LIST}{draft.id}/publish/").status_code == 403
    nobody = log_in(make_staff("ned", draft.stream, "view_stream"))
    assert nobody.get(change_path(draft)).status_code == 403
    assert nobody.get(f"{LIST}{draft.id}/difference/").status_code == 403
    response = Client().get(change_path(draft))
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


def test_edits_of_two_admins_at_once_do_not_overwrite_each_other_unseen(
    stream: Stream, draft: Policy
) -> None:
    ann, bob = (log_in(make_staff(name, stream, *EDITS_POLICIES)) for name in ("ann", "bob"))
    opened = read_form(ann.get(change_path(draft)), "policy_form") | {"_continue": ["1"]}
    assert send(bob, draft, title="Bob's") == {}
    refused = ann.post(change_path(draft), opened | {"title": ["Ann's"]})
    assert refused.status_code == 200
    assert "Somebody else saved this draft" in refused.content.decode()
    draft.refresh_from_db()
    assert draft.title == "Bob's"
    again = read_form(refused, "policy_form") | {"_continue": ["1"]}
    assert again["title"] == ["Ann's"]
    assert ann.post(change_path(draft), again).status_code == 302
    draft.refresh_from_db()
    assert draft.title == "Ann's"


def test_form_that_does_not_say_what_it_was_opened_from_saves_nothing(
    root_client: Client, draft: Policy
) -> None:
    opened = read_form(root_client.get(change_path(draft)), "policy_form")
    del opened["seen"]
    refused = root_client.post(change_path(draft), opened | {"title": ["Unseen"]})
    assert read_errors(refused)["__all__"] == [
        "The form did not say what it was opened from, so nothing was saved. Saving again "
        "replaces the draft by what stands here."
    ]
    draft.refresh_from_db()
    assert draft.title != "Unseen"
    again = read_form(refused, "policy_form") | {"_continue": ["1"]}
    assert root_client.post(change_path(draft), again).status_code == 302
    draft.refresh_from_db()
    assert draft.title == "Unseen"


@pytest.mark.parametrize("count", ["INITIAL_FORMS", "TOTAL_FORMS"])
@pytest.mark.parametrize("rows", ["rules", "keyword_rules"])
def test_fewer_rows_than_none_are_refused(
    root_client: Client, draft: Policy, rows: str, count: str
) -> None:
    opened = read_form(root_client.get(change_path(draft)), "policy_form")
    refused = root_client.post(change_path(draft), opened | {f"{rows}-{count}": ["-1"]})
    assert refused.status_code == 200
    assert f"Missing fields: {rows}-{count}." in read_errors(refused)[rows][0]


def test_rule_that_somebody_else_changed_is_noticed(stream: Stream, draft: Policy) -> None:
    ann, bob = (log_in(make_staff(name, stream, *EDITS_POLICIES)) for name in ("ann", "bob"))
    opened = read_form(ann.get(change_path(draft)), "policy_form")
    assert send(bob, draft, **{"rules-1-watch": "0.5"}) == {}
    assert "Somebody else saved" in ann.post(change_path(draft), opened).content.decode()
    assert draft.rules.get(category__key="security_incident").watch == 0.5


def test_fallback_chain_and_its_keyword_rules_are_saved(root_client: Client, draft: Policy) -> None:
    errors = send(root_client, draft, fallback_steps_0="rules", fallback_steps_2="person")
    assert errors == {
        "keyword_rules": [
            "the fallback lists rules but there are none; add rules or take the step out"
        ]
    }
    vpn = Category.objects.get(key="vpn_issue")
    row = {
        "keyword_rules-TOTAL_FORMS": "1",
        "keyword_rules-0-name": "tunnel",
        "keyword_rules-0-kind": "regex",
        "keyword_rules-0-pattern": "tunnel|vpn",
        "keyword_rules-0-category": str(vpn.id),
        "keyword_rules-0-confidence": "0.95",
    }
    chain = {"fallback_steps_0": "rules", "fallback_steps_2": "person", "uncalibrated": "hold"}
    assert send(root_client, draft, **chain, **row) == {}
    spec = load_spec(Policy.objects.get(id=draft.id))
    assert (spec.fallback.steps, spec.uncalibrated) == (("rules", "person"), "hold")
    (rule,) = spec.fallback.keyword_rules
    assert (rule.id, rule.kind, rule.category, rule.confidence) == (
        "tunnel",
        "regex",
        "vpn_issue",
        0.95,
    )
    assert send(root_client, draft) == {}
    assert load_spec(Policy.objects.get(id=draft.id)) == spec


def test_five_hundred_keyword_rules_are_saved_at_once(root_client: Client, draft: Policy) -> None:
    vpn = Category.objects.get(key="vpn_issue")
    rows = {"keyword_rules-TOTAL_FORMS": "500", "fallback_steps_0": "rules"}
    for n in range(500):
        rows |= {
            f"keyword_rules-{n}-name": f"rule-{n}",
            f"keyword_rules-{n}-kind": "regex",
            f"keyword_rules-{n}-pattern": f"word {n}",
            f"keyword_rules-{n}-field": "",
            f"keyword_rules-{n}-category": str(vpn.id),
            f"keyword_rules-{n}-confidence": "0.95",
        }
    assert send(root_client, draft, **rows) == {}
    assert draft.keyword_rules.count() == 500


def test_keyword_rule_that_is_no_expression_is_refused_in_its_row(
    root_client: Client, draft: Policy
) -> None:
    vpn = Category.objects.get(key="vpn_issue")
    errors = send(
        root_client,
        draft,
        **{
            "keyword_rules-TOTAL_FORMS": "1",
            "keyword_rules-0-name": "tunnel",
            "keyword_rules-0-kind": "regex",
            "keyword_rules-0-pattern": "(tunnel",
            "keyword_rules-0-category": str(vpn.id),
            "keyword_rules-0-confidence": "0.95",
        },
    )
    assert list(errors) == ["keyword_rules-0-pattern"]
    assert "is no expression" in errors["keyword_rules-0-pattern"][0]


def test_steps_in_the_wrong_order_are_refused_at_their_field(
    root_client: Client, draft: Policy
) -> None:
    errors = send(root_client, draft, fallback_steps_0="person", fallback_steps_1="secondary")
    assert list(errors) == ["fallback_steps"]
    errors = send(root_client, draft, fallback_steps_0="remote")
    assert list(errors) == ["remote_model"]


def test_remote_models_of_other_streams_are_not_offered(root_client: Client, draft: Policy) -> None:
    url = "https://models.example/ask"
    own = RemoteModel.objects.create(stream=draft.stream, name="large", url=url)
    foreign = RemoteModel.objects.create(stream=make_bare_stream("other"), name="their", url=url)
    page = root_client.get(change_path(draft))
    assert list(page.context["adminform"].form.fields["remote_model"].queryset) == [own]
    sent = {"fallback_steps_0": "remote", "remote_model": str(foreign.id)}
    assert list(send(root_client, draft, **sent)) == ["remote_model"]
    assert send(root_client, draft, **(sent | {"remote_model": str(own.id)})) == {}


def test_categories_under_mandatory_review_are_listed_with_the_reason(
    root_client: Client, stream: Stream
) -> None:
    reviewed = {"mandatory_review": True, "mandatory_reason": "Incidents are for people."}
    policy = publish(stream, {"security_incident": reviewed})
    draft = copy_policy(policy=policy, created_by_id=None)
    for each in (policy, draft):
        page = root_client.get(change_path(each))
        assert [(one.label, one.reason) for one in page.context["reviewed"]] == [
            ("Security incident", "Incidents are for people.")
        ]
        assert "Always decided by a person" in page.content.decode()
