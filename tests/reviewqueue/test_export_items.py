"""Exports: what is told of each item, what stays blind, and that each format comes back equal."""

import csv
import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from calibration.models import AuditDraw, GroundTruth
from reviewqueue import exports
from reviewqueue.claims import claim_next
from reviewqueue.disclosure import hidden_from
from reviewqueue.exports import Selection, export_items, export_lines
from reviewqueue.intake import take_in
from reviewqueue.known_answers import mark_known, retire_known
from reviewqueue.models import KnownAnswer, ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict, undo_verdict
from routing.ids import CLOCKS_DIFFER, first_uuid7
from routing.items import Post
from routing.models import Decision, Item, Stream
from tests.scenes import HELD, SURE, make_bare_stream, make_person, make_stream, post, post_blind
from tests.scenes import publish as publish_policy_of

pytestmark = pytest.mark.django_db

HOSTILE = {
    "formula": '=HYPERLINK("http://x")',
    "dash": "-1+1",
    "quoted": "'=1",
    "lines": 'a "b"\r\nc,d;e\n',
    "tab": "\tx",
    "bell": "\x07 é \u2028 🙂",
    "empty": "",
    " spaced ": "x",
    "n": 3,
    "deep": {"a": [1, 1.0, None, True]},
}


def read_lines(selection: Selection) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(export_lines(selection)).splitlines()]


def export(stream: Stream, *options: str, path: Path) -> str:
    call_command("export_items", stream.key, "--output", str(path), *options, stdout=io.StringIO())
    return str(path)


def told(moment: datetime) -> str:
    """A time in UTC as PostgreSQL writes it: without zeros at the end of a second's fraction."""
    whole, dot, fraction = moment.isoformat().removesuffix("+00:00").partition(".")
    digits = fraction.rstrip("0")
    return f"{whole}{dot if digits else ''}{digits}+00:00"


def judge(task: ReviewTask) -> Verdict:
    """The answer to the only open task of its queue."""
    person = make_person(f"p{task.id.hex}", task.stream, "reviewer")
    claimed = claim_next(user=person, stream=task.stream, queue=task.queue)
    assert claimed is not None
    assert claimed.lease_token is not None
    return record_verdict(
        task_id=claimed.id,
        lease_token=claimed.lease_token,
        reviewer=person,
        answer=Answer(kind="category", categories=["vpn_issue"]),
    )


def rows_of(stream: Stream) -> list[tuple[object, ...]]:
    names = ("payload", "scores", "signals", "secondary", "metadata", "model_version", "priority")
    return list(
        Item.objects.filter(stream=stream)
        .order_by("external_id")
        .values_list("external_id", "due_at", "fingerprint", *names)
    )


@pytest.mark.parametrize("debug", [False, True])
def test_statements_may_be_logged(db: None, settings: Settings, debug: bool) -> None:
    stream = make_stream()
    post(stream, "HD-1")
    settings.DEBUG = debug
    assert [line["external_id"] for line in read_lines(Selection(stream))] == ["HD-1"]


def truths_of(stream: Stream) -> list[tuple[object, ...]]:
    found = GroundTruth.objects.current().filter(stream=stream)
    return list(found.order_by("item__external_id").values_list("item__external_id", "categories"))


def make_settled_stream() -> Stream:
    """Items of every shape, all with their truth."""
    stream = make_stream("first")
    lines = [
        {
            "external_id": f"={number}",
            "payload": payload,
            "scores": scores,
            "secondary": {"vpn_issue": 1e-7},
            "metadata": {"site": "Oslo", "n": [1]},
            "signals": {"s": 0.5},
            "model_version": "m-1",
            "priority": -5,
            "due_at": "2026-12-01T10:00:00.5+02:00",
            "truth": truth,
        }
        for number, (payload, scores, truth) in enumerate(
            [
                (HOSTILE, HELD, "vpn_issue"),
                ({}, SURE, ["vpn_issue", "account_unlock"]),
                ({"formula": "plain"}, {"vpn_issue": 0.1 + 0.2}, ["security_incident"]),
            ]
        )
    ]
    import_from(stream, lines)
    return stream


