"""Drafted sentences in files: what goes out comes in again."""

import json

import pytest

from reviewqueue.exports import Selection, export_lines
from reviewqueue.files.records import TOLD_FIELDS, Record
from reviewqueue.imports import add_categories, import_records
from routing.core.policy import PolicyError
from routing.models import Item, Stream
from tests.grounded_scenes import REFUSED, make_grounded_stream, post_sentence

pytestmark = pytest.mark.django_db

CLAIMS = ({"text": "It is 10 MB.", "entailment_probability": 0.91},) * 2
POSTED = (
    *("external_id", "payload", "signals", "metadata", "blocks", "claims", "draft", "position"),
    *("model_version", "priority"),
)


def take(stream: Stream, lines: bytes) -> tuple[list[str], str]:
    """What was refused, and the counts in words."""
    refused: list[str] = []
    records = [
        Record(f"line {number}", line, json.loads(line))
        for number, line in enumerate(lines.splitlines(), 1)
    ]
    for record in records:
        for name in (
            "blind",
            "state",
            "received_at",
            "settled_at",
            "decision",
            "label",
            "verdicts",
        ):
            record.body.pop(name)  # type: ignore[attr-defined]
    counts = import_records(
        stream=stream,
        records=records,
        with_truth=False,
        on_refusal=lambda refusal: refused.append(str(refusal)),
    )
    return refused, str(counts)


def test_exported_sentences_are_imported_as_they_were() -> None:
    first, second = make_grounded_stream("first"), make_grounded_stream("second")
    post_sentence(first, "s-1", signals=REFUSED, draft="letter-7", position=3)
    post_sentence(first, "s-2", retry_of="s-1", claims=CLAIMS)

    lines = b"".join(export_lines(Selection(first)))

    assert take(second, lines) == ([], "2 taken, 0 known, 0 refused")
    for name in ("s-1", "s-2"):
        old, new = (each.items.get(external_id=name) for each in (first, second))
        assert {field: getattr(new, field) for field in POSTED} == {
            field: getattr(old, field) for field in POSTED
        }
    assert second.items.get(external_id="s-2").retry_of == second.items.get(external_id="s-1")
    assert take(first, lines)[1] == "0 taken, 2 known, 0 refused"


def test_line_of_scores_is_refused_in_a_stream_of_sentences() -> None:
    stream = make_grounded_stream()
    body = {"external_id": "a", "payload": {"sentence": "x"}, "scores": {"supported": 1.0}}
    told = dict.fromkeys(TOLD_FIELDS)

    refused, _counts = take(stream, json.dumps(body | told).encode())

    assert refused == [
        "line 1: scores is a field that no drafted sentence has; "
        "this stream takes blocks and signals."
    ]
    assert not Item.objects.exists()


def test_categories_of_a_file_are_not_added_to_a_stream_of_sentences() -> None:
    with pytest.raises(PolicyError, match="has its two answers and takes no more"):
        add_categories(stream=make_grounded_stream(), keys=["refund"], reason="a file")
