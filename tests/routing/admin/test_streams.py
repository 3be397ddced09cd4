"""Streams in the admin: keys stay, categories retire, every change is in the log."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from reviewqueue.claims import claim_next
from reviewqueue.verdicts import Answer, record_verdict, undo_verdict
from routing.models import Category, CategoryRule, Event, Stream
from routing.policies import publish_policy
from tests.forms import read_errors, read_form, send_form
from tests.routing.admin.conftest import log_in, make_staff
from tests.scenes import make_bare_stream, make_person, post, publish

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

LIST = "/admin/routing/stream/"
FORM = "stream_form"


def change_path(stream: Stream) -> str:
    return f"{LIST}{stream.id}/change/"


def test_stream_is_made_with_its_categories(root_client: Client) -> None:
    response = send_form(
        root_client,
        f"{LIST}add/",
        FORM,
        name="Returns",
        key="returns",
        **{"categories-0-key": "refund", "categories-0-label": "Refund"},
    )
    assert response.status_code == 302
    stream = Stream.objects.get(key="returns")
    assert [category.key for category in stream.categories.all()] == ["refund"]
    kinds = Event.objects.filter(stream=stream).values_list("kind", flat=True)
    assert sorted(kinds) == ["category.created", "stream.created"]


def test_new_category_goes_last_unless_it_is_put_elsewhere(
    root_client: Client, stream: Stream
) -> None:
    last = max(stream.categories.values_list("position", flat=True))
    form = read_form(root_client.get(change_path(stream)), FORM)
    row = f"categories-{form['categories-INITIAL_FORMS'][0]}"
    assert form[f"{row}-position"] == [str(last + 1)]
    sent = {f"{row}-key": "printer", f"{row}-label": "Printer"}
    assert send_form(root_client, change_path(stream), FORM, **sent).status_code == 302
    assert stream.categories.get(key="printer").position == last + 1


def test_empty_row_stays_empty_when_somebody_adds_a_category_meanwhile(
    root_client: Client, stream: Stream
) -> None:
    form = read_form(root_client.get(change_path(stream)), FORM)
    Category.objects.create(stream=stream, key="printer", label="Printer", position=40)
    assert root_client.post(change_path(stream), form).status_code == 302
    assert stream.categories.filter(key="").count() == 0


def test_keys_never_change_once_saved(root_client: Client, stream: Stream) -> None:
    response = send_form(
        root_client, change_path(stream), FORM, key="other", **{"categories-0-key": "other"}
    )
    assert response.status_code == 302
    stream.refresh_from_db()
    assert stream.key == "helpdesk"
    assert stream.categories.order_by("position")[0].key == "account_unlock"


def test_change_of_a_stream_is_logged_with_who_and_what(
    root_client: Client, stream: Stream
) -> None:
    send_form(
        root_client,
        change_path(stream),
        FORM,
        audit_rate="0.2",
        **{"categories-2-audit_rate": "1", "categories-0-label": "Unlock"},
    )
    events = Event.objects.filter(stream=stream).order_by("id").exclude(kind="policy.published")
    assert [(event.kind, event.data["changes"]) for event in events] == [
        ("stream.changed", {"audit_rate": [0.05, 0.2]}),
        ("category.changed", {"label": ["Account unlock", "Unlock"]}),
        ("category.changed", {"audit_rate": [None, 1.0]}),
    ]
    assert {event.actor.username for event in events if event.actor} == {"root"}
    assert events[2].subject_id == stream.categories.get(key="security_incident").id


def messages_of(response: "Response") -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_category_is_retired_and_revived_with_words_and_events(
    root_client: Client, stream: Stream
) -> None:
    response = send_form(root_client, change_path(stream), FORM, **{"categories-0-retired": "on"})
    assert messages_of(response)[0] == (
        "Account unlock is retired. People are not offered it any more; it stays in version 1 "
        "until a new version is published. What was decided and judged stays."
    )
    [retired_at] = stream.categories.filter(retired_at__isnull=False).values_list(
        "retired_at", flat=True
    )
    send_form(root_client, change_path(stream), FORM, **{"categories-1-label": "VPN"})
    assert stream.categories.get(key="account_unlock").retired_at == retired_at
    response = send_form(root_client, change_path(stream), FORM, **{"categories-0-retired": None})
    assert messages_of(response)[0] == (
        "Account unlock is active again; people can choose it at once."
    )
    assert stream.categories.get(key="account_unlock").retired_at is None
    events = Event.objects.filter(stream=stream, kind__startswith="category.").order_by("id")
    assert [(event.kind, event.data) for event in events] == [
        ("category.retired", {"key": "account_unlock", "still_in": 1}),
        ("category.changed", {"changes": {"label": ["VPN issue", "VPN"]}}),
        ("category.revived", {"key": "account_unlock", "still_in": None}),
    ]
    assert {event.actor.username for event in events if event.actor} == {"root"}


def test_category_that_no_policy_has_is_retired_without_more(root_client: Client) -> None:
    stream = make_bare_stream()
    response = send_form(root_client, change_path(stream), FORM, **{"categories-0-retired": "on"})
    assert messages_of(response)[0] == (
        "Account unlock is retired. No policy has it, so nothing else changes."
    )


def test_category_of_a_stream_without_policy_can_be_deleted(root_client: Client) -> None:
    stream = make_bare_stream()
    send_form(root_client, change_path(stream), FORM, **{"categories-0-DELETE": "on"})
    assert not stream.categories.filter(key="account_unlock").exists()
    [event] = Event.objects.filter(stream=stream, kind="category.deleted")
    assert event.data == {"was": "Account unlock"}


def name_in_a_policy(stream: Stream, category: Category) -> None:
    publish(stream, title=category.label)


def name_in_a_draft(stream: Stream, category: Category) -> None:
    draft = stream.policies.create()
    CategoryRule.objects.create(stream=stream, policy=draft, category=category, watch=0.2)


def name_in_scores(stream: Stream, category: Category) -> None:
    post(stream, "a", scores={"vpn_issue": 0.5, category.key: 0.3})


def name_in_a_verdict(stream: Stream, category: Category) -> None:
    reviewer = make_person("erin", stream, "expert")
    post(stream, "a", scores={"vpn_issue": 0.5})
    task = claim_next(user=reviewer, stream=stream, queue="escalated")
    assert task is not None
    assert task.lease_token is not None
    verdict = record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=reviewer,
        answer=Answer("category", [category.key]),
    )
    undo_verdict(verdict_id=verdict.id, reviewer=reviewer)


@pytest.mark.parametrize(
    "name", [name_in_a_policy, name_in_a_draft, name_in_scores, name_in_a_verdict]
)
def test_category_that_something_names_is_not_deleted(
    root_client: Client, stream: Stream, name: Callable[[Stream, Category], None]
) -> None:
    category = stream.categories.create(key="printer", label="Printer", position=9)
    name(stream, category)
    response = send_form(
        root_client, change_path(stream), FORM, **{"categories-3-DELETE": "on", "name": "Other"}
    )
    assert read_errors(response) == {
        "categories": ["Printer is named by policies, items or verdicts; retire it instead."]
    }
    assert stream.categories.filter(key="printer").exists()
    stream.refresh_from_db()
    assert stream.name == "Helpdesk"


def test_category_that_nothing_names_yet_is_deleted(root_client: Client, stream: Stream) -> None:
    post(stream, "before", scores={"vpn_issue": 0.5})
    stream.categories.create(key="printer", label="Printer", position=9)
    response = send_form(root_client, change_path(stream), FORM, **{"categories-3-DELETE": "on"})
    assert response.status_code == 302
    assert not stream.categories.filter(key="printer").exists()


def gap_of(client: Client, stream: Stream) -> list[str]:
    """The sentences of the stream's page about how taxonomy and policy differ."""
    page = client.get(change_path(stream)).content.decode()
    _before, _found, after = page.partition('aria-labelledby="taxonomy-gap"')
    section = after.partition("</section>")[0]
    texts = re.findall(r"<(?:h2|li|button|p)[^>]*>(.*?)</", section, re.DOTALL)
    return [" ".join(text.split()) for text in texts]


