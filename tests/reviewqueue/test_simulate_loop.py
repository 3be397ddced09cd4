"""`manage.py simulate_loop`: what it prints, and what it says of files it cannot play."""

import gzip
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

NAMES = [
    *("auto_share", "auto_error", "oracle_share", "certified", "verdicts"),
    *("default_share", "default_error"),
]


def write_rows(path: Path, size: int, *, seed: int = 0, gzipped: bool = False) -> Path:
    random = np.random.default_rng(seed)
    lines = []
    for number in range(size):
        top = float(np.round(1.0 / (1.0 + np.exp(-abs(random.normal(5.0, 3.5)))), 6))
        truth = "a" if random.random() < top else "elsewhere"
        scores = {"a": top, "b": round(1.0 - top, 6)}
        lines.append(json.dumps({"external_id": str(number), "scores": scores, "truth": truth}))
    body = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(body) if gzipped else body)
    return path


def simulate(*arguments: object, **options: object) -> list[str]:
    out = StringIO()
    call_command("simulate_loop", *map(str, arguments), stdout=out, **options)
    return out.getvalue().splitlines()


def test_prints_rounds_and_one_object(tmp_path: Path) -> None:
    past = write_rows(tmp_path / "past.jsonl.gz", 2_000, gzipped=True)
    future = write_rows(tmp_path / "future.jsonl", 500, seed=1)
    lines = simulate(past, future, budget=0.05, verdicts=800, seeds=3)
    assert lines[0].startswith("2,000 items of the past, 500 of the future, budget 5.00%, medians")
    assert lines[1].split() == [
        *("round", "verdicts", "auto", "share", "auto", "error", "certified"),
        *("future", "over", "it"),
    ]
    assert [line.split()[0] for line in lines[2:9]] == [*"01234", "default", "oracle"]
    outcome = json.loads(lines[-1])
    assert list(outcome) == NAMES
    assert outcome["certified"] == 1.0
    assert outcome["verdicts"] <= 800
    assert outcome["auto_share"] > 0.5


def test_of_one_file_the_last_part_is_the_future(tmp_path: Path) -> None:
    [first, *_] = simulate(write_rows(tmp_path / "all.jsonl", 200), verdicts=50, seeds=1)
    assert first.startswith("140 items of the past, 60 of the future")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}\n", r'line 1: "scores" by category are missing; every line needs them'),
        (b'{"scores": {"a": 1}}', r'line 1: "truth" is missing; every line needs it'),
        (b'{"scores": {"a": 1.0}, "truth": "a"}\nnonsense', "line 2 is no JSON"),
        (b'{"scores": {"a": 1.0}, "truth": "a"}', "give at least 20 of each"),
        (b'{"scores": {"a": 3.0}, "truth": "a"}\n' * 99, "row 1: a is 3; give a number from 0"),
        (b"\x1f\x8bnonsense", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_file_that_cannot_be_played_says_why(tmp_path: Path, body: bytes, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(body)
    with pytest.raises(CommandError, match=message):
        simulate(path)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("budget", 0.0, "--budget is 0.0; give a share between 0 and 1"),
        ("budget", 1.5, "--budget is 1.5"),
        ("verdicts", 0, "--verdicts is 0; give 1 or more"),
        ("seeds", 0, "--seeds is 0; give 1 or more"),
    ],
)
def test_option_out_of_range_is_named(
    tmp_path: Path, option: str, value: float, message: str
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", 100)
    with pytest.raises(CommandError, match=message):
        simulate(path, **{option: value})


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"gone\.jsonl cannot be read"):
        simulate(tmp_path / "gone.jsonl")
