from __future__ import annotations

import json
import re

import pytest
import shapely

from landsat_async.model import Scene, WantedFile
from landsat_async.rules.aoi import Aoi
from landsat_async.run.plan import PlannedFile
from landsat_async.show.scene_page import area_rings, files_text, place_of, rings_of, scenes_page, sensor_of, state_text

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 0]]
LC08 = "LC08_L2SP_004053_20240705_20240714_02_T1"


@pytest.mark.parametrize(
    ("footprint", "rings"),
    [
        (json.dumps({"type": "Polygon", "coordinates": [SQUARE, SQUARE]}), 1),
        (json.dumps({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}), 2),
        (json.dumps({"type": "Point", "coordinates": [0, 0]}), 0),
        (json.dumps({"type": "Polygon", "coordinates": [[["a", None]]]}), 0),
        (json.dumps([1]), 0), ("no json", 0), ("", 0), (None, 0), ("[" * 100_000, 0),
    ],
)  # fmt: skip
def test_footprints_of_every_kind(footprint, rings):
    assert len(rings_of(footprint)) == rings


@pytest.mark.parametrize(
    ("here", "count", "failed", "state", "files"),
    [(3, 3, False, "here", "3"), (1, 3, False, "partly here", "1 of 3"), (0, 3, False, "not here", "0 of 3"),
     (2, 3, True, "failed", "2 of 3")],
)  # fmt: skip
def test_states(here, count, failed, state, files):
    assert state_text(here, count, failed) == state
    assert files_text(here, count) == files


@pytest.mark.parametrize(
    ("display_id", "sensor", "place"),
    [(LC08, "LC08", "004/053"), ("LC08_CU_008001_20240705_20240714_02", "LC08", "CU/008001"), ("odd", "", "")],
)
def test_what_an_id_tells(display_id, sensor, place):
    assert (sensor_of(display_id), place_of(display_id)) == (sensor, place)


def test_an_area_with_a_hole_and_two_parts():
    holed = shapely.box(0, 0, 9, 9).difference(shapely.box(2, 2, 3, 3)).union(shapely.box(20, 0, 21, 1))
    assert sorted(len(rings) for rings in area_rings(Aoi(holed, (0, 0, 21, 9)))) == [1, 2]
    assert area_rings(Aoi(shapely.Point(1, 2), (1, 2, 1, 2))) == []
    assert area_rings(None) == []


def test_a_plan_shows_what_is_here():
    scenes = [Scene("e", LC08, "2024-07-05", 3.25, coverage=0.5), Scene("f", "LC09_x")]
    files = [
        PlannedFile(WantedFile(f"{LC08}_{band}.TIF", "e", LC08, "file", ()), state)
        for band, state in (("SR_B3", "here"), ("SR_B4", "missing"))
    ]
    page = scenes_page(scenes, title="t", area=None, files=files).decode()
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.S)[0])
    rows = [dict(zip(data["columns"], row, strict=True)) for row in data["scenes"]]
    assert data["kind"] == "plan"
    shown = [rows[0][key] for key in ("state", "files", "cloud", "coverage")]
    assert shown == ["partly here", "1 of 2", 3.2, 50]
    assert (rows[1]["state"], rows[1]["files"]) == ("", "")
