"""Ledgers with wrong bytes in them: flipped, cut, zeroed, mixed up; of the database or of its write-ahead log.

`template` leaves a folder as a killed run leaves it: finished files, parts with checkpoints, planned ones, and commits
in the log. `damage` does something to a copy; `look` and `go_on` then do what the next run does. That ends in an error
of ours or in the truth.
"""

from __future__ import annotations

import copy
import hashlib
import random
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from anyio import fail_after

from landsat_async import Config, Credentials, open_run
from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.local_target import LocalTarget
from landsat_async.disk.target import Look, Recorded
from landsat_async.errors import LandsatError, LedgerError
from landsat_async.events import Started
from landsat_async.model import WantedFile
from landsat_async.rules.lifecycle import State, Step
from landsat_async.run.verify import status, verify
from landsat_async.sim.archive import Archive
from landsat_async.sim.downloads import Downloads
from landsat_async.sim.script import Script
from landsat_async.sim.server import Simulator, open_simulator
from tests.support.ledger_steps import request_log, take_step

STATE = ".landsat_async"
LONGEST_S = 20.0
PAGE_BYTES = 4096


@dataclass
class Template:
    """A folder to be damaged, and what is true of it."""

    folder: Path
    sim: Simulator
    config: Config
    selected: list[WantedFile]
    facts: set[bytes]
    """All checkpoints that were ever saved."""
    downloads: Downloads | None = None
    """What the service has made for the stopped run."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def truth(self, name: str) -> bytes:
        content = self.sim.archive.file(name)
        assert content is not None, name
        return content.read(0, content.size)

    def config_for(self, directory: Path) -> Config:
        return msgspec.structs.replace(
            self.config, download=msgspec.structs.replace(self.config.download, directory=str(directory))
        )

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.sim.username, self.sim.token)


@asynccontextmanager
async def template(folder: Path) -> AsyncIterator[Template]:
    """Make a template in `folder`, with a simulator that can go on with it."""
    script = Script(latency_s=0.0001)
    async with open_simulator(Archive.seeded(4, pixels=400, tile=128, compress=False), script) as sim:
        tables = {
            "service": {"url": sim.service_url, "patience_s": 5.0},
            "search": {"dataset": "landsat_ot_c2_l2"},
            "select": {"type": "band", "bands": ["SR_B3", "SR_B5", "ANG"]},
            "download": {"directory": str(folder / "data"), "workers": 3, "poll_interval_s": 0.01,
                         "min_free_bytes": "0 B"},
        }  # fmt: skip
        made = Template(folder, sim, Config.from_dict(tables), [], set())
        await _stop_in_the_middle(made, script)
        _leave_a_log(made)
        script.rate_bytes_s = None
        script.file_faults.clear()
        made.downloads = sim._service.downloads
        yield made


async def _stop_in_the_middle(made: Template, script: Script) -> None:
    script.rate_bytes_s = (
        1_600_000  # bands of 320 KB: of shorter bodies that come at once nothing is kept until they end
    )
    script.fault_file("*_ANG.txt", "status", status=404, times=None, skip=2)
    async with open_run(made.config, credentials=made.credentials) as run:
        begun = 0
        async for event in run.events():
            begun += isinstance(event, Started)
            if begun == 9:
                run.stop()
    with closing(sqlite3.connect(made.data / STATE / "ledger.sqlite3")) as ledger:
        states = dict(ledger.execute("SELECT state, count(*) FROM item GROUP BY state"))
        assert states["done"] > 1, states
        made.facts = {row[0] for row in ledger.execute("SELECT facts FROM part")}
        assert made.facts, "no checkpoint in the template"
        rows = ledger.execute(
            "SELECT relpath, name, kind, scene_entity_id, scene_display_id, bytes_nominal, routes FROM item"
        ).fetchall()
    for row in rows:
        values = dict(zip(("relpath", "name", "kind", "scene_entity_id", "scene_display_id", "bytes_nominal", "routes"),
                          row, strict=True))  # fmt: skip
        made.selected.append(msgspec.convert({**values, "routes": msgspec.json.decode(values["routes"])}, WantedFile))


def _leave_a_log(made: Template) -> None:
    """Leave commits in the write-ahead log, as a killed run does."""
    state, aside = made.data / STATE, made.folder / "copy"
    aside.mkdir()
    with closing(sqlite3.connect(state / "ledger.sqlite3", isolation_level=None)) as ledger:
        ledger.execute("PRAGMA wal_autocheckpoint=0")
        for _ in range(3):
            ledger.execute("UPDATE item SET updated=updated+1")
        for name in ("ledger.sqlite3", "ledger.sqlite3-wal"):
            shutil.copy(state / name, aside / name)
    for path in aside.iterdir():
        shutil.move(path, state / path.name)
    (state / "lock").unlink()


def lay_out(made: Template, place: Path) -> Path:
    """Copy the template; finished files keep their times, and the service is as it was when the run was stopped."""
    made.sim._service.downloads = copy.deepcopy(made.downloads)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made.data, place)
    return place


def damage(dice: random.Random, state: Path) -> str:
    """Do something to the ledger below `state`, and say what."""
    path = state / ("ledger.sqlite3-wal" if dice.random() < 0.25 else "ledger.sqlite3")
    data = bytearray(path.read_bytes())
    kind = dice.choice(list(_DAMAGES))
    _DAMAGES[kind](dice, data)
    path.write_bytes(data)
    if dice.random() < 0.1:
        (state / "ledger.sqlite3-wal").unlink()
    return f"{kind} {path.name}"


def _flip_bits(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 1, 1, 2, 8, 64))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _flip_near_a_word(dice: random.Random, data: bytearray) -> None:
    """Hit the rows themselves; most of a small database is empty space."""
    word = dice.choice(
        (b"LC08", b"done", b"planned", b"structure", b'"sha256"', b"ls_s3", b"requested", b"la-", b"L2SR")
    )
    found = [hit.start() for hit in re.finditer(re.escape(word), data)]
    if not found:
        return _flip_bits(dice, data)
    at = dice.choice(found) + dice.randrange(-40, 60)
    data[max(0, min(at, len(data) - 1))] ^= 1 << dice.randrange(8)
    return None


def _zero(dice: random.Random, data: bytearray) -> None:
    at, size = dice.randrange(len(data)), dice.choice((1, 16, 100, 512, PAGE_BYTES, 3 * PAGE_BYTES))
    data[at : at + size] = bytes(min(size, len(data) - at))


def _zero_page(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(max(1, len(data) // PAGE_BYTES)) * PAGE_BYTES
    data[at : at + PAGE_BYTES] = bytes(min(PAGE_BYTES, len(data) - at))


def _cut(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(len(data)) :]


def _cut_at_page(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(max(1, len(data) // PAGE_BYTES)) * PAGE_BYTES :]


def _mix_pages(dice: random.Random, data: bytearray) -> None:
    pages = max(1, len(data) // PAGE_BYTES)
    one, other = dice.randrange(pages) * PAGE_BYTES, dice.randrange(pages) * PAGE_BYTES
    data[one : one + PAGE_BYTES] = bytes(data[other : other + PAGE_BYTES])


def _header(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 4))):
        data[dice.randrange(min(100, len(data)))] = dice.randrange(256)


def _garbage(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data))
    junk = dice.choice((b"<html>", dice.randbytes(300), b"\xff" * 5000))
    data[at : at + len(junk)] = junk


def _replace(dice: random.Random, data: bytearray) -> None:
    data[:] = dice.choice((b"", b"x", b"SQLite format 3\0", dice.randbytes(20_000), b"\0" * 8192))


_DAMAGES = {
    function.__name__.strip("_"): function
    for function in (_flip_bits, _zero, _zero_page, _cut, _cut_at_page, _mix_pages, _header, _garbage, _replace)
} | {f"flip_near_a_word {n}": _flip_near_a_word for n in range(6)}


async def look(made: Template, place: Path) -> str:
    """Open a damaged ledger and read everything from it that a run reads."""
    path = place / STATE / "ledger.sqlite3"
    with fail_after(LONGEST_S):
        try:
            ledger = await Ledger.open(path)
        except LedgerError:
            return "refused"
        try:
            await _use(made, place, ledger)
        except LedgerError:
            return "refused later"
        finally:
            await ledger.aclose()
    return "set aside" if list((place / STATE).glob("*.bad-*")) else "read"


async def _use(made: Template, place: Path, ledger: Ledger) -> None:
    now = 2e9
    await ledger.begin_run("next", now)
    await ledger.scenes.lists()
    await request_log(ledger, 0.0)
    await ledger.files.unreported()
    await ledger.select(made.selected, "next", now)
    await ledger.reattach("next", now)
    counts = await ledger.count("next")
    assert sum(counts.values()) == len(made.selected), f"N6: {counts}"
    finished = await ledger.files.finished("next")
    assert len(finished) == counts.get(State.DONE, 0), "N3: done, and nothing is known of the file"
    for file in finished:
        recorded = Recorded(file.relpath, file.size_bytes, file.mtime_ns)
        if LocalTarget(place).look([recorded]) == [Look.SAME]:
            body = (place / file.relpath).read_bytes()
            assert hashlib.sha256(body).digest() == hashlib.sha256(made.truth(file.relpath)).digest(), "N3"
    wanted = {file.relpath: file for file in made.selected}
    for item in await ledger.items("next", list(State)):
        told = wanted.pop(item.relpath)
        assert (item.name, item.kind) == (told.name, told.kind), "what a file must be is not what was selected"
        if item.state in (State.REQUESTED, State.PREPARING):
            assert await take_step(ledger, item.item_id, Step.LINK, now)
        elif item.state is State.PLANNED:
            assert await take_step(ledger, item.item_id, Step.ASK, now)
            assert await take_step(ledger, item.item_id, Step.LINK, now)
        else:
            continue
        claimed = (await ledger.files.claim([item], now))[item.item_id]
        saved = claimed[1]
        if saved is not None and Checkpoint.unpack(saved.facts) is not None:
            assert saved.facts in made.facts, "a checkpoint that nobody has made"
    assert not wanted, f"N6: {wanted}"


async def go_on(made: Template, place: Path) -> str:
    """Run the same config again on a damaged ledger, and ask `status` and `verify` before and after."""
    config = made.config_for(place)
    error = None
    with fail_after(LONGEST_S):
        await _ask(config)
        try:
            async with open_run(config, credentials=made.credentials) as run:
                run.bus.mute()
                summary = await run.wait()
        except LandsatError as caught:
            error = caught
        await _ask(config)
    for path in place.glob("LC*"):
        assert path.read_bytes() == made.truth(path.name), f"N1: {path.name}"
    if error is not None:
        assert isinstance(error, LedgerError), f"{error!r}, from {error.__cause__!r}"
        return "refused"
    assert summary.exit_code == 0, summary
    assert {path.name for path in place.glob("LC*")} == {file.relpath for file in made.selected}, "N3"
    return "went on"


async def _ask(config: Config) -> None:
    with suppress(LedgerError):
        await status(config)
    with suppress(LedgerError):
        async for _ in verify(config):
            pass
