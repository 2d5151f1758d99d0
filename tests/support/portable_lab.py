"""Runs as processes of their own, on any system: killed, interrupted, with other programs on their files.

    async with open_simulator(Archive.demo()) as sim:
        job = Job(folder, sim)
        ended = await job.run()
        assert (ended.code, job.wrong()) == (0, [])

What only Windows has (files that shut others out) is done by `hold` and `scanner`, with the calls of `disk/win32`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landsat_async.disk import win32
from landsat_async.disk.win32_errors import Win32Error
from landsat_async.sim import Simulator

PROJECT = Path(__file__).parents[2]
WINDOWS = sys.platform == "win32"
STATE = ".landsat_async"
LAKE = {
    "dataset": "landsat_ot_c2_l2", "bbox": [-68.01, 9.99, -67.49, 10.34], "start": "2024-07-05", "end": "2024-08-06",
}  # fmt: skip
_SELECTOR = """import asyncio, sys
if sys.platform == "win32":
    asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
from landsat_async.__main__ import main
sys.exit(main())"""
HANGS_S = 240.0
"""Under Wine, beside a busy machine, a command has taken 75 s."""
LOOPS = ("proactor", "selector") if WINDOWS else ("selector",)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int
    events: list[dict[str, Any]]
    said: str

    def of(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]


@dataclass
class Job:
    """A config file in `base`, and the runs on it; what is given goes into its tables."""

    base: Path
    sim: Simulator
    select: dict[str, Any] = field(default_factory=lambda: {"type": "band", "bands": ["SR_B3", "MTL"]})
    download: dict[str, Any] = field(default_factory=dict)
    service: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        self.config, self.data = self.base / "config.toml", self.base / "data"
        tables = {
            "service": {"url": self.sim.service_url, "patience_s": 20.0} | self.service,
            "search": LAKE | self.search,
            "select": self.select,
            "download": {"poll_interval_s": 0.05, "min_free_bytes": "0 B", "workers": 4} | self.download,
        }
        lines = []
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        self.config.write_text("\n".join(lines), encoding="utf-8")

    def start(self, command: str = "run", *more: str, loop: str = "") -> subprocess.Popen[str]:
        """Start a process; `loop`: "selector" for that one in place of the system's usual one."""
        program = ["-c", _SELECTOR] if loop == "selector" else ["-m", "landsat_async"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("USGS_", "M2M_"))}
        if "credentials_file" not in self.service:
            environment |= {"USGS_USERNAME": self.sim.username, "USGS_TOKEN": self.sim.token}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, *program, command, *more, "--json", str(self.config)],
            cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True,
            encoding="utf-8",
        )  # fmt: skip

    async def run(self, command: str = "run", *more: str, loop: str = "", kill_after_s: float | None = None) -> Ended:
        """Run to the end, or kill it without a warning (TerminateProcess, SIGKILL) so long after its plan was made."""
        return await asyncio.to_thread(self._run, command, *more, loop=loop, kill_after_s=kill_after_s)

    def _run(self, command: str, *more: str, loop: str, kill_after_s: float | None) -> Ended:
        with self.start(command, *more, loop=loop) as child:
            try:
                if kill_after_s is not None:
                    for line in child.stdout:
                        if '"planned"' in line:
                            break
                out, err = child.communicate(timeout=HANGS_S if kill_after_s is None else kill_after_s)
            except subprocess.TimeoutExpired:
                child.kill()
                out, err = child.communicate()
                if kill_after_s is None:  # on Windows who is killed ends with 1, like a program with a bug
                    raise AssertionError(
                        f"{command} had not ended after {HANGS_S:g} s: {out[-3000:]} {err[-3000:]}"
                    ) from None
            except BaseException:
                child.kill()
                raise
        return Ended(child.returncode, events_of(out), err)

    def files(self) -> dict[str, Path]:
        """Everything that has a final name, by that name."""
        found = (path for path in self.data.rglob("*") if STATE not in path.parts and path.is_file())
        return {path.name: path for path in found}

    def wrong(self) -> list[str]:
        """Final names whose bytes are not those of the archive."""
        return [name for name, path in self.files().items() if _digest(path) != self.right(name)]

    def right(self, name: str) -> str:
        """SHA-256 of what the archive has under a name; "" when it has nothing."""
        content = self.sim.archive.file(name)
        if content is None:
            return ""
        digest, at = hashlib.sha256(), 0
        while at < content.size:
            block = content.read(at, min(1 << 20, content.size - at))
            digest.update(block)
            at += len(block)
        return digest.hexdigest()


def events_of(out: str) -> list[dict[str, Any]]:
    """Return the JSON lines of a run; of one that was killed, the last may be cut."""
    found = []
    for line in out.splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _toml(value: Any) -> str:
    if isinstance(value, str) and "\\" in value:
        return f"'{value}'"  # as the docs tell people to write paths of Windows
    return json.dumps(value)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def hold(path: Path, share: int = win32.SHARE_READ) -> Iterator[None]:
    """Have a file open as another program does; as it stands, others may read it and nothing else."""
    api = win32.kernel32()
    handle = api.create_file(api.native(str(path)), win32.GENERIC_READ, share, win32.OPEN_EXISTING, 0)
    try:
        yield
    finally:
        api.close_handle(handle)


@contextmanager
def scanner(root: Path, held_s: float) -> Iterator[set[str]]:
    """Open each new file below `root` for so long, as virus scanners do; gives the names that were held."""
    stop, held = threading.Event(), set[str]()
    holders: list[threading.Thread] = []

    def look() -> None:
        while not stop.wait(0.005):
            for folder, _, names in os.walk(root):
                for name in names:
                    path = Path(folder, name)
                    if str(path) not in held and not name.startswith("ledger"):
                        held.add(str(path))
                        holders.append(threading.Thread(target=scan, args=(path,)))
                        holders[-1].start()

    def scan(path: Path) -> None:
        while not stop.is_set():
            try:
                with hold(path):
                    stop.wait(held_s)
                return
            except Win32Error as error:
                if error.code != 32:  # it is gone
                    return
                stop.wait(0.002)  # its writer shuts us out

    threads = [threading.Thread(target=look)]
    threads[0].start()
    try:
        yield held
    finally:
        stop.set()
        for thread in (*threads, *holders):
            thread.join()
