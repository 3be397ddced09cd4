"""The audit of packages says what was looked up, and what was not."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from reviewqueue.embedded.processes import PROJECT

AUDIT = PROJECT / ".ci" / "audit.py"
SOUND = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found"}
HARMED = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([SOUND], 0, "No known vulnerability in 1 packages.\n"),
        ([SOUND, SKIPPED], 0, "No known vulnerability in 1 packages; 1 were not looked up.\n"),
        ([SKIPPED], 0, "Vulnerabilities were not looked up: the index knows none of 1.\n"),
        ([SOUND, HARMED], 1, "c 2: CVE-1, mended in 3\n"),
    ],
)
def test_audit_tells_what_was_looked_up(
    packages: list[dict[str, object]], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runpy.run_path(str(AUDIT))["tell"](packages) == code
    assert capsys.readouterr().out == words


def test_audit_fails_nobody_who_is_offline(tmp_path: Path) -> None:
    """Nothing answers at the proxy that all requests are sent to."""
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, str(AUDIT), "30"],
        cwd=PROJECT,
        env=os.environ
        | nowhere
        | {"XDG_CACHE_HOME": str(tmp_path), "NO_PROXY": "", "no_proxy": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Vulnerabilities were not looked up: ")
    assert done.stdout.count("\n") == 1
