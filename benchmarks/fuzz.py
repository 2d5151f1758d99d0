"""`python -m benchmarks.fuzz`: seeded mutations of everything that is read from outside, in volume.

Each case is made from the seed and its number alone, so a failure that is printed can be repeated with
`--kind KIND --seed SEED --first NUMBER --count 1`. A case fails when it raises anything but our own errors, takes
longer than it may, or accepts what is wrong.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import anyio

from landsat_async.config import EXAMPLE_TOML, Config
from landsat_async.disk.local_target import LocalTarget
from landsat_async.errors import ConfigError, LandsatError
from landsat_async.m2m.response import understand
from landsat_async.m2m.transport import ApiReply
from landsat_async.model import Identity, Proof
from landsat_async.proof.prove import Damaged, prove
from landsat_async.raster.grid import BrokenRaster, GroundBox, UnsupportedRaster
from landsat_async.raster.window import FillOnly, Origin, WindowMode, cut, layout_of, window_of
from landsat_async.rules.aoi import parse_aoi, spatial_filters
from landsat_async.rules.backoff import parse_retry_after_s
from landsat_async.rules.identity import OtherFile, evidence_of_name
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.headers import parse_content_range, parse_filename
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.transfer import transfer
from landsat_async.transfer.types import Done, MemoryStore, TransferHooks, TransferJob, TransferPolicy
from tests.disk import damaged_ledgers, damaged_parts
from tests.disk.test_proof_fuzz import INDEXED, MUTATIONS, TEXTS, has_only_spare_bytes
from tests.disk.whole_files import tiff
from tests.m2m.test_fuzz import bodies, mutate_bytes, mutate_values, rows_in, rows_out
from tests.m2m.test_read_downloads import CALLS
from tests.support.raw_server import RawServer, Wire
from tests.support.tiffs import band

LONGEST_S = 5.0
FAILURES_SHOWN = 10

Case = Callable[[Random], str]
"""Plays one case and names its outcome; raises when it failed."""
AsyncCase = Callable[[Random, int], Awaitable[str]]


class Hung(Exception):
    """A case took too long."""


# -- header fields ---------------------------------------------------------------------------------------------------

_FIELD_BYTES = "bytes 0123456789-/*=;\"'%\\.,filename\x00\xff\u0660\n\t "


def _mutated(dice: Random, seeds: list[str], alphabet: str) -> str:
    text = list(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        at = dice.randint(0, len(text))
        text[at : at + dice.randint(0, 2)] = dice.choice(alphabet)
    return "".join(text)


def _true_range(text: str) -> tuple[int | None, int | None, int | None] | None:
    """Read a Content-Range by other means than the parser's."""
    text = text.strip(" \t")
    if text[:6].lower() != "bytes ":
        return None
    span, slash, total = text[6:].partition("/")
    first, dash, last = span.partition("-")
    digits = ([] if span == "*" else [first, last]) + ([] if total == "*" else [total])
    if not slash or any(not (one.isascii() and one.isdigit() and len(one) <= 18) for one in digits):
        return None
    size = None if total == "*" else int(total)
    if span == "*":
        return None if size is None else (None, None, size)
    if not dash or int(last) < int(first) or (size is not None and int(last) >= size):
        return None
    return int(first), int(last) + 1, size


def content_range(dice: Random) -> str:
    seeds = ["bytes 5-9/10", "bytes */10", "bytes 0-9/*", "bytes 100-199/200", "Bytes 0-0/1"]
    text = _mutated(dice, seeds, _FIELD_BYTES)
    found = parse_content_range(text)
    true = _true_range(text)
    assert (None if found is None else (found.start, found.end, found.total)) == true, (text, found, true)
    return "refused" if found is None else "read"


def content_disposition(dice: Random) -> str:
    seeds = ['attachment; filename="a.tar"', "attachment; filename*=UTF-8''a%2Etar", "inline; filename=../../etc/x"]
    text = _mutated(dice, seeds, _FIELD_BYTES)
    name = parse_filename(text)
    assert name is None or (name.isprintable() and not {"/", "\\"} & set(name) and name not in ("", ".", "..")), text
    return "none" if name is None else "read"


