"""`python -m benchmarks.memory`: memory of a run with a long queue; the simulator runs in a process of its own.

For each number of files a run of 16 workers plans them all and fetches some thousand, then it is stopped cleanly. With
`--bytes` the files are that long, so that the figure can be seen not to go with their size. The account's limit of
15,000 requests in a quarter of an hour is lifted. The memory of a queued file is the difference between the longest and
the shortest queue, when both have been planned.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from unittest.mock import patch

import anyio

from benchmarks.planning import BANDS, SELECT
from benchmarks.probe import peak_rss_bytes, probing, rss_bytes
from landsat_async import open_run
from landsat_async.events import Planned, Started, Verified
from tests.whole.apart import UNPACED, simulator_apart

WORKERS = 16
MIB = 2**20


def main() -> int:
    """Measure each queue in a child, or be the child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 100_000], help="lengths of the queue")
    parser.add_argument("--fetch", type=int, default=3000, help="stop after so many files")
    parser.add_argument("--bytes", type=int, help="length of a file; small images when it is not given")
    parser.add_argument("--directory", default=tempfile.gettempdir())
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    if given.here:
        with tempfile.TemporaryDirectory(prefix="memory-", dir=given.directory) as folder:
            print(json.dumps(anyio.run(_queue, given.files[0], given.fetch, given.bytes, Path(folder))))
        return 0
    rows = []
    for files in given.files:
        command = [sys.executable, "-m", "benchmarks.memory", "--here", "--directory", given.directory]
        command += ["--files", f"{files}", "--fetch", f"{given.fetch}"]
        command += ["--bytes", f"{given.bytes}"] if given.bytes else []
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        planned, planned_bytes, peak_bytes, text = json.loads(said.splitlines()[-1])
        print(f"{planned:,} files queued: {planned_bytes / MIB:.0f} MiB when planned; {text}", flush=True)
        rows.append((planned, planned_bytes, peak_bytes))
    (least, least_bytes, _), (most, most_bytes, _) = min(rows), max(rows)
    if most > least:
        print(f"{(most_bytes - least_bytes) / (most - least):.0f} bytes of memory for each queued file")
    return 0


async def _queue(files: int, fetch: int, file_bytes: int | None, folder: Path) -> tuple[int, int, int, str]:
    """Plan, fetch some, stop; returns files planned, memory when the first transfer began, the peak, and a text."""
    planned = planned_bytes = verified = 0
    async with AsyncExitStack() as stack:
        stack.enter_context(patch("landsat_async.run.requester.allowance", UNPACED))
        scenes = -(-files // len(BANDS))
        serving = simulator_apart(scenes=scenes, pixels=16, band_bytes=file_bytes)
        config_of, credentials = await stack.enter_async_context(serving)
        download = {"directory": str(folder / "data"), "workers": WORKERS, "min_free_bytes": "0 B"}
        config = config_of(folder / "data", select=SELECT, download=download)
        probe = await stack.enter_async_context(probing())
        run = await stack.enter_async_context(open_run(config, credentials=credentials))
        async for event in run.events():
            match event:
                case Planned(files=planned):
                    pass
                case Started() if not planned_bytes:
                    planned_bytes = rss_bytes()
                case Verified(file=name):
                    verified += 1
                    (folder / "data" / name).unlink()  # the disk may be small
                    if verified == fetch:
                        run.stop()
                case _:
                    pass
    assert verified >= min(fetch, planned), run.summary
    return planned, planned_bytes, peak_rss_bytes(), f"{verified:,} fetched and stopped: {probe}"


if __name__ == "__main__":
    sys.exit(main())
