"""Import and export show how far they are to whoever watches a terminal, and to nobody else."""

import io
import json
import os
import pty
import re
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.scenes import HELD, make_stream, post

pytestmark = pytest.mark.django_db


def told_to(open_pair: Callable[[], tuple[int, int]], *command: str) -> str:
    """What the command writes where errors go, which is the second of the pair."""
    reading, writing = open_pair()
    with pytest.MonkeyPatch.context() as patch, os.fdopen(writing, "w") as errors:
        if errors.isatty():
            termios.tcsetwinsize(writing, (24, 80))
        patch.setattr("sys.stderr", errors)
        call_command(*command, stdout=io.StringIO())
        errors.write("end")
    told = b""
    while not told.endswith(b"end"):
        told += os.read(reading, 65_536)
    os.close(reading)
    return told.decode().removesuffix("end")


def import_command(tmp_path: Path) -> tuple[str, ...]:
    make_stream()
    path = tmp_path / "items.jsonl"
    lines = [{"external_id": f"t{n}", "text": "x", "scores": HELD} for n in range(3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return "import_items", "helpdesk", str(path)


def export_command(tmp_path: Path) -> tuple[str, ...]:
    post(make_stream(), "a")
    return "export_items", "helpdesk", "--output", str(tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (import_command, r"\rItems: 100%\|█+\| \d+/\d+ \[[^\r]*B/s\]\r?\n\Z"),
        (export_command, r"\rItems: \d[\d.]*k?B \[[^\r]*B/s\]\r?\n\Z"),
    ],
    ids=["import", "export"],
)
def test_progress_is_shown_on_a_terminal_alone(
    tmp_path: Path, make: Callable[[Path], tuple[str, ...]], shown: str
) -> None:
    command = make(tmp_path)
    told = told_to(pty.openpty, *command)
    assert re.search(shown, told), repr(told)
    assert told_to(os.pipe, *command) == ""