_OWN, _OTHERS = (
    "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.TIF",
    (
        "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B5.TIF",
        "LC09_L2SP_004053_20240713_20240714_02_T1.tar",
        "LC90040532024195LGN00",
    ),
)


def names(dice: Random) -> str:
    """The file's own name speaks for it beside anything, unless that is a Landsat name as well."""
    text = _mutated(dice, [_OWN, *_OTHERS, f"L2SR_{_OWN}"], _FIELD_BYTES + "_LCT0123456789.abcTIF")
    said = evidence_of_name(_OWN, filenames=[_OWN, text], urls=[f"https://host/{text}?name={text}"])
    if isinstance(said, OtherFile):
        assert re.search(r"L[COTEM]\d", said.name, re.IGNORECASE), text
        assert said.name.isascii()
        assert said.name.casefold() != _OWN.casefold()
        return "another file"
    assert said is Identity.NAMED, text
    return "no contradiction"


def retry_after(dice: Random) -> str:
    seeds = ["120", "Tue, 14 Nov 2023 22:13:20 GMT", "1e9", "-1"]
    text = _mutated(dice, seeds, "0123456789 -+.eE,:GMTNovue\x00\u0660")
    wait_s = parse_retry_after_s(text, 1_700_000_000.0)
    assert wait_s is None or 0 <= wait_s < float("inf"), (text, wait_s)
    return "none" if wait_s is None else "read"


# -- files -----------------------------------------------------------------------------------------------------------


@contextmanager
def proofs(kind: str) -> Iterator[Case]:
    name, whole = (INDEXED | TEXTS)[kind]
    fd = os.memfd_create("fuzz")

    def judge(data: bytes, level: Proof) -> object:
        os.ftruncate(fd, 0)
        os.pwrite(fd, data, 0)
        return prove(partial(os.pread, fd), len(data), name, level=level)

    true = judge(whole, Proof.STRUCTURE)

    def case(dice: Random) -> str:
        data = bytearray(whole)
        dice.choice(MUTATIONS)(dice, data)
        verdict = judge(data, dice.choice((Proof.STRUCTURE, Proof.CONTENT)))
        if isinstance(verdict, Damaged):
            assert verdict.reason.isprintable()
            return "refused"
        if kind in INDEXED and len(data) != len(whole):
            assert has_only_spare_bytes(name, data, verdict, whole, true), "another length was accepted"
        return "accepted"

    try:
        yield case
    finally:
        os.close(fd)


# -- documents -------------------------------------------------------------------------------------------------------


@contextmanager
def envelopes() -> Iterator[Case]:
    pool = bodies()

    def case(dice: Random) -> str:
        endpoint, body = dice.choice(pool)
        mutant = dice.choice((mutate_bytes, mutate_values))(body, dice)
        status = dice.choice((200, 200, 200, 400, 403, 500))
        try:
            reply = ApiReply(status, "application/json", bytearray(mutant), None, None)
            value, unusable = understand(CALLS[endpoint], reply, ("tok",))
        except LandsatError as error:
            str(error).encode()
            return "refused"
        expected = rows_in(endpoint, mutant)
        assert expected is None or rows_out(endpoint, value, unusable) >= expected, (endpoint, mutant[:2000])
        return "read"

    yield case


_TOML_WORDS = [
    "true",
    "nan",
    "inf",
    "-1",
    "1e999",
    "9" * 5000,
    "[" * 400,
    "2024-02-30",
    "'''",
    '"',
    "\\",
    "{",
    "\ufeff",
]
_TOML_WORDS += ["[search]", "x = 1", "a.b.c = 2", "1979-05-27T07:32:00Z", "\x00", "=", "\n", "'C:\\x'", "[[select]]"]


