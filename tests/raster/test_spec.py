"""What the user wants of each band, and the eight digits that stand for it."""

from __future__ import annotations

import pytest
import shapely

from landsat_async.raster.grid import GeoKeys, UnsupportedRaster
from landsat_async.raster.spec import WindowSpec
from landsat_async.raster.window import WindowMode

AREA = shapely.box(-75.03, 10.32, -74.99, 10.36)
UTM18 = GeoKeys((1, 1, 0, 1, 3072, 0, 1, 32618))


def key(area=AREA, mode=WindowMode.PIXELS, buffer_m=0.0) -> str:
    return WindowSpec.of(area, mode, buffer_m).key


def test_another_area_mode_or_margin_is_another_window():
    keys = {key(), key(shapely.box(-75.03, 10.32, -74.99, 10.37)), key(mode=WindowMode.TILES), key(buffer_m=30.0)}
    assert len(keys) == 4
    assert all(len(one) == 8 and int(one, 16) >= 0 for one in keys)


def test_how_the_rings_are_written_does_not_matter():
    ring = list(AREA.exterior.coords)
    turned = shapely.Polygon(ring[2:-1] + ring[:3])
    assert key(turned) == key(shapely.Polygon(ring[::-1])) == key() == key(buffer_m=0)


def test_the_box_is_that_of_the_area_with_its_margin():
    box, wider = WindowSpec.of(AREA, WindowMode.PIXELS).ground(UTM18), WindowSpec.of(AREA, WindowMode.PIXELS, 100.0)
    assert (box.east_m - box.west_m) == pytest.approx(4382, abs=3)
    assert (box.north_m - box.south_m) == pytest.approx(4423, abs=3)
    assert wider.ground(UTM18) == box.grown(100.0)


def test_an_area_on_the_other_side_of_the_globe_has_no_box_there():
    far = WindowSpec.of(shapely.box(100.0, 10.0, 100.1, 10.1), WindowMode.PIXELS)
    assert far.ground(UTM18) is None


def test_coordinates_that_no_landsat_band_has_are_refused():
    with pytest.raises(UnsupportedRaster):
        WindowSpec.of(AREA, WindowMode.PIXELS).ground(GeoKeys((1, 1, 0, 1, 3072, 0, 1, 3857)))
