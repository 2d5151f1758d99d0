import datetime as dt
import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box, mapping

from landsat_async.config_tables import SearchConfig
from landsat_async.model import Scene
from landsat_async.rules.aoi import aoi_from_bbox
from landsat_async.rules.product_id import parse_product_id
from landsat_async.run.scene_filter import FilterIds, halve, keep_named, keep_scenes, scene_filters
from tests.support.volumes import examples

AOI = aoi_from_bbox((0, 0, 1, 1))


def scene(
    path=4, row=53, day="20240705", processed="20240712", tier="T1", *, level="L2SP", sensor="LC08", cloud=5.0,
    area=(0, 0, 1, 1), entity=None, acquired="",
):  # fmt: skip
    display = f"{sensor}_{level}_{path:03d}{row:03d}_{day}_{processed}_02_{tier}"
    year_day = dt.date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}").strftime("%Y%j")
    entity = entity or f"{sensor[:2]}{sensor[3]}{path:03d}{row:03d}{year_day}LGN00"
    footprint = json.dumps(mapping(box(*area))) if area else None
    acquired = f"{day[:4]}-{day[4:6]}-{day[6:]}" if acquired == "" else acquired
    return Scene(entity, display, acquired, cloud, footprint)


def search(**values):
    return SearchConfig(datasets=("landsat_ot_c2_l2",), **values)


def reasons(scenes, aoi=None, **values):
    kept, dropped = keep_scenes(scenes, search(**values), aoi)
    assert len(kept) + len(dropped) == len({(s.entity_id, s.display_id) for s in scenes})
    return {one.scene.display_id: one.reason for one in dropped}


def kept_days(scenes, aoi=None, **values):
    return [one.acquired for one in keep_scenes(scenes, search(**values), aoi)[0]]


DAYS = [scene(day=day) for day in ("20240704", "20240705", "20240806", "20240807")]


def test_both_ends_of_the_dates_are_inclusive():
    values = {"start": dt.date(2024, 7, 5), "end": dt.date(2024, 8, 6)}
    assert kept_days(DAYS, **values) == ["2024-07-05", "2024-08-06"]
    said = reasons(DAYS, **values)
    assert said[DAYS[0].display_id] == "acquired 2024-07-04, before start = 2024-07-05"
    assert said[DAYS[3].display_id] == "acquired 2024-08-07, after end = 2024-08-06"


def test_the_day_is_read_from_the_id_when_the_service_does_not_tell_it():
    values = {"start": dt.date(2024, 7, 5)}
    assert reasons([scene(day="20240704", acquired=None)], **values)
    assert not reasons([scene(day="20240705", acquired="garbage")], **values)
    by_entity = Scene("LC80040532024186LGN00", "?")
    assert "2024-07-04" in reasons([by_entity], **values)["?"]


def test_months_are_compared_exactly():
    assert kept_days(DAYS, months=(8,)) == ["2024-08-06", "2024-08-07"]
    assert reasons(DAYS, months=(8,))[DAYS[0].display_id] == "acquired in month 7, not in months = [8]"


@pytest.mark.faults("C15")
@pytest.mark.parametrize(
    ("cloud", "unknown", "kept"),
    [
        (0, False, True), (10, False, True), (10.01, False, False), (-0.0, False, True),
        (None, False, False), (None, True, True), (-1, False, False), (-1, True, True), (50, True, False),
    ],
)  # fmt: skip
def test_C15_cloud_cover_is_inclusive_and_unknown_goes_by_option(cloud, unknown, kept):
    said = reasons([scene(cloud=cloud)], cloud_cover=(0, 10), include_unknown_cloud=unknown)
    assert bool(said) is not kept


def test_reasons_hold_the_measured_value():
    assert "cloud cover 44.79 % is not in 0 to 10 %" in reasons([scene(cloud=44.79)], cloud_cover=(0, 10)).values()
    assert (
        "cloud cover unknown (include_unknown_cloud = false)"
        in reasons([scene(cloud=None)], cloud_cover=(0, 10)).values()
    )
    quarter = scene(area=(0.5, 0, 2, 0.5))
    assert (
        "covers 25.0% of the area, less than min_coverage = 50.0%" in reasons([quarter], AOI, min_coverage=0.5).values()
    )
    assert "path/row 004/053 is not in path_row" in reasons([scene()], path_row=((4, 54),)).values()
    assert "tier T2 is not one of T1, RT" in reasons([scene(tier="T2")], tiers=("T1", "RT")).values()