@contextmanager
def toml() -> Iterator[Case]:
    example = re.sub(r"(?m)^# (\w+ = )", r"\1", EXAMPLE_TOML.replace('aoi = "', '# aoi = "'))
    with tempfile.NamedTemporaryFile(dir=_memory(), suffix=".toml") as file:

        def case(dice: Random) -> str:
            lines = dice.choice((example, EXAMPLE_TOML)).split("\n")
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(lines))
                line = lines[at]
                cut = dice.randint(0, len(line))
                change = dice.randrange(4)
                lines[at] = (
                    line[:cut] + dice.choice(_TOML_WORDS) + (line[cut:] if change else ""),
                    line[:cut] + line[cut + dice.randint(1, 5) :],
                    line.partition("=")[0] + "= " + dice.choice(_TOML_WORDS),
                    lines[dice.randrange(len(lines))],
                )[change]
            data = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
            if dice.random() < 0.2:
                data[dice.randrange(len(data))] = dice.randrange(256)
            file.seek(0)
            file.truncate()
            file.write(data)
            file.flush()
            try:
                config = Config.load(file.name, environ={})
            except ConfigError as error:
                str(error).encode()
                return "refused" if error.problems else "refused without a reason"
            assert config.search.datasets
            assert 1 <= config.download.workers <= 64
            return "read"

        yield case


def _ring(dice: Random) -> list[list[float]]:
    x, y = dice.uniform(-181, 181), dice.uniform(-91, 91)
    size = dice.choice((0.0, 0.01, 1.0, 30.0, 200.0))
    ring = [[x + dice.uniform(-size, size), y + dice.uniform(-size, size)] for _ in range(dice.randint(2, 9))]
    return [*ring, ring[0]] if dice.random() < 0.9 else ring


_STRANGE = [None, True, [], {}, "", "0", "Polygon", float("1e308"), -1e308, 10**400, 0, [[]], {"type": "Feature"}]


def _hurt(dice: Random, node: object) -> object:
    """Replace something in a document."""
    if not isinstance(node, dict | list) or not node or dice.random() < 0.15:
        return copy.deepcopy(dice.choice(_STRANGE))
    key = dice.choice(list(node)) if isinstance(node, dict) else dice.randrange(len(node))
    if dice.random() < 0.1:
        del node[key]  # type: ignore[arg-type]
    else:
        node[key] = _hurt(dice, node[key])  # type: ignore[index,call-overload]
    return node


def geojson(dice: Random) -> str:
    shapes: list[object] = [
        {"type": "Polygon", "coordinates": [_ring(dice) for _ in range(dice.randint(1, 3))]},
        {"type": "MultiPolygon", "coordinates": [[_ring(dice)], [_ring(dice)]]},
        {"type": "Point", "coordinates": _ring(dice)[0]},
        {"type": "LineString", "coordinates": _ring(dice)},
    ]
    node: object = dice.choice(shapes)
    if dice.random() < 0.5:
        node = {"type": "Feature", "properties": {}, "geometry": node}
    if dice.random() < 0.5:
        node = {"type": "FeatureCollection", "features": [node]}
    for _ in range(dice.choice((0, 0, 1, 2))):
        node = _hurt(dice, node)
    text = json.dumps(node)
    if dice.random() < 0.1:
        text = _mutated(dice, [text], '{}[]",:0189eE.-+\x00')
    try:
        aoi = parse_aoi(text, source="f")
    except ConfigError as error:
        str(error).encode()
        return "refused"
    west, south, east, north = aoi.geometry.bounds
    assert aoi.geometry.is_valid
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    assert spatial_filters(aoi)
    return "read"


# -- what lies on disk, and what comes over the wire -----------------------------------------------------------------

FULL_RUN_EVERY = 50


@asynccontextmanager
async def ledgers(folder: Path) -> AsyncIterator[AsyncCase]:
    async with damaged_ledgers.template(folder) as made:

        async def case(dice: Random, number: int) -> str:
            place = damaged_ledgers.lay_out(made, folder / "p" / "data")
            hurt = damaged_ledgers.damage(dice, place / damaged_ledgers.STATE)
            try:
                if number % FULL_RUN_EVERY:
                    return await damaged_ledgers.look(made, place)
                return "run: " + await damaged_ledgers.go_on(made, place)
            except BaseException as error:
                error.add_note(hurt)
                raise

        yield case


@asynccontextmanager
async def parts(folder: Path) -> AsyncIterator[AsyncCase]:
    async with damaged_parts.bench(folder) as opened:

        async def case(dice: Random, number: int) -> str:
            return await damaged_parts.one(opened, dice)

        yield case


