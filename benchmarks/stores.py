"""`python -m benchmarks.stores [kills strangers many large]`: runs into object stores of other people.

kills:     a run is killed at five points of the way of one file: after it was proven in the spool, in the middle of its
           upload, after the upload and before the name, after the name and before the ledger, before the temporary key
           goes. Each `--count` times for each store: whatever has a final key is right, a stranger's object beside it
           is as it was; the next run ends with 0, fetches nothing of that file again, and leaves no temporary key, no
           open upload and no claim.
strangers: somebody else writes the final key in the moment before we name it. Where the store keeps conditions, his
           object stays and the file is told as failed.
many:      1,000 files, and a second run over them: bytes fetched and requests to the store, counted by a relay.
large:     5 files of 1 GiB (`--large-files`, `--large-bytes`): peak memory beside that of a run with small files.

The stores are moto, `rclone serve s3` and azurite, as far as they are here; `--rclone` and `--azurite` name programs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from benchmarks.store_relay import AFTER, BEFORE, DURING, Asked
from benchmarks.store_servers import BUCKET, NAMES, Store, find_program, serving
from landsat_async import Config, Credentials
from landsat_async.sim.archive import Archive
from landsat_async.sim.content import sha256
from tests.whole.apart import simulator_apart

MIB = 2**20
LARGE_BYTES = 18 * MIB
PART_BYTES = 5 * MIB
STATE = ".landsat_async/"
LABS = ("kills", "strangers", "many", "large")
STRANGER = b"of a stranger, who was here first"
_numbers = count()

Step = tuple[str, str, str]
"""Of a point of death: the step of the request, whether of the temporary or the final key, and the moment."""
Watch = Callable[[Asked, str], bool]


def points(store: Store, *, large: bool) -> dict[str, list[Step]]:
    """Return the requests at which a run dies, for each of the five points; several where there are several."""
    if not large:
        return {
            "proven": [("put", "final", BEFORE)],
            "in the put": [("put", "final", DURING)],
            "before the ledger": [("put", "final", AFTER), ("head", "final", BEFORE), ("head", "final", AFTER)],
        }
    opening = "part" if store.scheme == "az" else "begin"
    naming = [("copy", "final", BEFORE), ("complete", "temporary", AFTER)]
    named = [("copy", "final", AFTER), ("head", "final", BEFORE), ("head", "final", AFTER)]
    if store.copies_by_upload:
        naming = [("begin", "final", BEFORE), ("copy part", "final", BEFORE), ("complete", "final", BEFORE)]
        named[0] = ("complete", "final", AFTER)
    return {
        "proven": [(opening, "temporary", BEFORE)],
        "in the put": [("part", "temporary", DURING), ("part", "temporary", AFTER), ("complete", "temporary", BEFORE)],
        "before the name": naming,
        "before the ledger": named,
        "before the key goes": [("delete", "", BEFORE), ("delete", "", AFTER)],
    }


@dataclass
class Place:
    """A prefix of a store, and the local folders of runs into it."""

    store: Store
    folder: Path
    config: Config
    credentials: Credentials
    archive: Archive
    prefix: str = field(default_factory=lambda: f"t{next(_numbers)}")
    told: list[dict[str, Any]] = field(default_factory=list)
    """The JSON lines of the last run."""
    process: subprocess.Popen[bytes] | None = None
    peak_bytes: int = 0
    """Of memory, in the last run."""

    def write(self, search: str, select: str, *, part_bytes: int = PART_BYTES, **download: object) -> None:
        more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in download.items())
        (self.folder / "config.toml").write_text(
            f'[service]\nurl = "{self.config.service.url}"\npatience_s = 60\n[search]\ndataset = "landsat_ot_c2_l2"\n'
            f'{search}\n[select]\n{select}\n[download]\ndirectory = "{self.store.scheme}://{BUCKET}/{self.prefix}"\n'
            f'poll_interval_s = 0.2\nmin_free_bytes = "0 B"\n{more}[store]\nendpoint = "{self.store.endpoint}"\n'
            f"part_size = {part_bytes}\n"
        )

    def run(self, watch: Watch | None = None) -> int:
        """Run to the end, whatever that is; the relay is watched meanwhile."""
        known = {"USGS_USERNAME": self.credentials.username, "USGS_TOKEN": self.credentials.token}
        command = [sys.executable, "-m", "landsat_async", "run", "--json", str(self.folder / "config.toml")]
        self.store.relay.asked.clear()
        self.peak_bytes = 0
        with (self.folder / "said").open("ab") as said, (self.folder / "lines").open("w+b") as lines:
            self.process = subprocess.Popen(
                command, env=dict(os.environ) | self.store.environ | known, stdout=lines, stderr=said
            )
            self.store.relay.watch = watch or (lambda asked, moment: False)
            try:
                while (code := self._wait()) is None:
                    pass
            finally:
                self.process.kill()
                self.store.relay.watch = lambda asked, moment: False
            lines.seek(0)
            self.told = [json.loads(line) for line in lines.read().splitlines() if line.endswith(b"}")]
        return code

    def _wait(self) -> int | None:
        """Wait a moment for the end, and look at the memory meanwhile."""
        assert self.process is not None
        with suppress(OSError):
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
            self.peak_bytes = max(self.peak_bytes, int(peak[1]) * 1024 if peak else 0)
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(0.05)
        return None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def file_of(self, key: str) -> str:
        """Return the file that a final or a temporary key stands for."""
        name = key.removeprefix(f"{self.prefix}/")
        if not name.startswith(STATE):
            return name
        item = name.rpartition("/")[2].partition(".")[0]
        with closing(sqlite3.connect(self.folder / STATE / "ledger.sqlite3")) as ledger:
            found = ledger.execute("SELECT relpath FROM item WHERE item_id = ?", (int(item),)).fetchone()
        return str(found[0])

    def fetched_again(self, file: str) -> int:
        """Return how many bytes of a file the last run has begun to fetch."""
        begun = [line for line in self.told if line["event"] == "started" and line["file"] == file]
        return sum(line["size_bytes"] - line["offset_bytes"] for line in begun)

    def objects(self) -> dict[str, str]:
        """Return SHA-256 of what lies below the prefix, by path there."""
        found = self.store.holds.sums(f"{self.prefix}/")
        return {key.removeprefix(f"{self.prefix}/"): digest for key, digest in found.items()}

    def wrong(self, objects: dict[str, str]) -> list[str]:
        """Return which final keys hold anything but what the archive has."""
        names = [name for name in objects if not name.startswith(STATE) and name != "stranger.txt"]
        return [name for name in names if self._true(name) != objects[name]]

    def _true(self, name: str) -> str:
        content = self.archive.file(name)
        return "nothing of that name" if content is None else sha256(content)

    def is_temporary(self, asked: Asked) -> bool:
        return asked.key.startswith(f"{self.prefix}/{STATE}parts/")

    def is_final(self, asked: Asked) -> bool:
        return asked.key.startswith(f"{self.prefix}/") and not asked.key.startswith(f"{self.prefix}/{STATE}")


def at(
    place: Place, step: Step, nth: int, *, large: bool, act: Callable[[Asked], bool]
) -> Callable[[Asked, str], bool]:
    """Return what watches for the nth time of a step, and acts there."""
    seen, uploaded, named = Counter[str](), set[str](), set[str]()
    dead: list[str] = []

    def watch(asked: Asked, moment: str) -> bool:
        if dead:
            return True  # who was killed asks nothing more; what was under way is cut
        if asked.step == "complete" and place.is_temporary(asked):
            uploaded.add(asked.key)
        which = "temporary" if place.is_temporary(asked) else "final" if place.is_final(asked) else ""
        is_of_kind = which != "final" or asked.key.endswith(".TIF") == large
        if asked.step == "delete" and len(uploaded) < nth:
            is_of_kind = False  # the probe of the beginning
        if moment == AFTER and asked.step in ("put", "copy", "complete") and which == "final":
            named.add(asked.key)
        if asked.step == "head" and asked.key not in named:
            is_of_kind = False  # before the name
        if (asked.step, which, moment) != step or not is_of_kind:
            return False
        seen["times"] += 1
        if seen["times"] != nth:
            return False
        if act(asked):
            dead.append(asked.key)
            return True
        return False

    return watch


def killed_once(place: Place, point: str, number: int) -> tuple[int, list[str]]:
    """Kill a run at a point, look, run again, look; returns what was fetched again of that file, and what was wrong."""
    small = points(place.store, large=False)
    large = number % 3 != 2 or point not in small
    steps = points(place.store, large=large)[point]
    step, nth = steps[number % len(steps)], 1 + number % 2
    place.store.holds.put(f"{place.prefix}/stranger.txt", STRANGER)
    before = place.objects()["stranger.txt"]

    keys: list[str] = []

    def kill(asked: Asked) -> bool:
        place.kill()
        keys.append(asked.key)
        return True

    code = place.run(at(place, step, nth, large=large, act=kill))
    wrong = [] if code == -signal.SIGKILL else [f"it was not killed: exit {code}"]
    wrong += [f"wrong after the kill: {name}" for name in place.wrong(place.objects())]
    file = place.file_of(keys[0]) if keys and keys[0] else ""
    code = place.run()
    objects = place.objects()
    wrong += [f"the next run ended with {code}"] if code else []
    wrong += [f"wrong: {name}" for name in place.wrong(objects)]
    wrong += [f"left behind: {name}" for name in objects if name.startswith(STATE)]
    wrong += [f"open upload: {key}" for key in place.store.holds.open_uploads(f"{place.prefix}/")]
    wrong += ["the stranger's object has changed"] if objects.get("stranger.txt") != before else []
    finals = [name for name in objects if not name.startswith(STATE) and name != "stranger.txt"]
    files = place.told[-1].get("files_total", place.told[-1]) if place.told else "?"
    wrong += [f"{len(finals)} files of {files}"] if len(finals) != files else []
    wrong += [f"left in the spool: {path.name}" for path in (place.folder / "spool").iterdir()]
    return place.fetched_again(file), [f"{step} {nth} {'large' if large else 'small'}: {what}" for what in wrong]


def raced_once(place: Place, number: int) -> tuple[bool, list[str]]:
    """Have a stranger write a final key right before we name it; returns whether his object stayed, what was wrong."""
    large = number % 2 == 0
    steps = {"moto": "complete", "rclone": "copy", "azurite": "copy"}
    step = (steps[place.store.name] if large else "put", "final", BEFORE)
    taken: list[str] = []

    def come_first(asked: Asked) -> bool:
        place.store.holds.put(asked.key, STRANGER)
        taken.append(asked.key.removeprefix(f"{place.prefix}/"))
        return False

    code = place.run(at(place, step, 1, large=large, act=come_first))
    objects = place.objects()
    theirs = {name for name in taken if name in place.wrong(objects)}
    wrong = [f"wrong: {name}" for name in place.wrong(objects) if name not in taken]
    wrong += [f"left behind: {name}" for name in objects if name.startswith(STATE)]
    failed = {line["file"] for line in place.told if line["event"] == "failed"}
    if theirs and (code != 4 or failed != set(taken)):
        wrong.append(f"exit {code}, failed: {failed}, in the way: {taken}")
    return bool(theirs), wrong


class Lab:
    """One store, one service, and the trials."""

    def __init__(self, store: Store, folder: Path, given: argparse.Namespace) -> None:
        self.store, self.folder, self.given = store, folder, given
        self.broken = 0

    def _place(self, config_of: Callable[..., Config], credentials: Credentials, archive: Archive) -> Place:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return Place(self.store, folder, config_of(folder), credentials, archive)

    def say(self, text: str, wrong: list[str]) -> None:
        self.broken += len(wrong)
        print(f"{self.store.name:8} {text}", flush=True)
        for what in wrong:
            print(f"{self.store.name:8}   BROKEN: {what}", flush=True)

    def close(self, place: Place) -> None:
        self.store.holds.clear(f"{place.prefix}/")

    async def kills(self) -> None:
        archive = Archive.seeded(2, pixels=16, tile=16, dds_share=0.2, band_bytes=LARGE_BYTES)
        async with simulator_apart(scenes=2, pixels=16, band_bytes=LARGE_BYTES) as (config_of, credentials):
            for point in points(self.store, large=True):
                wrong, again, died = [], 0, 0
                for number in range(self.given.count):
                    place = self._place(config_of, credentials, archive)
                    place.write("", 'bands = ["SR_B4", "ANG", "MTL"]', workers=2)
                    bytes_again, found = await anyio.to_thread.run_sync(killed_once, place, point, number)
                    wrong += [f"{point}, {what}" for what in found]
                    died += not any("not killed" in what for what in found)
                    again = max(again, bytes_again)
                    self.close(place)
                text = f"killed {died} times, {len(wrong)} wrong; of that file fetched again: at most {again:,} bytes"
                self.say(f"{point}: {text}", wrong)

    async def strangers(self) -> None:
        archive = Archive.seeded(2, pixels=16, tile=16, dds_share=0.2, band_bytes=LARGE_BYTES)
        async with simulator_apart(scenes=2, pixels=16, band_bytes=LARGE_BYTES) as (config_of, credentials):
            kept, wrong = 0, []
            for number in range(self.given.count):
                place = self._place(config_of, credentials, archive)
                place.write("", 'bands = ["SR_B4", "ANG", "MTL"]', workers=2)
                stayed, found = await anyio.to_thread.run_sync(raced_once, place, number)
                kept, wrong = kept + stayed, wrong + found
                self.close(place)
            if self.store.keeps_conditions and kept != self.given.count:
                wrong.append("a stranger's object was replaced")
            self.say(f"somebody else comes first {self.given.count} times: his object stayed {kept} times", wrong)

    async def many(self) -> None:
        scenes = -(-self.given.files // 8)
        archive = Archive.seeded(scenes, pixels=64, tile=16, dds_share=0.2)
        async with simulator_apart(scenes=scenes, pixels=64) as (config_of, credentials):
            place = self._place(config_of, credentials, archive)
            place.write(f"limit = {scenes}", 'bands = ["SR_B*", "QA_PIXEL"]', workers=8)
            for which in ("first", "second"):
                code = await anyio.to_thread.run_sync(place.run)
                last, steps = place.told[-1], Counter(asked.step for asked in self.store.relay.asked)
                wrong = [f"exit {code}"] if code else []
                if which == "second":
                    wrong += [f"{last['bytes_received']} bytes fetched again"] if last["bytes_received"] else []
                    wrong += [f"{steps['get']} objects read again"] if steps["get"] else []
                    most = -(-last["files_total"] // 1000)
                    wrong += [f"{steps['list']} lists for {last['files_total']} files"] if steps["list"] > most else []
                counted = ", ".join(f"{number} {step}" for step, number in sorted(steps.items()))
                text = f"{which} run over {last['files_total']:,} files: {last['bytes_received']:,} bytes fetched"
                self.say(f"{text}, {last['elapsed_s']:.1f} s; requests: {counted}", wrong)
            self.close(place)

    async def large(self) -> None:
        files, part_bytes, workers = self.given.large_files, 16 * MIB, 5
        base = 0
        for size in (MIB, self.given.large_bytes):
            archive = Archive.seeded(files, pixels=16, tile=16, dds_share=0.2, band_bytes=size)
            async with simulator_apart(scenes=files, pixels=16, band_bytes=size) as (config_of, credentials):
                place = self._place(config_of, credentials, archive)
                place.write("", 'bands = ["SR_B4"]', part_bytes=part_bytes, workers=workers)
                code = await anyio.to_thread.run_sync(place.run)
                peak, took_s = place.peak_bytes, place.told[-1]["elapsed_s"]
                wrong = [f"exit {code}"] if code else []
                if size > MIB:
                    wrong += [f"wrong: {name}" for name in await anyio.to_thread.run_sync(place.wrong, place.objects())]
                    most = base + workers * 2 * part_bytes + 50 * MIB
                    wrong += [f"{peak >> 20} MiB of memory, {most >> 20} are allowed"] if peak > most else []
                    code = await anyio.to_thread.run_sync(place.run)
                    again = place.told[-1]["bytes_received"]
                    wrong += [f"second run: exit {code}, {again} bytes"] if code or again else []
                base = base or peak
                text = f"{files} files of {size / MIB:,.0f} MiB: {took_s:.0f} s, peak RSS {peak >> 20} MiB"
                self.say(text, wrong)
                self.close(place)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labs", nargs="*", metavar="LAB", help=f"{', '.join(LABS)}; all when none is named")
    parser.add_argument("--servers", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--count", type=int, default=10, help="of each kind of death")
    parser.add_argument("--files", type=int, default=1000, help="of `many`")
    parser.add_argument("--large-files", type=int, default=5)
    parser.add_argument("--large-bytes", type=int, default=2**30)
    parser.add_argument("--rclone", metavar="PROGRAM")
    parser.add_argument("--azurite", metavar="PROGRAM", help="its azurite-blob")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    given = parser.parse_args()
    if unknown := set(given.labs) - set(LABS):
        parser.error(f"no such lab: {', '.join(sorted(unknown))}")
    broken = 0
    for name in given.servers:
        program = find_program(name, getattr(given, name, None))
        if program is None:
            print(f"{name:8} not here")
            continue
        with tempfile.TemporaryDirectory(prefix=f"stores-{name}-", dir=given.directory) as folder:
            serve = Path(folder, "server")
            serve.mkdir()
            with serving(name, program, serve) as store:
                lab = Lab(store, Path(folder), given)
                for which in given.labs or LABS:
                    await getattr(lab, which)()
                broken += lab.broken
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(anyio.run(main))