def test_without_a_cloud_filter_unknown_cloud_cover_is_kept():
    assert not reasons([scene(cloud=None)])


def test_path_and_row_come_from_the_display_id_or_else_from_the_entity_id():
    assert not reasons([scene()], path_row=((4, 53),))
    assert not reasons([Scene("LC80040532024187LGN00", "odd")], path_row=((4, 53),))
    tile = Scene("LC08_CU_004053_20231101_20231116_02", "LC08_CU_004053_20231101_20231116_02")
    assert "tells no WRS path" in reasons([tile], path_row=((4, 53),))[tile.display_id]


@pytest.mark.faults("C16")
def test_C16_footprints_decide_exactly_and_unknown_ones_are_kept():
    inside, outside, unknown = scene(path=1), scene(path=2, area=(5, 5, 6, 6)), scene(path=3, area=None)
    kept, dropped = keep_scenes([unknown, outside, inside], search(min_coverage=0.9), AOI)
    assert [(one.entity_id, one.coverage) for one in kept] == [(inside.entity_id, 1.0), (unknown.entity_id, None)]
    assert [one.reason for one in dropped] == ["its footprint does not reach the area of interest"]


def test_without_an_area_coverage_is_not_measured():
    assert keep_scenes([scene()], search(), None)[0][0].coverage is None


@pytest.mark.faults("C14")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (scene(tier="RT", processed="20240706"), scene(tier="T1", processed="20240720")),
        (scene(tier="T1", processed="20240706"), scene(tier="T1", processed="20240720")),
        (scene(tier="T1", processed="20240706"), scene(tier="RT", processed="20240720")),
        (scene(tier="RT", processed="20240706"), scene(tier="T2", processed="20240706")),
        (scene(level="L1TP", processed="20240706"), scene(level="L1GT", processed="20240720")),
    ],
)
def test_C14_the_newest_version_of_a_scene_stays_and_the_other_is_named(old, new):
    for order in ([old, new], [new, old]):
        kept, dropped = keep_scenes(order, search(), None)
        assert kept == [new]
        assert [(one.scene, one.reason) for one in dropped] == [(old, f"superseded by {new.display_id}")]


@pytest.mark.faults("C14")
def test_C14_other_places_days_sensors_and_levels_are_other_scenes():
    scenes = [scene(), scene(path=5), scene(row=54), scene(day="20240721"), scene(sensor="LC09"), scene(level="L1TP")]
    assert not reasons(scenes)


def test_C14_a_tier_that_is_asked_for_is_not_lost_to_a_tier_that_is_not():
    old, new = scene(tier="RT", processed="20240706"), scene(tier="T1", processed="20240720")
    assert keep_scenes([old, new], search(tiers=("RT",)), None)[0] == [old]


def test_C14_an_old_version_does_not_slip_through_where_the_new_one_is_filtered_out():
    old, new = scene(processed="20240706", cloud=5), scene(processed="20240720", cloud=50)
    assert keep_scenes([old, new], search(cloud_cover=(0, 10)), None)[0] == []


@pytest.mark.faults("C03")
def test_C03_a_scene_that_two_searches_found_is_one_scene():
    kept, dropped = keep_scenes([scene(), scene(), scene()], search(), None)
    assert (len(kept), dropped) == (1, [])


@pytest.mark.faults("M13")
@pytest.mark.parametrize(
    ("order", "left"), [("newest", [4, 0]), ("oldest", [1, 3]), ("least_cloud", [2, 1])]
)  # fmt: skip
def test_M13_a_limit_takes_the_newest_unless_order_says_otherwise_and_the_list_goes_by_date(order, left):
    days = {"20240721": 30, "20240605": 2, "20240705": 1, "20240613": None, "20240806": 60}
    scenes = [scene(day=day, cloud=cloud) for day, cloud in days.items()]
    kept, dropped = keep_scenes(scenes, search(limit=2, order=order), None)
    assert kept == sorted((scenes[n] for n in left), key=lambda one: one.acquired)
    assert len(dropped) == 3
    assert dropped[0].reason == f"beyond limit = 2, {order.replace('_', ' ')} first"