_HEAD_WORDS = [
    "\r\n",
    "\r\n\r\n",
    ":",
    " ",
    "\t",
    "\0",
    "x" * 70_000,
    "Content-Length: 5\r\n",
    "206",
    "301",
    "HTTP/1.0",
]
_HEAD_WORDS += [
    "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: gzip\r\n",
    "Location: http://127.0.0.1:9/\r\n",
    "-1",
]
_HEAD_WORDS += [
    "Content-Range: bytes 5-9/10\r\n",
    "\xff",
    "ETag: W/x\r\n",
    "Set-Cookie: a=b\r\n",
    "9" * 30,
    "1xx",
    "204",
]


@asynccontextmanager
async def heads(folder: Path) -> AsyncIterator[AsyncCase]:
    """Answers whose head is mutated; the body is a whole TIFF, so nothing else may get the final name."""
    body = tiff()
    seeds = [
        f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: image/tiff\r\nETag: "a"\r\n\r\n',
        "HTTP/1.1 200 OK\r\nConnection: close\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\n",
    ]
    head = [b""]

    async def answer(wire: Wire) -> None:
        await wire.send(head[0], body)
        wire.fin()

    policy = TransferPolicy(
        attempts=2, min_free_bytes=0, stall_timeout_s=1, connect_timeout_s=1, header_timeout_s=1, backoff_cap_s=0.001
    )
    async with (
        RawServer([answer]) as server,
        open_transfer_session(
            hosts=AllowedHosts.for_service("http://127.0.0.1:1/", ()),
            target=LocalTarget(folder, parts_dir=folder / "parts"),
            trust_env=False,
            uniform=lambda: 0.0,
        ) as net,
    ):

        async def case(dice: Random, number: int) -> str:
            text = dice.choice(seeds)
            for _ in range(dice.randint(1, 3)):
                at = dice.randint(0, len(text))
                text = text[:at] + dice.choice(_HEAD_WORDS) + text[at + dice.choice((0, 0, 1, 5)) :]
            head[0] = text.encode("latin-1")
            final = folder / f"f{number}.TIF"
            job = TransferJob(
                SecretUrl(server.url("/f")),
                final.name,
                f"{number}.part",
                final.name,
                None,
                policy,
            )
            outcome = await transfer(job, net, TransferHooks(lambda event: None, MemoryStore()))
            assert final.exists() is isinstance(outcome, Done)
            if isinstance(outcome, Done):
                assert final.read_bytes() == body, "N1"
                final.unlink()
            (folder / "parts" / job.part_name).unlink(missing_ok=True)
            return type(outcome).__name__

        yield case


# -- playing ---------------------------------------------------------------------------------------------------------


@contextmanager
def _just(case: Case) -> Iterator[Case]:
    yield case


def window_heads(dice: Random) -> str:
    """Cut a window out of a band whose index was changed: refused, or just what the changed index says."""
    shape = dice.choice(({}, {"order": ">"}, {"big": True}, {"index_at_end": True}, {"framed": True}))
    data = bytearray(band(**shape))
    tail = data[-400:] if shape.get("index_at_end") else b""
    part = bytearray(tail or data[:700])
    dice.choice(MUTATIONS)(dice, part)
    changed = bytes(data[:-400] + part if tail else part + data[700:])
    ground = GroundBox(485_000.0, 1_160_200.0, 485_700.0, 1_160_600.0)

    def read(size: int, at: int) -> bytes:
        return changed[at : at + size]

    refused: Exception | None = None
    try:
        layout = layout_of(read, len(changed))
        window = window_of(layout, ground, dice.choice(list(WindowMode)))
        whole = b"".join(cut(layout, window, read, Origin("a.TIF", len(changed), "1a2b3c4d")))
    except (BrokenRaster, UnsupportedRaster, FillOnly) as caught:
        refused = caught
    if refused is not None:
        assert str(refused).isprintable()
        return type(refused).__name__
    own = layout_of(lambda size, at: whole[at : at + size], len(whole))
    assert (own.width, own.length) == (window.box.width, window.box.height)
    verdict = prove(lambda size, at: whole[at : at + size], len(whole), "a.w1a2b3c4d.TIF", level=Proof.WINDOW)
    assert not isinstance(verdict, Damaged) or not layout.has_sums, verdict
    return "cut"


