"""Streams of drafted sentences in the admin: two answers, weights instead of gates."""

import pytest
from django.test import Client

from routing.core.grounding import DEFAULT_GROUNDING
from routing.grounded import draft_grounded_policy
from routing.models import Policy, Stream
from routing.policies import load_spec
from tests.forms import read_errors, read_form, send_form
from tests.grounded_scenes import make_grounded_stream, post_sentence

STREAMS = "/admin/routing/stream/"
POLICIES = "/admin/routing/policy/"


@pytest.fixture
def drafts(db: None) -> Stream:
    return make_grounded_stream()


@pytest.fixture
def draft(drafts: Stream) -> Policy:
    return draft_grounded_policy(stream=drafts)


def change_path(policy: Policy) -> str:
    return f"{POLICIES}{policy.id}/change/"


def test_stream_of_sentences_is_made_with_its_answers(root_client: Client) -> None:
    response = send_form(
        root_client, f"{STREAMS}add/", "stream_form", name="Drafts", key="drafts", kind="grounded"
    )

    assert response.status_code == 302
    stream = Stream.objects.get(key="drafts")
    assert list(stream.categories.values_list("key", flat=True)) == ["supported", "not_supported"]
    assert (stream.double_rate, stream.reporting_edges) == (1.0, [0.3, 0.5, 0.7, 0.85, 0.95])


def test_stream_of_sentences_is_made_with_other_numbers_where_they_are_given(
    root_client: Client,
) -> None:
    send_form(
        root_client,
        f"{STREAMS}add/",
        "stream_form",
        name="Drafts",
        key="drafts",
        kind="grounded",
        double_rate="0.5",
        freshness_days="365",
    )

    stream = Stream.objects.get(key="drafts")
    assert (stream.double_rate, stream.freshness_days) == (0.5, 365)


def test_stream_of_sentences_with_a_category_more_is_refused(root_client: Client) -> None:
    response = send_form(
        root_client,
        f"{STREAMS}add/",
        "stream_form",
        name="Drafts",
        key="drafts",
        kind="grounded",
        **{"categories-0-key": "maybe", "categories-0-label": "Maybe"},
    )

    assert "neither add nor delete one" in response.content.decode()
    assert not Stream.objects.exists()


def test_answers_are_neither_added_to_nor_retired(root_client: Client, drafts: Stream) -> None:
    path = f"{STREAMS}{drafts.id}/change/"
    form = read_form(root_client.get(path), "stream_form")

    send_form(root_client, path, "stream_form", **{"categories-0-retired": "on"})

    assert form["categories-TOTAL_FORMS"] == ["2"]
    assert not drafts.categories.filter(retired_at__isnull=False).exists()


def test_kind_of_a_stream_stays(root_client: Client, drafts: Stream) -> None:
    path = f"{STREAMS}{drafts.id}/change/"

    send_form(root_client, path, "stream_form", kind="classification", name="Letters")

    drafts.refresh_from_db()
    assert (drafts.kind, drafts.name) == ("grounded", "Letters")


def test_policy_starts_from_green_amber_refused(root_client: Client, drafts: Stream) -> None:
    page = root_client.get(f"{POLICIES}add/?stream={drafts.id}").content.decode()
    path = f"{POLICIES}start/?stream={drafts.id}"

    wrong = root_client.post(path, {"preset": "four-bands"})
    root_client.post(path, {"preset": "grounded"})

    assert ("Green, amber, refused" in page, "Four bands" in page) == (True, False)
    assert wrong.status_code == 422
    policy = Policy.objects.get(version=None)
    assert (policy.auto, policy.flagged, policy.hold) == (0.85, 0.5, 0.5)
    assert policy.grounding == {
        "entailment_weight": 0.6,
        "gap_weight": 0.25,
        "claims_weight": 0.15,
        "gap_low": 0.0,
        "gap_high": 1.0,
    }


def test_weights_are_edited_in_the_form(root_client: Client, draft: Policy) -> None:
    shown = read_form(root_client.get(change_path(draft)), "policy_form")

    response = send_form(
        root_client,
        change_path(draft),
        "policy_form",
        entailment_weight="0.5",
        gap_weight="0.35",
        gap_high="12",
    )

    assert shown["entailment_weight"] == ["0.6"]
    assert "min_margin" not in shown
    assert response.status_code == 302
    draft.refresh_from_db()
    grounding = load_spec(draft).grounding
    assert grounding is not None
    assert (grounding.entailment_weight, grounding.gap_weight, grounding.gap_high) == (
        0.5,
        0.35,
        12.0,
    )


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        (
            {"entailment_weight": "0.5"},
            "__all__",
            "the weights of entailment, gap and claims sum to 0.90; make them sum to 1",
        ),
        (
            {"entailment_weight": "0.9", "gap_weight": "-0.05"},
            "gap_weight",
            "gap_weight is -0.05; a weight is 0 or more",
        ),
        (
            {"gap_low": "2"},
            "gap_low",
            "gap_low 2 is not under gap_high 1; give the smallest and the largest difference that "
            "the reranker's scores make",
        ),
    ],
)
def test_weights_that_cannot_be_are_refused_at_their_field(
    root_client: Client, draft: Policy, changes: dict[str, str], field: str, message: str
) -> None:
    response = send_form(root_client, change_path(draft), "policy_form", **changes)

    assert read_errors(response) == {field: [message]}


def test_published_weights_are_read(root_client: Client, drafts: Stream) -> None:
    page = root_client.get(change_path(drafts.policies.get())).content.decode()

    assert "Weight of entailment" in page
    assert "0.6" in page


def test_difference_names_the_weights(root_client: Client, draft: Policy) -> None:
    draft.grounding = {"entailment_weight": 0.7, "gap_weight": 0.15, "claims_weight": 0.15}
    draft.save()
    published = draft.stream.policies.get(version=1)

    page = root_client.get(f"{POLICIES}{draft.id}/difference/?against={published.id}")

    text = page.content.decode()
    assert "Weight of entailment" in text
    assert "Weight of the claims" not in text


def test_publishing_other_weights_says_what_becomes_of_the_map(
    root_client: Client, draft: Policy
) -> None:
    warning = "the map that was fitted to the one before is left behind"
    same = root_client.get(f"{POLICIES}{draft.id}/publish/").content.decode()
    Policy.objects.filter(id=draft.id).update(
        based_on=draft.stream.policies.get(version=1),
        grounding={**DEFAULT_GROUNDING.to_json(), "gap_high": 2.0},
    )

    other = root_client.get(f"{POLICIES}{draft.id}/publish/").content.decode()

    assert (warning in same, warning in other) == (False, True)


def test_preview_of_edited_weights_shows_what_moves(
    root_client: Client, drafts: Stream, draft: Policy
) -> None:
    post_sentence(drafts, "s-1")
    form = read_form(root_client.get(change_path(draft)), "policy_form")
    sent = {name: values[0] for name, values in form.items() if values}

    response = root_client.post(
        f"{POLICIES}{draft.id}/preview/",
        sent | {"entailment_weight": "0.0", "gap_weight": "0.85"},
    )

    assert response.status_code == 200
    assert "refuse" in response.content.decode().lower()
