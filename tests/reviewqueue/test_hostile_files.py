"""Files made to harm: told in a line, in little memory, and nothing of them is taken in."""

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from routing.models import Item
from tests.scenes import make_stream

MEBIBYTE = 1024 * 1024
DEEP = "[" * 100_000 + "]" * 100_000
DIGITS = "9" * 100_000


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("jsonl", "line 1: is longer than 4,194,304 bytes; shorten its payload.\n"),
        ("json", "task 1: is longer than 4,194,304 characters, or is no JSON (Expecting"),
    ],
)
def test_zipped_item_without_end_takes_little_memory(
    db: None, tmp_path: Path, ending: str, words: str
) -> None:
    """64 MiB in 64 KiB; an item that long is passed over, not held."""
    make_stream()
    file = tmp_path / f"items.{ending}.gz"
    with gzip.open(file, "wb") as zipped:
        for _ in range(64):
            zipped.write(b'{"external_id": "' + b"a" * MEBIBYTE)
    assert file.stat().st_size < MEBIBYTE // 8
    told = io.StringIO()
    tracemalloc.start()
    with pytest.raises(CommandError):
        call_command("import_items", "helpdesk", str(file), stdout=io.StringIO(), stderr=told)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told.getvalue().startswith(words)
    assert peak < 24 * MEBIBYTE
    assert Item.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jsonl", DEEP),
        ("jsonl", f'{{"external_id": "a", "payload": {DEEP}}}'),
        ("jsonl", f'{{"external_id": "a", "priority": {DIGITS}}}'),
        ("jsonl", '{"external_id": "a", "scores": {"a": NaN}}'),
        ("csv", f'external_id,payload\na,"{DEEP}"'),
        ("csv", f"external_id,score.a\na,{DIGITS}x"),
        ("csv", f"external_id,score.a\na,{'1' * 65_000}.{'1' * 65_000}e"),
        ("csv", f"external_id,priority\na,{DIGITS}"),
        ("label-studio", f'[{{"data": {{"text": {DEEP}}}}}]'),
        ("label-studio", DEEP),
        ("label-studio", f'[{{"id": {DIGITS}, "data": {{"text": "a"}}}}]'),
    ],
)
def test_bomb_of_a_file_is_refused_where_it_stands(
    db: None, tmp_path: Path, name: str, content: str
) -> None:
    make_stream()
    file, told = tmp_path / "items", io.StringIO()
    file.write_text(content)
    with pytest.raises(CommandError) as refused:
        call_command(
            "import_items",
            "helpdesk",
            str(file),
            *("--format", name),
            stdout=io.StringIO(),
            stderr=told,
        )
    words = f"{refused.value} {told.getvalue()}"
    assert "Traceback" not in words
    assert len(words) < 1_500
    assert Item.objects.count() == 0
