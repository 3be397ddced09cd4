"""An import that is killed in the middle: run again it takes what is left, and nothing twice."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command

from reviewqueue.models import ReviewTask
from routing.models import Decision, Item, Stream
from tests.addresses import database_url
from tests.scenes import HELD, SURE, make_stream


@pytest.mark.django_db(transaction=True)
def test_import_that_was_killed_is_simply_run_again(tmp_path: Path) -> None:
    stream, other = make_stream("killed"), make_stream("whole")
    path = tmp_path / "items.jsonl"
    lines = [
        {
            "external_id": f"t{number}",
            "text": f"Text {number}",
            "scores": HELD if number % 3 else SURE,
        }
        for number in range(3_500)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_items", "killed", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"DATABASE_URL": database_url()},
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    process.stdin.write(b"".join(path.read_bytes().splitlines(keepends=True)[:2_700]))
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while Item.objects.count() < 1_000 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    stored = Item.objects.filter(stream=stream).count()
    assert stored in (1_000, 2_000)
    for key, taken in (("killed", 3_500 - stored), ("whole", 3_500)):
        out = io.StringIO()
        call_command("import_items", key, str(path), stdout=out)
        assert out.getvalue() == (
            f"{key.capitalize()}: {taken:,} taken, {3_500 - taken:,} known, 0 refused\n"
        )

    def rows(made: Stream) -> list[tuple[object, ...]]:
        decided = Decision.objects.filter(stream=made).order_by("item__external_id")
        return list(
            decided.values_list("item__external_id", "item__fingerprint", "queue", "item__state")
        )

    assert rows(stream) == rows(other)
    assert len(rows(stream)) == 3_500
    seats = ReviewTask.objects.filter(stream=stream).count()
    assert seats == ReviewTask.objects.filter(stream=other).count()
