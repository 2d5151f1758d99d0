"""What a search asks of an archive of millions: counted at the simulated service."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from landsat_async import Config, Credentials
from landsat_async.errors import ConfigError, TooManyHits
from landsat_async.m2m.client import M2MClient
from landsat_async.run.search import find_scenes, read_aoi
from landsat_async.sim import Archive, ComputedArchive, Product, Script, open_simulator
from landsat_async.sim.datasets import DATASETS
from tests.support.virtual_loop import VirtualLoop

L1, L2 = "landsat_ot_c2_l1", "landsat_ot_c2_l2"
MILLIONS = 3_251_710
LOOKUPS = {
    "scene-search", "scene-list-add", "scene-list-get", "scene-list-summary", "scene-metadata", "scene-metadata-list",
}  # fmt: skip
LAKE = [-68.01, 9.99, -67.49, 10.34]
FILTERS = {"bbox": [10, 50, 11, 51], "start": "2024-07-05", "cloud_cover": [0, 1], "limit": 1, "months": [1]}


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture(scope="module")
def archive():
    return ComputedArchive(MILLIONS, options={"pixels": 16, "tile": 16})


class Search:
    """Searches at one simulated service."""

    def __init__(self, sim, m2m):
        self.sim, self.m2m = sim, m2m

    async def __call__(self, **search):
        config = Config.from_dict({"service": {"url": self.sim.service_url}, "search": search})
        self.sim.log.clear()
        return await find_scenes(config, self.m2m, await read_aoi(config))

    @property
    def lookups(self):
        return sum(self.calls.values())

    @property
    def calls(self):
        return Counter(entry.what for entry in self.sim.log.entries if entry.what in LOOKUPS)


@asynccontextmanager
async def searching(archive, script=None):
    async with (
        open_simulator(archive, script or Script()) as sim,
        M2MClient(sim.service_url, Credentials(sim.username, sim.token)) as m2m,
    ):
        yield Search(sim, m2m)


def some(archive, count, alias=L2, step=977):
    products = archive.products(DATASETS[alias])
    return [products[number * step] for number in range(count)]


@pytest.mark.faults("M11")
@pytest.mark.parametrize("by", ["entity_id", "display_id"])
async def test_M11_two_ids_cost_two_lookups_in_an_archive_of_millions(archive, by):
    two = some(archive, 2)
    async with searching(archive) as search:
        found = await search(dataset=L2, scenes=[getattr(product, by) for product in two])
        assert {scene.display_id for scene in found.scenes} == {product.display_id for product in two}
        assert {scene.dataset for scene in found.scenes} == {L2}
        assert (search.lookups, found.missing) == (1, [])


@pytest.mark.faults("M11")
async def test_M11_a_thousand_ids_cost_one_lookup_for_every_fifty_at_most(archive):
    many = some(archive, 999)
    names = [product.display_id if n % 2 else product.entity_id for n, product in enumerate(many)]
    async with searching(archive) as search:
        found = await search(dataset=L2, scenes=[*names, "LC80040532024187LGN77"])
        assert {scene.display_id for scene in found.scenes} == {product.display_id for product in many}
        assert [gap.file for gap in found.missing] == ["LC80040532024187LGN77"]
        assert search.lookups <= 20 - 2  # two lists are made when the files are chosen


@pytest.mark.faults("M11")
async def test_M11_other_keys_of_the_search_change_nothing(archive, tmp_path):
    (one,) = some(archive, 1)
    async with searching(archive) as search:
        found = await search(dataset=L2, scenes=[one.entity_id.lower(), one.entity_id], **FILTERS)
        assert [scene.display_id for scene in found.scenes] == [one.display_id]
        other = {key: value for key, value in FILTERS.items() if key != "bbox"}
        found = await search(dataset=L2, scenes=[one.entity_id], **other, aoi=str(tmp_path / "none.geojson"))
        assert [scene.display_id for scene in found.scenes] == [one.display_id]
        assert search.lookups == 1


VARIANTS = [
    {}, {"id_filters": "nothing"}, {"id_filters": "nothing", "list_unknown": "refused"},
    {"id_filters": "nothing", "list_unknown": "dropped"}, {"id_filters": "nothing", "list_count": "submitted"},
    {"id_filters": "nothing", "list_display_ids": False}, {"id_filters": "nothing", "metadata_list": "nothing"},
    {"hits": "more"}, {"hits": "fewer"}, {"next_record": "same"}, {"child_filters_limit": 2},
    {"missing": ("totalHits",)},
]  # fmt: skip


@pytest.mark.faults("M11", "M20")
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("by", ["entity_id", "display_id"])
async def test_M11_whatever_the_service_does_with_ids_two_cost_no_more_than_four(archive, variant, by):
    first, second = some(archive, 2)
    wrong = first.entity_id.replace("LGN00", "LGN01")
    async with searching(archive, Script(**variant)) as search:
        found = await search(dataset=L2, scenes=[getattr(first, by), getattr(second, by)])
        assert {scene.display_id for scene in found.scenes} == {first.display_id, second.display_id}
        assert search.lookups <= 4 - 1  # one list is made when the files are chosen
        found = await search(dataset=L2, scenes=[wrong, second.entity_id])
        assert [scene.display_id for scene in found.scenes] == [second.display_id]
        assert search.lookups <= 4 - 1
        (gap,) = found.missing
        assert (gap.file, first.entity_id in gap.hint) == (wrong, True)


@pytest.mark.faults("M11")
@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v.get("metadata_list") is None and v.get("list_display_ids", True)], ids=str
)
async def test_M11_many_ids_are_found_by_a_list_where_id_filters_find_nothing(archive, variant):
    many = some(archive, 300)
    async with searching(archive, Script(**variant)) as search:
        found = await search(dataset=L2, scenes=[product.display_id for product in many])
        assert {scene.display_id for scene in found.scenes} == {product.display_id for product in many}
        assert search.lookups <= 6


@pytest.mark.faults("M12")
async def test_M12_ids_of_several_datasets_are_looked_up_each_in_its_own(archive):
    archive = ComputedArchive(5000, options={"pixels": 16, "tile": 16})
    archive.add(old := Product("LE07", "L1TP", 4, 53, dt.date(2001, 3, 5), dt.date(2020, 9, 18)))
    (high,), (low,) = some(archive, 1, L2), some(archive, 1, L1)
    async with searching(archive) as search:
        found = await search(scenes=[high.display_id, low.display_id, old.display_id])
        assert {scene.display_id: scene.dataset for scene in found.scenes} == {
            high.display_id: L2, low.display_id: L1, old.display_id: "landsat_etm_c2_l1",
        }  # fmt: skip
        assert search.lookups == 3
        found = await search(dataset=L2, scenes=[high.entity_id, low.display_id])
        assert {scene.display_id for scene in found.scenes} == {high.display_id, low.display_id}
        assert found.notes == (f"{low.display_id} is of {L1}, not of {L2}: fetched from there",)
        assert search.lookups <= 4 - 2


@pytest.mark.faults("M12")
async def test_M12_an_entity_id_is_its_newest_version_and_a_display_id_that_version():
    archive = Archive.demo(pixels=16, tile=16)
    old = "LC08_L2SP_004053_20240705_20240714_02_T1"
    new = archive.reprocess(old, keep_old=True)
    async with searching(archive) as search:
        found = await search(dataset=L2, scenes=[new.entity_id])
        assert [scene.display_id for scene in found.scenes] == [new.display_id]
        found = await search(scenes=[old])
        assert [scene.display_id for scene in found.scenes] == [old]
        archive.remove(old)
        found = await search(scenes=[old])
        assert new.display_id in found.missing[0].hint


@pytest.mark.faults("M18", "M19")
async def test_M19_what_is_no_id_is_told_without_a_single_call_and_the_others_are_found(archive):
    (one,) = some(archive, 1)
    wrong = [f"{one.display_id}.tar", f"{one.display_id}_SR_B4.TIF", "LC08_L1TP_004053_20170105_20170218_01_T1"]
    async with searching(archive) as search:
        found = await search(dataset=L2, scenes=wrong)
        assert [gap.file for gap in found.missing] == wrong
        assert not search.calls
        found = await search(dataset=L2, scenes=[*wrong, one.display_id])
        assert len(found.missing) == 3
        assert [scene.display_id for scene in found.scenes] == [one.display_id]


@pytest.mark.faults("M13")
@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize(("limit", "most"), [(1, 12), (10, 12), (3000, 16)])
async def test_M13_a_limit_bounds_the_search_itself(archive, order, limit, most):
    async with searching(archive) as search:
        found = await search(dataset=L2, limit=limit, order=order)
        assert len(found.scenes) == limit
        assert search.lookups <= most
        first, last = archive.days(DATASETS[L2])
        edge = [scene.acquired for scene in found.scenes][0 if order == "oldest" else -1]
        assert edge == (first if order == "oldest" else last).isoformat()


UNTOLD = [
    ({"missing": ("temporalCoverage", "acquisitionStart", "acquisitionEnd")}, 40), ({"missing": ("totalHits",)}, 2),
    ({"hits": "fewer"}, 2), ({"hits": "more"}, 2), ({"next_record": "zero"}, 2),
]  # fmt: skip


@pytest.mark.faults("M13")
@pytest.mark.parametrize(("variant", "most"), UNTOLD, ids=str)
@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_M13_a_service_that_tells_less_or_counts_wrong_costs_a_few_calls_more(archive, variant, most, order):
    async with searching(archive, Script(**variant)) as search:
        found = await search(dataset=L2, limit=1, order=order)
        days = archive.days(DATASETS[L2])
        assert [scene.acquired for scene in found.scenes] == [days[order == "newest"].isoformat()]
        assert search.lookups <= most


@pytest.mark.faults("M13")
@pytest.mark.parametrize("order", ["newest", "oldest", "least_cloud"])
async def test_M13_a_limit_takes_the_same_scenes_as_a_search_without_one(order):
    archive = ComputedArchive(60_000)
    here = {"dataset": L2, "bbox": [-75, 0, -60, 15], "cloud_cover": [5, 40], "tiers": ["T1"]}
    keys = {
        "newest": lambda s: -dt.date.fromisoformat(s.acquired).toordinal(),
        "oldest": lambda s: s.acquired,
        "least_cloud": lambda s: s.cloud_cover,
    }
    async with searching(archive, Script(cloud_cover="number")) as search:
        everything = (await search(**here)).scenes
        assert len(everything) > 50
        found = await search(**here, limit=7, order=order)
        best = sorted(everything, key=keys[order])
        assert [keys[order](s) for s in sorted(found.scenes, key=keys[order])] == [keys[order](s) for s in best[:7]]


@pytest.mark.faults("M13")
async def test_M13_the_clearest_scenes_of_millions_are_found_without_reading_them():
    archive = ComputedArchive(MILLIONS)
    async with searching(archive, Script(cloud_cover="number")) as search:
        found = await search(dataset=L2, limit=2, order="least_cloud")
        assert [scene.cloud_cover for scene in found.scenes] == [0, 0]
        assert search.lookups <= 20


@pytest.mark.faults("M14")
@pytest.mark.parametrize("filters", [{}, {"start": "2015-01-01"}, {"cloud_cover": [0, 50]}, {"months": [7]}], ids=str)
async def test_M14_a_search_without_bounds_is_refused_with_the_count_and_what_to_add(archive, filters):
    async with searching(archive) as search:
        with pytest.raises(TooManyHits) as caught:
            await search(dataset=L2, **filters)
        assert f"{caught.value.total_hits:,} scenes of {L2}" in str(caught.value)
        assert caught.value.exit_code == 2
        assert caught.value.total_hits > 100_000
        assert "path_row" in caught.value.hint
        assert search.lookups == 1


@pytest.mark.faults("M14")
async def test_M14_small_datasets_and_bounded_searches_are_not_refused():
    async with searching(ComputedArchive(9_000), Script()) as search:
        assert len((await search(dataset=L2)).scenes) == 9_000
    async with searching(ComputedArchive(10_001)) as search:
        with pytest.raises(TooManyHits):
            await search(dataset=L2)
        assert len((await search(dataset=L2, start="2024-01-01")).scenes) > 500


@pytest.mark.faults("M15")
async def test_M15_swapped_coordinates_are_guessed_only_where_nothing_lies_here_and_something_there():
    async with searching(Archive.demo(pixels=16, tile=16)) as search:
        north_first = [LAKE[1], LAKE[0], LAKE[3], LAKE[2]]
        found = await search(dataset=L2, bbox=north_first)
        assert any("longitude has to come first" in note for note in found.notes)
        for place in (LAKE, [40, 40, 41, 41]):
            found = await search(dataset=L2, bbox=place, cloud_cover=[99, 100], start="2024-07-05", end="2024-08-06")
            assert found.scenes == []
            assert not any("longitude has to come first" in note for note in found.notes)


@pytest.mark.faults("M16")
async def test_M16_a_box_with_west_and_east_swapped_is_searched_with_a_warning():
    async with searching(Archive.demo(pixels=16, tile=16)) as search:
        found = await search(dataset=L2, bbox=[LAKE[2], LAKE[1], LAKE[0], LAKE[3]])
        assert "west = -67.49 eastwards to east = -68.01" in found.warnings[0]


@pytest.mark.faults("C18", "M17", "M18")
@pytest.mark.parametrize(
    ("dataset", "withheld", "said"),
    [
        ("landsat_tm_c2_l2", ("landsat_tm_c2_l2",), "does not let this account use landsat_tm_c2_l2"),
        ("landsat_band_files_c2_l2", (), "cannot be searched for scenes"),
        ("landsat_ot_c2", (), "knows no dataset"),
    ],
)
async def test_M17_why_a_dataset_is_refused_is_told_as_it_is(dataset, withheld, said):
    async with searching(Archive.demo(pixels=16, tile=16), Script(withheld=withheld)) as search:
        for more in ({"bbox": LAKE}, {"scenes": ["LC80040532024187LGN00"]}):
            with pytest.raises(ConfigError) as caught:
                await search(dataset=dataset, **more)
            assert said in str(caught.value)
            assert ("Nearest names: landsat_ot_c2_l" in caught.value.hint) is (said == "knows no dataset")
