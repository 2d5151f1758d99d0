"""`python -m benchmarks.shards`: shards of one selection at once, each with its share, against the account's limits.

Four runs that know nothing of each other fetch 20,000 files of one account; the simulator refuses what goes beyond
15,000 downloads in 15 minutes as a whole, and a call that meets another. The clock jumps where nothing happens, so the
quarter of an hour takes no time. Looked at: that no request is refused for the account's limits, how long a run pauses
after a clash, and that the files of all shards are those of the unsharded plan, each once, with the archive's bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread

from landsat_async import Config, Credentials, open_run, plan
from landsat_async.events import Retrying
from landsat_async.sim.archive import Archive
from landsat_async.sim.content import sha256
from landsat_async.sim.log import Entry, Log
from landsat_async.sim.script import Script
from landsat_async.sim.server import Simulator, open_simulator
from tests.support.virtual_loop import VirtualLoop

WINDOW_S = 900.0
CALL_S = 0.05
BANDS = ["SR_B*", "QA_PIXEL"]
BANDS_OF_SCENE = 8


def _config(sim: Simulator, folder: Path, share: float) -> Config:
    data = {
        "service": {"url": sim.service_url, "share": share},
        "search": {"dataset": "landsat_ot_c2_l2"},
        "select": {"type": "band", "bands": BANDS},
        "download": {"directory": str(folder), "min_free_bytes": "0 B"},
    }
    return Config.from_dict(data)


async def _run(config: Config, credentials: Credentials) -> tuple[int, Counter[str]]:
    """Run one shard; returns its exit code and how often it told which wait."""
    told: Counter[str] = Counter()
    async with open_run(config, credentials=credentials) as run:
        async for event in run.events():
            if isinstance(event, Retrying) and event.file is None:
                told[event.reason.partition(":")[0][:70]] += 1
    return run.summary.exit_code, told


def most_in_window(entries: list[Entry]) -> int:
    """Return how many downloads were granted within 15 minutes at most."""
    asked = [
        (entry.time_s, len(entry.payload["downloads"]))
        for entry in entries
        if entry.what == "download-request" and entry.error_code is None and entry.payload
    ]
    return max(sum(n for at, n in asked if begin <= at < begin + WINDOW_S) for begin, _ in asked)


def pauses_s(entries: list[Entry]) -> list[float]:
    """Return how long each run waited after a clash, before it called again."""
    found: list[float] = []
    clashed: dict[str, float] = {}
    for entry in entries:
        who = entry.headers.get("x-auth-token")
        if who is None:  # logging in: nobody can be told from others yet
            continue
        if who in clashed:
            found.append(entry.time_s - clashed.pop(who))
        if entry.error_code == "RATE_LIMIT_USER":
            clashed[who] = entry.time_s
    return found


def _wrong(archive: Archive, folder: Path) -> list[str]:
    paths = [path for path in folder.iterdir() if path.is_file()]
    contents = ((path, archive.file(path.name)) for path in paths)
    return [
        path.name
        for path, content in contents
        if content is None or hashlib.sha256(path.read_bytes()).hexdigest() != sha256(content)
    ]


async def measure(files: int, shards: int, folder: Path) -> int:
    """Run all shards at once, look, and print; returns how much was wrong."""
    archive = Archive.seeded(-(-files // BANDS_OF_SCENE), pixels=16, tile=16, dds_share=0.2)
    script = Script(latency_s=CALL_S)
    codes: dict[int, tuple[int, Counter[str]]] = {}
    async with open_simulator(archive, script) as sim:
        sim._service.log = sim.log = Log(keep=10 * files)
        credentials = Credentials(sim.username, sim.token)
        whole = await plan(_config(sim, folder / "whole", 1.0), credentials=credentials)
        sim.log.clear()

        async def one(shard: int) -> None:
            config = _config(sim, folder / str(shard), 1 / shards).sharded(f"{shard}/{shards}")
            codes[shard] = await _run(config, credentials)

        began_s = anyio.current_time()
        async with anyio.create_task_group() as machines:
            for shard in range(1, shards + 1):
                machines.start_soon(one, shard)
        entries, took_s = list(sim.log.entries), anyio.current_time() - began_s
    wanted = sorted(planned.file.relpath for planned in whole.files)
    got = {shard: sorted(path.name for path in (folder / str(shard)).iterdir() if path.is_file()) for shard in codes}
    for shard, (code, told) in sorted(codes.items()):
        waits = ", ".join(f"{number} x {reason}" for reason, number in told.most_common(3))
        print(f"shard {shard}/{shards}: exit {code}, {len(got[shard]):,} files; told: {waits or 'no wait'}")
    together = sorted(name for names in got.values() for name in names)
    errors = Counter(entry.error_code for entry in entries if entry.error_code)
    waited = sorted(pauses_s(entries))
    broken = [name for shard in got for name in await anyio.to_thread.run_sync(_wrong, archive, folder / str(shard))]
    spread = f"{waited[0]:.2f} to {waited[-1]:.2f} s, median {statistics.median(waited):.2f} s" if waited else "none"
    print(
        f"together {len(together):,} files, {took_s:,.0f} s of the loop's clock; the unsharded plan has {len(wanted):,}"
    )
    print(f"granted within 15 minutes: at most {most_in_window(entries):,}; refused: {dict(errors) or 'nothing'}")
    print(f"pauses after {len(waited)} clashes: {spread}, {len({round(one, 3) for one in waited})} different ones")
    wrong = [f"exit {code}" for code, _ in codes.values() if code]
    wrong += ["not the unsharded set, each once"] if together != wanted else []
    wrong += [f"{error}: {number}" for error, number in errors.items() if error != "RATE_LIMIT_USER"]
    wrong += [f"{len(broken)} files have other bytes"] if broken else []
    print("wrong: " + ("; ".join(wrong) or "nothing"))
    return len(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="more than 15,000, or no limit is reached")
    parser.add_argument("--shards", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shards-") as folder:
        options = {"loop_factory": VirtualLoop}
        wrong = anyio.run(measure, given.files, given.shards, Path(folder), backend_options=options)
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
