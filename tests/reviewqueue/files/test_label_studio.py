"""Label Studio's tasks: choices of predictions are scores, those of annotations the truth."""

import io
import json
from typing import Any

import pytest

from reviewqueue.files.json_objects import CHUNK_BYTES
from reviewqueue.files.label_studio import Tasks
from reviewqueue.files.records import LINE_BYTES, Record, RefusedFile

NAMES = {"VPN issue": "vpn", "Account unlock": "unlock"}


def choice(*names: str, **fields: object) -> dict[str, object]:
    value = {"choices": list(names)}
    return {"type": "choices", "from_name": "c", "to_name": "t", "value": value, **fields}


def make_task(number: int = 1, **fields: object) -> dict[str, Any]:
    prediction = {
        "model_version": "m1",
        "result": [choice("VPN issue", score=0.8), choice("unlock", score=0.1)],
    }
    return {
        "id": number,
        "data": {"external_id": f"t{number}", "text": "Hello"},
        "predictions": [prediction],
        **fields,
    }


def read(content: bytes | object) -> list[Record]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(Tasks(io.BytesIO(raw), names=NAMES))


def body_of(task: object) -> dict[str, Any]:
    [record] = read([task])
    assert record.problem is None
    assert isinstance(record.body, dict)
    return record.body


def problem_of(task: object) -> str:
    [record] = read([task])
    assert record.problem is not None
    return record.problem.detail


def test_task_becomes_an_item() -> None:
    annotations = [{"result": [choice("VPN issue")], "was_cancelled": False}]
    assert body_of(make_task(annotations=annotations)) == {
        "external_id": "t1",
        "payload": {"text": "Hello"},
        "scores": {"vpn": 0.8, "unlock": 0.1},
        "model_version": "m1",
        "truth": "vpn",
    }


def test_score_of_the_whole_prediction_is_that_of_its_only_choice() -> None:
    predictions = [{"score": 0.7, "result": [choice("vpn")]}]
    assert body_of(make_task(predictions=predictions))["scores"] == {"vpn": 0.7}


def test_id_of_the_task_stands_in_for_a_missing_one() -> None:
    assert body_of(make_task(5, data={"text": "x"}))["external_id"] == "task-5"
    assert body_of(make_task(data={"external_id": 12, "text": "x"}))["external_id"] == "12"


@pytest.mark.parametrize(
    ("annotations", "truth"),
    [
        ([], None),
        ([{"result": []}], None),
        ([{"result": [choice("vpn")], "was_cancelled": True}], None),
        ([{"result": [choice("vpn", "Account unlock")]}], ["vpn", "unlock"]),
        ([{"result": [choice("vpn")]}, {"result": [choice("VPN issue")]}], "vpn"),
        (
            [{"result": [choice("unlock")]}, {"result": [choice("vpn")], "ground_truth": True}],
            "vpn",
        ),
    ],
)
def test_annotations_that_count_are_the_truth(annotations: object, truth: object) -> None:
    assert body_of(make_task(annotations=annotations)).get("truth") == truth


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"id": 1}, "data is no object; write a JSON object."),
        ({"data": {"text": "x"}}, "data.external_id is missing, and so is id; add one."),
        (
            make_task(predictions=[{"result": [choice("vpn")]}]),
            "predictions[0].result[0] has no score; add it.",
        ),
        (
            make_task(predictions=[{"score": 0.5, "result": [choice("vpn", "unlock")]}]),
            "predictions[0].result[0] has 2 choices; give one, with its score.",
        ),
        (
            make_task(predictions=[{"score": 0.5, "result": [choice("vpn"), choice("vpn")]}]),
            "predictions[0].result[1] names vpn again; name each choice once.",
        ),
        (
            make_task(predictions=[17]),
            "predictions[0] is the id of a prediction that the file lacks; export a snapshot from "
            "Label Studio with predictions in full.",
        ),
        (make_task(predictions={}), "predictions is no array; write a JSON array."),
        (
            make_task(annotations=[{"result": [choice("vpn")]}, {"result": [choice("unlock")]}]),
            "annotations disagree; keep one, or mark one as ground_truth.",
        ),
    ],
)
def test_bad_task_names_the_place(task: object, words: str) -> None:
    assert problem_of(task) == words


