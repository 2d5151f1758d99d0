"""A simulated service, an output folder, and what must never happen whatever the test does to them.

    async with open_world(tmp_path) as world:
        result = await world.run(world.config(select={"type": "bundle"}))

After every run of the world, and at its end, the nevers are checked (`_Nevers`): nothing unproven under a final name,
nothing of the user's changed, the ledger and the disk agree, the counts add up, one API call at a time, nothing left at
the service or in the process, no secret anywhere.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import logging
import re
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
from shapely.geometry import box

from landsat_async import Config, Credentials, open_run
from landsat_async.errors import LandsatError
from landsat_async.events import Event, Failed, Finished, Retrying, Skipped, Started, Verified
from landsat_async.raster.spec import WindowSpec
from landsat_async.raster.window import WindowMode
from landsat_async.rules.naming import window_key, window_source
from landsat_async.run.runner import Run
from landsat_async.run_summary import RunSummary
from landsat_async.sim import archive as archives
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script
from landsat_async.sim.server import Simulator, open_simulator
from landsat_async.sim.service import CONTACT_ID
from landsat_async.transfer.pool import TransferPool
from tests.transfer.window_host import window

# Bands of the demonstration are the same in every world: of 2,900 that 265 tests ask for, 140 are made.
archives.small_band = functools.lru_cache(maxsize=256)(archives.small_band)

DATASET = "landsat_ot_c2_l2"
LAKE = (-68.01, 9.99, -67.49, 10.34)
SUMMER = {"dataset": DATASET, "bbox": list(LAKE), "start": "2024-07-05", "end": "2024-08-06", "cloud_cover": [0, 10]}
BANDS = {"type": "band", "bands": ["SR_B3", "SR_B5", "ANG"]}
STATE = ".landsat_async"
CALLS_OF_AN_END = 3
"""So many may find a cancelled call still at work: what a run has left at the service is removed, and it logs out."""


@dataclass
class Result:
    """What one run did."""

    summary: RunSummary
    events: list[Event]
    error: LandsatError | None

    def of(self, *kinds: type) -> list[Any]:
        """Events of these kinds, in order."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def verified(self) -> list[str]:
        return sorted(event.file for event in self.of(Verified))

    @property
    def skipped(self) -> list[str]:
        return sorted(event.file for event in self.of(Skipped))

    @property
    def failed(self) -> dict[str, str]:
        return {event.file: event.reason for event in self.of(Failed)}

    @property
    def reasons(self) -> str:
        """All that was told of retries, for a look at the words."""
        return "\n".join(f"{event.file}: {event.reason}" for event in self.of(Retrying))

    def offsets(self, file: str) -> list[int]:
        """Where the transfers of a file began."""
        return [event.offset_bytes for event in self.of(Started) if event.file == file]