def import_from(stream: Stream, lines: list[dict[str, object]]) -> None:
    path = Path(os.environ["TMPDIR_OF_TEST"]) / "in.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    call_command("import_items", stream.key, str(path), "--truth", stdout=io.StringIO())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR_OF_TEST", str(tmp_path))


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv", "csv.gz", "json"])
def test_export_comes_back_equal(tmp_path: Path, ending: str) -> None:
    first, second = make_settled_stream(), make_stream("second")
    formats = {"jsonl": "jsonl", "csv": "csv", "json": "label-studio"}
    path = export(
        first, "--format", formats[ending.removesuffix(".gz")], path=tmp_path / f"out.{ending}"
    )
    out = io.StringIO()
    call_command("import_items", "second", path, "--truth", stdout=out)
    assert out.getvalue() == "Second: 3 taken, 0 known, 0 refused\n"
    assert rows_of(second) == rows_of(first)
    assert truths_of(second) == truths_of(first)
    assert len(truths_of(first)) == 3
    call_command("import_items", "second", path, "--truth", stdout=(again := io.StringIO()))
    assert again.getvalue() == "Second: 0 taken, 3 known, 0 refused\n"


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "label-studio"])
def test_large_numbers_come_back_as_the_numbers_they_were(tmp_path: Path, format_name: str) -> None:
    stream = make_stream()
    source = tmp_path / "in.jsonl"
    numbers = "[1e300, -1e300, 1e16, 1.5e17, 1e-7, 12345678901234567, 999999999999999999, 1.0, 1]"
    source.write_text(
        f"""{{"external_id": "n", "payload": {{"n": {numbers}}}, "scores": {{"vpn_issue": 0.9}}}}
        {{"external_id": "m", "payload": {{"n": 1e400}}, "scores": {{"vpn_issue": 0.9}}}}"""
    )
    errors = io.StringIO()
    with pytest.raises(CommandError, match="1 line was refused"):
        call_command("import_items", "helpdesk", str(source), stderr=errors, stdout=io.StringIO())
    assert errors.getvalue() == (
        "line 2: payload.n is too large for a number; send a smaller one. (It has inf.)\n"
    )
    path = export(stream, "--format", format_name, path=tmp_path / "out")
    out = io.StringIO()
    call_command("import_items", "helpdesk", path, "--format", format_name, stdout=out)
    assert out.getvalue() == "Helpdesk: 0 taken, 1 known, 0 refused\n"


def test_line_tells_decision_label_and_verdict() -> None:
    stream = make_stream(undo_seconds=0)
    task = post(stream, "a", metadata={"site": "Oslo"})
    verdict = judge(task)
    decision, item = Decision.objects.get(), Item.objects.get()
    [line] = read_lines(Selection(stream))
    assert list(line) == [
        *("external_id", "payload", "scores", "signals", "secondary", "metadata"),
        *("model_version", "priority", "due_at", "truth", "blind", "state"),
        *("received_at", "settled_at", "decision", "label", "verdicts"),
    ]
    assert (line["external_id"], line["payload"], line["scores"]) == ("a", item.payload, HELD)
    assert (line["truth"], line["blind"], line["state"]) == ("vpn_issue", False, "settled")
    assert line["decision"] == {
        "queue": "hold",
        "action": "wait",
        "predicted": "vpn_issue",
        "category": "",
        "source": "",
        "raw_confidence": decision.raw_confidence,
        "confidence": decision.confidence,
        "margin": decision.margin,
        "entropy": decision.entropy,
        "watch": [],
        "reasons": decision.reasons,
        "policy_version": 1,
        "label_pi": 1.0,
        "decided_at": told(decision.decided_at),
    }
    truth = GroundTruth.objects.get()
    assert line["label"] == {
        "kind": "category",
        "categories": ["vpn_issue"],
        "pi": 1.0,
        "blind": False,
        "source": "hold",
        "settled_at": told(truth.settled_at),
    }
    assert line["verdicts"] == [
        {
            "kind": "category",
            "categories": ["vpn_issue"],
            "proposed_name": "",
            "comment": "",
            "blind": False,
            "in_bulk": False,
            "answered_at": told(verdict.answered_at),
        }
    ]


def test_judgement_is_told_when_its_undo_window_is_over() -> None:
    stream = make_stream(undo_seconds=3600)
    judge(post(stream, "a"))
    [line] = read_lines(Selection(stream))
    assert (line["truth"], line["label"], line["verdicts"]) == (None, None, None)
    assert (line["blind"], line["scores"]) == (False, HELD)


def hidden(line: Mapping[str, Any]) -> bool:
    names = ("scores", "signals", "secondary", "decision", "truth", "label", "verdicts")
    return line["blind"] is True and [line[name] for name in names] == [None] * len(names)


def test_what_is_to_be_judged_blind_stays_blind() -> None:
    stream = make_stream(undo_seconds=3600)
    judge(post_blind(stream, "undoable"))
    post_blind(stream, "open")
    post(stream, "seen")
    drawn = post(stream, "drawn")
    AuditDraw.objects.create(stream=stream, item=drawn.item, decision=drawn.decision, pi=0.5)
    lines = {line["external_id"]: line for line in read_lines(Selection(stream))}
    blind = {name for name, line in lines.items() if hidden(line)}
    assert blind == {"open", "undoable", "drawn"}
    assert lines["seen"]["scores"] == HELD
    told = read_lines(Selection(stream, include_blind=True))
    assert [(line["blind"], line["scores"]) for line in told] == [(False, HELD)] * 4
    assert [line["verdicts"] for line in told] == [None] * 4
    for name in ("csv", "label-studio"):
        text = b"".join(export_items(Selection(stream), format_name=name)).decode()
        assert text.count(str(HELD["account_unlock"])) == 1


