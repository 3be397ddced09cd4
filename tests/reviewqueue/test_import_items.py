"""Files of items: every line is taken, known, or refused by its number; nothing twice."""

import gzip
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from calibration.models import AuditDraw, FrameDelta, GroundTruth
from reviewqueue.files.jsonl import JsonLines
from reviewqueue.files.records import LINE_BYTES, Record
from reviewqueue.imports import Refusal, import_records
from reviewqueue.models import ReviewTask
from routing.models import Category, Decision, Item, Policy, Stream
from tests.scenes import KEYS, make_bare_stream

pytestmark = pytest.mark.django_db

SURE = {"account_unlock": 0.97, "vpn_issue": 0.02, "security_incident": 0.01}
TORN = {"account_unlock": 0.5, "vpn_issue": 0.4, "security_incident": 0.1}


def make_line(external_id: str, **fields: object) -> dict[str, object]:
    return {"external_id": external_id, "text": f"Text of {external_id}.", "scores": TORN, **fields}


def write(path: Path, *lines: object) -> str:
    text = "".join(
        f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines
    ).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return str(path)


def run(stream: str, file: str, *options: str) -> str:
    out = io.StringIO()
    call_command("import_items", stream, file, *options, stdout=out)
    return out.getvalue()


def run_refused(stream: str, file: str, *options: str) -> tuple[str, list[str]]:
    """The error and the lines that were told to the terminal."""
    told = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("import_items", stream, file, *options, stdout=io.StringIO(), stderr=told)
    return str(refused.value), told.getvalue().splitlines()


@pytest.mark.parametrize("name", ["items.jsonl", "items.jsonl.gz", "items"])
def test_import_takes_every_line(stream: Stream, tmp_path: Path, name: str) -> None:
    file = write(
        tmp_path / name,
        make_line("a", model_version="m-2", priority=3, metadata={"site": "Oslo"}),
        "",
        {"external_id": "b", "payload": {"subject": "S", "body": "B"}, "scores": SURE},
    )
    assert run("helpdesk", file) == "Helpdesk: 2 taken, 0 known, 0 refused\n"
    first, second = Item.objects.order_by("external_id")
    assert (first.payload, second.payload) == (
        {"text": "Text of a."},
        {"subject": "S", "body": "B"},
    )
    assert (first.model_version, first.priority, first.metadata) == ("m-2", 3, {"site": "Oslo"})
    assert (first.scores, second.scores) == (TORN, SURE)
    assert [decision.queue for decision in Decision.objects.order_by("id")] == ["reject", "auto"]


def test_import_again_after_an_interruption_adds_only_what_is_missing(
    stream: Stream, tmp_path: Path
) -> None:
    lines = [make_line(f"t{number}") for number in range(20)]
    run("helpdesk", write(tmp_path / "part.jsonl", *lines[:12]))
    whole = write(tmp_path / "whole.jsonl", *lines)
    assert run("helpdesk", whole) == "Helpdesk: 8 taken, 12 known, 0 refused\n"
    rows = set(Item.objects.values_list("id", "external_id"))
    assert run("helpdesk", whole) == "Helpdesk: 0 taken, 20 known, 0 refused\n"
    assert set(Item.objects.values_list("id", "external_id")) == rows
    assert (len(rows), Decision.objects.count(), ReviewTask.objects.count()) == (20, 20, 20)


def test_an_empty_value_is_not_quoted(stream: Stream, tmp_path: Path) -> None:
    _, told = run_refused("helpdesk", write(tmp_path / "items.jsonl", make_line("")))
    assert [line.partition("external_id")[2] for line in told] == [" is empty; give it a value."]


def test_import_tells_each_bad_line_and_takes_the_rest(stream: Stream, tmp_path: Path) -> None:
    file = write(
        tmp_path / "items.jsonl",
        make_line("good-1"),
        '{"external_id": "cut off',
        make_line("x", scores={"vpn_isue": 0.9}),
        make_line("x", scores={"vpn_issue": 1.9}),
        make_line("x", payload={"body": "twice"}),
        make_line("x", score=0.9),
        {"text": "no id", "scores": TORN},
        "[1, 2]",
        '{"external_id": "x", "external_id": "y"}',
        make_line("good-1", text="another body"),
        make_line("x", text="nul \0 inside"),
        make_line("good-2"),
    )
    error, told = run_refused("helpdesk", file)
    assert error == "10 lines were refused."
    assert sorted(Item.objects.values_list("external_id", flat=True)) == ["good-1", "good-2"]
    expected = {
        2: "Unterminated string",
        3: "scores.vpn_isue",
        4: "scores.vpn_issue",
        5: "text stands beside payload; give one.",
        6: "score is no field of an item; did you mean scores?",
        7: "external_id is missing; add it.",
        8: "is no object",
        9: "external_id",
        10: "external_id 'good-1' is taken by an item with another body",
        11: "payload.text holds a NUL character",
    }
    by_number = {int(line.removeprefix("line ").split(":")[0].split(",")[0]): line for line in told}
    assert sorted(by_number) == sorted(expected)
    for number, words in expected.items():
        assert words in by_number[number]
    assert "column" in by_number[2]
    assert "line 1" not in by_number[2]


