"""Drafted sentences taken in, stored, decided again and looked at under another policy."""

from datetime import UTC, datetime

import pytest

from reviewqueue.intake import ConflictError, IntakeError, Taken, decide_only, take_in
from reviewqueue.models import ReviewTask
from routing.core.grounding import Grounding
from routing.items import Post, fingerprint
from routing.models import Decision, Item
from routing.policies import load_spec
from routing.previews import preview_change
from routing.replays import Difference, replay_decisions
from tests.grounded_scenes import (
    AMBER,
    BLOCKS,
    GREEN,
    REFUSED,
    make_grounded_stream,
    make_sentence,
    post_sentence,
    publish_grounded,
)

pytestmark = pytest.mark.django_db

WHEN = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_sentence_is_stored_with_its_sources() -> None:
    stream = make_grounded_stream()

    post_sentence(stream, "s-1", draft="letter-7", position=3)

    item = Item.objects.get(external_id="s-1")
    assert item.payload == {"sentence": "An import file may have at most 10 MB."}
    assert (item.scores, item.signals) == ({}, AMBER)
    assert item.blocks == [*BLOCKS]
    assert (item.claims, item.draft, item.position, item.retry_of) == (None, "letter-7", 3, None)
    assert item.evidence == {
        "entailment_probability": 0.91,
        "claim_count": 2,
        "gap": 0.4,
        "blocks": 2,
        "block": "files#limits",
        "warnings": [],
    }
    assert item.state == "routed"
    decision = Decision.objects.get(item=item)
    assert (decision.queue, decision.raw_confidence, decision.predicted) == (
        "flagged",
        0.721,
        "supported",
    )
    assert ReviewTask.objects.get(item=item).queue == "flagged"


def test_sentences_of_a_batch_are_decided_each_by_its_own() -> None:
    stream = make_grounded_stream()
    posts = [
        make_sentence("green", signals=GREEN),
        make_sentence("bad", signals={"claim_count": 1}),
        make_sentence("refused", signals=REFUSED),
        make_sentence("none", signals=GREEN, blocks=()),
    ]

    answers = take_in(stream=stream, posts=posts)

    assert [
        answer.made.action if isinstance(answer, Taken) else (answer.field, str(answer))
        for answer in answers
    ] == [
        "act",
        (
            "signals.entailment_probability",
            "signals.entailment_probability is missing; "
            "add how probably a block supports the sentence",
        ),
        "refuse",
        "refuse",
    ]
    assert Item.objects.filter(stream=stream).count() == 3


def test_sentence_posted_again_gets_the_stored_decision() -> None:
    stream = make_grounded_stream()
    first = post_sentence(stream, "s-1")

    again = post_sentence(stream, "s-1")

    assert (again.created, again.decision_id) == (False, first.decision_id)


@pytest.mark.parametrize(
    "changed",
    [
        {"blocks": BLOCKS[:1]},
        {"claims": ({"text": "It is 10 MB.", "entailment_probability": 0.91},) * 2},
        {"draft": "letter-7"},
        {"position": 2},
    ],
)
def test_sentence_with_other_sources_under_a_known_id_is_a_conflict(
    changed: dict[str, object],
) -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "s-1")

    [answer] = take_in(stream=stream, posts=[make_sentence("s-1", **changed)])  # type: ignore[arg-type]

    assert isinstance(answer, ConflictError)


def test_fingerprint_of_an_item_with_scores_does_not_know_of_sources() -> None:
    assert fingerprint(Post("T-1", {"body": "x"}, {"vpn_issue": 1.0})).hex() == (
        "bd4b695d9816a024b309c6050d0e1e0b49cf8f80e15d35aae381719bd09e3f64"
    )


def test_refused_sentence_can_be_retried() -> None:
    stream = make_grounded_stream()
    refused = post_sentence(stream, "s-1", signals=REFUSED)

    post_sentence(stream, "s-2", retry_of="s-1")

    assert Item.objects.get(external_id="s-2").retry_of_id == refused.item_id


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "s-9",
            "retry_of names 's-9', which is no item of this stream; name the refused one",
        ),
        (
            "s-1",
            "retry_of names 's-1', which was not refused; only a refused sentence is drafted again",
        ),
    ],
)
def test_retry_of_what_was_not_refused_is_refused_by_name(named: str, message: str) -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "s-1")
    post_sentence(make_grounded_stream("other"), "s-9", signals=REFUSED)

    [answer] = take_in(stream=stream, posts=[make_sentence("s-2", retry_of=named)])

    assert isinstance(answer, IntakeError)
    assert (answer.field, str(answer), answer.value) == ("retry_of", message, named)


def test_age_of_a_block_is_judged_at_receipt() -> None:
    stream = make_grounded_stream(freshness_days=30)

    [taken] = take_in(stream=stream, posts=[make_sentence("s-1")], received_at=WHEN)

    assert isinstance(taken, Taken)
    assert taken.made.reasons[-1][:2] == (
        "stale_source",
        "the cited block is 82 days old, over the limit of 30",
    )


def test_dry_run_of_a_sentence_stores_nothing() -> None:
    stream = make_grounded_stream()

    [tried] = decide_only(stream=stream, posts=[make_sentence("")])

    assert isinstance(tried, Taken)
    assert (tried.made.queue, tried.item_id) == ("flagged", None)
    assert not Item.objects.exists()


def test_decisions_on_sentences_replay() -> None:
    stream = make_grounded_stream(freshness_days=1)
    posts = [
        make_sentence("a", signals=GREEN, sentence="At most 12 MB."),
        make_sentence("b", blocks=()),
        make_sentence("c"),
    ]
    take_in(stream=stream, posts=posts)
    publish_grounded(stream, grounding=Grounding(0.5, 0.25, 0.25))
    post_sentence(stream, "d")
    found: list[Difference] = []

    replayed = replay_decisions(stream=stream, report=found.append)

    assert (replayed.decisions, replayed.differing, found) == (4, 0, [])


def test_replay_tells_of_evidence_that_was_changed() -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "a")
    Item.objects.update(evidence={"gap": 1.0})
    found: list[Difference] = []

    replay_decisions(stream=stream, report=found.append)

    assert [difference.field for difference in found] == ["evidence"]


def test_preview_of_other_weights_reads_the_evidence_again() -> None:
    stream = make_grounded_stream()
    take_in(
        stream=stream,
        posts=[
            make_sentence("a", signals=GREEN),
            make_sentence("b"),
            make_sentence("c", blocks=(), signals=GREEN),
        ],
    )
    before = load_spec(stream.policies.get(version=1))
    after = load_spec(publish_grounded(stream, grounding=Grounding(0.0, 1.0, 0.0)))

    preview = preview_change(stream_id=stream.id, before=before, after=after, examples=1)

    none = {"wait": 0, "escalate": 0}
    assert preview.before == none | {"act": 1, "act_and_review": 1, "refuse": 1}
    assert preview.after == none | {"act": 0, "act_and_review": 0, "refuse": 3}
    assert [(change.before, change.after, change.items) for change in preview.changes] == [
        ("act", "refuse", 1),
        ("act_and_review", "refuse", 1),
    ]