def test_the_order_of_the_list_is_by_date_path_row_and_id():
    scenes = [scene(day="20240721"), scene(path=9), scene(path=5, row=54), scene(path=5, row=53, sensor="LC09"),
              scene(path=5, row=53)]  # fmt: skip
    kept, _ = keep_scenes(scenes, search(limit=5), None)
    assert kept == [scenes[4], scenes[3], scenes[2], scenes[1], scenes[0]]


def test_scenes_that_are_named_are_kept_and_no_others():
    named, other = scene(cloud=99), scene(path=7)
    assert keep_named([named, other, named], [f" {named.entity_id.lower()} ", named.entity_id])[0] == [named]


@pytest.mark.faults("M12")
def test_M12_an_entity_id_is_the_newest_version_and_a_display_id_exactly_that_one():
    old, new = scene(processed="20240706"), scene(processed="20240720")
    assert keep_named([old, new], [old.display_id])[0] == [old]
    kept, dropped = keep_named([old, new], [old.entity_id])
    assert (kept, [one.scene for one in dropped]) == ([new], [old])
    assert keep_named([old, new], [old.display_id, new.display_id])[0] == [old, new]
    # The newest is named as well: the old one is not what the entity id stands for because of that.
    assert keep_named([old, new], [old.entity_id, new.display_id])[0] == [new]
    assert keep_named([old, new], [old.entity_id, old.display_id])[0] == [old, new]


def test_the_service_is_asked_with_every_filter_it_knows_and_never_for_less():
    values = search(
        start=dt.date(2024, 7, 5),
        end=dt.date(2024, 8, 6),
        cloud_cover=(0.5, 9.5),
        months=(7, 8),
        include_unknown_cloud=True,
    )
    (one,) = scene_filters(values, AOI)
    assert one["acquisitionFilter"] == {"start": "2024-07-05", "end": "2024-08-06"}
    assert one["cloudCoverFilter"] == {"min": 0, "max": 10, "includeUnknown": True}
    assert one["seasonalFilter"] == [7, 8]
    assert one["spatialFilter"]["filterType"] == "mbr"
    json.dumps(one, allow_nan=False)


def test_what_is_not_asked_for_is_not_sent():
    assert scene_filters(search(), None) == [{}]
    assert scene_filters(search(path_row=((4, 53),)), None) == [{}]
    assert set(scene_filters(search(start=dt.date(2024, 1, 1)), None)[0]) == {"acquisitionFilter"}


def test_an_area_across_the_meridian_is_two_searches():
    filters = scene_filters(search(months=(1,)), aoi_from_bbox((179, 0, -179, 1)))
    assert len(filters) == 2
    assert all(one["seasonalFilter"] == [1] for one in filters)


def test_path_and_row_are_sent_where_the_filter_ids_are_known():
    ids = FilterIds(("p", "r"))
    (one,) = scene_filters(search(path_row=((4, 53),)), None, filter_ids=ids)
    assert one["metadataFilter"] == {
        "filterType": "and",
        "childFilters": [
            {"filterType": "between", "filterId": "p", "firstValue": 4, "secondValue": 4},
            {"filterType": "between", "filterId": "r", "firstValue": 53, "secondValue": 53},
        ],
    }
    (two,) = scene_filters(search(path_row=((4, 53), (5, 60))), None, filter_ids=ids)
    assert two["metadataFilter"]["filterType"] == "or"
    assert len(two["metadataFilter"]["childFilters"]) == 2
    many = tuple((path, row) for path in range(10, 20) for row in range(30, 40))
    (span,) = scene_filters(search(path_row=many), None, filter_ids=ids)
    assert [(one["firstValue"], one["secondValue"]) for one in span["metadataFilter"]["childFilters"]] == [
        (10, 19),
        (30, 39),
    ]


@pytest.mark.faults("C05")
@given(st.dates(dt.date(1972, 1, 1), dt.date(2030, 1, 1)), st.integers(0, 9000))
def test_C05_halves_meet_without_gap_or_overlap_down_to_a_day(start, days):
    end = start + dt.timedelta(days=days)
    whole = {"acquisitionFilter": {"start": start.isoformat(), "end": end.isoformat()}, "seasonalFilter": [7]}
    halves = halve(whole)
    if days == 0:
        assert halves is None
        return
    early, late = (half["acquisitionFilter"] for half in halves)
    assert (early["start"], late["end"]) == (start.isoformat(), end.isoformat())
    assert dt.date.fromisoformat(late["start"]) - dt.date.fromisoformat(early["end"]) == dt.timedelta(days=1)
    assert all(half["seasonalFilter"] == [7] for half in halves)


