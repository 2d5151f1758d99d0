from __future__ import annotations

import numpy as np
import pytest
from rasterio.io import MemoryFile

from landsat_async.page.picture import MOST_BYTES, SIDES, png, quicklook


def read_png(picture: bytes) -> np.ndarray:
    """Read it with another reader."""
    with MemoryFile(picture) as memory, memory.open(driver="PNG") as image:
        return np.moveaxis(image.read(), 0, -1)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("samples", [1, 3])
def test_another_reader_sees_the_same_pixels(samples):
    pixels = np.random.default_rng(1).integers(0, 256, (37, 53, samples), dtype=np.uint8)
    assert (read_png(png(pixels)) == pixels).all()


def land(side: int, seed: int = 1, kind: type = np.uint16) -> np.ndarray:
    """Smooth land with some noise, and corners without data as scenes have them."""
    y, x = np.mgrid[0:side, 0:side] / side
    noise = np.random.default_rng(seed).normal(0, 200, (side, side))
    pixels = 9000 + 3000 * np.sin(9 * x + seed) * np.cos(7 * y) + noise
    return np.where(np.abs(x - 0.5) + np.abs(y - 0.5) > 0.7, 0, pixels).astype(kind)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_quicklook_is_small_enough_and_shows_the_land(count):
    picture = quicklook([(land(600, seed), 0) for seed in range(count)])
    image = read_png(picture)
    assert len(picture) <= MOST_BYTES
    assert image.shape[2] == (3 if count >= 3 else 1)
    assert max(image.shape[:2]) in SIDES
    assert (image[0, 0] == 0).all(), "no data is black"
    assert image.max() >= 248
    assert 60 < image[image > 0].mean() < 200


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_bands_of_different_size_lie_upon_each_other():
    pan = np.kron(land(100), np.ones((2, 2), np.uint16))
    image = read_png(quicklook([(pan, 0), (land(100), 0), (land(100), 0)]))
    assert (image[..., 0] == image[..., 1]).all()


def test_pure_noise_is_small_enough_as_well():
    noise = np.random.default_rng(3).integers(1, 65_535, (500, 500)).astype(np.uint16)
    assert len(quicklook([(noise, 0)] * 3)) <= MOST_BYTES


@pytest.mark.parametrize("bands", [[], [(np.zeros((9, 9), np.uint16), 0.0)], [(np.full((3, 3), 7, np.int16), 7)] * 3])
def test_without_data_there_is_no_picture(bands):
    assert quicklook(bands) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_every_shape_becomes_a_picture(shape):
    assert quicklook([(np.full(shape, 5, np.uint8), 0)])[:4] == b"\x89PNG"


def test_fractions_and_what_is_no_number():
    values = np.array([[np.nan, 1.0], [2.0, np.inf]], np.float32)
    assert quicklook([(values, -9999.0)]) is not None
