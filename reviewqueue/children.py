"""The processes under one supervisor: started, started again when they fall, stopped together."""

import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from reviewqueue.embedded.layout import make_log
from reviewqueue.embedded.processes import PROJECT, signal_group, start_process, wait_until

_CALM_SECONDS = 60.0
_LONGEST_PAUSE = 30.0


@dataclass
class Child:
    """A process to keep up, or to run `once`. Its output goes to `log`, or to the terminal."""

    name: str
    command: list[str]
    log: Path | None = None
    once: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    falls: int = field(default=0, init=False)
    fell_at: float = field(default=0.0, init=False)
    again_at: float | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it; it gets SIGTERM if the supervisor dies."""
        if self.log is None:
            self.process = start_process(self.command, cwd=PROJECT)
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with make_log(self.log).open("ab") as output:
            self.process = start_process(self.command, cwd=PROJECT, output=output)

    def wait(self) -> int:
        """Wait for the end of a process that runs once; return its exit code."""
        return 0 if self.process is None else self.process.wait()

    def is_up(self) -> bool:
        """Tell whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def keep_up(self, now: float) -> str | None:
        """Start it again if it fell, pausing longer each time; return what there is to say."""
        if self.process is None or self.is_up():
            return None
        if self.once:
            code, self.process = self.process.returncode, None
            return f"{self.name} failed (exit code {code}){self._where()}" if code else None
        if self.again_at is None:
            self.falls = self.falls + 1 if now - self.fell_at < _CALM_SECONDS else 1
            self.fell_at = now
            pause = min(_LONGEST_PAUSE, 0.5 * 2 ** (self.falls - 1))
            self.again_at = now + pause
            code = self.process.returncode
            return f"{self.name} ended (exit code {code}): again in {pause:g} s{self._where()}"
        if now >= self.again_at:
            self.again_at = None
            self.start()
        return None

    def _where(self) -> str:
        return f"; see {self.log}" if self.log else ""


def stop_children(children: Iterable[Child]) -> None:
    """Stop all at once: asked first, hurried after four seconds, ended after seven."""
    running = [child.process for child in children if child.process is not None]

    def all_gone() -> bool:
        return all(process.poll() is not None for process in running)

    for number, seconds in ((signal.SIGTERM, 4.0), (signal.SIGQUIT, 3.0)):
        for process in running:
            if process.poll() is None:
                process.send_signal(number)
        if wait_until(all_gone, seconds=seconds):
            break
    # Also the workers of a process that is gone already.
    for process in running:
        signal_group(process, signal.SIGKILL)
        process.wait()


def keep_all_up(children: Iterable[Child]) -> None:
    """Look after all children once, and say on the terminal what happened."""
    for child in children:
        said = child.keep_up(time.monotonic())
        if said:
            print(said, flush=True)
