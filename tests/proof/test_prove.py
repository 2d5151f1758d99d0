from __future__ import annotations

import hashlib
import json
import os
import random
import tarfile
from functools import partial

import pytest

from landsat_async.model import Identity, Proof
from landsat_async.proof.prove import Damaged, Proved, Stopped, prove, published_sums
from tests.disk.whole_files import (
    HTML,
    OTHER_PRODUCT,
    PRODUCT,
    bundle,
    checksummed,
    judge,
    mtl,
    open_bytes,
    product_files,
    tar,
    tiff,
)

NAME = f"{PRODUCT}.tar"


def refused(data: bytes, name: str = NAME, **how) -> str:
    verdict = judge(data, name, **how)
    assert isinstance(verdict, Damaged)
    assert verdict.reason.isprintable()
    return verdict.reason


def test_a_whole_bundle_is_proved_with_its_members():
    verdict = judge(bundle(), NAME)
    assert verdict.proof is Proof.STRUCTURE
    assert [member.name for member in verdict.members] == list(product_files())


def test_the_level_reached_is_told_and_not_the_level_asked_for():
    assert judge(bundle(), NAME, level=Proof.LENGTH) == Proved(Proof.LENGTH)
    assert judge(bundle(), NAME, level=Proof.CONTENT).proof is Proof.CONTENT
    assert judge(bundle(), NAME, level=Proof.PUBLISHED).proof is Proof.CONTENT
    assert judge(tiff(), "a.TIF", level=Proof.CONTENT).proof is Proof.CONTENT
    assert judge(tiff(compression=5), "a.TIF", level=Proof.CONTENT).proof is Proof.STRUCTURE
    assert judge(tiff(compression=1), "a.TIF", level=Proof.CONTENT).proof is Proof.STRUCTURE
    assert judge(mtl(), "P_MTL.txt", level=Proof.CONTENT).proof is Proof.STRUCTURE
    assert judge(b"1 2 3\n", "P_GCP.txt", level=Proof.CONTENT).proof is Proof.LENGTH


def test_a_bundle_with_an_image_without_checksum_is_not_called_more_than_structure():
    files = product_files() | {f"{PRODUCT}_SR_B3.TIF": tiff(compression=5)}
    assert judge(tar(files), NAME, level=Proof.CONTENT).proof is Proof.STRUCTURE


@pytest.mark.parametrize("level", list(Proof))
def test_a_file_of_another_length_is_refused(level):
    fd = open_bytes(bundle())
    for size in (0, 1, len(bundle()) - 1, len(bundle()) + 1):
        assert isinstance(prove(partial(os.pread, fd), size, NAME, level=level), Damaged)
    os.close(fd)
    assert isinstance(judge(b"", NAME, level=level), Damaged)


@pytest.mark.faults("F05", "F06")
@pytest.mark.parametrize("level", list(Proof))
@pytest.mark.parametrize(
    "name", [NAME, "a.TIF", "P_MTL.txt", "P_ANG.txt", "P_MTL.xml", "P_MTL.json", "P.jpeg", "P_GCP.txt"]
)
def test_no_web_page_passes_at_any_level(level, name):
    assert "502 Bad Gateway" in refused(HTML, name, level=level)
    assert "Access" in refused(b"<Error><Code>AccessDenied</Code></Error>", name, level=level)
    assert "Expired" in refused(b'{"message": "Expired"}', name, level=level)


@pytest.mark.faults("F31")
@pytest.mark.parametrize("level", [Proof.STRUCTURE, Proof.CONTENT])
def test_a_bundle_with_an_error_page_spliced_in_is_refused(level):
    whole = bundle()
    for at in random.Random(4).sample(range(len(whole)), 200):
        refused(whole[:at] + HTML, level=level)
        refused((whole[:at] + HTML + whole[at:])[: len(whole)], level=level)
        refused((whole[:at] + HTML + whole[at + 3 * len(HTML) :]).ljust(len(whole), b"\0"), level=level)


@pytest.mark.faults("F32")
def test_F32_a_damaged_image_in_a_bundle_is_named():
    files = product_files()
    name = f"{PRODUCT}_ST_QA.TIF"
    spoilt = bytearray(files[name])
    spoilt[-9] ^= 0x20
    whole = tar(files | {name: bytes(spoilt)})
    assert judge(whole, NAME).proof is Proof.STRUCTURE
    assert name in refused(whole, level=Proof.CONTENT)
    assert name in refused(tar(files | {name: files[name][:-1]}))


