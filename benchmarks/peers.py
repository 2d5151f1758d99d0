"""The programs that are measured, and how each is told what to fetch.

Each gets the same list of URLs, the same number of connections, and a folder; none is asked to be careful.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.nginx import FileHost
from benchmarks.service import Api
from benchmarks.workload import Workload


@dataclass(frozen=True, slots=True)
class Task:
    """What one run has to fetch and where to."""

    workload: Workload
    host: FileHost
    names: tuple[str, ...]
    out: Path
    scratch: Path
    """For lists and compiled programs; may be written."""
    api: Api | None = None
    """The service, for who wants it."""

    @property
    def base(self) -> str:
        return f"{self.host.url}/{self.workload.name}"

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(f"{self.base}/{name}" for name in self.names)

    def listed(self, lines: tuple[str, ...]) -> Path:
        """Return a file with these lines in it."""
        path = self.scratch / "list.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path


@dataclass(frozen=True, slots=True)
class Peer:
    """A program to be measured."""

    name: str
    version: Callable[[], str | None]
    """What is installed; None = not there."""
    command: Callable[[Task], list[str] | None]
    """How to call it; None = it cannot do this task."""
    reads_paths: bool = False
    """Wants the list of paths on stdin."""
    wants_api: bool = False
    """Begins with a search at the service and not with a list."""


def _of_program(name: str) -> Callable[[], str | None]:
    def version() -> str | None:
        if shutil.which(name) is None:
            return None
        said = subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"\d+(?:\.\d+)+", said)
        return found[0] if found else "?"

    return version


def _of_package(name: str) -> Callable[[], str | None]:
    return lambda: importlib.metadata.version(name) if importlib.util.find_spec(name) else None


def _aria2c(task: Task) -> list[str]:
    certificate = [f"--ca-certificate={task.host.certificate}"] if task.host.certificate else []
    splits = str(task.workload.splits)
    return [
        "aria2c", "--quiet", "--no-conf", "--file-allocation=none", "--summary-interval=0", "--min-split-size=1M",
        f"--max-concurrent-downloads={task.workload.connections}", f"--split={splits}",
        f"--max-connection-per-server={splits}", f"--dir={task.out}", *certificate,
        f"--input-file={task.listed(task.urls)}",
    ]  # fmt: skip


def _curl(task: Task) -> list[str] | None:
    if task.workload.splits > 1:
        return None
    config = tuple(
        f'url = "{url}"\noutput = "{task.out / name}"' for url, name in zip(task.urls, task.names, strict=True)
    )
    certificate = ["--cacert", str(task.host.certificate)] if task.host.certificate else []
    return [
        "curl", "--disable", "--silent", "--show-error", "--fail", "--parallel",
        "--parallel-max", str(task.workload.connections), *certificate, "--config", str(task.listed(config)),
    ]  # fmt: skip


def _wget2(task: Task) -> list[str] | None:
    if task.workload.splits > 1:
        return None
    certificate = [f"--ca-certificate={task.host.certificate}"] if task.host.certificate else []
    return [
        "wget2", "--no-config", "--quiet", "--no-robots", f"--max-threads={task.workload.connections}",
        f"--directory-prefix={task.out}", *certificate, f"--input-file={task.listed(task.urls)}",
    ]  # fmt: skip


def _rclone(task: Task) -> list[str] | None:
    if task.workload.splits > 1:
        return None
    certificate = ["--ca-cert", str(task.host.certificate)] if task.host.certificate else []
    return [
        "rclone", "--config=", "copy", ":http:", str(task.out), f"--http-url={task.base}/", "--quiet",
        "--no-traverse", "--no-check-dest", "--multi-thread-streams=0", f"--transfers={task.workload.connections}",
        *certificate, "--files-from-raw", str(task.listed(task.names)),
    ]  # fmt: skip


def _then_sums(program: Callable[[Task], list[str] | None]) -> Callable[[Task], list[str] | None]:
    """Take the SHA-256 of each file afterwards, two at a time: what our transfer has at its end, and users do."""

    def command(task: Task) -> list[str] | None:
        fetch = program(task)
        if fetch is None:
            return None
        sums = "find . -type f -print0 | xargs -0 -n 16 -P 2 openssl dgst -sha256"
        return ["sh", "-c", f"{shlex.join(fetch)} && cd {shlex.quote(str(task.out))} && {sums}"]

    return command


def _python(module: str, *flags: str, can_split: bool = False) -> Callable[[Task], list[str] | None]:
    def command(task: Task) -> list[str] | None:
        if task.workload.splits > 1 and not can_split:
            return None
        certificate = ["--ca-bundle", str(task.host.certificate)] if task.host.certificate else []
        splits = ["--splits", str(task.workload.splits)] if task.workload.splits > 1 else []
        return [
            sys.executable, "-m", f"benchmarks.{module}", "--urls", str(task.listed(task.urls)),
            "--out", str(task.out), "--connections", str(task.workload.connections), *certificate, *splits, *flags,
        ]  # fmt: skip

    return command


def _plain(program: Callable[[Task], list[str] | None]) -> Callable[[Task], list[str] | None]:
    return lambda task: None if task.host.certificate else program(task)


def _floor(task: Task) -> list[str] | None:
    if task.host.certificate or task.workload.splits > 1:
        return None
    program = task.scratch / "floor"
    if not program.exists():
        source = Path(__file__).with_name("floor.c")
        subprocess.run(["cc", "-O2", "-pthread", "-o", program, source], check=True)
    address = urlsplit(task.host.url)
    return [str(program), str(address.hostname), str(address.port), str(task.workload.connections), str(task.out)]


_RUN_CONFIG = """
[service]
url = "{api.url}"
credentials_file = "credentials.txt"
{ca_bundle}
[search]
dataset = "landsat_ot_c2_l2"
[select]
type = "band"
bands = {bands}
[download]
directory = "{out}"
workers = {load.connections}
connections_per_file = {load.splits}
min_free_bytes = "0 B"
"""


def _ours_run(task: Task) -> list[str]:
    api, load = task.api, task.workload
    assert api is not None
    (task.scratch / "credentials.txt").write_text(f"username:{api.username}\ntoken:{api.token}\n")
    ca_bundle = f'ca_bundle = "{task.host.certificate}"' if task.host.certificate else ""
    bands = json.dumps(list(load.band_names))
    config = task.scratch / "config.toml"
    config.write_text(_RUN_CONFIG.format(api=api, ca_bundle=ca_bundle, bands=bands, out=task.out, load=load))
    return [sys.executable, "-m", "landsat_async", "run", str(config), "--quiet"]


PEERS = (
    Peer("floor", _of_program("cc"), _floor, reads_paths=True),
    Peer("python", lambda: "least", _python("floor_python", "--no-hash")),
    Peer("python, libraries", lambda: "least", _python("floor_python", "--no-hash", "--libraries")),
    Peer("python, one thread", lambda: "least", _plain(_python("floor_python", "--no-hash", "--one-thread"))),
    Peer("python, safe", lambda: "least", _python("floor_python", "--safe")),
    Peer("python, safe, libraries", lambda: "least", _python("floor_python", "--safe", "--libraries")),
    Peer("python, safe, one thread", lambda: "least", _plain(_python("floor_python", "--safe", "--one-thread"))),
    Peer("aria2c", _of_program("aria2c"), _aria2c),
    Peer("curl", _of_program("curl"), _curl),
    Peer("wget2", _of_program("wget2"), _wget2),
    Peer("rclone", _of_program("rclone"), _rclone),
    Peer("curl, sums", _of_program("curl"), _then_sums(_curl)),
    Peer("rclone, sums", _of_program("rclone"), _then_sums(_rclone)),
    Peer("obstore", _of_package("obstore"), _python("with_obstore")),
    Peer("pypdl", _of_package("pypdl"), _python("with_pypdl", can_split=True)),
    Peer("parfive", _of_package("parfive"), _python("with_parfive", can_split=True)),
    Peer("notebook", _of_package("requests"), _python("with_notebook_loop")),
    Peer("ours bare", lambda: "this tree", _python("ours_bare", can_split=True)),
    Peer("ours no hash", lambda: "this tree", _python("ours_bare", "--no-hash", can_split=True)),
    Peer("ours safe", lambda: "this tree", _python("ours_bare", "--safe", can_split=True)),
    Peer("ours run", lambda: "this tree", _ours_run, wants_api=True),
)
