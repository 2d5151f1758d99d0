"""What a run finds that an earlier one, killed at a bad moment, has left behind."""

from __future__ import annotations

import os

import pytest

from landsat_async import Credentials, download, open_run
from landsat_async.events import Started
from landsat_async.sim import Archive, Script, open_simulator
from tests.support.recorded_runs import config_of, small_steps


@pytest.mark.faults("I01")
async def test_I01_what_the_service_holds_for_delivered_is_asked_for_again(tmp_path):
    script = Script(rate_bytes_s=1_000_000)
    async with open_simulator(Archive.demo(compress=False, pixels=300), script) as sim:
        config, credentials = config_of(sim, tmp_path, limit=0), Credentials(sim.username, sim.token)
        staged = []
        with small_steps():
            async with open_run(config, credentials=credentials) as run:
                async for event in run.events():
                    if isinstance(event, Started) and "_20240721_" in event.file:  # staged by dds
                        staged.append(event.file)
                        run.stop()
            for order in sim._service.downloads.by_id.values():
                if order.state == "available":
                    sim._service.downloads.move(order, "complete")
            script.rate_bytes_s = None
            assert any(order.state == "complete" for order in sim._service.downloads.by_id.values())
            summary = await download(config, credentials=credentials)
        assert staged
        assert summary.exit_code == 0
        assert summary.files_pending == summary.files_failed == 0
        assert {name for name in os.listdir(tmp_path) if name in staged} == set(staged)