@pytest.mark.parametrize("missing", ["SR_B3.TIF", "ST_QA.TIF", "ANG.txt", "MTL.xml"])
def test_a_bundle_without_a_file_that_its_metadata_lists_is_refused(missing):
    files = product_files()
    del files[f"{PRODUCT}_{missing}"]
    assert refused(tar(files)) == f"the bundle lacks {PRODUCT}_{missing}"


def test_a_bundle_without_its_metadata_is_refused():
    files = product_files()
    del files[f"{PRODUCT}_MTL.txt"]
    assert "no metadata" in refused(tar(files))


def test_an_empty_bundle_is_refused():
    refused(bytes(10_240))
    folder = bytearray(tar({"folder": b""}))
    folder[156:157] = b"5"
    folder[:512] = checksummed(folder[:512])
    assert "empty" in refused(bytes(folder))


def test_listed_reports_may_be_left_out():
    assert f"{PRODUCT}_GCP.txt".encode() in product_files()[f"{PRODUCT}_MTL.txt"]
    assert f"{PRODUCT}_GCP.txt" not in product_files()


def test_a_bundle_of_another_product_is_refused():
    assert "another product" in refused(tar(product_files(OTHER_PRODUCT)))
    assert "another product" in refused(tar(product_files() | product_files(OTHER_PRODUCT)))


@pytest.mark.faults("K01")
@pytest.mark.parametrize("name", ["../evil.TIF", "/etc/cron.d/x", "a/../../b", "..", "a\\..\\b"])
def test_K01_a_bundle_with_a_name_that_climbs_out_is_refused(name):
    assert "name" in refused(tar(product_files() | {name: b"x"}))


def test_a_bundle_that_is_no_landsat_product_needs_no_metadata():
    assert judge(tar({"README": b"hello"}), "other.tar").proof is Proof.STRUCTURE