@dataclass
class World:
    """One simulator and one output folder."""

    sim: Simulator
    base: Path
    root: Path
    credentials: Credentials
    records: list[logging.LogRecord] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    """Everything that runs have said: events and exceptions."""
    users: dict[Path, bytes] = field(default_factory=dict)
    """Files that the user has put under final names; they must stay as they are."""
    may_leave: bool = False
    """The service could not be reached at the end: keys and scene lists may stay there."""
    may_overlap: bool = False
    """Another client of the account was at work."""
    ended_early: int = 0
    """Runs that were stopped, or ended by a fault: each may cancel a call, which goes on at the service."""
    workers_at_most: int = 4
    received_bytes: int = 0
    """By all runs of this world."""
    sent_bytes: int = 0
    """By the file hosts, before the log was begun anew."""
    expected: set[tuple[str, str]] = field(default_factory=set)
    """(name, sha256) of all versions of files that the archive has had."""

    windows: dict[str, WindowSpec] = field(default_factory=dict)
    """What runs of this world have cut out of bands, by their key."""

    def forget_log(self) -> None:
        """Begin the log anew, and keep the sum of it."""
        self.sent_bytes += sum(entry.sent_bytes for entry in self.log.entries if entry.host != "m2m")
        self.log.clear()

    # -- the service, from inside

    @property
    def service(self) -> Any:
        return self.sim._service

    @property
    def script(self) -> Script:
        return self.sim.script

    @property
    def log(self) -> Any:
        return self.sim.log

    def lists(self) -> list[str]:
        return list(self.service.lists.names(self.service.now_s()))

    def asked(self) -> list[tuple[str, str]]:
        """(entity id, product id) of everything that was asked for one by one, in order."""
        calls = [entry for entry in self.log.of("download-request") if entry.payload]
        return [(d["entityId"], d["productId"]) for call in calls for d in call.payload.get("downloads", [])]

    def created(self) -> list[str]:
        """File name of every download that the service has made, removed ones left out."""
        return [download.offer.file for download in self.service.downloads.by_id.values()]

    def content(self, name: str) -> bytes:
        if (key := window_key(name)) is not None:
            return window(self.content(window_source(name)), self.windows[key], window_source(name))
        content = self.sim.archive.file(name)
        assert content is not None, name
        return content.read(0, content.size)

    # -- the folder

    def config(self, *, root: Path | None = None, **tables: dict[str, Any]) -> Config:
        """The usual search with small intervals; `tables` replaces keys (search and select as a whole)."""
        data: dict[str, Any] = {
            "service": {"url": self.sim.service_url, "patience_s": 20.0} | tables.get("service", {}),
            "search": tables.get("search", SUMMER),
            "select": tables.get("select", BANDS),
            "download": {
                "directory": str(root or self.root), "workers": 4, "queue_size": 8, "poll_interval_s": 0.05,
                "min_free_bytes": "0 B", "stall_timeout_s": 10,
            } | tables.get("download", {}),
            "output": tables.get("output", {}),
            "hooks": tables.get("hooks", {}),
            "scale": tables.get("scale", {}),
        }  # fmt: skip
        return Config.from_dict(data, base_dir=self.base)

    def files(self, root: Path | None = None) -> dict[str, bytes]:
        """Everything under a final name."""
        root = root or self.root
        found = (path for path in root.rglob("*") if path.is_file() or path.is_symlink())
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in found
            if path.relative_to(root).parts[0] != STATE
        }

    def ledger(self, sql: str, root: Path | None = None) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect((root or self.root) / STATE / "ledger.sqlite3")) as connection:
            return connection.execute(sql).fetchall()

    def put(self, relpath: str, body: bytes) -> Path:
        """Lay a file of the user under a final name."""
        path = self.root / relpath
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        self.users[path] = body
        return path

    # -- runs

    async def run(
        self,
        config: Config | None = None,
        *,
        session: aiohttp.ClientSession | None = None,
        credentials: Credentials | None = None,
        overwrite: bool = False,
        sync: Literal["new", "full"] | None = None,
        pool: TransferPool | None = None,
        watch: Callable[[Run, Event], None] | None = None,
        check: bool = True,
    ) -> Result:
        """Run to the end; `watch` sees each event at once and may stop the run or change the world."""
        config = config or self.config()
        if config.select.window != "off":
            spec = WindowSpec.of(
                box(*config.search.bbox), WindowMode(config.select.window), config.select.window_buffer_m
            )
            self.windows[spec.key] = spec
        events: list[Event] = []
        error: LandsatError | None = None
        opened: Run | None = None
        try:
            async with open_run(
                config,
                session=session,
                credentials=credentials or self.credentials,
                overwrite=overwrite,
                sync=sync,
                pool=pool,
            ) as run:
                opened = run
                if watch is not None:
                    run.bus.listen(lambda event: watch(run, event))
                async for event in run.events():
                    events.append(event)
        except LandsatError as caught:
            error = caught
        if opened is None:
            assert error is not None
            raise error
        result = Result(opened.summary, events, error)
        self.ended_early += opened.summary.exit_code not in (0, 4)
        self.received_bytes += opened.summary.bytes_received
        self.spoken += [repr(event) for event in events]
        self.spoken += [repr(opened), repr(opened.summary), *([f"{error!r} {error} {error.hint}"] if error else [])]
        if check:
            self.check(result, Path(config.download.directory))
        return result

    def check(self, result: Result, root: Path | None = None) -> None:
        """The nevers that can be seen after each run."""
        root = root or self.root
        nevers = _Nevers(self, root)
        nevers.counts_add_up(result)
        nevers.names_hold_only_the_archive()
        nevers.ledger_and_disk_agree(stopped=result.summary.exit_code not in (0, 4))
        nevers.nothing_strange_in_the_state_folder()
        nevers.service_is_left_clean()