def test_import_tells_a_hundred_bad_lines_and_counts_all(stream: Stream, tmp_path: Path) -> None:
    error, told = run_refused("helpdesk", write(tmp_path / "bad.jsonl", *["{"] * 130))
    assert error == "130 lines were refused."
    assert len(told) == 101
    assert told[99].startswith("line 100:")
    assert told[100] == "More lines are refused and only counted."


def test_import_reads_the_standard_input(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Path(write(tmp_path / "items.jsonl.gz", make_line("a"), make_line("b"))).read_bytes()
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert run("helpdesk", "-") == "Helpdesk: 2 taken, 0 known, 0 refused\n"


def test_import_creates_categories_from_the_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    reading, writing = os.pipe()
    os.write(writing, json.dumps(make_line("a")).encode())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        out = run("new-desk", "-", "--create-stream")
    assert out == "New desk: 3 categories added\nNew desk: 1 taken, 0 known, 0 refused\n"


def test_import_accepts_a_byte_order_mark(stream: Stream, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(make_line("a")).encode())
    assert run("helpdesk", str(path)) == "Helpdesk: 1 taken, 0 known, 0 refused\n"


def test_import_of_a_torn_archive_keeps_what_was_read(stream: Stream, tmp_path: Path) -> None:
    lines = [make_line(f"t{number}", text="x" * 200) for number in range(3_000)]
    whole = Path(write(tmp_path / "items.jsonl.gz", *lines))
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(whole.read_bytes()[:-2_000])
    error, _ = run_refused("helpdesk", str(torn))
    assert "torn.jsonl.gz is damaged" in error
    assert Item.objects.count() in (1_000, 2_000)


def test_import_ignores_a_truth_that_was_not_asked_for(stream: Stream, tmp_path: Path) -> None:
    run("helpdesk", write(tmp_path / "items.jsonl", make_line("a", truth="vpn_issue")))
    assert GroundTruth.objects.count() == 0
    assert Item.objects.get().state == "waiting"


def test_import_with_truth_settles_every_item_without_asking_anybody(
    stream: Stream, tmp_path: Path
) -> None:
    Stream.objects.update(audit_rate=1.0)
    file = write(
        tmp_path / "items.jsonl",
        make_line("a", truth="vpn_issue"),
        make_line("b", truth=["vpn_issue", "account_unlock"], scores=SURE),
    )
    assert run("helpdesk", file, "--truth") == "Helpdesk: 2 taken, 0 known, 0 refused\n"
    truths = GroundTruth.objects.order_by("item__external_id")
    assert [(truth.kind, truth.categories) for truth in truths] == [
        ("category", ["vpn_issue"]),
        ("ambiguous", ["vpn_issue", "account_unlock"]),
    ]
    assert {(truth.pi, truth.source, truth.blind) for truth in truths} == {(1.0, "import", True)}
    assert [truth.decision.item_id for truth in truths] == [truth.item_id for truth in truths]
    assert [item.state for item in Item.objects.all()] == ["settled", "settled"]
    assert set(Decision.objects.values_list("label_pi", flat=True)) == {1.0}
    assert set(FrameDelta.objects.values_list("pi", flat=True)) == {1.0}
    assert (ReviewTask.objects.count(), AuditDraw.objects.count()) == (0, 0)
    assert run("helpdesk", file, "--truth") == "Helpdesk: 0 taken, 2 known, 0 refused\n"
    assert GroundTruth.objects.count() == 2


def test_import_with_truth_refuses_lines_without_a_known_one(
    stream: Stream, tmp_path: Path
) -> None:
    file = write(
        tmp_path / "items.jsonl",
        make_line("a"),
        make_line("b", truth="vpn"),
        make_line("c", truth=[]),
        make_line("d", truth=["vpn_issue", "vpn_issue"]),
        make_line("e", truth={"vpn_issue": 1}),
        make_line("f", truth="vpn_issue"),
    )
    error, told = run_refused("helpdesk", file, "--truth")
    assert error == "5 lines were refused."
    assert told[0] == "line 1: truth is missing; add it, or import without truths."
    assert told[1].startswith("line 2: truth names vpn, which is no category of this stream;")
    assert [line.split(":")[0] for line in told] == [f"line {n}" for n in range(1, 6)]
    assert list(Item.objects.values_list("external_id", flat=True)) == ["f"]


def test_import_with_truth_may_name_categories_outside_the_policy(
    stream: Stream, tmp_path: Path
) -> None:
    stream.categories.create(key="printer", label="Printer", position=9)
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())
    truths = ["printer", ["vpn_issue", "printer"]]
    lines = [make_line(f"i{n}", truth=truth) for n, truth in enumerate(truths)]
    file = write(tmp_path / "items.jsonl", *lines)
    run("helpdesk", file, "--truth")
    stored = GroundTruth.objects.order_by("item__external_id").values_list("categories", flat=True)
    assert list(stored) == [["printer"], ["vpn_issue", "printer"]]


