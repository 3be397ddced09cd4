"""The simulations at a small size: promises kept, and what breaks where they are not made."""

import pytest

from benchmarks.simulate import STRADDLING, Finding, print_table, simulate


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return list(simulate(draws=200, seed=3))


def share_of(finding: Finding) -> float:
    return float(finding.found.partition("%")[0]) / 100.0


def find(findings: list[Finding], what: str) -> Finding:
    [found] = [one for one in findings if one.what.startswith(what)]
    return found


@pytest.mark.parametrize("name", STRADDLING)
def test_interval_covers_where_ignoring_the_chances_does_not(
    findings: list[Finding], name: str
) -> None:
    # Of 200 draws at 94% fewer than 181 would be right once in a hundred times.
    assert share_of(find(findings, f"95% interval of a straddling band, {name}")) >= 0.905
    assert share_of(find(findings, f"the same, chances ignored, {name}")) < 0.05


def test_certificate_keeps_its_budget_where_the_best_looking_cut_off_breaks_it(
    findings: list[Finding],
) -> None:
    # 19 of 200 at 5%: more would come once in two hundred times.
    assert share_of(find(findings, "certified cut-off")) * 200 <= 19
    assert share_of(find(findings, "best-looking cut-off")) > 0.4


def test_weights_take_the_bias_away(findings: list[Finding]) -> None:
    assert find(findings, "bias of the weighted").kept
    unweighted = find(findings, "bias of the unweighted").found
    assert float(unweighted.partition(" ")[0]) < -0.05


def test_drift_watch_is_quiet_where_a_weekly_test_is_not(findings: list[Finding]) -> None:
    # Of 40 streams at 5% more than 6 would alarm once in a hundred times.
    assert share_of(find(findings, "drift watch, false alarm")) * 40 <= 6
    assert share_of(find(findings, "weekly test")) > 0.8


def test_table_says_whether_all_was_kept() -> None:
    lines: list[str] = []
    kept = Finding("a", "b", "c", 1_000, kept=True)
    broken = Finding("d", "e", "f", 10, kept=False)
    assert print_table(iter([kept]), lines.append)
    assert not print_table(iter([broken]), lines.append)
    assert lines[2] == "| a | b | c | 1,000 | kept |"
    assert lines[5] == "| d | e | f | 10 | BROKEN |"
