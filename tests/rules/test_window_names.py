"""Names of windows and of what they are cut from."""

from __future__ import annotations

import pytest

from landsat_async.rules.naming import safe_name
from landsat_async.rules.window_names import fill_of, window_key, window_name, window_source

BAND = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
WINDOW = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.w1a2b3c4d.TIF"


def test_a_window_is_named_after_its_file_and_back():
    assert window_name(BAND, "1a2b3c4d") == WINDOW == safe_name(WINDOW)
    assert (window_source(WINDOW), window_key(WINDOW)) == (BAND, "1a2b3c4d")


@pytest.mark.parametrize("name", ["X_MTL.txt", "X_ANG.txt", "X.tar", "X_QA.jpeg", "TIF"])
def test_what_is_no_raster_has_no_window(name):
    assert window_name(name, "1a2b3c4d") is None


@pytest.mark.parametrize("name", [BAND, "X.w1a2b3c4.TIF", "X.w1a2b3c4g.TIF", "X.1a2b3c4d.TIF", "X.w1a2b3c4d.txt"])
def test_other_names_are_their_own(name):
    assert (window_source(name), window_key(name)) == (name, None)


def test_the_fill_of_quality_pixels_is_a_bit():
    assert fill_of("X_QA_PIXEL.w1a2b3c4d.TIF") == fill_of("X_QA_PIXEL.TIF") == 1
    assert fill_of(WINDOW) == fill_of("X_QA_RADSAT.TIF") == 0