@asynccontextmanager
async def open_world(
    base: Path, archive: Archive | None = None, script: Script | None = None, **options: Any
) -> AsyncIterator[World]:
    """Open a world below `base`; the nevers are checked when the block ends well."""
    before = _Process()
    listener = _Listener()
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        async with open_simulator(archive or Archive.demo(pixels=64, tile=32), script, **options) as sim:
            world = World(sim, base, base / "data", Credentials(sim.username, sim.token), listener.records)
            yield world
            nevers = _Nevers(world, world.root)
            nevers.users_files_are_as_they_were()
            nevers.nothing_outside_the_folder(before.tree(base), world)
            nevers.one_call_at_a_time()
            nevers.no_secret_anywhere()
        sent_bytes = sum(entry.sent_bytes for entry in world.log.entries if entry.host != "m2m")
        assert world.received_bytes <= sent_bytes + world.sent_bytes, "N6: more bytes counted than were sent"
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
    await before.compare()


def is_output(relpath: str) -> bool:
    """Whether a file is made of others by [output]."""
    return relpath.startswith(("stac/", "scenes.")) or relpath.endswith(".vrt")


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("asyncio"):  # the loop's own DEBUG lines
            self.records.append(record)


class _Process:
    """What a library may not leave behind or change in its host (N5, N9)."""

    def __init__(self) -> None:
        self.tasks = asyncio.all_tasks()
        self.threads = set(threading.enumerate())
        self.handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        self.executor = getattr(asyncio.get_running_loop(), "_default_executor", None)

    @staticmethod
    def tree(base: Path) -> set[Path]:
        return set(base.iterdir())

    async def compare(self) -> None:
        for _ in range(1000):  # transports and threads need a moment to say good-bye
            left = [thread for thread in set(threading.enumerate()) - self.threads if not _is_anyios(thread)]
            tasks = asyncio.all_tasks() - self.tasks
            if not left and not tasks:
                break
            for thread in left:  # a loop whose clock jumps does not wait for it
                thread.join(0.01)
            await asyncio.sleep(0.005)
        assert not tasks, f"N5: tasks left over: {tasks}"
        assert not left, f"N5: threads left over: {left}"
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == self.handlers, "N9"


def _is_anyios(thread: threading.Thread) -> bool:
    """Idle workers of anyio and of the loop's resolver stay for the next call; they belong to the loop."""
    return "AnyIO" in thread.name or thread.name.startswith("asyncio_")