def test_blind_are_those_of_which_no_page_tells_anything() -> None:
    stream = make_stream(undo_seconds=0)
    for name in ("past", "known", "retired"):
        judge(post_blind(stream, name))
    for name in ("known", "retired"):
        known = mark_known(
            stream=stream, external_id=name, answer=Answer("category", ["vpn_issue"])
        )
    retire_known(known_id=known.id, by=make_person("root", is_superuser=True))
    Stream.objects.update(undo_seconds=3600)
    stream.refresh_from_db()
    withdrawn = judge(post_blind(stream, "withdrawn"))
    undo_verdict(verdict_id=withdrawn.id, reviewer=withdrawn.reviewer)
    judge(post_blind(stream, "undoable"))
    judge(post(stream, "seen"))
    post_blind(stream, "open")
    post(stream, "waiting")
    for name, opened_at in (("drawn", None), ("opened", timezone.now())):
        task = post(stream, name)
        given = {"item": task.item, "decision": task.decision, "opened_at": opened_at}
        AuditDraw.objects.create(stream=stream, pi=0.5, **given)
    newcomer = make_person("newcomer", stream, "reviewer")
    on_pages = Item.objects.filter(hidden_from(viewer=newcomer, stream=stream, item="id"))
    exported = {line["external_id"] for line in read_lines(Selection(stream)) if line["blind"]}
    assert exported == {"known", "withdrawn", "undoable", "open", "drawn"}
    assert set(on_pages.values_list("external_id", flat=True)) == exported


def test_known_answer_is_not_told() -> None:
    stream = make_stream(undo_seconds=0)
    judge(task := post(stream, "a"))
    given = {"item": task.item, "decision": task.decision, "categories": ["vpn_issue"]}
    KnownAnswer.objects.create(stream=stream, kind="category", **given)
    assert [hidden(line) for line in read_lines(Selection(stream))] == [True]
    [told] = read_lines(Selection(stream, include_blind=True))
    assert told["truth"] == "vpn_issue"
    KnownAnswer.objects.update(retired_at=timezone.now())
    assert [hidden(line) for line in read_lines(Selection(stream))] == [False]


