"""`python -m benchmarks.comparison`: what downloaders make of servers that go wrong in the middle of a file.

Each program fetches one band from a server that plays a script, and is started again, as a user would do, until it says
that all went well, three times at most. Then there are three cases: the file is right; it is not, and the program has
said so; it is not, and the program has called it a success. The last one is what makes archives rot.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import anyio

from landsat_async.sim.archive import Archive
from landsat_async.sim.server import open_simulator
from landsat_async.sim.tiff import empty_image
from tests.support.raw_server import Answer, RawServer, Wire, reset, whole

PROJECT = Path(__file__).parents[1]
STARTS = 3
LONGEST_S = 40.0
PRODUCT = "LC08_L2SP_004053_20240705_20240714_02_T1"
NAME, NEIGHBOUR = f"{PRODUCT}_SR_B3.TIF", f"{PRODUCT}_SR_B5.TIF"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Error</title></head><body>Something went wrong.</body></html>\n"
LOGIN_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>EROS Registration System - Sign In</title></head>\n"
    b'<body><form action="/login"><input name="username"></form></body></html>\n'
)
ERROR_TEXT = b"<html><body><h1>502 Bad Gateway</h1></body></html>\n"
NAMED = ("Content-Disposition", f'attachment; filename="{NAME}"')
OTHER_NAMED = ("Content-Disposition", f'attachment; filename="{PRODUCT}_SR_QA_AEROSOL.TIF"')
TIFF = ("Content-Type", "image/tiff")

RIGHT, SAID_SO, WRONG = "right", "said so", "WRONG"


@dataclass(frozen=True, slots=True)
class Files:
    """The contents that play a part."""

    old: bytes
    new: bytes
    """The next version of the same file, of equal length."""
    short: bytes
    """A next version that is shorter."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What the server does to the first request and to those after it, and which content is right in the end."""

    name: str
    first: Callable[[Files], Answer]
    then: Callable[[Files], Answer]
    right: Callable[[Files], bytes] = lambda files: files.old
    neighbour: Callable[[Files], bytes] | None = None
    """The content of a second file that is fetched along with it; None = there is one file."""


@dataclass(frozen=True, slots=True)
class _Host:
    """An answer: a proper file host, unless told otherwise."""

    data: bytes
    etag: str | None = '"v1"'
    knows_conditions: bool = True
    stop: int | None = None
    """Offset in the file at which the body is cut."""
    shift: int = 0
    """A range has the bytes from so much further on."""
    claim: str | None = "bytes {start}-{last}/{size}"
    """Content-Range; None = there is none."""

    async def __call__(self, wire: Wire) -> None:
        size, tags = len(self.data), [("ETag", self.etag)] if self.etag else []
        span = _span(wire, size)
        condition = wire.request.headers.get("if-range")
        if span is None or (self.knows_conditions and condition not in (None, self.etag)):
            await wire.head(200, ("Content-Length", str(size)), NAMED, TIFF, *tags)
            await self._send(wire, self.data, 0)
            return
        start, end = span
        body = (self.data + self.data)[start + self.shift : end + self.shift]
        told = [("Content-Range", (self.claim or "").format(start=start, last=end - 1, size=size))]
        await wire.head(206, ("Content-Length", str(len(body))), NAMED, TIFF, *tags, *(told if self.claim else []))
        await self._send(wire, body, start)

    async def _send(self, wire: Wire, body: bytes, start: int) -> None:
        await wire.send(body if self.stop is None else body[: max(0, self.stop - start)])
        if self.stop is not None:
            wire.fin()


def _span(wire: Wire, size: int) -> tuple[int, int] | None:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", wire.request.headers.get("range", ""))
    if found is None or int(found[1]) >= size:
        return None
    return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size


def _good(files: Files) -> Answer:
    return _Host(files.old)