def test_array_is_read_a_task_at_a_time() -> None:
    tasks = [make_task(n, data={"external_id": f"t{n}", "text": "é" * 997}) for n in range(600)]
    content = json.dumps(tasks, ensure_ascii=False).encode()
    assert len(content) > 2 * CHUNK_BYTES
    found = read(b"\xef\xbb\xbf \n" + content + b"\n")
    assert [record.place for record in found] == [f"task {n}" for n in range(1, 601)]
    assert [json.loads(record.source) for record in found] == tasks


def test_objects_may_follow_each_other() -> None:
    lines = "\n".join(json.dumps(make_task(n)) for n in range(3)).encode()
    assert [record.problem for record in read(lines)] == [None] * 3


@pytest.mark.parametrize("content", [b"", b"  \n", b"[]", b" [ ] \n"])
def test_empty_file_has_no_tasks(content: bytes) -> None:
    assert read(content) == []


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (b"", "is missing, for the file ends inside the array"),
        (b",", "is missing, for the file ends inside the array"),
        (b', {"data": {"te', "is no JSON: Unterminated string starting at at character 11 of it"),
        (b", 3]", "begins with '3' where a task should"),
        (b' {"data": 1}]', "begins with '{'; put a comma before it"),
        (b"] x", "stands behind the end of the array"),
        (b', {"data": ' + b"[" * 200_000, "is nested too deep"),
    ],
)
def test_damaged_array_is_read_up_to_there(tail: bytes, words: str) -> None:
    found = read(b"[" + json.dumps(make_task()).encode() + tail)
    assert found[0].problem is None
    assert (len(found), found[1].place) == (2, "task 2")
    assert found[1].problem is not None
    assert words in found[1].problem.detail
    assert "Nothing from there on was read; mend the file." in found[1].problem.detail


def long_task(text: str) -> bytes:
    """A task with the text again and again, so that it is longer than any is read."""
    times = LINE_BYTES // len(text) + 1
    task = make_task(7, meta={"deep": [{"}": "{"}, []]}, data={"text": text * times})
    return json.dumps(task, ensure_ascii=False).encode()


@pytest.mark.parametrize("text", ["x", '"', "\\", '\\"}', "{", "é🙂", "\n\t\x07"])
@pytest.mark.parametrize("shape", ["[%b, %b, %b, %b]", "%b\n%b %b\n%b"])
def test_task_that_is_too_long_is_passed_over_and_numbered(text: str, shape: str) -> None:
    long, short = long_task(text), json.dumps(make_task()).encode()
    found = read(shape.encode() % (short, long, long, short))
    assert [record.place for record in found] == [f"task {number}" for number in range(1, 5)]
    assert [record.problem is None for record in found] == [True, False, False, True]
    for record in found[1:3]:
        assert record.problem is not None
        assert record.source == b""
        assert record.problem.detail == (
            f"is longer than {LINE_BYTES:,} characters; shorten its payload."
        )


def test_task_may_be_as_long_as_the_limit_and_no_longer() -> None:
    rest = len(json.dumps(make_task(data={"external_id": "t", "text": ""})))
    for more in (0, 1):
        text = "x" * (LINE_BYTES - rest + more)
        [record] = read([make_task(data={"external_id": "t", "text": text})])
        assert (record.problem is None) is (more == 0)


def test_long_task_without_its_end_ends_the_file() -> None:
    found = read(b"[" + long_task("x")[:-1])
    assert [record.place for record in found] == ["task 1"]
    assert found[0].problem is not None
    assert found[0].problem.detail.startswith(f"is longer than {LINE_BYTES:,} characters, or is no")


def test_refused_tasks_are_written_as_they_were_and_read_again() -> None:
    bad = '{"data" : {"external_id":"x","text":"é"}, "predictions":[{"result":3}]}'
    tasks = Tasks(io.BytesIO(f"[{bad},\n{bad}]".encode()))
    target = io.BytesIO()
    refused = RefusedFile(tasks, lambda: target)
    for record in tasks:
        assert record.problem is not None
        refused.add(record, f"{record.place}: {record.problem.detail}")
    assert refused.end()
    assert json.loads(target.getvalue())[1]["import_error"].startswith("task 2: predictions[0]")
    again = list(Tasks(io.BytesIO(target.getvalue())))
    assert [record.source.decode() for record in again] == [bad, bad]


def test_file_without_refusals_is_not_made() -> None:
    refused = RefusedFile(Tasks(io.BytesIO(b"[]")), io.BytesIO)
    assert not refused.end()