def test_import_into_an_unknown_stream_names_the_known(stream: Stream, tmp_path: Path) -> None:
    file = write(tmp_path / "items.jsonl", make_line("a"))
    error, _ = run_refused("helpdeks", file)
    assert error == (
        "There is no stream 'helpdeks'; the streams are: helpdesk. Create it with --create-stream."
    )


def test_import_without_a_policy_says_what_to_do(tmp_path: Path, db: None) -> None:
    make_bare_stream()
    file = write(tmp_path / "items.jsonl", make_line("a"))
    error, _ = run_refused("helpdesk", file)
    assert error == (
        "helpdesk has no published policy: publish one in the admin, or add --create-categories."
    )
    assert Item.objects.count() == 0


def test_import_of_a_missing_file_says_so(stream: Stream) -> None:
    error, _ = run_refused("helpdesk", "/nowhere/items.jsonl")
    assert error == "/nowhere/items.jsonl cannot be read: No such file or directory."


def test_import_creates_stream_categories_and_a_first_policy(tmp_path: Path, db: None) -> None:
    file = write(
        tmp_path / "bank.jsonl.gz",
        make_line("a", scores={"card_lost": 0.9, "top_up?": 0.1}),
        "{",
        make_line("b", scores={"top_up?": 0.6, "Refund": 0.3, "bad key": 0.1}),
    )
    error, told = run_refused("bank-intents", file, "--create-stream")
    assert error == "2 lines were refused."
    assert told[1].startswith("line 3, scores.bad key:")
    stream = Stream.objects.get()
    assert (stream.key, stream.name) == ("bank-intents", "Bank intents")
    assert list(stream.categories.values_list("key", "label", "position")) == [
        ("card_lost", "Card lost", 0),
        ("top_up?", "Top up?", 1),
        ("Refund", "Refund", 2),
    ]
    policy = stream.policies.get()
    assert (policy.version, policy.auto, policy.flagged, policy.hold) == (1, 0.9, 0.7, 0.5)
    assert policy.category_keys == ["card_lost", "top_up?", "Refund"]
    assert policy.reason == "Categories of bank.jsonl.gz."
    assert Item.objects.get().external_id == "a"


def test_import_adds_missing_categories_under_a_next_version(
    stream: Stream, tmp_path: Path
) -> None:
    file = write(tmp_path / "more.jsonl", make_line("a", scores={"printer_jam": 0.8}))
    assert run("helpdesk", file, "--create-categories") == (
        "Helpdesk: 1 category added\nHelpdesk: 1 taken, 0 known, 0 refused\n"
    )
    policy = stream.policies.current().get()
    assert (policy.version, policy.auto, policy.min_margin) == (2, 0.80, 0.30)
    assert policy.category_keys == [*KEYS, "printer_jam"]
    assert policy.rules.count() == 2
    run("helpdesk", file, "--create-categories")
    assert (Policy.objects.count(), Category.objects.count()) == (2, 4)


@pytest.mark.parametrize("key", ["Bad Key", "a/b"])
def test_import_into_a_stream_that_cannot_be_named_so(tmp_path: Path, db: None, key: str) -> None:
    file = write(tmp_path / "items.jsonl", make_line("a"))
    error, _ = run_refused(key, file, "--create-stream")
    assert error.startswith(f"stream {key!r}: Enter a valid “slug”")
    assert Stream.objects.count() == 0


@pytest.mark.parametrize("lines", [[], ["{"], ['{"scores": {}}'], ['{"scores": [1]}']])
def test_import_without_any_category_creates_nothing(
    tmp_path: Path, db: None, lines: list[str]
) -> None:
    error, _ = run_refused("empty", write(tmp_path / "e.jsonl", *lines), "--create-stream")
    assert error == "The stream has no categories; add them first."
    assert (Stream.objects.count(), Policy.objects.count()) == (0, 0)


def test_import_of_ids_instead_of_categories_creates_nothing(tmp_path: Path, db: None) -> None:
    scores = {f"id-{number}": 0.0001 for number in range(1_001)}
    file = write(tmp_path / "ids.jsonl", make_line("a", scores=scores))
    error, _ = run_refused("ids", file, "--create-stream")
    assert error.startswith("The scores name 1,001 new categories and a stream has at most 1,000;")
    assert Stream.objects.count() == 0