def test_page_says_how_the_taxonomy_and_the_policy_differ(
    root_client: Client, stream: Stream
) -> None:
    assert gap_of(root_client, stream) == []
    stream.categories.create(key="printer", label="Printer", position=9)
    stream.categories.create(key="payroll", label="Payroll", position=10)
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())
    stream.categories.filter(key="account_unlock").update(position=8)
    assert gap_of(root_client, stream) == [
        "The taxonomy has changed since version 1",
        "2 categories were added: Printer, Payroll. "
        "People can choose them; the machine cannot yet.",
        "1 category was retired: VPN issue. "
        "People cannot choose it any more; the machine still can.",
        "The order changed; it breaks ties.",
        "Draft a new version",
    ]
    response = root_client.post(f"/admin/routing/policy/{stream.policies.get().id}/copy/")
    draft = stream.policies.get(version=None)
    assert response.headers["Location"] == f"/admin/routing/policy/{draft.id}/change/"
    publish_policy(policy_id=draft.id, reason="as it is now", published_by_id=None)
    assert gap_of(root_client, stream) == []


def test_page_does_not_offer_a_draft_to_who_may_not_make_one(stream: Stream) -> None:
    stream.categories.create(key="printer", label="Printer", position=9)
    client = log_in(make_staff("sue", stream, "change_stream"))
    assert gap_of(client, stream)[-1] == (
        "A new version of the policy uses the taxonomy as it is now."
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("audit_rate", "1.2"),
        ("time_zone", "Mars/Olympus"),
        ("reporting_edges", "0.7,0.5"),
        ("categories-0-audit_rate", "-1"),
    ],
)
def test_wrong_value_is_refused_at_its_field(
    root_client: Client, stream: Stream, field: str, value: str
) -> None:
    response = send_form(root_client, change_path(stream), FORM, **{field: value})
    assert list(read_errors(response)) == [field]


def test_list_leads_to_the_first_policy_in_constant_queries(
    root_client: Client, django_assert_num_queries: object
) -> None:
    stream = make_bare_stream()
    page = root_client.get(change_path(stream))
    assert f"/admin/routing/policy/add/?stream={stream.id}" in page.content.decode()
    with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
        root_client.get(LIST)
    for key in ("second", "third"):
        publish(make_bare_stream(key))
    with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
        page = root_client.get(LIST)
    shown = {
        each.key: (each.categories_now, each.version_now) for each in page.context["cl"].result_list
    }
    assert shown == {"helpdesk": (3, None), "second": (3, 1), "third": (3, 1)}


LIST_QUERIES = 5


def test_staff_see_the_streams_they_administer(stream: Stream) -> None:
    make_bare_stream("other")
    client = log_in(make_staff("sue", stream, "change_stream"))
    assert list(client.get(LIST).context["cl"].result_list) == [stream]
    assert client.get(change_path(Stream.objects.get(key="other"))).status_code == 302


def test_retention_is_set_by_whoever_may_erase(stream: Stream) -> None:
    path = f"/admin/routing/stream/{stream.id}/change/"
    offered = [
        'name="retention_days"' in log_in(person).get(path).content.decode()
        for person in (
            make_staff("sue", stream, "change_stream"),
            make_staff("eve", stream, "change_stream", "erase_item"),
        )
    ]
    assert offered == [False, True]