def test_pages_follow_each_other_and_other_streams_stay_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exports, "PAGE_ITEMS", 3)
    stream, other = make_stream(), make_stream("other")
    for number in range(7):
        post(stream, f"a{number}")
        post(other, f"b{number}")
    found = [line["external_id"] for line in read_lines(Selection(stream))]
    assert found == [f"a{number}" for number in range(7)]


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "label-studio"])
def test_export_of_ten_times_the_items_takes_no_more_memory(
    format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PAGE_ITEMS", 50)
    small, large = make_stream("small"), make_stream("large")
    for stream, count in ((small, 100), (large, 1_000)):
        payload = {"body": "x" * 4_000}
        posts = [Post(external_id=f"t{n}", payload=payload, scores=SURE) for n in range(count)]
        take_in(stream=stream, posts=posts)
    sizes, peaks = [], []
    for stream in (small, small, large):  # the first loads what the others find loaded
        tracemalloc.start()
        blocks = export_items(Selection(stream), format_name=format_name)
        sizes.append(sum(map(len, blocks)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[2] > 9 * sizes[1]
    assert peaks[2] < 1.2 * peaks[1] < sizes[2], (sizes, peaks)


def test_only_decisions_are_looked_up_item_by_item() -> None:
    stream = make_stream()
    for number in range(3):
        post(stream, f"a{number}")
    ids = Item.objects.order_by("id").values_list("id", flat=True)
    given = {
        "stream": stream.id,
        "after": exports.FIRST_ID,
        "last": ids.last(),
        "state": "",
        "since": None,
        "include_blind": False,
        "is_grounded": False,
    }
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE routing_item, routing_decision, reviewqueue_reviewtask")
        cursor.execute(exports.PAGE_PLAN)
        cursor.execute(f"EXPLAIN {exports.PAGE_LINES}", given)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("Nested Loop") == 1


def test_export_since_a_time_reads_no_items_from_before() -> None:
    stream = make_stream()
    begin = timezone.now()
    post(stream, "a")
    begun = exports.find_beginning(Selection(stream, since=begin))
    assert begun == first_uuid7(begin - CLOCKS_DIFFER)
    assert exports.find_beginning(Selection(stream)) == exports.FIRST_ID
    assert [one["external_id"] for one in read_lines(Selection(stream, since=begin))] == ["a"]
    # From before there were times: all.
    old = Selection(stream, since=datetime(1, 1, 2, tzinfo=UTC))
    assert len(read_lines(old)) == 1
    assert read_lines(Selection(stream, since=begin + timedelta(hours=1))) == []


def test_selection_by_state_and_time(tmp_path: Path) -> None:
    stream = make_stream(undo_seconds=0, time_zone="Europe/Berlin")
    judge(post(stream, "old"))
    post(stream, "new")
    Item.objects.filter(external_id="old").update(received_at="2026-01-31T23:30:00Z")

    def ids(*options: str) -> list[str]:
        path = export(stream, *options, path=tmp_path / "out.jsonl")
        return [json.loads(line)["external_id"] for line in Path(path).read_text().splitlines()]

    assert ids() == ["old", "new"]
    assert ids("--state", "settled") == ["old"]
    assert ids("--since", "2026-02-01") == ["old", "new"]
    assert ids("--since", "2026-02-02") == ["new"]
    assert ids("--since", "2026-01-31T23:30:01Z") == ["new"]
    with pytest.raises(CommandError, match="--since soon: write 2026-01-31"):
        ids("--since", "soon")
    with pytest.raises(CommandError, match="--since 2026-02-31: write 2026-01-31"):
        ids("--since", "2026-02-31")


@pytest.mark.parametrize(
    ("name", "content"), [("jsonl", b""), ("label-studio", b"[]\n")], ids=["jsonl", "tasks"]
)
def test_stream_without_items(name: str, content: bytes) -> None:
    assert b"".join(export_items(Selection(make_stream()), format_name=name)) == content


def test_csv_holds_no_formula_and_unlocks_no_spreadsheet(tmp_path: Path) -> None:
    path = export(make_settled_stream(), "--format", "csv", path=tmp_path / "out.csv")
    with Path(path).open(newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {len(rows[0])}
    harmful = [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r\n"))]
    assert harmful == []
    assert "payload.formula" in rows[0]
    assert "payload. spaced " not in rows[0]


def test_tasks_are_as_label_studio_documents_them(tmp_path: Path) -> None:
    config = tmp_path / "config.xml"
    path = export(
        make_settled_stream(),
        *("--format", "label-studio", "--labelling-config", str(config)),
        path=tmp_path / "out.json",
    )
    tasks = json.loads(Path(path).read_text())
    assert [sorted(task) for task in tasks] == [["annotations", "data", "meta", "predictions"]] * 3
    assert {type(task["data"]["text"]) for task in tasks} == {str}
    assert tasks[1]["annotations"] == [
        {
            "ground_truth": True,
            "result": [
                {
                    "id": "category",
                    "from_name": "category",
                    "to_name": "text",
                    "type": "choices",
                    "value": {"choices": ["vpn_issue", "account_unlock"]},
                }
            ],
        }
    ]
    [prediction] = tasks[1]["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("m-1", 0.97)
    assert prediction["result"][0]["value"] == {"choices": ["vpn_issue"]}
    assert config.read_text() == (
        '<View>\n  <Text name="text" value="$text"/>\n'
        '  <Choices name="category" toName="text" choice="multiple" required="true">\n'
        '    <Choice value="Account unlock" alias="account_unlock"/>\n'
        '    <Choice value="VPN issue" alias="vpn_issue"/>\n'
        '    <Choice value="Security incident" alias="security_incident"/>\n'
        "  </Choices>\n</View>\n"
    )


def test_file_stands_under_its_name_once_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_settled_stream()
    path = tmp_path / "out.jsonl.gz"
    export(stream, path=path)
    whole = gzip.decompress(path.read_bytes())
    assert len(whole.splitlines()) == 3
    with pytest.raises(CommandError, match="cannot be written: Not a directory"):
        export(stream, path=path / "x")
    monkeypatch.setattr(exports, "_COPY", "COPY (SELECT 1/0 {lines}) TO STDOUT")
    with pytest.raises(Exception, match="syntax error"):
        export(stream, path=path)
    assert gzip.decompress(path.read_bytes()) == whole
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl.gz"]


def test_unknown_stream_names_the_known() -> None:
    make_stream()
    with pytest.raises(CommandError, match="There is no stream 'x'; the streams are: helpdesk"):
        call_command("export_items", "x")


def test_category_key_that_no_json_holds_as_it_is_stays_whole() -> None:
    stream = make_bare_stream("odd", categories=['a"b\\', "c"])
    publish_policy_of(stream)
    scores = {'a"b\\': 0.6, "c": 0.4}
    post(stream, "x", scores=scores)
    [line] = read_lines(Selection(stream))
    assert (line["scores"], line["decision"]["predicted"]) == (scores, 'a"b\\')
    assert Item.objects.get().received_at <= timezone.now()
