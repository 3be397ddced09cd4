"""Drafted sentences in files: what goes out comes in again."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from reviewqueue.claims import claim_next
from reviewqueue.exports import Selection, export_items, export_lines
from reviewqueue.files.records import TOLD_FIELDS, Record
from reviewqueue.imports import add_categories, import_records
from reviewqueue.verdicts import Answer, record_verdict
from routing.core.policy import PolicyError
from routing.models import Item, Stream
from tests.grounded_scenes import BLOCKS, REFUSED, make_grounded_stream, post_sentence
from tests.scenes import make_person

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


@pytest.mark.parametrize("ending", ["jsonl", "csv", "csv.gz", "json"])
def test_file_of_sentences_comes_back_equal(tmp_path: Path, ending: str) -> None:
    first, second = make_grounded_stream("first"), make_grounded_stream("second")
    post_sentence(first, "s-1", signals=REFUSED | {"x": ["y", 0.5]}, draft="=7", position=1_000_000)
    post_sentence(first, "s-2", retry_of="s-1", claims=CLAIMS, priority=-3)
    post_sentence(first, "s-3", blocks=(), signals={"claim_count": 1, "entailment_probability": 0})
    path = tmp_path / f"out.{ending}"
    formats = {"jsonl": "jsonl", "csv": "csv", "json": "label-studio"}
    name = formats[ending.removesuffix(".gz")]
    call_command(
        *("export_items", "first", "--format", name, "--output", str(path)), stdout=io.StringIO()
    )
    out = io.StringIO()

    call_command("import_items", "second", str(path), stdout=out)
    call_command("import_items", "first", str(path), stdout=out)

    assert out.getvalue().splitlines() == [
        "Second: 3 taken, 0 known, 0 refused",
        "First: 0 taken, 3 known, 0 refused",
    ]
    for external_id in ("s-1", "s-2", "s-3"):
        old, new = (each.items.get(external_id=external_id) for each in (first, second))
        assert {field: getattr(new, field) for field in (*POSTED, "fingerprint")} == {
            field: getattr(old, field) for field in (*POSTED, "fingerprint")
        }
    assert second.items.get(external_id="s-2").retry_of == second.items.get(external_id="s-1")


def test_row_tells_what_a_verdict_rests_on() -> None:
    stream = make_grounded_stream(bulk_label_rate=1.0, undo_seconds=0)
    post_sentence(stream, "s-1", claims=CLAIMS)
    person = make_person("pia", stream, "reviewer")
    task = claim_next(user=person, stream=stream, queue="flagged")
    assert task is not None
    assert task.lease_token is not None
    answer = Answer(
        kind="category", categories=["supported"], block="files#limits", claims=[True, True]
    )
    record_verdict(task_id=task.id, lease_token=task.lease_token, reviewer=person, answer=answer)

    text = b"".join(export_items(Selection(stream), format_name="csv")).decode()
    [row] = csv.DictReader(io.StringIO(text))

    assert json.loads(row["blocks"]) == list(BLOCKS)
    assert {name: row[name] for name in row if name.startswith(("verdict.", "score"))} == {
        "verdict.kind": "category",
        "verdict.categories": "supported",
        "verdict.proposed_name": "",
        "verdict.comment": "",
        "verdict.answered_at": row["verdict.answered_at"],
        "verdict.block": "files#limits",
        "verdict.off_topic": "",
        "verdict.claims": "[true, true]",
    }


def test_rows_of_sentences_are_taken_or_refused_by_line_and_column(tmp_path: Path) -> None:
    make_grounded_stream()
    path = tmp_path / "in.csv"
    header = "external_id,payload.sentence,signal.entailment_probability,signal.claim_count,blocks"
    block = '"[{""id"": ""a"", ""text"": ""Ten."", ""score"": 0.9}]"'
    path.write_text(
        f"{header},claims,position,truth\n"
        f"1,Ten.,0.91,2,{block},,3,supported\n"
        f"2,Ten.,0.91,2,[],,,\n"
        f"3,Ten.,high,2,{block},,,\n"
        f"4,Ten.,0.91,2,[{{,,,\n"
        f"5,Ten.,0.91,2,{{}},,,\n"
        f"6,Ten.,0.91,2,,,,\n"
        f'7,Ten.,0.91,2,"[{{""id"": ""a"", ""score"": 0.9}}]",,,\n'
        f'8,Ten.,0.91,2,"[{{""id"": ""a"", ""text"": """", ""score"": NaN}}]",,,\n'
        f"9,Ten.,0.91,1.5,{block},,,\n"
        f"10,Ten.,,2,{block},,,\n"
        f'11,Ten.,0.91,2,{block},"{{""text"": ""x""}}",,\n'
        f"12,Ten.,0.91,2,{block},,first,\n"
    )
    out, told = io.StringIO(), io.StringIO()

    with pytest.raises(CommandError, match="10 lines were refused"):
        call_command("import_items", "drafts", str(path), stdout=out, stderr=told)

    assert told.getvalue().splitlines() == [
        "line 4: signal.entailment_probability is no number; write it such as 0.25. (It has high.)",
        "line 5: blocks is no JSON: Expecting property name enclosed in double quotes at line 1, "
        "column 3; send JSON.",
        'line 6: blocks is no JSON array; write it such as [{"text": "..."}]. (It has {}.)',
        "line 7: blocks is missing; add it.",
        "line 8: blocks.0.text is missing; add it.",
        "line 9: blocks[0].score is not a number that JSON knows; send a finite number or leave it "
        "out. (It has NaN.)",
        "line 10: signals.claim_count is 1.5; give a whole number from 0 to 1000",
        "line 11: signals.entailment_probability is missing; add how probably a block supports the "
        "sentence",
        'line 12: claims is no JSON array; write it such as [{"text": "..."}]. '
        '(It has {"text": "x"}.)',
        "line 13: position is no whole number; write it such as 3. (It has first.)",
    ]
    taken = Item.objects.get(external_id="1")
    assert taken.signals == {"entailment_probability": 0.91, "claim_count": 2}
    assert (taken.position, Item.objects.count()) == (3, 2)


