"""Verdicts on drafted sentences."""

import json

import pytest

from reviewqueue.claims import claim_next
from reviewqueue.exports import Selection, export_lines
from reviewqueue.messages import read_message
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import overturn_verdict, undo_overturn
from reviewqueue.verdicts import Answer, VerdictError, record_verdict, repeats
from routing.models import Announcement, Stream
from tests.grounded_scenes import make_grounded_stream, post_sentence
from tests.scenes import make_person, make_stream, post

pytestmark = pytest.mark.django_db

CLAIMS = (
    {"text": "A file may have 10 MB.", "entailment_probability": 0.95},
    {"text": "It is an import file.", "entailment_probability": 0.91},
)


def judge(stream: Stream, answer: Answer) -> Verdict:
    """The answer of somebody to the one sentence that there is, judged singly."""
    rita = make_person("rita", stream, "reviewer")
    task = claim_next(user=rita, stream=stream, queue="flagged")
    assert task is not None
    assert task.lease_token is not None
    return record_verdict(
        task_id=task.id, lease_token=task.lease_token, reviewer=rita, answer=answer
    )


@pytest.fixture
def drafts() -> Stream:
    stream = make_grounded_stream(bulk_label_rate=1.0, undo_seconds=0)
    post_sentence(stream, "s-1", claims=CLAIMS)
    return stream


def test_verdict_names_the_block_and_judges_the_claims(drafts: Stream) -> None:
    answer = Answer(
        "category", ("supported",), block="files#limits", off_topic=True, claims=(True, True)
    )

    verdict = judge(drafts, answer)

    stored = Verdict.objects.get(id=verdict.id)
    assert (stored.block, stored.off_topic, stored.claims) == ("files#limits", True, [True, True])
    assert repeats(stored, answer)
    assert not repeats(stored, Answer("category", ("supported",)))
    [told] = Announcement.objects.filter(kind="item.settled")
    said = read_message(told)["data"]["verdict"]
    assert isinstance(said, dict)
    assert {name: said[name] for name in ("categories", "block", "off_topic", "claims")} == {
        "categories": ["supported"],
        "block": "files#limits",
        "off_topic": True,
        "claims": [True, True],
    }


def test_export_tells_what_a_verdict_rests_on(drafts: Stream) -> None:
    judge(drafts, Answer("category", ("supported",), block="files#limits", claims=(True, True)))

    [line] = [json.loads(line) for line in b"".join(export_lines(Selection(drafts))).splitlines()]

    [said] = line["verdicts"]
    assert {name: said[name] for name in ("block", "off_topic", "claims")} == {
        "block": "files#limits",
        "off_topic": False,
        "claims": [True, True],
    }


def test_sentence_that_is_not_supported_names_no_block(drafts: Stream) -> None:
    verdict = judge(drafts, Answer("category", ("not_supported",), claims=(True, False)))

    assert (verdict.block, verdict.claims, verdict.confirms) == ("", [True, False], False)


@pytest.mark.parametrize(
    ("answer", "field", "message"),
    [
        (
            Answer("category", ("not_supported",), block="files#limits"),
            "block",
            "Name a block only where it supports the sentence.",
        ),
        (
            Answer("category", ("supported",), block="elsewhere"),
            "block",
            "“elsewhere” is no block of this sentence; choose one of those shown.",
        ),
        (
            Answer("category", ("supported",), claims=(True,)),
            "claims",
            "The sentence makes 2 claims; say of each whether it is supported.",
        ),
        (
            Answer("category", ("supported",), claims=(True, False)),
            "claims",
            "A claim is not supported, so the sentence is not; answer “not supported”.",
        ),
        (
            Answer("ambiguous", ("supported", "not_supported")),
            "kind",
            "A sentence is supported or it is not; choose one.",
        ),
        (
            Answer("no_category_fits"),
            "kind",
            "A sentence is supported or it is not; choose one.",
        ),
    ],
)
def test_verdict_that_contradicts_itself_is_refused_by_name(
    drafts: Stream, answer: Answer, field: str, message: str
) -> None:
    with pytest.raises(VerdictError) as caught:
        judge(drafts, answer)

    assert (caught.value.field, str(caught.value)) == (field, message)


def test_overturn_of_a_verdict_names_its_own_block_and_brings_the_old_one_back(
    drafts: Stream,
) -> None:
    verdict = judge(drafts, Answer("category", ("supported",), block="files#limits"))
    Stream.objects.update(undo_seconds=3600)
    other = Answer("category", ("supported",), block="files#formats", comment="That one.")

    overturn = overturn_verdict(verdict_id=verdict.id, by=verdict.reviewer, answer=other)
    back = undo_overturn(verdict_id=overturn.id, by=verdict.reviewer)

    assert (overturn.block, back.block) == ("files#formats", "files#limits")


def test_verdict_on_scores_names_no_block() -> None:
    stream = make_stream(bulk_label_rate=1.0)
    post(stream, "HD-1")
    rita = make_person("rita", stream, "reviewer")
    task = claim_next(user=rita, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None

    with pytest.raises(VerdictError, match="Only a drafted sentence has blocks and claims"):
        record_verdict(
            task_id=task.id,
            lease_token=task.lease_token,
            reviewer=rita,
            answer=Answer("category", ("vpn_issue",), block="x"),
        )


def test_every_sentence_of_a_new_stream_that_is_labelled_is_judged_twice() -> None:
    stream = make_grounded_stream(bulk_label_rate=1.0, double_rate=1.0)
    post_sentence(stream, "s-1")

    assert sorted(ReviewTask.objects.values_list("seat", flat=True)) == [1, 2]
