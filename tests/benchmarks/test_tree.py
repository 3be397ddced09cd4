"""What processes take: of this one, and of one that a large one started."""

import subprocess
import sys

from benchmarks.tree import memory_mib, peak_mib

_TELL = "from benchmarks.tree import peak_mib; print(peak_mib())"
_MIB = 2**20


def test_peak_holds_what_was_let_go_again() -> None:
    before = peak_mib()
    assert len(bytes(bytearray(range(256)) * 4 * 1024 * 200)) == 200 * _MIB
    assert peak_mib() > max(before, 200)


def test_peak_of_a_child_is_its_own() -> None:
    held = bytes(bytearray(range(256)) * 4 * 1024 * 200)
    told = subprocess.run([sys.executable, "-c", _TELL], check=True, stdout=subprocess.PIPE)
    assert peak_mib() > 200
    assert float(told.stdout) < 100
    assert len(held) == 200 * _MIB


def test_memory_of_no_process_is_none() -> None:
    assert memory_mib([]) == 0.0
