"""What a folder holds, with quicklooks from its bands and from inside its bundles."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.io import MemoryFile

from landsat_async import Config, Credentials, download
from landsat_async.run.report import _choices, report
from landsat_async.sim.server import open_simulator

LC08, LE07 = "LC08_L2SP_004053_20240705_20240714_02_T1", "LE07_L1TP_004053_20200705_20200714_02_T1"
LAKE = [-68.01, 9.99, -67.49, 10.34]


WINDOWS = ["SR_B4.w0a1b2c3d", "SR_B3.w0a1b2c3d", "SR_B2.w0a1b2c3d"]


def names(display_id, *bands):
    return [f"{display_id}_{band}.TIF" for band in bands]


@pytest.mark.parametrize(
    ("display_id", "bands", "best"),
    [
        (LC08, ["QA_PIXEL", "SR_B2", "SR_B3", "SR_B4", "SR_B5"], ["SR_B4", "SR_B3", "SR_B2"]),
        (LC08, ["SR_B3", "SR_B4", "SR_B5"], ["SR_B5", "SR_B4", "SR_B3"]),
        (LC08, ["QA_PIXEL", "SR_B5", "ST_B10"], ["SR_B5"]),
        (LC08, WINDOWS, WINDOWS),
        (LE07, ["B1", "B2", "B3", "B8"], ["B3", "B2", "B1"]),
        ("strange", ["B1"], ["B1"]),
    ],
)
def test_the_most_natural_bands_are_taken(display_id, bands, best):
    assert _choices(display_id, names(display_id, *bands))[0] == names(display_id, *best)


@pytest.mark.parametrize("bands", [["QA_PIXEL"], [], ["SR_QA_AEROSOL", "SZA"]])
def test_quality_bands_are_no_picture(bands):
    assert _choices(LC08, names(LC08, *bands)) == []


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("select", [{"bands": ["SR_B2", "SR_B3", "SR_B4"]}, {"type": "bundle"}], ids=str)
async def test_a_folder_is_told_scene_by_scene(tmp_path, select):
    async with open_simulator() as sim:
        config = Config.from_dict(
            {
                "service": {"url": sim.service_url},
                "search": {"dataset": "landsat_ot_c2_l2", "bbox": LAKE, "start": "2024-07-05", "end": "2024-07-20"},
                "select": select,
                "download": {"directory": str(tmp_path / "data"), "poll_interval_s": 0.05, "min_free_bytes": 0},
            }
        )
        await download(config, credentials=Credentials(sim.username, sim.token))
    found = await report(config)
    assert [scene.files["done"] for scene in found.scenes] == [len(select.get("bands", "x"))] * len(found.scenes)
    assert found.scenes
    for scene in found.scenes:
        assert scene.footprint is not None
        with MemoryFile(scene.picture) as memory, memory.open() as image:
            pixels = image.read()
            assert pixels.shape[0] == 3
            assert np.unique(pixels).size > 3
    assert all(scene.picture is None for scene in (await report(config, pictures=False)).scenes)


async def test_a_folder_without_a_run(tmp_path):
    found = await report(Config.from_dict({"search": {"dataset": "x"}, "download": {"directory": str(tmp_path)}}))
    assert not found.ledger
    assert found.scenes == []
