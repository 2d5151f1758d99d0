"""Common band names against the real metadata of every sensor: what an MTL lists is what the table names."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from landsat_async.rules.bands import (
    BANDS,
    COMMON_NAMES,
    Band,
    band_of_file,
    bands_named,
    is_band,
    kind_of,
    kinds_of_dataset,
    lacks,
    names_of_kinds,
    nearest_band,
    stems_named,
    title_of,
    where_else,
)

LEVEL_2 = {
    "oli": {
        "coastal": "SR_B1", "blue": "SR_B2", "green": "SR_B3", "red": "SR_B4", "nir08": "SR_B5", "swir16": "SR_B6",
        "swir22": "SR_B7", "lwir11": "ST_B10", "lwir": "ST_B10", "qa_aerosol": "SR_QA_AEROSOL",
    },
    "tm": {
        "blue": "SR_B1", "green": "SR_B2", "red": "SR_B3", "nir08": "SR_B4", "swir16": "SR_B5", "swir22": "SR_B7",
        "lwir": "ST_B6", "cloud_qa": "SR_CLOUD_QA", "atmos_opacity": "SR_ATMOS_OPACITY",
    },
}  # fmt: skip


@pytest.mark.parametrize("sensor", ["oli", "tm", "etm"])
def test_level_2_names_stand_for_the_files_that_stactools_landsat_gives_them(sensor: str) -> None:
    for name, stem in LEVEL_2["oli" if sensor == "oli" else "tm"].items():
        assert [band.stem for band in bands_named(name, (sensor, 2))] == [stem], name
    assert [band.stem for band in bands_named("qa_pixel", (sensor, 2))] == ["QA_PIXEL"]
    assert bands_named("pan", (sensor, 2)) == ()


@pytest.mark.parametrize(
    ("name", "kind", "stems"),
    [
        ("pan", ("etm", 1), ["B8"]),
        ("pan", ("oli", 1), ["B8"]),
        ("pan", ("tm", 1), []),
        ("lwir", ("etm", 1), ["B6_VCID_1", "B6_VCID_2"]),
        ("lwir_vcid_2", ("etm", 1), ["B6_VCID_2"]),
        ("lwir", ("oli", 1), ["B10", "B11"]),
        ("lwir12", ("oli", 1), ["B11"]),
        ("cirrus", ("oli", 1), ["B9"]),
        ("coastal", ("tm", 2), []),
        ("red", ("mss13", 1), ["B5"]),
        ("red", ("mss45", 1), ["B2"]),
        ("nir09", ("mss45", 1), ["B4"]),
        ("swir16", ("mss45", 1), []),
        ("RED", ("oli", 1), ["B4"]),
        ("saa", ("oli", 1), ["SAA"]),
        ("red", None, []),
    ],
)
def test_a_name_stands_for_another_file_on_another_sensor(
    name: str, kind: tuple[str, int] | None, stems: list[str]
) -> None:
    assert [band.stem for band in bands_named(name, kind)] == stems


@pytest.mark.parametrize(
    ("display_id", "kind"),
    [
        ("LM02_L1TP_004053_19800705_20240714_02_T1", ("mss13", 1)),
        ("LM05_L1TP_004053_19850705_20240714_02_T1", ("mss45", 1)),
        ("LT05_L2SP_004053_19850705_20240714_02_T1", ("tm", 2)),
        ("LT08_L1GT_004053_20150705_20240714_02_T2", ("oli", 1)),
        ("LE07_L1TP_004053_20050705_20240714_02_T1", ("etm", 1)),
        ("LC09_CU_008001_20231101_20231116_02", ("oli", 2)),
        ("LC08_CU_015007_20220416_20220423_02_BA", None),
        ("LC80040532024187LGN00", None),
    ],
)
def test_a_display_id_tells_which_bands_there_are(display_id: str, kind: tuple[str, int] | None) -> None:
    assert kind_of(display_id) == kind


def test_keys_are_unique_within_a_scene_and_no_name_is_a_file_name_of_another_band() -> None:
    for bands in BANDS.values():
        assert len({band.key for band in bands}) == len({band.stem for band in bands}) == len(bands)
    stems = {band.stem.casefold(): band for bands in BANDS.values() for band in bands}
    for bands in BANDS.values():
        for band in bands:
            assert all(stems.get(name.casefold(), band).stem == band.stem for name in band.names)


def test_what_is_no_common_name_is_a_file_name() -> None:
    assert COMMON_NAMES.isdisjoint(("SR_B4", "B4", "MTL", "SR_B*", "nir"))
    assert "lwir" in COMMON_NAMES


def test_a_dataset_tells_which_names_it_can_have() -> None:
    assert kinds_of_dataset("landsat_OT_c2_l2") == (("oli", 2),)
    assert kinds_of_dataset("srtm_v3") == ()
    assert names_of_kinds(kinds_of_dataset("landsat_mss_c2_l1")) == [
        "green", "red", "nir08", "nir09", "qa_pixel", "qa_radsat",
    ]  # fmt: skip


def test_a_file_name_tells_its_band() -> None:
    scene = "LE07_L1TP_004053_20050705_20240714_02_T1"
    assert band_of_file(scene, f"{scene}_B6_VCID_2.TIF") == Band("lwir_vcid_2", "B6_VCID_2", "lwir")
    assert band_of_file(scene, f"{scene}_MTL.txt") is None
    assert band_of_file(scene, f"{scene[:-1]}2_B4.TIF") is None


def test_the_table_names_every_raster_that_real_metadata_lists() -> None:
    """And no other one: of an SR product, temperature is missing."""
    folder = os.environ.get("LANDSAT_TEST_METADATA")
    if not folder:
        pytest.skip("LANDSAT_TEST_METADATA is not set: no real MTL files to compare with")
    kinds = set()
    for path in sorted(Path(folder).rglob("*_MTL.xml")):
        text = path.read_text()
        display_id = re.search(r"<LANDSAT_PRODUCT_ID>(.*?)<", text)
        assert display_id is not None
        kind = kind_of(display_id[1])
        assert kind is not None
        kinds.add(kind)
        listed = {name[len(display_id[1]) + 1 : -4] for name in re.findall(rf">({display_id[1]}_\w+\.TIF)<", text)} - {
            "ANGLE"
        }
        table = {band.stem for band in BANDS[kind]}
        missing = (
            {stem for stem in table - listed if not stem.startswith("ST_")}
            if "_L2SR_" in path.name
            else (table - listed)
        )
        assert (listed - table, missing) == (set(), set()), path.name
    assert kinds == {("mss13", 1), ("mss45", 1), ("tm", 2), ("etm", 2), ("oli", 2)}


@pytest.mark.parametrize(
    ("written", "kind", "lacking"),
    [
        ("coastal", ("tm", 2), True), ("coastal", ("oli", 2), False),
        ("pan", ("oli", 2), True), ("SR_B6", ("tm", 2), True), ("ST_B10", ("oli", 2), False),
        ("SR_B*", ("tm", 2), False), ("SR_B6.TIF", ("etm", 2), True), ("B10", ("etm", 1), True),
        ("ANG", ("tm", 2), False), ("rde", ("tm", 2), False),
    ],
)  # fmt: skip
def test_a_sensor_lacks_what_only_others_have(written: str, kind: tuple[str, int], lacking: bool) -> None:
    assert lacks(written, kind) is lacking


def test_where_a_band_is_and_which_one_was_meant() -> None:
    assert where_else("pan", ["landsat_ot_c2_l2"]) == ["landsat_etm_c2_l1", "landsat_ot_c2_l1"]
    kinds = [("oli", 2), ("tm", 2)]
    assert [nearest_band(name, kinds) for name in ("nir", "swir1", "blu", "gren", "SR_B44", "tir", "xyz")] == [
        "nir08", "swir16", "blue", "green", "SR_B4", "lwir", None,
    ]  # fmt: skip
    slips = ("rde", "nri", "swri1", "termal", "SR_4B", "pna")
    assert [nearest_band(name, kinds) for name in slips] == ["red", "nir08", "swir16", "lwir", "SR_B4", None]
    assert nearest_band("panchromatic", [("oli", 1)]) == "pan"
    assert [nearest_band(name, kinds) for name in ("panchromatic", "pan")] == [None, None]
    words = ("red", "rde", "SR_B?", "ang", "B6_VCID_1", "jobs", "lake.toml", "./red", "lake", "green-lake", "my_red")
    assert [name for name in words if is_band(name)] == [*words[:5]]
    assert stems_named("LWIR", ("etm", 1)) == {"b6_vcid_1", "b6_vcid_2"}
    assert title_of(("etm", 1)) == "Landsat 7 ETM+ (Level 1)"


def test_the_names_are_the_asset_keys_of_real_stac_items() -> None:
    folder = os.environ.get("LANDSAT_TEST_METADATA")
    if not folder:
        pytest.skip("LANDSAT_TEST_METADATA is not set: no STAC items to compare with")
    compared = set()
    for path in sorted([*Path(folder).rglob("*_stac.json"), *Path(folder, "stac-items").glob("*.json")]):
        assets = json.loads(path.read_text())["assets"]
        for key, asset in assets.items():
            name = asset["href"].rpartition("/")[2]
            display_id = "_".join(name.split("_")[:7])
            if not name.endswith(".TIF") or key.endswith(".TIF"):
                continue
            band = band_of_file(display_id, name)
            assert band is not None, name
            assert key.casefold() in {own.casefold() for own in band.names}, (path.name, key, band)
            compared.add((kind_of(display_id), band.key))
    assert len(compared) >= 30
