"""A folder that stays right: what is new comes, what a newer version has replaced is put away, the rest is left."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from msgspec import structs

from landsat_async.config_tables import SyncConfig
from landsat_async.disk.local_target import LocalTarget
from landsat_async.events import LeftOut, Notice, Superseded, Synced
from landsat_async.run import counts
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from tests.support.sync_lab import clock_of_days
from tests.whole.world import LAKE, open_world

DAY = date(2024, 8, 20)
SEARCH = {"dataset": ["landsat_ot_c2_l1", "landsat_ot_c2_l2"], "bbox": list(LAKE), "start": "2024-07-01"}
BANDS = {"bands": ["red", "lwir11"]}


def product(level="L1TP", path=4, tier="T1", *, acquired=date(2024, 7, 5), processed=date(2024, 7, 14), sensor="LC08"):
    return Product(sensor, level, path, 53, acquired, processed, tier, 4.0)


@pytest.fixture
def days(monkeypatch):
    """The clock of runs: a day that the test sets."""
    clock = SimpleNamespace(day=DAY)
    monkeypatch.setattr(counts, "time", clock_of_days(clock))
    return clock


async def sync(world, how="new", *, search=SEARCH, select=BANDS, **tables):
    result = await world.run(world.config(search=search, select=select, **tables), sync=how)
    (synced,) = result.of(Synced) or [None]
    return result, synced


def told(result):
    return [(one.old, one.new, one.files, one.action) for one in result.of(Superseded)]


def talk(result):
    return "\n".join(event.text for event in result.of(Notice))


def names(product, *stems):
    return {product.file_name(f"{stem}.TIF") for stem in stems}


async def test_a_new_version_comes_and_the_older_one_goes_to_its_own_folder(tmp_path, days):
    rt = product("L1GT", tier="RT")
    async with open_world(tmp_path, Archive([rt, product("L2SP", path=5)], pixels=64, tile=32)) as world:
        layout = {"layout": "{path}{row}/{year}"}
        result, synced = await sync(world, download=layout)
        assert (result.summary.exit_code, synced) == (0, Synced(2, 0, 0, 0))
        assert "sync: everything is looked at" in talk(result)
        days.day += timedelta(days=1)
        new = world.sim.archive.reprocess(rt.display_id, day=days.day, level="L1TP", tier="T1")
        result, synced = await sync(world, download=layout)
        assert (result.summary.exit_code, synced) == (0, Synced(0, 1, 0, 1))
        assert told(result) == [(rt.display_id, new.display_id, 2, "move")]
        assert {name for name in world.files() if "004053" in name} == {
            *(f"004053/2024/{name}" for name in names(new, "B4", "B10")),
            *(f"superseded/004053/2024/{name}" for name in names(rt, "B4", "B10")),
        }
        assert "sync: what was ingested since 2024-08-13" in talk(result)
        again, synced = await sync(world, download=layout)
        assert (told(again), synced, again.verified) == ([], Synced(0, 0, 0, 2), [])
        plain = await world.run(world.config(search=SEARCH, select=BANDS, download=layout))
        assert "older" not in talk(plain)


@pytest.mark.faults("Y07")
async def test_Y07_nothing_new_costs_three_calls_and_one_a_dataset(tmp_path, days):
    products = [product(level, path) for level in ("L1TP", "L2SP") for path in (4, 5)]
    async with open_world(tmp_path, Archive(products, pixels=64, tile=32)) as world:
        await sync(world)
        for passed, calls in ((3, 5), (1, 5)):
            days.day += timedelta(days=passed)
            world.forget_log()
            result, synced = await sync(world)
            assert (result.summary.exit_code, synced) == (0, Synced(0, 0, 0, 4))
            assert sum(world.log.calls.values()) == calls, world.log.calls
            assert len(result.skipped) == 8


@pytest.mark.faults("Y07")
async def test_Y07_filters_by_place_cost_nothing_more(tmp_path, days):
    async with open_world(tmp_path, Archive([product(), product(path=5)], pixels=64, tile=32)) as world:
        search = {"dataset": "landsat_ot_c2_l1", "path_row": ["004053"], "day_night": "day"}
        await sync(world, search=search)
        days.day += timedelta(days=1)
        new = world.sim.archive.reprocess(product().display_id, day=days.day)
        world.forget_log()
        result, _ = await sync(world, search=search)
        assert told(result) == [(product().display_id, new.display_id, 2, "move")]
        assert (world.log.calls["scene-search"], world.log.calls["dataset-filters"]) == (1, 0)
        asked = world.log.of("scene-search")[0].payload["sceneFilter"]
        assert set(asked) == {"ingestFilter", "metadataFilter"}
        days.day += timedelta(days=1)
        world.forget_log()
        await sync(world, "full", search=search)
        assert world.log.calls["dataset-filters"] == 1


async def test_everything_is_looked_at_each_week_and_when_the_search_changes(tmp_path, days):
    late = Product("LC09", "L1TP", 4, 53, date(2024, 7, 13), date(2024, 7, 20), "T1", 3.0)
    async with open_world(tmp_path, Archive([product()], pixels=64, tile=32)) as world:
        await sync(world)
        # Ingested with a day in the past: found by a full search only.
        world.sim.archive.add(late)
        days.day += timedelta(days=2)
        _, synced = await sync(world)
        assert synced == Synced(0, 0, 0, 1)
        result, synced = await sync(world, "full")
        assert (synced, len(result.verified)) == (Synced(1, 0, 0, 1), 2)
        days.day += timedelta(days=7)
        result, _ = await sync(world)
        assert "a week has passed" in talk(result)
        result, _ = await sync(world, select={"bands": ["red"]})
        assert "[search] or [select] has changed" in talk(result)
        result, _ = await sync(world, select={"bands": ["red"]})
        assert "what was ingested since" in talk(result)


@pytest.mark.faults("Y06")
@pytest.mark.parametrize("action", ["move", "delete", "keep"])
async def test_Y06_a_successor_with_fewer_bands_costs_nothing(tmp_path, days, action):
    """L2SP becomes L2SR: what has no successor is moved, also where older files are deleted."""
    old = product("L2SP")
    other = product("L2SP", path=5)
    async with open_world(tmp_path, Archive([old, other], pixels=64, tile=32)) as world:
        tables = {"select": {"bands": ["SR_B4", "ST_B10"]}}
        await sync(world, **tables)
        days.day += timedelta(days=1)
        new = world.sim.archive.reprocess(old.display_id, day=days.day, level="L2SR")
        config = world.config(search=SEARCH, **tables)
        config = type(config).from_dict(
            {
                "service": {"url": world.sim.service_url},
                "search": SEARCH,
                "sync": {"superseded": action},
                "download": {"directory": str(world.root), "min_free_bytes": "0 B"},
                **tables,
            }
        )
        result = await world.run(config, sync="new")
        assert result.summary.exit_code == 0
        red, heat = sorted(names(old, "SR_B4", "ST_B10"))
        assert [(lack.what, lack.scenes) for lack in result.of(LeftOut)] == [("ST_B10", 1)]
        here = set(world.files()) - names(new, "SR_B4") - names(other, "SR_B4", "ST_B10")
        assert here == {
            "move": {f"superseded/{red}", f"superseded/{heat}"}, "delete": {f"superseded/{heat}"}, "keep": {red, heat},
        }[action]  # fmt: skip
        assert sorted((files, done) for _, _, files, done in told(result)) == {
            "move": [(2, "move")], "delete": [(1, "delete"), (1, "move")], "keep": [(2, "keep")],
        }[action]  # fmt: skip
        again = await world.run(config, sync="new")
        assert told(again) == []


@pytest.mark.faults("Y03")
async def test_Y03_an_older_version_stays_as_long_as_its_successor_is_not_all_here(tmp_path, days):
    old = product("L2SP")
    async with open_world(tmp_path, Archive([old], pixels=64, tile=32)) as world:
        select = {"bands": ["SR_B4", "ST_B10"]}
        await sync(world, select=select)
        days.day += timedelta(days=1)
        new = world.sim.archive.reprocess(old.display_id, day=days.day)
        world.script.unavailable = (f"{new.display_id}_ST_B10.TIF",)
        result, _ = await sync(world, select=select)
        assert (result.summary.exit_code, told(result)) == (4, [])
        assert f"{old.display_id} stays" in talk(result)
        assert names(old, "SR_B4", "ST_B10") <= set(world.files())
        # Processed once more before it could be had: the newest one replaces both.
        days.day += timedelta(days=1)
        newest = world.sim.archive.reprocess(new.display_id, day=days.day)
        world.script.unavailable = ()
        result, _ = await sync(world, select=select)
        assert result.summary.exit_code == 0
        assert told(result) == [
            (old.display_id, newest.display_id, 2, "move"), (new.display_id, newest.display_id, 1, "move"),
        ]  # fmt: skip
        assert {name for name in world.files() if not name.startswith("superseded/")} == names(
            newest, "SR_B4", "ST_B10"
        )


@pytest.mark.faults("Y03")
async def test_Y03_an_older_version_stays_when_a_file_of_its_successor_fails(tmp_path, days):
    old = product("L2SP")
    async with open_world(tmp_path, Archive([old], pixels=64, tile=32)) as world:
        await sync(world)
        days.day += timedelta(days=1)
        new = world.sim.archive.reprocess(old.display_id, day=days.day)
        world.script.indiscreet = (f"{new.display_id}_ST_B10.TIF",)
        result, synced = await sync(world)
        assert (result.summary.exit_code, result.summary.files_verified, told(result)) == (4, 1, [])
        assert f"{old.display_id} stays: not everything that was chosen of its successor" in talk(result)
        assert names(old, "SR_B4", "ST_B10") | names(new, "SR_B4") == set(world.files())
        world.script.indiscreet = ()
        result, synced = await sync(world)
        assert (told(result), synced.replaced) == ([(old.display_id, new.display_id, 2, "move")], 1)


@pytest.mark.faults("Y04")
async def test_Y04_what_the_user_has_changed_or_removed_is_left_to_him(tmp_path, days):
    old = product("L2SP")
    async with open_world(tmp_path, Archive([old], pixels=64, tile=32)) as world:
        select = {"bands": ["SR_B3", "SR_B4", "SR_B5", "ST_B10"]}
        await sync(world, select=select)
        changed, gone, touched, same = sorted(names(old, "SR_B3", "SR_B4", "SR_B5", "ST_B10"))
        world.put(changed, b"mine")
        (world.root / gone).unlink()
        body = (world.root / touched).read_bytes()
        (world.root / touched).write_bytes(body)
        days.day += timedelta(days=1)
        new = world.sim.archive.reprocess(old.display_id, day=days.day)
        result, _ = await sync(world, select=select)
        assert result.summary.exit_code == 0
        assert told(result) == [(old.display_id, new.display_id, 2, "move")]
        assert f"{changed} is of an older version" in talk(result)
        left = set(world.files()) - names(new, "SR_B3", "SR_B4", "SR_B5", "ST_B10")
        assert left == {changed, f"superseded/{touched}", f"superseded/{same}"}
        assert (world.root / changed).read_bytes() == b"mine"


@pytest.mark.faults("Y05")
async def test_Y05_what_vanishes_without_a_successor_is_told_and_stays(tmp_path, days):
    stays, goes = product("L2SP", path=5), product("L2SP")
    async with open_world(tmp_path, Archive([stays, goes], pixels=64, tile=32)) as world:
        await sync(world)
        world.sim.archive.remove(goes.display_id)
        result, synced = await sync(world)
        assert synced == Synced(0, 0, 0, 2)
        result, synced = await sync(world, "full")
        assert synced == Synced(0, 0, 1, 1)
        assert f"{goes.display_id} is not found any more" in talk(result)
        assert names(goes, "SR_B4", "ST_B10") <= set(world.files())


async def test_a_file_of_a_scene_that_is_not_new_comes_back_when_it_is_lost(tmp_path, days):
    async with open_world(tmp_path, Archive([product("L2SP"), product("L2SP", path=5)], pixels=64, tile=32)) as world:
        first, _ = await sync(world)
        lost = first.verified[0]
        (world.root / lost).unlink()
        days.day += timedelta(days=1)
        result, synced = await sync(world)
        assert (result.verified, synced) == ([lost], Synced(0, 0, 0, 2))


async def test_a_folder_that_plain_runs_have_filled_is_taken_over(tmp_path, days):
    old = product("L2SP")
    async with open_world(tmp_path, Archive([old], pixels=64, tile=32)) as world:
        await world.run(world.config(search=SEARCH, select=BANDS))
        new = world.sim.archive.reprocess(old.display_id, day=DAY)
        plain = await world.run(world.config(search=SEARCH, select=BANDS))
        assert "older scene version" in talk(plain)
        result, synced = await sync(world)
        assert told(result) == [(old.display_id, new.display_id, 2, "move")]
        assert synced == Synced(0, 1, 0, 1)


@pytest.mark.faults("Y08")
async def test_Y08_a_place_that_is_taken_gets_a_number(tmp_path, days):
    old = product("L2SP")
    async with open_world(tmp_path, Archive([old], pixels=64, tile=32)) as world:
        await sync(world)
        taken = sorted(names(old, "SR_B4", "ST_B10"))[0]
        world.put(f"superseded/{taken}", b"mine")
        world.sim.archive.reprocess(old.display_id, day=DAY)
        await sync(world)
        assert {f"superseded/{taken}", f"superseded/2/{taken}"} <= set(world.files())


async def test_tiles_are_synchronised_by_product(tmp_path, days):
    tile = Product("LC08", "ARD", 8, 1, date(2024, 7, 1), date(2024, 7, 16))
    search = {"dataset": "landsat_ard_tile_c2", "tiles": ["CU/008001"], "start": "2024-06-01"}
    select = {"products": ["*Surface Reflectance*"]}
    async with open_world(tmp_path, Archive([tile], pixels=64, tile=32)) as world:
        result, synced = await sync(world, search=search, select=select)
        assert (result.verified, synced) == ([f"{tile.display_id}_SR.tar"], Synced(1, 0, 0, 0))
        days.day += timedelta(days=1)
        new = world.sim.archive.reprocess(tile.display_id, day=days.day)
        result, synced = await sync(world, search=search, select=select)
        assert told(result) == [(tile.display_id, new.display_id, 1, "move")]
        assert set(world.files()) == {f"superseded/{tile.display_id}_SR.tar", f"{new.display_id}_SR.tar"}


@pytest.mark.faults("Y13")
async def test_Y13_where_nothing_can_be_put_away_only_keep_is_taken(tmp_path, days, monkeypatch):
    async with open_world(tmp_path, Archive([product("L2SP")], pixels=64, tile=32)) as world:
        monkeypatch.delattr(LocalTarget, "move")
        result, synced = await sync(world)
        assert (result.summary.exit_code, synced) == (2, None)
        assert 'superseded = "keep"' in result.error.hint
        config = world.config(search=SEARCH, select=BANDS)
        result = await world.run(structs.replace(config, sync=SyncConfig(superseded="keep")), sync="new")
        assert result.summary.exit_code == 0
