"""The case that started it all: Lago de Valencia, 5 July to 6 August 2024, cloud 0 to 10, in all four ways."""

from __future__ import annotations

from collections import Counter

import pytest
from shapely.geometry import Polygon

from tests.whole.world import as_geojson

LAKE_RING = [
    [-68.00847232151489, 9.993051075414456],
    [-68.00741959094407, 10.334374973060754],
    [-67.49442572538628, 10.332388252838966],
    [-67.49602212224453, 9.991131292108372],
    [-68.00847232151489, 9.993051075414456],
]
SELECTIONS = {
    "bundle": {"type": "bundle"},
    "band": {"type": "band", "bands": ["SR_B3", "SR_B5", "ANG"]},
    "band_group": {"type": "band_group", "file_groups": ["ls_c2l2_sr_band"]},
    "all": {"type": "all"},
}


def scenes(world):
    """What the archive has for the case, found without any code of the client."""
    lake = Polygon(LAKE_RING)
    return [
        product
        for product in world.sim.archive
        if product.dataset.alias == "landsat_ot_c2_l2"
        and "2024-07-05" <= str(product.acquired) <= "2024-08-06"
        and product.cloud is not None
        and product.cloud <= 10
        and Polygon(product.frame.corners_deg).intersects(lake)
    ]


def wanted(world, kind):
    files = set()
    for product in scenes(world):
        names = {suffix: product.file_name(suffix) for suffix in product.suffixes}
        if kind in ("bundle", "all"):
            files.add(f"{product.display_id}.tar")
        if kind == "band":
            files |= {names[suffix] for suffix in ("SR_B3.TIF", "SR_B5.TIF", "ANG.txt")}
        if kind == "band_group":
            files |= {name for suffix, name in names.items() if "ls_c2l2_sr_band" in product.file_groups(suffix)}
        if kind == "all":
            files |= set(names.values())
    return files


@pytest.mark.parametrize("kind", SELECTIONS)
async def test_each_selection_brings_exactly_its_files_once_and_the_second_run_nothing(opened, kind):
    async with opened() as world:
        (world.base / "aoi.geojson").write_text(as_geojson(LAKE_RING))
        search = {
            "dataset": "landsat_ot_c2_l2", "aoi": "aoi.geojson", "start": "2024-07-05", "end": "2024-08-06",
            "cloud_cover": [0, 10],
        }  # fmt: skip
        config = world.config(search=search, select=SELECTIONS[kind])
        expected = wanted(world, kind)
        found = scenes(world)
        assert len(found) >= 5
        assert {product.storage for product in found} == {"ls", "dds"}  # both ways of delivery take part

        first = await world.run(config)

        assert first.summary.exit_code == 0
        assert first.summary.scenes == len(found)
        assert set(first.verified) == world.files().keys() == expected
        assert first.summary.bytes_received == sum(map(len, world.files().values()))
        assert Counter(world.created()).most_common(1)[0][1] == 1, "a file was requested twice"
        assert set(world.created()) == expected
        assert all(count == 1 for count in Counter(world.asked()).values())
        assert world.log.calls["scene-list-add"] == world.log.calls["scene-list-remove"] > 0
        states = {download.state for download in world.service.downloads.by_id.values()}
        assert states == {"complete"}, "proxied files are reported, staged ones were seen by the service"
        assert world.log.calls["logout"] == world.log.calls["login-token"] == 1

        world.forget_log()
        second = await world.run(config)

        assert second.summary.exit_code == 0
        assert second.summary.bytes_received == 0
        assert (second.summary.files_skipped, second.summary.files_verified) == (len(expected), 0)
        assert set(second.skipped) == expected
        assert world.log.calls["download-request"] == 0
        assert not world.log.files
        assert world.log.calls["logout"] == 1


async def test_the_groups_go_through_data_groups_and_a_list_of_the_secondary_dataset(opened):
    async with opened() as world:
        result = await world.run(world.config(select=SELECTIONS["band_group"]))

        assert result.summary.exit_code == 0
        requests = [entry.payload for entry in world.log.of("download-request")]
        assert requests
        assert not any(payload.get("downloads") for payload in requests)
        groups = [group for payload in requests for group in payload["dataGroups"]]
        assert {group["datasetName"] for group in groups} == {"landsat_band_files_c2_l2"}
        assert {tuple(group["fileGroups"]) for group in groups} == {("ls_c2l2_sr_band",)}


async def test_without_named_groups_every_group_comes(opened):
    async with opened() as world:
        result = await world.run(world.config(select={"type": "band_group"}))

        assert result.summary.exit_code == 0
        every = {product.file_name(suffix) for product in scenes(world) for suffix in product.suffixes}
        assert set(result.verified) == every
        assert Counter(world.created()).most_common(1)[0][1] == 1
