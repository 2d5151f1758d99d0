from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.proof.layout_facts import HEAD_BYTES, facts_of_file, tiff_facts
from landsat_async.proof.tar import Member

NAME = "LC08_L2SP_004053_20240705_20240714_02_T1"


def bundle(names, *, record=tarfile.RECORDSIZE):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 600
            tar.addfile(info, io.BytesIO(b"x" * 600))
    body = out.getvalue()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = [Member(one.name, one.offset_data, one.size) for one in tar]
    end = max(one.offset + 1024 for one in members)
    return (body if record else body[: end + 1024]), members


def facts(body, members, name=f"{NAME}.tar"):
    image = Member(name, 0, len(body))
    return [f"{fact.topic}: {fact.value}" for fact in facts_of_file(len(body), members, image, body[:HEAD_BYTES])]


@pytest.mark.faults("P09")
def test_P09_the_padding_and_the_order_of_a_tar_are_told():
    found = facts(*bundle([f"{NAME}_MTL.txt", f"{NAME}_ANG.txt"]))
    assert "tar: ends with zeros up to a multiple of 10240 bytes" in found
    assert "tar: members are in another order" in found
    assert "tar: MTL.txt is there" in found
    assert "tar: MTL.json is missing" in found
    assert NAME not in str(found)
    assert "tar: ends with two blocks of zeros and no more" in facts(*bundle(["a"], record=0))
    body, members = bundle(["a"])
    assert "tar: ends with more zeros than that" in facts(body + bytes(512 * 100), members)


@pytest.mark.faults("P09")
def test_P09_the_layout_of_a_tiff_is_told(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    numpy = pytest.importorskip("numpy")
    from rasterio.errors import NotGeoreferencedWarning

    path = tmp_path / "x.TIF"
    size = {"width": 300, "height": 300, "count": 1, "blockxsize": 256, "blockysize": 256}
    form = {"driver": "GTiff", "dtype": "uint16", "tiled": True, "compress": "deflate", "predictor": 2}
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(path, "w", **size, **form) as out:
        out.write(numpy.ones((1, 300, 300), "uint16"))
    found = facts(path.read_bytes(), (), "x.TIF")
    assert "tiff: alone: TIFF, little endian" in found
    assert any("tiles of 256 x 256, Deflate" in text and "predictor 2, 16 bits" in text for text in found)
    assert "tiff: alone: no mark of a COG" in found


@given(st.binary(max_size=400), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"]))
def test_any_bytes_are_read_or_passed_over(body, head):
    list(tiff_facts(head + body, 500, "alone"))
