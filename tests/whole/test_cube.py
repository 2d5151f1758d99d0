"""The files of a run as one Dataset: held against rasters that rioxarray reads and we scale by hand."""

from __future__ import annotations

import re
import warnings
from datetime import date
from pathlib import Path

import anyio
import numpy as np
import pytest

from landsat_async import Config, RunSummary, open_run
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from tests.whole.world import LAKE, open_world

REAL_TIME = True
PAGE = (Path(__file__).parents[2] / "docs" / "ndvi-series.md").read_text()
PROCESSED = date(2020, 9, 18)
SCENES = (
    ("LT05", "L2SP", date(1990, 2, 15)),
    ("LE07", "L2SP", date(2001, 3, 5)),
    ("LC08", "L2SP", date(2015, 1, 6)),
    ("LC09", "L2SP", date(2022, 1, 6)),
    ("LE07", "L1TP", date(2001, 3, 5)),
    ("LC08", "L1TP", date(2015, 1, 6)),
)
PRODUCTS = [Product(sensor, level, 4, 53, day, max(PROCESSED, day), cloud=5.0) for sensor, level, day in SCENES]
L2 = {"sensors": ["TM", "ETM", "OLI"], "level": 2, "bbox": list(LAKE)}
L1 = L2 | {"sensors": ["ETM", "OLI"], "level": 1}


@pytest.fixture(autouse=True)
def _libraries():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("odc.stac", reason="odc-stac is not installed: the extra cube")
        pytest.importorskip("rioxarray", reason="rioxarray is not installed: the extra cube")
        pytest.importorskip("dask", reason="dask is not installed: the extra cube")
        yield


@pytest.fixture
def loaded(tmp_path):
    """Return a function that downloads, and gives the summary and the files by name."""

    def load(select, search=L2):
        async def run():
            archive = Archive(PRODUCTS, pixels=64, tile=32)
            async with open_world(tmp_path, archive) as world:
                result = await world.run(world.config(search=search, select=select))
                assert result.summary.exit_code == 0, result.failed
                return result.summary, {path.name: path for path in world.root.glob("*.TIF")}

        return anyio.run(run)

    return load


def raster(files, start, stem):
    import rioxarray

    (path,) = [path for name, path in files.items() if name.startswith(start) and name.endswith(f"_{stem}.TIF")]
    return rioxarray.open_rasterio(path).squeeze("band", drop=True)


def test_every_sensor_goes_by_one_name_and_equals_what_is_scaled_by_hand(loaded):
    summary, files = loaded({"bands": ["red", "lwir", "qa_pixel", "coastal"], "metadata": True})
    cube = summary.to_xarray(["red", "lwir", "qa_pixel", "coastal"])
    assert cube.red.chunks is not None
    assert cube.sizes["time"] == 4
    assert cube.lwir.attrs["units"] == "kelvin"
    stems = {"LT05": ("SR_B3", "ST_B6"), "LE07": ("SR_B3", "ST_B6"), "LC08": ("SR_B4", "ST_B10"),
             "LC09": ("SR_B4", "ST_B10")}  # fmt: skip
    for at, (start, (red, heat)) in enumerate(stems.items()):
        scene = cube.isel(time=at).compute()
        for name, stem, scale, offset in (("red", red, 2.75e-05, -0.2), ("lwir", heat, 0.00341802, 149.0)):
            stored = raster(files, start, stem)
            by_hand = (stored * scale + offset).where(stored != 0).values
            ours = scene[name].sel(x=stored.x, y=stored.y).values
            assert np.isnan(by_hand).any()
            np.testing.assert_allclose(ours, by_hand, rtol=0, atol=1e-6, equal_nan=True)
        bits = raster(files, start, "QA_PIXEL")
        assert scene.qa_pixel.dtype == np.uint16
        assert (scene.qa_pixel.sel(x=bits.x, y=bits.y).values == bits.values).all()
        assert bool(np.isnan(scene.coastal).all()) is (start in ("LT05", "LE07"))


def test_a_mask_takes_what_the_quality_band_says(loaded):
    summary, files = loaded({"bands": ["red", "qa_pixel"], "metadata": True})
    plain, masked = (summary.to_xarray(["red"], mask=mask).compute() for mask in ((), ("cloud", "shadow")))
    for at, start in enumerate(("LT05", "LE07", "LC08", "LC09")):
        bits = raster(files, start, "QA_PIXEL")
        hidden = (bits.values & 0b11000) != 0
        before, after = (one.red.isel(time=at).sel(x=bits.x, y=bits.y).values for one in (plain, masked))
        assert hidden.any()
        assert np.isnan(after[hidden]).all()
        np.testing.assert_array_equal(after[~hidden], before[~hidden])
    stored = summary.to_xarray(["red"], scale=False, mask=("cloud",)).compute()
    assert stored.red.dtype == np.uint16


def test_what_cannot_be_had_is_said(loaded):
    summary, _ = loaded({"bands": ["red"], "metadata": True})
    with pytest.raises(ValueError, match="'blue'; here are: red"):
        summary.to_xarray(["blue"])
    with pytest.raises(ValueError, match="unknown mask 'clouds'"):
        summary.to_xarray(["red"], mask=("clouds",))
    with pytest.raises(ValueError, match="QA_PIXEL is not here"):
        summary.to_xarray(["red"], mask=("cloud",))
    assert list(summary.to_xarray().data_vars) == ["red"]
    with pytest.raises(ValueError, match="no run"):
        RunSummary().to_xarray()


def test_level_1_is_not_scaled_where_nothing_tells_how(loaded):
    summary, files = loaded({"bands": ["red", "pan"], "metadata": True}, L1)
    cube = summary.to_xarray(["red"]).compute()
    stored = raster(files, "LE07", "B3")
    np.testing.assert_array_equal(
        np.nan_to_num(cube.red.isel(time=0).sel(x=stored.x, y=stored.y).values), stored.values
    )


def test_the_recipe_of_the_docs_runs_from_config_to_series(tmp_path, monkeypatch):
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)

    async def run():
        archive = Archive(PRODUCTS, pixels=64, tile=32)
        async with open_world(tmp_path, archive) as world:
            (tmp_path / "my-ndvi.toml").write_text(toml)
            overrides = [f'service.url="{world.sim.service_url}"', f'download.directory="{world.root}"',
                         "download.poll_interval_s=0.1", "download.workers=4",
                         'download.min_free_bytes="0 B"']  # fmt: skip
            config = Config.load(tmp_path / "my-ndvi.toml", overrides=overrides, environ={})
            async with open_run(config, credentials=world.credentials) as opened:
                return await opened.wait()

    summary = anyio.run(run)
    assert summary.scenes == 4
    _, after = code.split("summary = asyncio.run")
    assert "download(Config.load(" in after
    scope = {"summary": summary}
    exec(after.split("\n", 1)[1], scope)  # what stands behind the download
    series = scope["series"].to_series().dropna()
    assert [moment.year for moment in series.index] == [1990, 2001, 2015, 2022]
    assert series.between(-1, 1).all()