@pytest.mark.faults("C05")
def test_C05_a_search_without_dates_can_be_halved_as_well():
    early, late = halve({})
    assert early["acquisitionFilter"]["start"] < "1973"
    assert late["acquisitionFilter"]["end"] > "2050"


@dataclass(frozen=True)
class Plain:
    """Search values of an embedder, not of the config."""

    start = end = cloud_cover = None
    include_unknown_cloud = False
    months = path_row = tiers = scenes = satellites = tiles = ()
    min_coverage = 0.0
    limit = 0
    order = "newest"


SCENES = st.builds(
    scene,
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from(["20240101", "20240102"]),
    st.sampled_from(["20240105", "20240301"]),
    st.sampled_from(["T1", "T2", "RT"]),
    cloud=st.none() | st.floats(-1, 100),
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(SCENES, max_size=12), st.integers(0, 3))
def test_every_scene_is_kept_or_dropped_once_and_one_version_stays(scenes, limit):
    values = Plain()
    object.__setattr__(values, "limit", limit)
    kept, dropped = keep_scenes(scenes, values, None)
    ids = [(one.entity_id, one.display_id) for one in kept] + [
        (one.scene.entity_id, one.scene.display_id) for one in dropped
    ]
    assert len(ids) == len(set(ids))
    assert set(ids) == {(one.entity_id, one.display_id) for one in scenes}
    keys = [parse_product_id(one.display_id).version_key for one in kept]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"satellites": (8,)}, "Landsat 9 is not in satellites = [8]"),
        ({"satellites": (9,)}, None),
        ({"tiles": (("CU", 8, 1),)}, "it is not a tile, which tiles asks for"),
        ({"tiles": (("CU", 8, 1),), "path_row": ((4, 53),)}, None),
    ],
)
def test_satellites_and_tiles_are_compared_with_what_the_id_tells(asked, reason):
    nine = Scene("LC90040532024187LGN00", "LC09_L2SP_004053_20240705_20240714_02_T1")
    kept, dropped = keep_scenes([nine], search(**asked), None)
    assert ([scene.display_id for scene in kept] == [nine.display_id]) is (reason is None)
    assert [one.reason for one in dropped] == ([reason] if reason else [])


def test_tiles_are_kept_by_region_and_both_numbers():
    ids = [f"LC09_{tile}_20240705_20240714_02" for tile in ("CU_008001", "CU_008002", "HI_008001")]
    kept, dropped = keep_scenes([Scene(one, one) for one in ids], search(tiles=(("CU", 8, 1),)), None)
    assert [scene.display_id for scene in kept] == ids[:1]
    assert [one.reason for one in dropped] == ["tile CU/008002 is not in tiles", "tile HI/008001 is not in tiles"]


def test_tiles_and_day_or_night_are_asked_for_by_the_fields_of_the_dataset():
    labels = {"tile grid region": "R", "tile grid horizontal": "H", "tile grid vertical": "V"}
    ids = FilterIds.by_label(labels | {"day/night indicator": "N", "wrs path": "P"})
    assert (ids.path_row, ids.tile, ids.day_night) == (None, ("R", "H", "V"), "N")
    (found,) = scene_filters(search(tiles=(("CU", 8, 1),), day_night="night"), None, ids)
    assert found["metadataFilter"] == {
        "filterType": "and",
        "childFilters": [
            {
                "filterType": "and",
                "childFilters": [
                    {"filterType": "value", "filterId": "R", "value": "CU"},
                    {"filterType": "between", "filterId": "H", "firstValue": 8, "secondValue": 8},
                    {"filterType": "between", "filterId": "V", "firstValue": 1, "secondValue": 1},
                ],
            },
            {"filterType": "value", "filterId": "N", "value": "NIGHT"},
        ],
    }
    many = tuple(("CU", number, number + 1) for number in range(30))
    (spans,) = scene_filters(search(tiles=(*many, ("AK", 3, 4))), None, ids)
    assert [child["childFilters"][1]["secondValue"] for child in spans["metadataFilter"]["childFilters"]] == [29, 3]
    assert "metadataFilter" not in scene_filters(search(tiles=many), None)[0]
