"""Items as large as the API takes them go out and come back; longer ones cost no neighbour."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.claims import claim_next
from reviewqueue.files.records import LINE_BYTES
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Item, Stream
from tests.conftest import Upstream
from tests.scenes import HELD, make_person, make_stream, post

pytestmark = pytest.mark.django_db

ENDINGS = {"jsonl": "jsonl", "csv": "csv", "label-studio": "json"}
MOST = settings.ITEM_MAX_BYTES
# What stands in a cell or in a task's text with its quotes escaped once more.
PAYLOADS: Mapping[str, dict[str, object]] = {
    "one text": {"n": 1},
    "quotes": {"body": '"\n\\' * (MOST // 8)},
    "empty texts": {"deep": [""] * (MOST // 4)},
}


def post_as_large_as_it_may_be(stream: Stream, payload: Mapping[str, object]) -> None:
    body = {"external_id": "large", "payload": {**payload, "filling": ""}, "scores": HELD}
    raw = json.dumps(body, separators=(",", ":"))
    filled = raw.replace('"filling":""', f'"filling":"{"x" * (MOST - len(raw))}"').encode()
    assert len(filled) == MOST
    _, key = issue_api_key(name="large", streams=[stream])
    assert Upstream(Client(), key, stream.key).post("items", filled).status_code == 201


def judge_all(stream: Stream) -> None:
    person = make_person("rita", stream, "reviewer")
    while task := claim_next(user=person, stream=stream, queue=ReviewTask.Queue.HOLD):
        assert task.lease_token is not None
        answer = Answer(kind="category", categories=["vpn_issue"], comment="x" * 4_000)
        record_verdict(
            task_id=task.id, lease_token=task.lease_token, reviewer=person, answer=answer
        )


def rows_of(stream: Stream) -> list[tuple[object, ...]]:
    rows = Item.objects.filter(stream=stream).order_by("external_id")
    return list(rows.values_list("external_id", "payload", "scores", "fingerprint", "state"))


@pytest.mark.parametrize("format_name", ENDINGS)
@pytest.mark.parametrize("kind", PAYLOADS)
def test_item_as_large_as_the_api_takes_comes_back(
    tmp_path: Path, kind: str, format_name: str
) -> None:
    first, second = make_stream("first", undo_seconds=0), make_stream("second")
    post(first, "before")
    post_as_large_as_it_may_be(first, PAYLOADS[kind])
    post(first, "behind")
    judge_all(first)
    path, out = str(tmp_path / f"out.{ENDINGS[format_name]}"), io.StringIO()
    call_command("export_items", "first", "--format", format_name, "--output", path, stdout=out)
    call_command("import_items", "second", path, "--truth", stdout=(told := io.StringIO()))
    assert told.getvalue() == "Second: 3 taken, 0 known, 0 refused\n"
    assert rows_of(second) == rows_of(first)
    assert [row[4] for row in rows_of(first)] == ["settled"] * 3


def write_file(path: Path, texts: Mapping[str, str]) -> str:
    """Items with these texts, by their ids, in the format of the path's ending."""
    if path.suffix == ".csv":
        rows = [f'{name},"{text}",0.52' for name, text in texts.items()]
        path.write_text("\n".join(["external_id,text,score.vpn_issue", *rows]))
    elif path.suffix == ".json":
        result = [{"type": "choices", "value": {"choices": ["vpn_issue"]}, "score": 0.52}]
        predictions = [{"result": result}]
        tasks = [
            {"data": {"external_id": name, "text": text}, "predictions": predictions}
            for name, text in texts.items()
        ]
        path.write_text(json.dumps(tasks))
    else:
        lines = [{"external_id": name, "text": texts[name], "scores": HELD} for name in texts]
        path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def import_refused(file: str) -> str:
    """What was told of the only refused item."""
    told = io.StringIO()
    with pytest.raises(CommandError, match=r"^1 line was refused\.$"):
        call_command("import_items", "helpdesk", file, stdout=io.StringIO(), stderr=told)
    assert sorted(Item.objects.values_list("external_id", flat=True)) == ["before", "behind"]
    return told.getvalue()


@pytest.mark.parametrize(
    ("ending", "place", "unit"),
    [("jsonl", "line 2", "bytes"), ("csv", "line 3", "bytes"), ("json", "task 2", "characters")],
)
def test_item_that_is_too_long_to_be_read_is_listed_and_its_neighbours_arrive(
    tmp_path: Path, ending: str, place: str, unit: str
) -> None:
    make_stream()
    texts = {"before": "x", "long": "x" * LINE_BYTES, "behind": "x"}
    message = f"{place}: is longer than {LINE_BYTES:,} {unit}; shorten its payload."
    told = import_refused(write_file(tmp_path / f"items.{ending}", texts))
    assert told == f"{message}\n"
    assert message in (tmp_path / f"items.errors.{ending}").read_text()


@pytest.mark.parametrize(
    ("ending", "place"), [("jsonl", "line 2"), ("csv", "line 3"), ("json", "task 2")]
)
def test_item_larger_than_the_api_takes_is_refused_as_there(
    tmp_path: Path, ending: str, place: str
) -> None:
    make_stream()
    # In a CSV a bell is one byte, and six as the API takes it.
    text = "\x07" * (MOST // 6 + 1)
    file = write_file(tmp_path / f"items.{ending}", {"before": "x", "large": text, "behind": "x"})
    told = import_refused(file)
    assert told.startswith(f"{place}: has 1,048,")
    assert told.endswith(" characters and at most 1,048,576 are taken; shorten its payload.\n")
