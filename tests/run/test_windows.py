"""What a run cuts out of each band, and about how much of it comes."""

from __future__ import annotations

import pytest
import shapely

from landsat_async.config_tables import SelectConfig
from landsat_async.model import Route, Unavailable, WantedFile
from landsat_async.rules.aoi import Aoi
from landsat_async.run.selection import Selection
from landsat_async.run.windows import RunWindows, estimated_bytes, share_of, with_windows

BAND = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
PIXELS = SelectConfig(type="band", bands=("SR_B3",), window="pixels")


def area(west, south, east, north) -> Aoi:
    return Aoi(shapely.box(min(west, east), south, max(west, east), north), (west, south, east, north))


TEN_KM = area(-68.0, 10.0, -67.909, 10.09)


def wanted(name, kind="file") -> WantedFile:
    return WantedFile(name, "E", "D", kind, (Route("E", "P", "ls"),), 87 * 2**20)


def test_without_a_window_or_an_area_files_come_whole():
    assert RunWindows.of(SelectConfig(type="band", bands=("SR_B3",)), TEN_KM) is None
    assert RunWindows.of(PIXELS, None) is None
    assert share_of(None, PIXELS) == 1.0
    selection = Selection((wanted(BAND),), ())
    assert with_windows(selection, None) is selection


@pytest.mark.parametrize(
    ("box", "low", "high"),
    [
        ((-68.0, 10.0, -67.909, 10.09), 0.004, 0.01),
        ((-68.0, 10.0, -67.45, 10.54), 0.07, 0.10),
        ((-80.0, 0.0, -60.0, 20.0), 1.0, 1.0),
        ((179.95, 10.0, -179.95, 10.1), 0.004, 0.012),  # across 180°
    ],
)
def test_the_share_of_a_band_grows_with_the_area(box, low, high):
    assert low <= share_of(area(*box), PIXELS) <= high


def test_rasters_are_named_and_sized_as_windows_and_texts_are_not():
    windows = RunWindows.of(PIXELS, TEN_KM)
    gap = Unavailable("X_SR_B5.TIF", "not now")
    found = with_windows(Selection((wanted(BAND), wanted("X_ANG.txt"), wanted("X.tar", "bundle")), (gap,)), windows)
    band, text, bundle = found.files
    assert band.name == BAND.replace(".TIF", f".w{windows.spec.key}.TIF")
    assert (band.bytes_whole, band.bytes_nominal) == (87 * 2**20, estimated_bytes(87 * 2**20, windows.share))
    assert band.bytes_nominal < 0.01 * 87 * 2**20
    assert (text, bundle) == (wanted("X_ANG.txt"), wanted("X.tar", "bundle"))
    assert found.unavailable[0].file == f"X_SR_B5.w{windows.spec.key}.TIF"
    assert windows.of_file(band.name) is windows.spec
    assert windows.of_file(BAND) is windows.of_file("X.w00000000.TIF") is None


def test_an_estimate_is_never_more_than_the_file():
    assert estimated_bytes(None, 0.5) is None
    assert estimated_bytes(1000, 0.5) == 1000
