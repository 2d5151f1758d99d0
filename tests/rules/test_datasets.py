"""What the names of datasets tell."""

from __future__ import annotations

import pytest

from landsat_async.rules.datasets import dataset_of, facts_of


@pytest.mark.parametrize(
    ("name", "title", "level", "satellites"),
    [
        ("landsat_ot_c2_l2", "Landsat 8-9 OLI/TIRS, Level 2", 2, (8, 9)),
        ("LANDSAT_ETM_C2_L1", "Landsat 7 ETM+, Level 1", 1, (7,)),
        ("landsat_mss_c2_l1", "Landsat 1-5 MSS, Level 1", 1, (1, 2, 3, 4, 5)),
        ("landsat_ard_tile_c2", "Landsat ARD tiles", None, (4, 5, 7, 8, 9)),
        ("landsat_dswe_tile_c2", "Landsat DSWE tiles", None, (4, 5, 7, 8, 9)),
        ("landsat_fsca_tile_stat_c2", "Landsat fSCA tiles", None, (4, 5, 7, 8, 9)),
    ],
)
def test_a_name_tells_sensor_level_and_satellites(
    name: str, title: str, level: int | None, satellites: tuple[int, ...]
) -> None:
    facts = facts_of(name)
    assert facts is not None
    assert (facts.title, facts.level, facts.satellites) == (title, level, satellites)
    assert (facts.has_tiles, facts.has_night) == (level is None, level == 1)


@pytest.mark.parametrize("name", ["srtm_v3", "landsat_mss_c2_l2", "landsat_8_c1", "sentinel_2a", "landsat_ot_c2_l3"])
def test_nothing_is_known_of_others(name: str) -> None:
    assert facts_of(name) is None


def test_a_sensor_and_a_level_name_a_dataset() -> None:
    assert [dataset_of(sensor, 1) for sensor in ("MSS", "TM", "ETM", "OLI")] == [
        "landsat_mss_c2_l1", "landsat_tm_c2_l1", "landsat_etm_c2_l1", "landsat_ot_c2_l1",
    ]  # fmt: skip
    assert dataset_of("MSS", 2) is None
