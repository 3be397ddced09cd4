"""JSON lines: what is refused is written as it was, and reads again as it was."""

import io
import json

from reviewqueue.files.jsonl import JsonLines
from reviewqueue.files.records import LINE_BYTES, RefusedFile

BAD = [
    b'{"external_id": "cut off',
    b'{"a": "x", "a": "y"}',
    b"{}",
    b"[1, 2]",
    b'{"a": "caf\xe9"}',
    b'{ "import": "\\"}"}',
    "Grüße".encode(),
]


def refuse_all(content: bytes, message: str = 'say "why"') -> bytes:
    lines = JsonLines(io.BytesIO(content))
    target = io.BytesIO()
    refused = RefusedFile(lines, lambda: target)
    for record in lines:
        refused.add(record, message)
    refused.end()
    return target.getvalue()


def test_refused_lines_are_written_with_the_reason_and_read_again_as_they_were() -> None:
    once = refuse_all(b"\n".join(BAD))
    assert once.splitlines()[:3] == [
        b'{"import_error": "say \\"why\\"", "external_id": "cut off',
        b'{"import_error": "say \\"why\\"", "a": "x", "a": "y"}',
        b'{"import_error": "say \\"why\\""}',
    ]
    assert once.splitlines()[3:5] == [b'{"import_error": "say \\"why\\""}', b"[1, 2]"]
    again = [record.source.strip() for record in JsonLines(io.BytesIO(once))]
    assert again == [line for line in BAD if line != b"{}"]
    assert refuse_all(once) == refuse_all(b"\n".join(again))


def test_line_that_is_too_long_leaves_its_reason_alone() -> None:
    once = refuse_all(b'{"text": "' + b"x" * LINE_BYTES + b'"}\n')
    assert json.loads(once) == {"import_error": 'say "why"'}
    assert list(JsonLines(io.BytesIO(once))) == []


def test_what_an_export_tells_besides_is_passed_over() -> None:
    line: dict[str, object] = {
        "external_id": "a",
        "truth": None,
        "state": "settled",
        "decision": {},
        "verdicts": [],
    }
    [record] = JsonLines(io.BytesIO(json.dumps(line).encode()))
    assert record.body == {"external_id": "a"}


def test_blind_line_says_why_it_has_no_scores() -> None:
    [record] = JsonLines(io.BytesIO(b'{"external_id": "a", "blind": true, "scores": null}'))
    assert record.problem is not None
    assert record.problem.detail.startswith("scores were left out, since the item was to be judged")