def test_import_holds_no_more_than_one_batch(stream: Stream) -> None:
    stored: list[int] = []

    def records() -> Iterator[Record]:
        for number in range(1, 2_002):
            if number % 1_000 == 1:
                stored.append(Item.objects.count())
            body = make_line(f"t{number}", payload={})
            del body["text"]
            yield Record(f"line {number}", b"", body)

    refused: list[Refusal] = []
    counts = import_records(
        stream=stream, records=records(), with_truth=False, on_refusal=refused.append
    )
    assert stored == [0, 1_000, 2_000]
    assert (counts.taken, counts.known, counts.refused, refused) == (2_001, 0, 0, [])


def test_lines_that_are_too_long_are_passed_over() -> None:
    text = b'{"a": 1}\n' + b"x" * (3 * LINE_BYTES) + b'\n\n{"b": 2}'
    records = list(JsonLines(io.BytesIO(text)))
    assert [(record.place, record.source, record.body) for record in records] == [
        ("line 1", b'{"a": 1}\n', {"a": 1}),
        ("line 2", b"", None),
        ("line 4", b'{"b": 2}', {"b": 2}),
    ]
    assert records[1].problem is not None
    assert records[1].problem.code == "too_large"


def test_import_tells_a_line_that_is_too_long(stream: Stream, tmp_path: Path) -> None:
    file = write(tmp_path / "items.jsonl", make_line("a", text="x" * LINE_BYTES), make_line("b"))
    error, told = run_refused("helpdesk", file)
    assert error == "1 line was refused."
    assert told == ["line 1: is longer than 4,194,304 bytes; shorten its payload."]
    assert Item.objects.get().external_id == "b"


def test_import_of_a_csv_names_columns_and_refuses_by_column(
    stream: Stream, tmp_path: Path
) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "ticket;message;junk;score.vpn_issue\n1;'=1+1;?;0.9\n2;two;?;0,9\n3;nul \0;?;0.9\n"
    )
    options = ["--text", "message", "--column", "ticket=external_id", "--column", "junk="]
    error, told = run_refused("helpdesk", str(path), *options)
    assert error == "2 lines were refused."
    assert told[0].startswith("line 3: score.vpn_issue is no number; write it such as 0.25.")
    assert told[1].startswith("line 4: payload.text holds a NUL character")
    assert Item.objects.get().payload == {"text": "=1+1"}
    errors = tmp_path / "items.errors.csv"
    errors.write_text(errors.read_text().replace("0,9", "0.9").replace("\0", ""))
    assert run("helpdesk", str(errors), *options) == "Helpdesk: 2 taken, 0 known, 0 refused\n"


def test_import_of_label_studio_creates_categories_and_takes_truths(
    tmp_path: Path, db: None
) -> None:
    region = {"type": "choices", "value": {"choices": ["vpn"]}}
    other = {"type": "choices", "value": {"choices": ["mail"]}}
    task: dict[str, object] = {
        "data": {"external_id": "1", "text": "x"},
        "predictions": [{"result": [region | {"score": 0.8}, other | {"score": 0.2}]}],
        "annotations": [{"result": [region]}],
    }
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([task, {**task, "data": 3}])[:-1])
    error, told = run_refused("desk", str(path), "--create-stream", "--truth")
    assert error == "2 lines were refused."
    assert told == [
        "task 2: data is no object; write a JSON object.",
        "task 3: is missing, for the file ends inside the array. Nothing from there on was read; "
        "mend the file.",
    ]
    assert GroundTruth.objects.get().categories == ["vpn"]
    assert json.loads((tmp_path / "tasks.errors.json").read_text())[0]["data"] == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--column", "text"], "--column text: write NAME=FIELD, such as body=payload.body."),
        (["--delimiter", "||"], "--delimiter ||: give one character, or \\t for a tab."),
        (["--column", "x=text"], "There is no column 'x': the file has external_id, score.a."),
        (["--errors", "{file}"], "is the file itself; name another."),
        (["--errors", "{folder}/no/x"], "cannot be written: No such file or directory; say where"),
    ],
)
def test_import_with_options_that_do_not_hold(
    stream: Stream, tmp_path: Path, options: list[str], words: str
) -> None:
    path = tmp_path / "items.csv"
    path.write_text("external_id,score.a\n1,0.5\n")
    given = [option.format(file=path, folder=tmp_path) for option in options]
    error, _ = run_refused("helpdesk", str(path), *given)
    assert words in error


def test_import_says_that_an_empty_csv_has_no_header(stream: Stream, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(b"")
    error, _ = run_refused("helpdesk", str(path))
    assert error.startswith(f"{path}: The file has no header; its first line names the columns")
    assert run("helpdesk", write(tmp_path / "empty.jsonl")) == (
        "Helpdesk: 0 taken, 0 known, 0 refused\n"
    )
