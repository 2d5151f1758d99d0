"""Runs in a process of their own that is killed again and again, and the run that completes them."""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import suppress

import anyio
import pytest

from landsat_async.sim.script import Script
from tests.whole.test_resume import FILES, large
from tests.whole.world import STATE

REAL_TIME = True
KILLS = 5
_CHILD = """
import anyio, sys
from landsat_async import Config, Credentials, download
config = Config.load(sys.argv[1])
print("begun", flush=True)
anyio.run(lambda: download(config, credentials=Credentials("demo", sys.argv[2])))
"""


@pytest.mark.faults("I01", "I03", "J02")
async def test_I01_a_run_that_is_killed_again_and_again_is_completed_by_the_next(opened):
    draw = random.Random(7)
    async with opened(archive=large(), script=Script(staging_polls=2, rate_bytes_s=3_000_000)) as world:
        world.may_leave = True  # a killed process says no good-bye
        world.workers_at_most = 8
        world.may_overlap = True
        config = _written(world)
        for _ in range(KILLS):
            async with await anyio.open_process([sys.executable, "-c", _CHILD, str(config), world.sim.token]) as child:
                await child.stdout.receive()
                with anyio.move_on_after(draw.uniform(0.3, 1.2)):
                    await child.wait()
                with suppress(ProcessLookupError):  # it has just ended
                    child.kill()
                assert await child.wait() in (-signal.SIGKILL, 0)
        world.script.rate_bytes_s = None

        result = await world.run(world.config())

        assert result.summary.exit_code == 0
        assert len(world.files()) == FILES
        size, largest = sum(map(len, world.files().values())), max(map(len, world.files().values()))
        sent = sum(world.log.file_bytes.values())
        # These bands are smaller than the distance of two checkpoints: each kill costs what its workers had begun.
        assert sent <= size + KILLS * 4 * largest, f"{sent} bytes sent for {size} bytes of files"
        assert not [name for name in os.listdir(world.root / STATE / "parts") if name.endswith(".part")]


def _written(world):
    path = world.base / "config.toml"
    west, south, east, north = (-68.01, 9.99, -67.49, 10.34)
    path.write_text(
        f"""
[service]
url = "{world.sim.service_url}"
[search]
dataset = "landsat_ot_c2_l2"
bbox = [{west}, {south}, {east}, {north}]
start = 2024-07-05
end = 2024-08-06
cloud_cover = [0, 10]
[select]
type = "band"
bands = ["SR_B3", "SR_B5", "ANG"]
[download]
directory = "data"
poll_interval_s = 0.05
workers = 4
min_free_bytes = "0 B"
"""
    )
    return path