def test_row_of_scores_is_told_of_the_blocks_it_lacks(tmp_path: Path) -> None:
    make_grounded_stream()
    path = tmp_path / "in.csv"
    path.write_text("external_id,payload.sentence,score.supported\n1,Ten.,0.9\n")
    told = io.StringIO()

    with pytest.raises(CommandError, match="1 line was refused"):
        call_command("import_items", "drafts", str(path), stdout=io.StringIO(), stderr=told)

    assert told.getvalue() == (
        "line 2: scores is a field that no drafted sentence has; "
        "this stream takes blocks and signals.\n"
    )


LEFT_OUT = (
    "signals were left out, since the item was to be judged blind; "
    "export it again once it is judged, or with --include-blind."
)


@pytest.mark.parametrize(
    ("format_name", "words"),
    [
        ("jsonl", f"line 1: {LEFT_OUT}"),
        (
            "csv",
            "line 2: signals.entailment_probability is missing; "
            "add how probably a block supports the sentence",
        ),
        ("label-studio", f"task 1: {LEFT_OUT}"),
    ],
)
def test_sentence_that_is_to_be_judged_blind_is_not_imported_without_its_signals(
    tmp_path: Path, format_name: str, words: str
) -> None:
    stream = make_grounded_stream(audit_rate=1.0)
    post_sentence(stream, "s-1", signals=REFUSED)
    path = tmp_path / "out"
    path.write_bytes(b"".join(export_items(Selection(stream), format_name=format_name)))
    told = io.StringIO()

    with pytest.raises(CommandError, match="1 line was refused"):
        call_command(
            *("import_items", "drafts", str(path), "--format", format_name),
            stdout=io.StringIO(),
            stderr=told,
        )

    assert told.getvalue() == f"{words}\n"


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
