"""A short fault run on services of its own: real kills, and nothing is lost."""

import re
import subprocess
import sys

from reviewqueue.embedded.processes import PROJECT


def test_nothing_is_lost_when_servers_are_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "--items", "100", "--seed", "1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "each seen" in done.stdout
    assert "220 items acknowledged" in done.stdout
    killed = re.search(r"killed: 2 web workers, (\d+) postmasters, (\d+) backends", done.stdout)
    assert killed is not None
    assert int(killed[1]) + int(killed[2]) == 1
    assert "50 deliveries in " in done.stdout
    assert "the sender killed 2 times" in done.stdout
    assert done.stdout.rstrip().endswith("0 violations")
