"""Tiles with six bundles of one entity id and displayId: never one of them in silence, each under the server's name."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import date

import pytest

from landsat_async.errors import ConfigError
from landsat_async.run.plan import plan
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from landsat_async.sim.script import Script
from tests.whole.world import open_world

DAYS = date(2023, 11, 1), date(2023, 11, 16)
TILES = [Product("LC08", "ARD", 8, row, *DAYS) for row in (1, 2, 3)]
IDS = [tile.display_id for tile in TILES]
SEARCH = {"dataset": "landsat_ard_tile_c2", "start": "2023-10-01", "end": "2023-12-01"}
TWO = {"products": ["*surface reflectance*", "*Quality*"]}
NAMES = {f"{one}_{kind}.tar" for one in IDS for kind in ("SR", "QA")}


@pytest.fixture
def opened(tmp_path):
    @asynccontextmanager
    async def opened(**script):
        archive = Archive(TILES, pixels=64, tile=32)
        async with open_world(tmp_path, archive, Script(**script)) as world:
            yield world

    return opened


@pytest.mark.faults("M37")
@pytest.mark.parametrize("select", [{}, {"type": "all"}, {"type": "product"}])
async def test_M37_none_of_several_is_taken_in_silence_and_all_are_listed(opened, select):
    async with opened() as world:
        config = world.config(search=SEARCH, select=select)
        with pytest.raises(ConfigError) as caught:
            await plan(config, credentials=world.credentials)
        assert "3 scenes have several products" in str(caught.value)
        for name in ("Surface Reflectance", "Surface Temperature", "Metadata", "Quality Assessment"):
            assert f"C2 ARD Tile {name} Bundle Download (3)" in str(caught.value)
        assert "products = " in caught.value.hint
        result = await world.run(config)
        assert result.summary.exit_code == 2
        assert world.asked() == []
        assert world.files() == {}


@pytest.mark.faults("M37")
async def test_M37_what_is_chosen_comes_under_the_names_of_the_server(opened):
    async with opened() as world:
        config = world.config(search=SEARCH, select={"type": "bundle", **TWO})
        assert config.select.type == "product"
        made = await plan(config, credentials=world.credentials)
        planned = sorted(one.file.relpath for one in made.files)
        assert len(planned) == 6
        assert planned[1] == f"{IDS[0]}.C2_ARD_Tile_Surface_Reflectance_Bundle_Download.product"
        result = await world.run(config)
        assert result.summary.exit_code == 0, result.reasons
        assert set(world.files()) == set(result.verified) == NAMES
        assert len(world.asked()) == 6
        again = await plan(config, credentials=world.credentials)
        assert {(one.file.relpath, one.state) for one in again.files} == {(name, "here") for name in NAMES}
        second = await world.run(config)
        assert (second.summary.files_skipped, len(second.verified)) == (6, 0)
        assert len(world.asked()) == 6


@pytest.mark.faults("M37")
async def test_M37_a_layout_and_an_older_service_that_stages_them(opened):
    async with opened(staging_polls=2) as world:
        config = world.config(search=SEARCH, select=TWO, download={"layout": "{year}", "workers": 2})
        result = await world.run(config)
        assert result.summary.exit_code == 0, result.reasons
        assert set(world.files()) == {f"2023/{name}" for name in NAMES}


@pytest.mark.faults("M37")
async def test_M37_a_folder_without_its_ledger_is_adopted_under_the_same_names(opened):
    async with opened() as world:
        config = world.config(search=SEARCH, select=TWO)
        await world.run(config)
        before = {path: path.stat().st_mtime_ns for path in world.root.glob("*.tar")}
        for path in (world.root / ".landsat_async").glob("ledger*"):
            path.unlink()
        result = await world.run(config)
        assert result.summary.exit_code == 0, result.reasons
        assert set(result.skipped) == NAMES
        assert {path: path.stat().st_mtime_ns for path in world.root.glob("*.tar")} == before


@pytest.mark.faults("M37")
async def test_M37_a_product_without_a_name_of_the_tile_fails_and_is_not_named_by_guess(opened):
    async with opened() as world:
        world.script.fault_file(f"{IDS[0]}_SR.tar", "wrong-name", text="download.bin", times=None)
        result = await world.run(world.config(search=SEARCH, select=TWO))
        assert result.summary.exit_code == 4
        assert set(world.files()) == NAMES - {f"{IDS[0]}_SR.tar"}
        ((file, reason),) = result.failed.items()
        assert file == f"{IDS[0]}.C2_ARD_Tile_Surface_Reflectance_Bundle_Download.product"
        assert f"gives it no name that begins with {IDS[0]}" in reason


@pytest.mark.faults("M37")
async def test_M37_a_user_s_file_under_the_name_is_left_alone(opened):
    async with opened() as world:
        world.put(f"{IDS[1]}_QA.tar", b"mine")
        result = await world.run(world.config(search=SEARCH, select=TWO))
        assert result.summary.exit_code == 4
        assert list(result.failed) == [f"{IDS[1]}_QA.tar"]
        assert set(result.verified) == NAMES - {f"{IDS[1]}_QA.tar"}


@pytest.mark.faults("M37")
async def test_M37_a_stop_in_the_middle_goes_on_under_the_same_names(opened):
    async with opened() as world:
        config = world.config(search=SEARCH, select=TWO, download={"workers": 1})

        def stop(run, event):
            if type(event).__name__ == "Verified":
                run.stop()

        first = await world.run(config, watch=stop)
        assert first.summary.exit_code in (0, 7)
        result = await world.run(config)
        assert result.summary.exit_code == 0, result.reasons
        assert set(world.files()) == NAMES


async def test_single_files_of_a_tile_are_chosen_by_band(opened):
    async with opened() as world:
        result = await world.run(world.config(search=SEARCH, select={"bands": ["SR_B3"]}))
        assert set(result.verified) == {f"{one}_SR_B3.TIF" for one in IDS}


DSWE = Product("LC08", "DSWE", 15, 7, date(2022, 4, 16), date(2022, 4, 23))
BURNT = Product("LC08", "BA", 15, 7, date(2022, 4, 16), date(2022, 4, 23))


@pytest.mark.faults("Y09")
@pytest.mark.parametrize("select", [{}, {"type": "bundle"}, {"products": ["*tile product*"]}])
@pytest.mark.parametrize(("tile", "end"), [(DSWE, ".tar"), (BURNT, "_BC.TIF")])
async def test_Y09_the_one_product_of_a_tile_is_named_by_the_server_and_no_tar_by_guess(tmp_path, select, tile, end):
    async with open_world(tmp_path, Archive([tile], pixels=64, tile=32)) as world:
        search = {"dataset": tile.dataset.alias, "tiles": ["CU/015007"], "start": "2022-01-01"}
        config = world.config(search=search, select=select)
        made = await plan(config, credentials=world.credentials)
        (planned,) = made.files
        assert planned.file.relpath == f"{tile.display_id}.C2_{tile.level}_Tile_Product_Download.product"
        result = await world.run(config)
        assert result.summary.exit_code == 0, result.failed
        assert set(world.files()) == {f"{tile.display_id}{end}"}
        again = await world.run(config)
        assert (again.skipped, again.verified) == ([f"{tile.display_id}{end}"], [])


async def test_single_files_of_tiles_come_by_band_and_by_place(tmp_path):
    tiles = [*TILES, DSWE]
    async with open_world(tmp_path, Archive(tiles, pixels=64, tile=32)) as world:
        search = {"dataset": ["landsat_ard_tile_c2", "landsat_dswe_tile_c2"], "tiles": ["CU/008002", "CU/15/7"]}
        result = await world.run(world.config(search=search, select={"bands": ["red", "lwir", "INTR"]}))
        assert result.summary.exit_code == 0, result.failed
        assert set(world.files()) == {
            f"{IDS[1]}_SR_B4.TIF", f"{IDS[1]}_ST_B10.TIF", f"{DSWE.display_id}_INTR.TIF",
        }  # fmt: skip


@pytest.mark.faults("Y10")
@pytest.mark.parametrize("search", [{}, {"scenes": ["SRTM1N10W068V3"]}])
async def test_Y10_a_dataset_of_another_mission_is_refused_with_its_products(tmp_path, search):
    async with open_world(tmp_path, Archive(TILES, pixels=64, tile=32)) as world:
        config = world.config(search={"dataset": "srtm_v3", **search}, select={})
        result = await world.run(config)
        assert result.summary.exit_code == 2
        assert "srtm_v3 is of another mission" in str(result.error)
        assert "GeoTIFF 1 Arc-second, BIL 1 Arc-second, DTED 1 Arc-second" in str(result.error)
        assert "EarthExplorer" in result.error.hint
        assert world.log.calls["scene-search"] == 0
        with pytest.raises(ConfigError):
            await plan(config, credentials=world.credentials)


@pytest.mark.faults("K73")
async def test_windows_are_cut_from_single_bands_of_tiles_and_the_refusal_of_bundles_says_so(opened):
    async with opened() as world:
        search = {**SEARCH, "bbox": [-170, 10, -20, 80]}
        bands = {"bands": ["SR_B4"], "window": "pixels"}
        refused = await plan(
            world.config(search=search, select={"type": "bundle", **bands}), credentials=world.credentials
        )
        assert refused.files == []
        assert {one.file for one in refused.unavailable} <= set(IDS)
        (reason,) = {one.reason for one in refused.unavailable}
        (hint,) = {one.hint for one in refused.unavailable}
        assert reason == "windows are cut from bundles of Level 1 and 2 scenes only"
        assert 'type = "band"' in hint
        taken = await plan(world.config(search=search, select=bands), credentials=world.credentials)
        assert len(taken.files) == len(refused.unavailable) > 0
