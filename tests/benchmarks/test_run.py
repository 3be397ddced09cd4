"""What a benchmark run keeps and prints."""

import json
from pathlib import Path

import pytest

from benchmarks.clients import Load, drive
from benchmarks.run import draw_table, main, write_results


def test_a_partial_run_keeps_the_other_figures(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results({"next_req_s": 1.0, "first_page_s": 7.0}, whole=True, path=path)
    write_results({"next_req_s": 1234.5678}, whole=False, path=path)

    assert json.loads(path.read_text()) == {"first_page_s": 7.0, "next_req_s": 1235.0}

    write_results({"next_req_s": 2.0}, whole=True, path=path)

    assert json.loads(path.read_text()) == {"next_req_s": 2.0}


def test_table_shows_shares_of_limits() -> None:
    lines = draw_table({"next_req_s": 50.0, "limit_claims_s": 200.0}).splitlines()

    assert lines[1].split() == ["next_req_s", "50.00", "200.0", "25.0%"]
    assert lines[2].split() == ["limit_claims_s", "200.00"]


def test_shares_are_kept_beside_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results({"next_req_s": 50.0, "limit_claims_s": 200.0}, whole=True, path=path)

    assert path.with_suffix(".md").read_text().splitlines()[2:] == [
        "| `limit_claims_s` | 200 | | |",
        "| `next_req_s` | 50 | 200 | 25.0% |",
    ]


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["intake", "lunch"])

    assert "there is no part 'lunch'" in capsys.readouterr().err


def test_load_counts_what_was_done() -> None:
    left = iter([0.001] * 99 + [0.5])
    load = drive([lambda: next(left, None)], seconds=60)

    assert len(load.latencies) == 100
    assert load.percentile_ms(0.50) == 1.0
    assert load.percentile_ms(0.99) == 500.0
    assert Load(2.0, [0.1] * 50).rate == 25.0


def test_an_error_of_a_client_ends_the_drive() -> None:
    def fail() -> float:
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError, match="no answer"):
        drive([fail, lambda: 0.0], seconds=60)
