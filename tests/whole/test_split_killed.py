"""A run with several connections a file is killed in the middle, and the next one goes on."""

from __future__ import annotations

import json
import signal
import sys
from functools import partial

import anyio
import pytest

from landsat_async.run import worker
from landsat_async.sim.script import Script
from landsat_async.transfer.types import TransferPolicy
from tests.whole.test_links import PROXIED, one
from tests.whole.test_split import SPAN, large

REAL_TIME = True
KIB = 1024
SHORT = {"span_bytes": SPAN, "block_bytes": 64 * KIB, "checkpoint_bytes": 128 * KIB}
CHILD = f"""
import anyio, json, sys
from functools import partial
from landsat_async import Config, Credentials, download
from landsat_async.run import worker
worker.TransferPolicy = partial(worker.TransferPolicy, **{SHORT})
config = Config.from_dict(json.loads(sys.argv[1]))
anyio.run(lambda: download(config, credentials=Credentials("demo", sys.argv[2])))
"""


@pytest.mark.faults("I01")
async def test_I01_a_killed_run_goes_on_from_its_checkpoint_with_several_connections(opened, monkeypatch):
    monkeypatch.setattr(worker, "TransferPolicy", partial(TransferPolicy, **SHORT))
    async with opened(archive=large(), script=Script(rate_bytes_s=500_000)) as world:
        world.may_leave = world.may_overlap = True  # a killed process says no good-bye
        world.workers_at_most = 16
        download = {"directory": str(world.root), "min_free_bytes": "0 B", "connections_per_file": 4}
        given = json.dumps({"service": {"url": world.sim.service_url}, **one(PROXIED), "download": download})
        async with await anyio.open_process([sys.executable, "-c", CHILD, given, world.sim.token]) as child:
            with anyio.fail_after(60):
                while sum(world.log.file_bytes.values()) < 1_000 * KIB and child.returncode is None:
                    await anyio.sleep(0.01)
            child.kill()
            assert await child.wait() == -signal.SIGKILL
        world.script.rate_bytes_s = None
        world.forget_log()

        result = await world.run(world.config(**one(PROXIED), download=download))

        (name,) = result.verified
        (offset,) = result.offsets(name)
        assert 0 < offset < len(world.content(name))
        asked = [entry.headers.get("range", "-") for entry in world.log.entries]
        assert [range for range in asked if not range.endswith("-")]