class _Nevers:
    """What is there is read once for all checks: they change nothing."""

    def __init__(self, world: World, root: Path) -> None:
        self.world, self.root = world, root

    @functools.cached_property
    def files(self) -> dict[str, bytes]:
        return self.world.files(self.root)

    def counts_add_up(self, result: Result) -> None:
        summary, events = result.summary, result.events
        parts = summary.files_verified, summary.files_skipped, summary.files_failed, summary.files_pending
        assert sum(parts) == summary.files_total, f"N6: {summary}"
        finished = [event for event in events if isinstance(event, Finished)]
        assert len(finished) == 1, "N6: finished is told once"
        assert events[-1] is finished[0], "N6: finished is last"
        told = finished[0].files_verified, finished[0].files_skipped, finished[0].files_failed
        assert told == parts[:3], "N6: the last event and the summary disagree"
        assert len(result.verified) == summary.files_verified == len(set(result.verified)), "N6"
        if summary.exit_code == 0:
            assert summary.files_failed == summary.files_pending == 0, "N3: exit 0 with something missing"
            promised = {*result.verified, *result.skipped} - self._without_data
            assert promised <= self.files.keys(), "N3: exit 0 with something missing on disk"
            named = len(promised) + len({*result.skipped} & self._without_data)
            assert named == summary.files_total, "N3: exit 0, and not every file was named"

    def names_hold_only_the_archive(self) -> None:
        for relpath, body in self.files.items():
            if self.root / relpath in self.world.users or is_output(relpath):
                continue
            name = relpath.rpartition("/")[2]
            found = name, hashlib.sha256(body).hexdigest()
            if found in self.world.expected:
                continue
            true = hashlib.sha256(self.world.content(name)).hexdigest()
            assert found == (name, true), f"N1: {relpath} ({len(body)} bytes) is not what the archive has"
            self.world.expected.add(found)

    @functools.cached_property
    def _without_data(self) -> set[str]:
        """Windows of nothing but fill, which are no files."""
        return {
            row[0]
            for row in self.world.ledger(
                "SELECT relpath FROM item JOIN file USING(item_id) WHERE size_bytes=0", self.root
            )
        }

    def ledger_and_disk_agree(self, *, stopped: bool) -> None:
        done = self.world.ledger(
            "SELECT relpath, size_bytes, sha256 FROM item LEFT JOIN file USING(item_id) WHERE state='done'", self.root
        )
        for relpath, size_bytes, sha256 in done:
            if size_bytes == 0:
                assert not (self.root / relpath).exists()
                continue
            body = self.files[relpath]
            assert (len(body), hashlib.sha256(body).hexdigest()) == (size_bytes, sha256), f"N3: {relpath}"
        ours = {relpath for relpath in self.files if self.root / relpath not in self.world.users}
        known = {row[0] for row in done}
        # A stop may fall between the final name and the ledger; the next run proves and adopts such a file.
        assert stopped or ours <= known | self._without_history(), f"N3: not recorded: {ours - known}"

    def _without_history(self) -> set[str]:
        """Finished files that no selection of this ledger has spoken of (another config, a deleted ledger)."""
        spoken_of = {row[0] for row in self.world.ledger("SELECT relpath FROM item", self.root)}
        return self.files.keys() - spoken_of

    def nothing_strange_in_the_state_folder(self) -> None:
        for path in (self.root / STATE).iterdir():
            known = re.fullmatch(
                r"ledger\.sqlite3(-wal|-shm|-journal)?|lock|parts|changed|outputs|ledger\.sqlite3\.bad-.*", path.name
            )
            assert known, f"N8: {path}"

    def service_is_left_clean(self) -> None:
        if not self.world.may_leave:
            assert self.world.lists() == [], "a scene list was left at the service"
            assert not self.world.service.account.keys, "not logged out"

    def users_files_are_as_they_were(self) -> None:
        for path, body in self.world.users.items():
            assert path.read_bytes() == body, f"N2: {path}"

    def nothing_outside_the_folder(self, found: set[Path], world: World) -> None:
        strangers = {path.name for path in found} - {"data", "config.toml", "aoi.geojson"}
        assert all(name.startswith(("data", "my-")) for name in strangers), f"N8: {strangers}"

    def one_call_at_a_time(self) -> None:
        log = self.world.log
        if not self.world.may_overlap:
            assert log.overlaps <= CALLS_OF_AN_END * self.world.ended_early, "N7: API calls at the same time"
        for host, peak in log.peak_transfers.items():
            assert peak <= self.world.workers_at_most, f"N7: {peak} transfers from {host}"

    def no_secret_anywhere(self) -> None:
        secrets = self._secrets()
        for entry in self.world.log.entries:
            if entry.host != "m2m":
                on_the_wire = f"{entry.target} {dict(entry.headers)}"
                assert self.world.sim.token not in on_the_wire, "N4: token on the wire to a file host"
                assert "x-auth-token" not in entry.headers, "N4: key on the wire to a file host"
        for what, text in self._public_texts():
            for kind, secret in secrets:
                assert secret not in text, f"N4: {kind} in {what}"

    def _secrets(self) -> list[tuple[str, str]]:
        secrets = [("token", self.world.sim.token), ("contact id", str(CONTACT_ID))]
        for entry in self.world.log.entries:
            if key := entry.headers.get("x-auth-token"):
                secrets.append(("API key", key))
        for secret in self.world.service.links.by_secret:
            secrets += [("link secret", secret), ("link secret", quote(secret, safe=""))]
        return list(dict.fromkeys(secrets))

    def _public_texts(self) -> list[tuple[str, str]]:
        texts = [("what runs said", "\n".join(self.world.spoken))]
        formatter = logging.Formatter()
        texts.append(("log records", "\n".join(formatter.format(record) for record in self.world.records)))
        for root in self.world.base.glob("data*"):
            for path in (root / STATE).glob("ledger*"):
                texts.append((str(path.name), path.read_bytes().decode("latin-1")))
        return texts


def as_geojson(polygon: list[list[float]]) -> str:
    geometry = {"type": "Polygon", "coordinates": [polygon]}
    feature = {"type": "Feature", "properties": {"name": "Lago de Valencia Area"}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})
