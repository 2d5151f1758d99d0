"""What is asked of the figures of a scene, and what is said of it."""

from __future__ import annotations

import pytest

from landsat_async.config_tables import SearchConfig
from landsat_async.model import Scene
from landsat_async.rules.aoi import aoi_from_bbox, parse_aoi
from landsat_async.rules.clouds import CloudCount, Flag
from landsat_async.run.area_clouds import Rule, judge, measured_event, unknown_notes

AOI = aoi_from_bbox((-68.0, 10.0, -67.5, 10.4))


def rule(**search):
    made = Rule.of(SearchConfig(**({"aoi_cloud": (0.0, 20.0)} | search)), AOI)
    assert made is not None
    return made


def counted(cloud, valid=1000, pixels=1000):
    return CloudCount(pixels, valid, cloud, 0, 0)


@pytest.mark.parametrize(
    ("count", "search", "reason"),
    [
        (counted(0), {}, None),
        (counted(200), {}, None),
        (counted(201), {}, "20.1 % cloud in the area (aoi_cloud = [0, 20])"),
        (counted(20001, 100_000, 100_000), {}, "20.001 % cloud in the area (aoi_cloud = [0, 20])"),
        (counted(1000), {}, "100.0 % cloud in the area (aoi_cloud = [0, 20])"),
        (counted(0), {"aoi_cloud": (10.0, 100.0)}, "0.0 % cloud in the area (aoi_cloud = [10, 100])"),
        (counted(0, 0), {}, "no data in the area"),
        (counted(0, 0), {"aoi_cloud": (0.0, 100.0)}, "no data in the area"),
        (counted(0, 799), {"aoi_valid": 0.8}, "data in 79.9 % of the area (aoi_valid = 0.8)"),
        (counted(0, 800), {"aoi_valid": 0.8}, None),
        (counted(10, 10), {"aoi_cloud": None, "aoi_valid": 0.01}, None),
    ],
)
def test_a_scene_is_left_out_with_its_figure(count, search, reason):
    assert rule(**search).refusal(count) == reason


def test_nothing_is_measured_without_an_area_or_a_limit_or_beside_ids():
    asked = SearchConfig(aoi_cloud=(0.0, 20.0))
    assert Rule.of(asked, None) is None
    assert Rule.of(SearchConfig(), AOI) is None
    assert Rule.of(SearchConfig(aoi_cloud=(0.0, 20.0), scenes=("LC80040532024187LGN00",)), AOI) is None


def test_the_same_place_is_the_same_area_however_it_is_written():
    ring = "-68 10, -68 10.4, -67.5 10.4, -67.5 10, -68 10"
    turned = "-67.5 10, -68 10, -68 10.4, -67.5 10.4, -67.5 10"
    search = SearchConfig(aoi_cloud=(0.0, 20.0))
    areas = {Rule.of(search, parse_aoi(f"POLYGON(({text}))", source="x")).area for text in (ring, turned)}
    assert areas == {rule().area}
    assert rule(aoi_cloud=(0.0, 50.0)).area == rule().area
    moved = Rule.of(search, aoi_from_bbox((-68.0, 10.0, -67.5, 10.41)))
    assert moved.area != rule().area


def test_the_rule_is_known_by_its_flags_in_whatever_order():
    assert rule(aoi_cloud_counts=("shadow", "cloud")).counts == rule(aoi_cloud_counts=("cloud", "shadow")).counts
    assert rule().flags == (Flag.CLOUD, Flag.DILATED, Flag.SHADOW, Flag.CIRRUS)


def test_scenes_without_a_figure_are_kept():
    scenes = [Scene("E1", "LC08_a"), Scene("E2", "LC08_b"), Scene("E3", "LC08_c")]
    judged = judge(scenes, rule(), {"LC08_a": counted(900), "LC08_b": counted(1)})
    assert [scene.entity_id for scene in judged.kept] == ["E2", "E3"]
    assert [scene.entity_id for scene, _ in judged.refused] == ["E1"]


def test_what_sensors_cannot_know_is_said_once_each():
    scenes = [Scene("E", name) for name in ("LM05_x", "LC08_x", "LT05_x", "LT05_y")]
    notes = unknown_notes(scenes, rule())
    assert [note.partition(":")[0] for note in notes] == [
        "QA_PIXEL of LM05 does not know dilated, shadow, cirrus",
        "QA_PIXEL of LT05 does not know cirrus",
    ]


def test_figures_are_told_as_the_config_has_them():
    event = measured_event("LC08_x", CloudCount(300, 150, 50, 30, None))
    assert (event.valid, event.cloud, event.shadow, event.snow, event.pixels) == (0.5, 33.3333, 20.0, None, 300)
