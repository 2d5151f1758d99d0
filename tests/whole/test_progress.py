"""The line of progress never tells less than it has told."""

from __future__ import annotations

import pytest

from landsat_async.events import Progress
from landsat_async.run import runner
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script


@pytest.mark.faults("Y113")
async def test_Y113_bytes_done_do_not_go_back_while_files_wait_for_their_record(opened, monkeypatch):
    monkeypatch.setattr(runner, "PROGRESS_EVERY_S", 0.01)
    seen = []

    def watch(_, event):
        if isinstance(event, Progress):
            seen.append(event.bytes_done)

    archive = Archive.demo(pixels=1024, tile=256)
    async with opened(archive=archive, script=Script(rate_bytes_s=4_000_000)) as world:
        await world.run(world.config(download={"workers": 3}), watch=watch)
    assert len(seen) > 10
    assert seen == sorted(seen)