def _cut(files: Files) -> Answer:
    return _Host(files.old, stop=len(files.old) * 6 // 10)


def _page(status: int = 200) -> Callable[[Files], Answer]:
    return lambda files: whole(PAGE, ("Content-Type", "text/html"), status=status)


def _without_length(files: Files) -> Answer:
    return whole(files.old[: len(files.old) * 6 // 10], NAMED, TIFF, length=False)


def _broken(tail: bytes, *, by_reset: bool) -> Callable[[Files], Answer]:
    """Half of the file, something else, and the end."""

    def make(files: Files) -> Answer:
        async def answer(wire: Wire) -> None:
            await wire.head(200, ("Content-Length", str(len(files.old))), ("ETag", '"v1"'), NAMED, TIFF)
            await wire.send(files.old[: len(files.old) // 2], tail)
            await anyio.sleep(0.1)  # a reset throws away what has not been read yet
            if by_reset:
                with suppress(OSError):  # the client has left by itself
                    wire.rst()
            wire.fin()

        return answer

    return make


def _drip(files: Files) -> Answer:
    """Some of the file, and then a byte a second: it would take days."""

    async def answer(wire: Wire) -> None:
        start, end = _span(wire, len(files.old)) or (0, len(files.old))
        where = [("Content-Range", f"bytes {start}-{end - 1}/{len(files.old)}")] if start else []
        fields = (("Content-Length", str(end - start)), ("ETag", '"v1"'), NAMED, TIFF, *where)
        await wire.head(206 if start else 200, *fields)
        here = min(start + 100_000, end - 1)
        await wire.send(files.old[start:here])
        for at in range(here, end):
            await wire.send(files.old[at : at + 1])
            await anyio.sleep(1.0)

    return answer


def _416(files: Files) -> Answer:
    async def answer(wire: Wire) -> None:
        span = _span(wire, len(files.old))
        if span is None:
            await _Host(files.old)(wire)
        else:
            await wire.head(416, ("Content-Range", f"bytes */{span[0]}"), ("Content-Length", "0"))

    return answer


async def _login(wire: Wire) -> None:
    if wire.request.target == "/login":
        await _page()(None)(wire)  # type: ignore[arg-type]
    else:
        await wire.head(302, ("Location", "/login"), ("Content-Length", "0"))


def _other_band(files: Files) -> Answer:
    """Another band of the scene, whole, which says what it is."""
    return whole(files.short, OTHER_NAMED, TIFF)


def _empty_image(files: Files) -> Answer:
    return whole(empty_image(), NAMED, TIFF)


def _login_page(files: Files) -> Answer:
    return whole(LOGIN_PAGE, ("Content-Type", "text/html"))


def _gzip(files: Files) -> Answer:
    return whole(gzip.compress(files.old), NAMED, TIFF, ("Content-Encoding", "gzip"))


@dataclass(frozen=True, slots=True)
class _Twice:
    """Every answer comes again a little later on its connection."""

    files: Files
    names: bool

    async def __call__(self, wire: Wire) -> None:
        name = NEIGHBOUR if NEIGHBOUR in wire.request.target else NAME
        data = self.files.new if name == NEIGHBOUR else self.files.old
        more = [("Content-Disposition", f'attachment; filename="{name}"')] if self.names else []
        for pause_s in (0.0, 0.005):
            await anyio.sleep(pause_s)
            await wire.head(200, ("Content-Length", str(len(data))), ("ETag", f'"{name}"'), TIFF, *more)
            await wire.send(data)


def _twice(*, names: bool) -> Callable[[Files], Answer]:
    return lambda files: _Twice(files, names)


FAULTS = (
    Fault("page in place of the file, status 200", _page(), _page()),
    Fault("page first, then the file", _page(), _good),
    Fault("closed early, no length given", _without_length, _without_length),
    Fault("closed early, no length; then the file", _without_length, _good),
    Fault("cut, then good", _cut, _good),
    Fault("reset, then good", _broken(b"", by_reset=True), _good),
    Fault("cut, then ranges ignored", _cut, lambda f: whole(f.old, NAMED, TIFF)),
    Fault("cut, then another file of equal length", _cut, lambda f: _Host(f.new, '"v2"'), lambda f: f.new),
    Fault("the same, and If-Range is not known", _cut, lambda f: _Host(f.new, '"v2"', knows_conditions=False),
          lambda f: f.new),
    Fault("the same, and no validators", lambda f: _Host(f.old, None, stop=len(f.old) * 6 // 10),
          lambda f: _Host(f.new, None), lambda f: f.new),
    Fault("the same, and the ETag stays", _cut, lambda f: _Host(f.new), lambda f: f.new),
    Fault("206 with shifted bytes", _cut, lambda f: _Host(f.old, shift=1000)),
    Fault("206 with a wrong start", _cut, lambda f: _Host(f.old, claim="bytes 5-{last}/{size}")),
    Fault("206 without Content-Range", _cut, lambda f: _Host(f.old, claim=None)),
    Fault("416 although the file goes on", _cut, _416),
    Fault("a byte a second, for ever", _drip, _drip),
    Fault("a byte a second, then good", _drip, _good),
    Fault("cut, then a shorter file", _cut, lambda f: _Host(f.short, '"v3"'), lambda f: f.short),
    Fault("error text in the body, then cut", _broken(ERROR_TEXT, by_reset=False), _good),
    Fault("encoded although identity was asked", _gzip, _gzip),
    Fault("403 with a page", _page(403), _page(403)),
    Fault("redirect to a login page", lambda f: _login, lambda f: _login),
    Fault("login page for ever, status 200", _login_page, _login_page),
    Fault("empty answer, status 200", lambda f: whole(b"", NAMED), lambda f: whole(b"", NAMED)),
    Fault("another band under its own name, then the file", _other_band, _good),
    Fault("another band under its own name", _other_band, _other_band),
    Fault("an image without a stored strip, then the file", _empty_image, _good),
    Fault("an image without a stored strip", _empty_image, _empty_image),
    Fault("reset before any answer, then good", lambda f: reset, _good),
    Fault("two files, each answer comes twice", _twice(names=True), _twice(names=True), neighbour=lambda f: f.new),
    Fault("the same, and no names", _twice(names=False), _twice(names=False), neighbour=lambda f: f.new),
)  # fmt: skip


@dataclass
class Play:
    """One fault on its way; HEAD does not count as a request."""

    first: Answer
    then: Answer
    asked: int = 0

    async def __call__(self, wire: Wire) -> None:
        if wire.request.method == "HEAD":
            await wire.head(405, ("Content-Length", "0"))
            return
        self.asked += wire.request.target != "/login"
        await (self.first if self.asked <= 1 else self.then)(wire)


@dataclass(frozen=True, slots=True)
class Task:
    """Files to fetch, one as a rule."""

    base: str
    names: Sequence[str]
    out: Path
    scratch: Path
    config: Path
    """For our own command, which asks a service for the link."""

    def fill(self, arguments: Sequence[str], name: str) -> list[str]:
        """Put in what belongs to one of the files."""
        values = {"url": f"{self.base}/{name}", "out": str(self.out), "file": str(self.out / name), "name": name}
        return [argument.format(**values) for argument in arguments]


@dataclass(frozen=True, slots=True)
class Program:
    """Somebody to be compared."""

    name: str
    is_there: Callable[[], bool]
    command: Callable[[Task], Sequence[str]]

    async def start(self, task: Task) -> int:
        """Run it and return its exit code; one that does not come to an end is asked to, as Ctrl-C would."""
        process = await anyio.open_process(self.command(task), stdin=None, stdout=-3, stderr=-3, cwd=PROJECT)
        try:
            with anyio.move_on_after(LONGEST_S):
                return await process.wait()
            process.send_signal(signal.SIGINT)
            with anyio.move_on_after(15):
                return await process.wait() or 130
            return 137
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.aclose()


def _program(name: str, *arguments: str, each: Sequence[str]) -> Program:
    """A program that gets `each` for every file."""

    def command(task: Task) -> list[str]:
        return [name, *task.fill(arguments, NAME), *(text for file in task.names for text in task.fill(each, file))]

    return Program(name, lambda: shutil.which(name) is not None, command)


def _aria2c(task: Task) -> list[str]:
    wanted = task.scratch / "urls"
    wanted.write_text("".join("\n out=".join(task.fill(("{url}", "{name}"), name)) + "\n" for name in task.names))
    return [
        "aria2c", "-q", "-c", "--max-tries=1", "--file-allocation=none", "-j1", "-d", str(task.out), "-i", str(wanted)
    ]  # fmt: skip


def _rclone(task: Task) -> list[str]:
    call = ("rclone", "copyurl", "--config=", "--retries=1", "--low-level-retries=1", "-q", "{url}", "{file}")
    return ["sh", "-c", " && ".join(shlex.join(task.fill(call, name)) for name in task.names)]


def _python(name: str, module: str, package: str) -> Program:
    def command(task: Task) -> list[str]:
        urls = task.scratch / "urls"
        urls.write_text("\n".join(url for name in task.names for url in task.fill(("{url}",), name)))
        return [sys.executable, "-m", f"benchmarks.{module}", "--urls", str(urls), "--out", str(task.out)]

    return Program(name, lambda: find_spec(package) is not None, command)


def _ours(task: Task) -> list[str]:
    return [sys.executable, "-m", "landsat_async", "run", str(task.config), "--quiet"]


PROGRAMS = (
    _program("curl", "-sS", "--fail", "-L", "-C", "-", each=("-o", "{file}", "{url}")),
    _program("wget", "-q", "-c", "--tries=1", "-P", "{out}", each=("{url}",)),
    Program("aria2c", lambda: shutil.which("aria2c") is not None, _aria2c),
    Program("rclone", lambda: shutil.which("rclone") is not None, _rclone),
    _python("parfive", "with_parfive", "parfive"),
    _python("requests loop", "with_requests_loop", "requests"),
    _python("usgsxplore", "with_usgsxplore", "usgsxplore"),
    Program("landsat_async", lambda: True, _ours),
)

_CONFIG = """
[service]
url = "{url}"
credentials_file = "credentials.txt"
patience_s = 20
[search]
scenes = ["{product}"]
[select]
type = "band"
bands = {bands}
[download]
directory = "out"
workers = 1
poll_interval_s = 0.1
stall_timeout_s = 5
min_free_bytes = "0 B"
"""


@asynccontextmanager
async def _service(scratch: Path, files_at: str, names: Sequence[str]) -> AsyncIterator[Path]:
    """Answer our API calls with links to the scripted server; yields a config file."""
    async with open_simulator() as simulator:
        simulator._service.base_urls["landsatlook"] = files_at  # links to another server: of use to nobody but us
        (scratch / "credentials.txt").write_text(f"username:{simulator.username}\ntoken:{simulator.token}\n")
        config = scratch / "config.toml"
        bands = [name.removeprefix(f"{PRODUCT}_").removesuffix(".TIF") for name in names]
        config.write_text(_CONFIG.format(url=simulator.service_url, product=PRODUCT, bands=json.dumps(bands)))
        yield config


def make_files() -> Files:
    """Take three proper bands from the simulator's archive."""
    archive = Archive.demo(pixels=400, tile=128, compress=False)

    def read(name: str) -> bytes:
        content = archive.file(name)
        assert content is not None
        return content.read(0, content.size)

    old, short = read(NAME), read(f"{PRODUCT}_SR_QA_AEROSOL.TIF")
    archive.renew(NAME)
    files = Files(old, read(NAME), short)
    assert len(files.old) == len(files.new) > len(files.short)
    assert files.old != files.new
    return files


@dataclass(frozen=True, slots=True)
class Verdict:
    word: str
    code: int
    starts: int
    requests: int


async def judge(program: Program, fault: Fault, files: Files, scratch: Path) -> Verdict:
    """Let one program meet one fault."""
    out = scratch / "out"
    out.mkdir()
    play = Play(fault.first(files), fault.then(files))
    code, starts = 1, 0
    wanted = {NAME: fault.right(files)} | ({NEIGHBOUR: fault.neighbour(files)} if fault.neighbour else {})
    async with RawServer([play]) as server, _service(scratch, server.url(""), list(wanted)) as config:
        task = Task(server.url(""), list(wanted), out, scratch, config)
        while code != 0 and starts < STARTS:
            code = await program.start(task)
            starts += 1
        assert play.asked, f"{program.name} has not asked for the file"
    found = {path.name: path.read_bytes() for path in out.iterdir() if path.name in wanted}
    if code != 0:
        return Verdict(SAID_SO, code, starts, play.asked)
    return Verdict(RIGHT if found == wanted else WRONG, code, starts, play.asked)


async def compare(programs: Sequence[Program], faults: Sequence[Fault]) -> dict[tuple[str, str], Verdict]:
    """Let every program meet every fault; verdicts by program and fault."""
    files = make_files()
    verdicts = {}
    for fault in faults:
        for program in programs:
            with tempfile.TemporaryDirectory(prefix="comparison-") as name:
                verdicts[program.name, fault.name] = await judge(program, fault, files, Path(name))
    return verdicts


def render(programs: Sequence[str], verdicts: dict[tuple[str, str], Verdict]) -> str:
    """Return the table, with sums."""
    faults = list(dict.fromkeys(fault for _, fault in verdicts))
    rows = [["fault", *programs]]
    rows += [[fault, *(verdicts[name, fault].word for name in programs)] for fault in faults]
    for word in (RIGHT, SAID_SO, WRONG):
        counts = [Counter(verdicts[name, fault].word for fault in faults)[word] for name in programs]
        rows.append([f"= {word}", *map(str, counts)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument(
        "--programs", nargs="+", choices=[program.name for program in PROGRAMS], help="default: all here"
    )
    parser.add_argument("--json", metavar="PATH", help="write every verdict there")
    given = parser.parse_args()
    here = [one for one in PROGRAMS if one.is_there() and one.name in (given.programs or [one.name])]
    verdicts = anyio.run(compare, here, FAULTS)
    print(render([program.name for program in here], verdicts))
    if given.json:
        rows = [{"program": p, "fault": f, **_plain(verdict)} for (p, f), verdict in verdicts.items()]
        Path(given.json).write_text(json.dumps(rows, indent=1))
    return 1 if any(v.word == WRONG for (name, _), v in verdicts.items() if name == "landsat_async") else 0


def _plain(verdict: Verdict) -> dict[str, object]:
    return {"verdict": verdict.word, "exit_code": verdict.code, "starts": verdict.starts, "requests": verdict.requests}


if __name__ == "__main__":
    sys.exit(main())
