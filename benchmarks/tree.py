"""Process trees: who descends from whom, and how much memory they take."""

import os
import resource
import subprocess
from pathlib import Path

_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """Return the numbers of the running children of `pid` and of theirs."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents().items():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = list(children.get(pid, []))
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def children_of(pid: int) -> list[int]:
    """Return the numbers of the running children of `pid`."""
    return [child for child, parent in _parents().items() if parent == pid]


def memory_mib(pids: list[int]) -> float:
    """Return the memory of the processes together in MiB.

    On Linux the proportional set size, which counts a page that several share only once;
    elsewhere the resident size.
    """
    if not _PROC.exists():
        listed = _list("rss=", ",".join(map(str, pids)))
        return sum(int(line) for line in listed) / 1024
    return sum(_proportional_kib(pid) for pid in pids) / 1024


def peak_mib() -> float:
    """Return the most memory that this process ever held at once in MiB.

    On Linux not `ru_maxrss`, which begins at what the process held that started this one.
    """
    if not _PROC.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # macOS tells bytes
    lines = (_PROC / "self" / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that the processes have used so far; 0 where nobody tells."""
    return sum(_cpu_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _cpu_ticks(pid: int) -> int:
    try:
        words = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(words[11]) + int(words[12])


def _proportional_kib(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it ended meanwhile
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _parents() -> dict[int, int]:
    """Return the parent of each running process."""
    if not _PROC.exists():
        pairs = (line.split() for line in _list("pid=,ppid="))
        return {int(pid): int(parent) for pid, parent in pairs}
    found = {}
    for entry in _PROC.glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(entry.name)] = int(parent)
    return found


def _list(columns: str, pids: str = "") -> list[str]:
    chosen = ["-p", pids] if pids else ["-ax"]
    listed = ["/bin/ps", *chosen, "-o", columns]
    return subprocess.run(listed, check=True, capture_output=True, text=True).stdout.splitlines()