@pytest.mark.parametrize("fmt", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("padded", [True, False])
def test_bundles_of_every_tar_format_are_proved(fmt, padded):
    assert judge(bundle(fmt=fmt, padded=padded), NAME, level=Proof.CONTENT).proof is Proof.CONTENT


def test_the_published_sums_are_read_from_a_recorded_item(recorded):
    item = json.dumps(recorded("rec_landsatlook_stac_item_trimmed")).encode()
    sums = published_sums(item)
    product = "LT05_L2SR_087017_20090621_20200827_02_T2"
    assert sums[f"{product}_SR_B1.TIF"].startswith("ac25c458b0d143642632")
    assert {len(hex_sum) for hex_sum in sums.values()} == {128}
    assert product not in sums  # the index page has none


@pytest.mark.parametrize(
    "item",
    [
        b"",
        b"\xff",
        b"<html>",
        b"[]",
        b"{}",
        b'{"assets": []}',
        b'{"assets": {"a": {}}}',
        b'{"assets": {"a": {"href": "x/y.TIF"}}}',
        b'{"assets": {"a": {"href": "x/y.TIF", "file:checksum": "1220' + b"0" * 64 + b'"}}}',
        b'{"assets": {"a": {"href": "x/y.TIF", "file:checksum": 5}}}',
        b"[" * 100_000,
    ],
)
def test_what_has_no_sums_gives_none(item):
    assert published_sums(item) == {}


def sums_of(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha512(data).hexdigest() for name, data in files.items()}


def test_a_file_that_equals_its_published_sum_is_proved_so():
    sums = sums_of({"a.TIF": tiff()})
    assert judge(tiff(), "a.TIF", level=Proof.PUBLISHED, published=sums) == Proved(
        Proof.PUBLISHED, identity=Identity.PUBLISHED
    )
    assert judge(tiff(), "b.TIF", level=Proof.PUBLISHED, published=sums).proof is Proof.CONTENT
    assert judge(tiff(), "a.TIF", level=Proof.STRUCTURE, published=sums).proof is Proof.STRUCTURE
    assert "SHA-512" in refused(tiff(side=24), "a.TIF", level=Proof.PUBLISHED, published=sums)


def test_a_bundle_is_published_when_each_of_its_files_is():
    sums = sums_of(product_files())
    assert judge(bundle(), NAME, level=Proof.PUBLISHED, published=sums).proof is Proof.PUBLISHED
    del sums[f"{PRODUCT}_ANG.txt"]
    assert judge(bundle(), NAME, level=Proof.PUBLISHED, published=sums).proof is Proof.CONTENT
    sums[f"{PRODUCT}_ANG.txt"] = "0" * 128
    assert f"{PRODUCT}_ANG.txt" in refused(bundle(), level=Proof.PUBLISHED, published=sums)


def test_a_proof_stops_between_two_reads(monkeypatch):
    monkeypatch.setattr("landsat_async.proof.prove._AT_ONCE_BYTES", 0)
    fd = open_bytes(bundle())
    reads = 0

    def stop_at(limit: int) -> bool:
        nonlocal reads
        reads += 1
        return reads > limit

    prove(partial(os.pread, fd), len(bundle()), NAME, level=Proof.CONTENT, stop=lambda: stop_at(10**9))
    needed, reads = reads, 0
    assert needed > 5
    for limit in range(needed):
        reads = 0
        with pytest.raises(Stopped):
            prove(
                partial(os.pread, fd), len(bundle()), NAME, level=Proof.CONTENT, stop=lambda limit=limit: stop_at(limit)
            )
    os.close(fd)


def test_the_file_position_is_left_alone():
    fd = open_bytes(bundle())
    os.lseek(fd, 77, os.SEEK_SET)
    prove(partial(os.pread, fd), len(bundle()), NAME, level=Proof.CONTENT)
    assert os.lseek(fd, 0, os.SEEK_CUR) == 77
    os.close(fd)


def sparse_gigabyte(path) -> int:
    """Write a bundle of about 1 GB whose pixels are holes in the file, and return its size."""
    side, tile = 7680, 256
    small = tiff(pages=1, side=side, tile=tile, compression=5, pixels=b"\0")
    tiles_at = len(small) - side * side * 2
    names = [f"{PRODUCT}_SR_B{number}.TIF" for number in range(1, 10)]
    files = {f"{PRODUCT}_MTL.txt": mtl(PRODUCT, tuple(names))} | dict.fromkeys(names, b"")
    with path.open("wb") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data) or len(small)
            file.write(info.tobuf())
            file.write(data or small[:tiles_at])
            file.seek(-(-(file.tell() + (0 if data else len(small) - tiles_at)) // 512) * 512)
        file.truncate(-(-(file.tell() + 1024) // 10_240) * 10_240)
    return path.stat().st_size


def test_the_structure_of_a_gigabyte_is_proved_from_its_indexes_alone(tmp_path, monkeypatch):
    size = sparse_gigabyte(tmp_path / NAME)
    assert size > 1_000_000_000
    lengths = []
    real = os.pread

    def counted(fd, length, offset):
        lengths.append(length)
        return real(fd, length, offset)

    monkeypatch.setattr(os, "pread", counted)
    fd = os.open(tmp_path / NAME, os.O_RDONLY)
    verdict = prove(partial(os.pread, fd), size, NAME)
    os.close(fd)
    assert verdict.proof is Proof.STRUCTURE
    assert len(lengths) < 300
    assert sum(lengths) < 2**20


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.w1a2b3c4d.TIF", True),
        ("LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.w1a2b3c4e.TIF", False),  # another area
        ("LC08_L2SP_004053_20240705_20240714_02_T1_SR_B4.w1a2b3c4d.TIF", False),  # another band
    ],
)
def test_a_window_says_itself_what_it_is_cut_from(name, right):
    from landsat_async.raster.grid import GridBox
    from landsat_async.raster.window import WindowMode, layout_of, window_of
    from tests.support.rasters import cut_by_ranges, ground_of
    from tests.support.tiffs import band

    data = band()
    layout = layout_of(lambda size, at: data[at : at + size], len(data))
    window = cut_by_ranges(data, layout, window_of(layout, ground_of(layout, GridBox(3, 3, 20, 20)), WindowMode.PIXELS))
    found = judge(window, name, level=Proof.WINDOW)
    assert isinstance(found, Proved) is right
    if right:
        assert found.proof is Proof.WINDOW
        assert isinstance(judge(window[:-1], name, level=Proof.WINDOW), Damaged)
        assert isinstance(judge(window + b"\0", name, level=Proof.WINDOW), Damaged)
