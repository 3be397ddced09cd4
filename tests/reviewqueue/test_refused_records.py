"""The file of what an import refused: mended and imported, removed once nothing is refused."""

import io
import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from routing.models import Item, Stream
from tests.reviewqueue.test_import_items import make_line, run, run_refused, write

pytestmark = pytest.mark.django_db

# What a file may begin with, and how it goes on with what is refused.
FORMS = {
    "items.jsonl": ('{"external_id": "a", "text": "A", "scores": {"vpn_issue": 0.9}}\n', "[]\n"),
    "items.csv": ("external_id,payload.text,score.vpn_issue\na,A,0.9\n", "b,B,much\n"),
    "items.json": (
        '{"data": {"external_id": "a", "text": "A"}, "predictions": [{"result": [{"type": '
        '"choices", "score": 0.9, "value": {"choices": ["vpn_issue"]}}]}]}\n',
        '{"data": 3}\n',
    ),
}


def test_refused_lines_are_mended_and_imported(stream: Stream, tmp_path: Path) -> None:
    lines = [make_line("a"), make_line("b", scores={"vpn": 0.9}), '{"external_id": "c', "[]"]
    file = write(tmp_path / "items.jsonl.gz", *lines)
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("import_items", "helpdesk", file, stdout=out, stderr=io.StringIO())
    errors = tmp_path / "items.errors.jsonl"
    assert out.getvalue() == (
        f"Refused lines are in {errors}: mend and import them.\n"
        "Helpdesk: 1 taken, 0 known, 3 refused\n"
    )
    told = errors.read_text().splitlines()
    assert len(told) == 4
    assert told[0].startswith('{"import_error": "line 2, scores.vpn: ')
    assert told[1].startswith('{"import_error": "line 3: Unterminated string')
    assert told[2:] == [
        '{"import_error": "line 4: body is no object; send a JSON object. (It has [].)"}',
        "[]",
    ]
    mended = errors.read_text().replace('"vpn"', '"vpn_issue"').replace("[]\n", "")
    errors.write_text(mended)
    error, _ = run_refused("helpdesk", str(errors))
    assert error == "1 line was refused."
    assert sorted(Item.objects.values_list("external_id", flat=True)) == ["a", "b"]
    assert (tmp_path / "items.errors.errors.jsonl").exists()


@pytest.mark.parametrize("name", ["items.jsonl", "items.csv", "items.json"])
def test_import_that_refuses_nothing_removes_what_an_earlier_one_refused(
    stream: Stream, tmp_path: Path, name: str
) -> None:
    path, errors = tmp_path / name, tmp_path / name.replace(".", ".errors.")
    good, bad = FORMS[name]
    path.write_text(good + bad)
    run_refused("helpdesk", str(path))
    assert errors.exists()
    path.write_text(good)
    gone = f"Nothing was refused: {errors} of an earlier import was removed.\n"
    assert run("helpdesk", str(path)) == gone + "Helpdesk: 0 taken, 1 known, 0 refused\n"
    assert not errors.exists()
    assert run("helpdesk", str(path)) == "Helpdesk: 0 taken, 1 known, 0 refused\n"


def test_import_that_refuses_nothing_leaves_files_of_others(stream: Stream, tmp_path: Path) -> None:
    file = write(tmp_path / "items.jsonl", make_line("a"))
    own, link, earlier = (tmp_path / name for name in ("own.jsonl", "link.jsonl", "earlier.jsonl"))
    own.write_text('{"external_id": "import_error"}\n')
    earlier.write_text('{"import_error": "line 2: is no object"}\n')
    link.symlink_to(earlier)
    for path in (own, link, tmp_path, Path(os.devnull)):
        told = run("helpdesk", file, "--errors", str(path))
        assert told.endswith("0 refused\n")
        assert "removed" not in told
    assert own.read_text() == '{"external_id": "import_error"}\n'
    assert link.is_symlink()
    assert earlier.exists()


def test_import_that_did_not_end_keeps_what_an_earlier_one_refused(
    stream: Stream, tmp_path: Path
) -> None:
    path = tmp_path / "items.jsonl.gz"
    run_refused("helpdesk", write(path, make_line("a"), "[]"))
    path.write_bytes(Path(write(path, make_line("a"))).read_bytes()[:-9])
    error, _ = run_refused("helpdesk", str(path))
    assert "is damaged" in error
    assert (tmp_path / "items.errors.jsonl").exists()
