"""What a plan says of the local folders beside a store is what a run ends with."""

from __future__ import annotations

import pytest

from landsat_async import Config, Credentials, DiskFull, FolderUnwritable, download
from landsat_async.run.plan import plan
from landsat_async.show.plan_page import exit_reason, plan_page, room_lacking
from landsat_async.show.program import SameJob
from landsat_async.sim.server import open_simulator
from tests.store.test_runs import tables


@pytest.mark.faults("Y95")
@pytest.mark.parametrize(
    ("key", "path"),
    [("spool", "a-file"), ("spool", "a-file/spool"), ("state_dir", "a-file"), ("state_dir", "a-file/x")],
)
async def test_Y95_a_spool_that_cannot_be_made_is_told_by_plan_as_by_run(s3, url, tmp_path, key, path):
    (tmp_path / "a-file").write_text("mine")
    async with open_simulator() as sim:
        config = Config.from_dict(tables(sim, s3, url, **{key: path}), base_dir=tmp_path)
        told = []
        for ask in (plan, download):
            with pytest.raises(FolderUnwritable) as caught:
                await ask(config, credentials=Credentials(sim.username, sim.token))
            told.append((str(caught.value), caught.value.hint))
        assert sim.log.calls.total() == 0
    assert told[0] == told[1]
    assert f"[download] {key}" in told[0][1]


@pytest.mark.faults("Y95")
async def test_Y95_a_spool_without_room_is_told_by_plan_as_run_would_end(s3, url, tmp_path):
    async with open_simulator() as sim:
        credentials = Credentials(sim.username, sim.token)
        config = Config.from_dict(tables(sim, s3, url, min_free_bytes="900 TB"), base_dir=tmp_path)
        planned = await plan(config, credentials=credentials)
        with pytest.raises(DiskFull) as full:
            await download(config, credentials=credentials)
    assert planned.exit_code == full.value.exit_code == 9
    sizes = sorted(one.file.bytes_nominal for one in planned.files)
    assert planned.bytes_short == min(sum(sizes), config.download.workers * sizes[-1])
    assert "spool" in room_lacking(planned)[0]
    assert "spool" in exit_reason(planned)
    (line,) = [
        line for line in plan_page(planned, keep_bytes=0, width=200, again=SameJob()) if line.startswith("disk: ")
    ]
    assert "free now on the disk of the spool" in line
