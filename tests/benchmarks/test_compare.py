"""Two revisions compared: ratios with intervals, and what they leave no doubt about."""

import math
import subprocess
from pathlib import Path

import pytest

from benchmarks.compare import Ratio, checked_out, compare, draw_ratios, measure
from reviewqueue.embedded.processes import PROJECT


def rounds(*values: float, name: str = "next_cpu_ms") -> list[dict[str, float]]:
    return [{name: value} for value in values]


def test_ratio_is_the_geometric_mean_of_the_rounds() -> None:
    [found] = compare(rounds(1.0, 2.0, 4.0), rounds(2.0, 2.0, 2.0))
    assert found.mean == pytest.approx(1.0)
    assert found.low == pytest.approx(1.0 / found.high)
    assert found.verdict == ""


def test_interval_is_students() -> None:
    [found] = compare(rounds(1.0, 1.0, 1.0), rounds(1.1, 1.2, 1.3))
    logs = [math.log(value) for value in (1.1, 1.2, 1.3)]
    mean = sum(logs) / 3
    spread = math.sqrt(sum((one - mean) ** 2 for one in logs) / 2)
    assert math.log(found.high / found.mean) == pytest.approx(4.302653 * spread / math.sqrt(3))


@pytest.mark.parametrize(
    ("name", "values", "verdict"),
    [
        ("next_cpu_ms", (2.0, 2.0, 2.0), "worse"),
        ("next_cpu_ms", (0.5, 0.5, 0.5), "better"),
        ("next_req_s", (2.0, 2.0, 2.0), "better"),
        ("next_req_s", (0.5, 0.51, 0.5), "worse"),
        ("next_req_s", (0.97, 0.97, 0.97), ""),
        ("limit_claims_s", (0.5, 0.5, 0.5), ""),
        ("next_req_s", (0.5, 2.0, 0.9), ""),
    ],
)
def test_verdict_knows_what_should_grow(name: str, values: tuple[float, ...], verdict: str) -> None:
    [found] = compare(rounds(1.0, 1.0, 1.0, name=name), rounds(*values, name=name))
    assert found.verdict == verdict


def test_one_round_proves_nothing() -> None:
    [found] = compare(rounds(1.0), rounds(3.0))
    assert found.mean == pytest.approx(3.0)
    assert found.verdict == ""


def test_only_what_both_measure_is_compared() -> None:
    assert compare([{"a_ms": 1.0, "b_ms": 1.0}], [{"b_ms": 1.0, "c_ms": 1.0}])[0].name == "b_ms"


def test_table_tells_ratio_and_interval() -> None:
    text = draw_ratios([Ratio("next_req_s", 0.5, 0.4, 0.6)], revision="v1")
    assert text.splitlines()[2] == "| `next_req_s` | 0.500 | 0.400 to 0.600 | worse |"


def test_revision_is_checked_out_apart_and_removed() -> None:
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, check=False).returncode:
        pytest.skip("this is no git checkout")
    with checked_out("HEAD") as folder:
        assert (folder / "benchmarks" / "run.py").exists()
        assert (folder / ".venv" / "bin").resolve() == (PROJECT / ".venv" / "bin").resolve()
        kept = Path(folder)
    assert not kept.exists()


def test_measuring_leaves_kept_results_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "run.py").write_text(
        "from pathlib import Path\n"
        "results = Path(__file__).with_name('results.json')\n"
        "results.write_text('{\"next_cpu_ms\": 2.0}')\n"
        "results.with_suffix('.md').write_text('new')\n"
    )
    (folder / "results.json").write_text('{"next_cpu_ms": 1.0}')
    (folder / "results.md").write_text("kept")
    assert measure(tmp_path, []) == {"next_cpu_ms": 2.0}
    assert (folder / "results.json").read_text() == '{"next_cpu_ms": 1.0}'
    assert (folder / "results.md").read_text() == "kept"