@dataclass(frozen=True, slots=True)
class Kind:
    count: int
    open: Callable[[], object] | Callable[[Path], AbstractAsyncContextManager[AsyncCase]]
    on_disk: bool = False


KINDS: dict[str, Kind] = {
    "content-range": Kind(1_000_000, partial(_just, content_range)),
    "content-disposition": Kind(1_000_000, partial(_just, content_disposition)),
    "names": Kind(1_000_000, partial(_just, names)),
    "retry-after": Kind(200_000, partial(_just, retry_after)),
    **{f"proof: {kind}": Kind(200_000, partial(proofs, kind)) for kind in (*INDEXED, *TEXTS)},
    "envelope": Kind(200_000, envelopes),
    "toml": Kind(100_000, toml),
    "geojson": Kind(100_000, partial(_just, geojson)),
    "http-head": Kind(100_000, heads, on_disk=True),
    "window": Kind(20_000, partial(_just, window_heads)),
    "ledger": Kind(20_000, ledgers, on_disk=True),
    "part": Kind(20_000, parts, on_disk=True),
}


def _memory() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def dice_of(seed: int, number: int) -> Random:
    return Random(seed * 2**40 + number)


@dataclass
class RunCounts:
    seen: Counter[str]
    failures: list[str]
    elapsed_s: float = 0.0

    def failed(self, number: int, error: BaseException) -> None:
        notes = " ".join(getattr(error, "__notes__", ()))
        self.failures.append(f"number {number}: {type(error).__name__}: {str(error)[:300]} {notes}")
        if not isinstance(error, AssertionError):
            traceback.print_exception(error)


def play(kind: str, count: int, seed: int, first: int = 0) -> RunCounts:
    """Play `count` cases of a kind."""
    tally = RunCounts(Counter(), [])
    begun_s = time.perf_counter()
    if KINDS[kind].on_disk:
        anyio.run(_play_on_disk, kind, range(first, first + count), seed, tally)
    else:
        _play_in_memory(kind, range(first, first + count), seed, tally)
    tally.elapsed_s = time.perf_counter() - begun_s
    return tally


def _play_in_memory(kind: str, numbers: range, seed: int, tally: RunCounts) -> None:
    def hung(*_: object) -> None:
        raise Hung(f"longer than {LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, hung)
    try:
        with KINDS[kind].open() as case:  # type: ignore[operator,call-arg,attr-defined]
            for number in numbers:
                signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
                try:
                    tally.seen[case(dice_of(seed, number))] += 1
                except Exception as error:
                    tally.failed(number, error)
                    if len(tally.failures) >= FAILURES_SHOWN:
                        return
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def _play_on_disk(kind: str, numbers: range, seed: int, tally: RunCounts) -> None:
    with tempfile.TemporaryDirectory(dir=_memory(), prefix="fuzz-") as name:
        async with KINDS[kind].open(Path(name)) as case:  # type: ignore[call-arg,attr-defined]
            for number in numbers:
                try:
                    with anyio.fail_after(4 * damaged_ledgers.LONGEST_S):
                        tally.seen[await case(dice_of(seed, number), number)] += 1
                except Exception as error:
                    tally.failed(number, error)
                    if len(tally.failures) >= FAILURES_SHOWN:
                        return


def report(kind: str, count: int, seed: int, tally: RunCounts) -> str:
    outcomes = ", ".join(f"{number:,} {what}" for what, number in tally.seen.most_common())
    rate = (tally.seen.total() + len(tally.failures)) / tally.elapsed_s
    lines = [f"{kind:22} {count:9,}  {rate:9,.0f}/s  {len(tally.failures)} failures  seed {seed}  ({outcomes})"]
    return "\n".join([*lines, *(f"    {failure}" for failure in tally.failures)])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--kind", nargs="+", choices=list(KINDS), default=list(KINDS), help="default: all")
    parser.add_argument("--count", type=int, help="cases of each kind; default: the full volume")
    parser.add_argument("--seed", type=int, default=20240705)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    given = parser.parse_args(arguments)
    failed = False
    for kind in given.kind:
        count = given.count or KINDS[kind].count
        tally = play(kind, count, given.seed, given.first)
        print(report(kind, count, given.seed, tally), flush=True)
        failed = failed or bool(tally.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
