"""What GDAL writes is accepted: it is what USGS writes its images with."""

from __future__ import annotations

import itertools
import os
from functools import partial

import numpy as np
import pytest

from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved, prove

rasterio = pytest.importorskip("rasterio")
copy = pytest.importorskip("rasterio.shutil").copy
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:affine", "ignore:Use `@` matmul")

CHECKSUMMED = "deflate"
PLACE = {"crs": "EPSG:32619", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 1.2e6)}


def pixels(dtype: str, height: int = 600, width: int = 530, count: int = 1) -> np.ndarray:
    """Return an image with noise in it and a corner without data, as scenes have."""
    image = np.random.default_rng(7).integers(1, 200, (count, height, width)).astype(dtype)
    image[:, : height // 2, : width // 2] = 0
    return image


def write(path, data: np.ndarray, **options) -> None:
    count, height, width = data.shape
    shape = {"count": count, "height": height, "width": width, "dtype": data.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **PLACE, **options) as image:
        image.write(data)


def judge(path, level: Proof) -> Proved | Damaged:
    fd = os.open(path, os.O_RDONLY)
    try:
        return prove(partial(os.pread, fd), os.fstat(fd).st_size, "a.TIF", level=level)
    finally:
        os.close(fd)


def assert_proved(path, compression: str) -> None:
    """The whole file passes both levels, and no cut of it passes."""
    assert judge(path, Proof.STRUCTURE) == Proved(Proof.STRUCTURE)
    reached = Proof.CONTENT if compression == CHECKSUMMED else Proof.STRUCTURE
    assert judge(path, Proof.CONTENT) == Proved(reached)
    size = path.stat().st_size
    for cut in (1, 2, 3, 4, 5, 8, 100, size // 3, size - 600):
        os.truncate(path, size - cut)
        assert isinstance(judge(path, Proof.STRUCTURE), Damaged), cut
        os.truncate(path, size)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "packbits", "zstd"])
def test_striped_and_tiled_images_are_proved(tmp_path, dtype, compression):
    squeezed = {"compress": compression} if compression != "none" else {}
    if compression in ("deflate", "lzw", "zstd"):
        squeezed["predictor"] = 3 if dtype == "float32" else 2
    for tiled, big, order in itertools.product((False, True), ("NO", "YES"), ("LITTLE", "BIG")):
        layout = {"tiled": True, "blockxsize": 256, "blockysize": 256} if tiled else {}
        path = tmp_path / f"{tiled}{big}{order}.tif"
        write(path, pixels(dtype), BIGTIFF=big, ENDIANNESS=order, **layout, **squeezed)
        assert_proved(path, compression)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_images_of_several_bands_are_proved(tmp_path, interleave):
    path = tmp_path / "bands.tif"
    write(path, pixels("uint16", count=3), compress="deflate", interleave=interleave)
    assert_proved(path, "deflate")


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw"])
@pytest.mark.parametrize("sparse", ["FALSE", "TRUE"])
@pytest.mark.parametrize("big", ["NO", "YES"])
def test_cloud_optimised_images_with_overviews_are_proved(tmp_path, compression, sparse, big):
    write(tmp_path / "plain.tif", pixels("uint16", 1300, 1100), nodata=0)
    how = {"COMPRESS": compression.upper(), "SPARSE_OK": sparse, "BIGTIFF": big, "BLOCKSIZE": "256", "PREDICTOR": "YES"}
    copy(tmp_path / "plain.tif", tmp_path / "cog.tif", driver="COG", **how)
    assert b"BLOCK_TRAILER" in (tmp_path / "cog.tif").read_bytes()[:400]
    assert_proved(tmp_path / "cog.tif", compression)


def test_cloud_optimised_images_of_the_older_recipe_are_proved(tmp_path):
    path = tmp_path / "plain.tif"
    write(path, pixels("uint16", 1300, 1100), tiled=True, blockxsize=256, blockysize=256)
    with rasterio.open(path, "r+") as image:
        image.build_overviews([2, 4])
    how = {"TILED": "YES", "COMPRESS": "DEFLATE", "COPY_SRC_OVERVIEWS": "YES"}
    copy(path, tmp_path / "cog.tif", driver="GTiff", **how)
    assert_proved(tmp_path / "cog.tif", "deflate")


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 128, "blockysize": 128}])
@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_tiles_that_are_not_stored_are_legal(tmp_path, layout, compression):
    path = tmp_path / "sparse.tif"
    squeezed = {"compress": compression} if compression != "none" else {}
    shape = {"count": 1, "height": 600, "width": 600, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", SPARSE_OK="TRUE", **shape, **PLACE, **layout, **squeezed) as image:
        image.write(pixels("uint16", 100, 600), window=rasterio.windows.Window(0, 200, 600, 100))
    assert_proved(path, compression)


def test_an_image_that_was_changed_later_is_proved(tmp_path):
    path = tmp_path / "changed.tif"
    write(path, pixels("uint16", 700, 700), tiled=True, blockxsize=256, blockysize=256, compress="deflate")
    with rasterio.open(path, "r+") as image:
        image.build_overviews([2])
        image.update_tags(note="x" * 700)
    assert_proved(path, "deflate")


def test_an_image_with_a_mask_is_proved(tmp_path):
    path = tmp_path / "masked.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, pixels("uint8", 700, 700), tiled=True, blockxsize=256, blockysize=256, compress="deflate")
        with rasterio.open(path, "r+") as image:
            image.write_mask(np.ones((700, 700), dtype=bool))
    assert_proved(path, "deflate")
