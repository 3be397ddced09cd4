"""Where a policy starts: four ready-made ones, or an empty form."""

import pytest
from django.test import Client

from routing.core.presets import PRESETS
from routing.models import Policy, Stream
from routing.policies import load_spec
from tests.routing.admin.conftest import EDITS_POLICIES, log_in, make_staff
from tests.scenes import make_bare_stream, publish

ADD = "/admin/routing/policy/add/"
START = "/admin/routing/policy/start/"


def test_add_page_explains_each_ready_made_policy(root_client: Client, stream: Stream) -> None:
    make_bare_stream("other")
    page = root_client.get(ADD)
    text = page.content.decode()
    assert [card["preset"] for card in page.context["cards"]] == list(PRESETS)
    assert page.context["stream"] is None
    assert 'name="preset"' not in text
    page = root_client.get(f"{ADD}?stream={stream.id}")
    assert page.context["stream"] == stream
    assert page.content.decode().count('name="preset"') == 4
    assert "empty=1" in page.content.decode()


def test_only_stream_needs_no_choice(root_client: Client, stream: Stream) -> None:
    assert root_client.get(ADD).context["stream"] == stream


@pytest.mark.parametrize("preset", PRESETS, ids=[preset.key for preset in PRESETS])
def test_chosen_policy_becomes_a_draft_that_is_opened(
    root_client: Client, stream: Stream, preset: object
) -> None:
    key = preset.key  # type: ignore[attr-defined]
    response = root_client.post(f"{START}?stream={stream.id}", {"preset": key})
    draft = stream.policies.get(version=None)
    assert response.headers["Location"] == f"/admin/routing/policy/{draft.id}/change/"
    assert load_spec(draft).cut_offs == preset.cut_offs  # type: ignore[attr-defined]
    assert draft.created_by is not None
    assert draft.created_by.username == "root"
    assert root_client.get(response.headers["Location"]).status_code == 200


def test_class_aware_policy_watches_what_was_ticked(root_client: Client, stream: Stream) -> None:
    sent = {"preset": "class-aware", "watched": ["vpn_issue", "security_incident"]}
    root_client.post(f"{START}?stream={stream.id}", sent)
    rules = load_spec(stream.policies.get(version=None)).rules
    assert {key: rule.watch for key, rule in rules.items()} == {
        "vpn_issue": 0.34,
        "security_incident": 0.34,
    }


def test_bad_choices_are_refused_in_words(root_client: Client, stream: Stream) -> None:
    path = f"{START}?stream={stream.id}"
    response = root_client.post(path, {})
    assert response.status_code == 422
    assert "Choose one of the ready-made policies." in response.content.decode()
    response = root_client.post(path, {"preset": "class-aware", "watched": ["elsewhere"]})
    assert response.status_code == 422
    empty = make_bare_stream("empty", categories=())
    response = root_client.post(f"{START}?stream={empty.id}", {"preset": "four-bands"})
    assert "The stream has no categories; add them first." in response.content.decode()
    assert not stream.policies.filter(version=None).exists()


def test_starting_is_for_those_who_may_add_to_the_stream(stream: Stream) -> None:
    other = make_bare_stream("other")
    publish(other)
    assert Client().get(START).headers["Location"].startswith("/admin/login/")
    editor = log_in(make_staff("sue", stream, *EDITS_POLICIES))
    response = editor.post(f"{START}?stream={other.id}", {"preset": "four-bands"})
    assert response.status_code == 422
    assert not Policy.objects.filter(version=None).exists()
    viewer = log_in(make_staff("vic", stream, "view_policy"))
    assert viewer.get(START).status_code == 403
    assert viewer.get(ADD).status_code == 403
    assert editor.put(START).status_code == 405


def test_staff_without_a_stream_are_told(stream: Stream) -> None:
    nobody = log_in(make_staff("ned", None, *EDITS_POLICIES))
    page = nobody.get(START)
    assert "You administer no stream yet" in page.content.decode()
    assert nobody.post(START, {"preset": "four-bands"}).status_code == 422
