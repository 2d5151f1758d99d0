"""A whole run, and a second one, with the file system of this machine: Windows too, see .ci/wine."""

from __future__ import annotations

import pytest

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.run.runner import download
from landsat_async.sim import Archive, open_simulator

pytestmark = pytest.mark.portable


async def test_a_run_brings_every_file_and_the_next_one_finds_them(tmp_path):
    async with open_simulator(Archive.demo(pixels=64, tile=32)) as sim:
        config = Config.from_dict({
            "service": {"url": sim.service_url, "patience_s": 20.0},
            "search": {
                "dataset": "landsat_ot_c2_l2", "bbox": [-68.01, 9.99, -67.49, 10.34],
                "start": "2024-07-05", "end": "2024-08-06",
            },
            "select": {"type": "band", "bands": ["SR_B3", "MTL"]},
            "download": {
                "directory": str(tmp_path / "data"), "workers": 4, "poll_interval_s": 0.05, "min_free_bytes": "0 B",
                "layout": "{sensor}/{path}{row}",
            },
        })  # fmt: skip
        first = await download(config, credentials=Credentials(sim.username, sim.token))
        assert (first.exit_code, first.failures) == (0, ())
        assert first.files_verified == first.files_total > 10
        again = await download(config, credentials=Credentials(sim.username, sim.token))
        assert (again.exit_code, again.files_skipped) == (0, first.files_total)
        assert not list((tmp_path / "data" / ".landsat_async" / "parts").iterdir())
