"""One run of one program: how long, how much CPU, how much memory, and were the bytes right."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Peer, Task
from benchmarks.workload import Served, wrong_files

MOST_S = 1800.0
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost; the server's part is not in it."""

    wall_s: float
    cpu_s: float
    """User and system time of the program and the children that it waited for."""
    peak_rss_bytes: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A run that did not do its work."""

    why: str


def measure(peer: Peer, task: Task, served: Served) -> Run | Broken | None:
    """Run a program into an empty folder and check every file; None = it cannot do this."""
    command = peer.command(task)
    if command is None:
        return None
    if task.out.exists():
        shutil.rmtree(task.out)
    task.out.mkdir(parents=True)
    paths = "".join(f"/{task.workload.name}/{name}\n" for name in task.names) if peer.reads_paths else ""
    os.sync()  # what the run before has written is not to be paid for by this one
    status, run, said = _run(command, paths, task)
    wrong = wrong_files(task.out, served.sums)
    shutil.rmtree(task.out)
    if status:
        return Broken(f"exit {status}: {said}")
    return Broken(f"{len(wrong)} of {len(served.sums)} files missing or wrong, exit 0") if wrong else run


def _run(command: list[str], stdin: str, task: Task) -> tuple[int, Run, str]:
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    # What is installed has its bytecode. Else all modules are compiled in each run: 0.25 s bare, 0.8 s in a whole run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if task.host.certificate:
        environment["SSL_CERT_FILE"] = str(task.host.certificate)
    complaints, given_path = task.scratch / "stderr.txt", task.scratch / "stdin.txt"
    given_path.write_text(stdin)
    with given_path.open() as given, complaints.open("wb") as err:
        begun_s = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=given, stdout=subprocess.DEVNULL, stderr=err, env=environment, start_new_session=True
        )
        watchdog = _Watchdog(process.pid, begun_s + MOST_S)
        watchdog.start()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun_s
        watchdog.ended.set()
        watchdog.join()
        process.returncode = os.waitstatus_to_exitcode(status)
    said = complaints.read_text(errors="replace").strip().splitlines()
    run = Run(wall_s, used.ru_utime + used.ru_stime, watchdog.peak_rss_bytes)
    return process.returncode, run, said[-1] if said else ""


class _Watchdog(threading.Thread):
    """Ends a program that hangs, and looks at its memory: what wait4 tells begins with the memory of this process."""

    def __init__(self, pid: int, deadline_s: float) -> None:
        super().__init__()
        self.ended = threading.Event()
        self.peak_rss_bytes = 0
        self._pid = pid
        self._deadline_s = deadline_s

    def run(self) -> None:
        while not self.ended.wait(_LOOK_EVERY_S):
            if time.perf_counter() > self._deadline_s:
                os.killpg(self._pid, signal.SIGKILL)
            try:
                status = Path(f"/proc/{self._pid}/status").read_text()
            except OSError:
                continue
            peak = re.search(r"VmHWM:\s+(\d+) kB", status)
            self.peak_rss_bytes = int(peak[1]) * 1024 if peak else self.peak_rss_bytes
