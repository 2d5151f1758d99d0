from __future__ import annotations

import hashlib
import io
import random
import tarfile

import pytest

from landsat_async.sim.archive import Archive
from landsat_async.sim.content import Concatenated, Literal, Zeros, blocks, sha256, sha512
from landsat_async.sim.tar import tar_of

PRODUCT = "LC08_L2SP_004053_20240705_20240714_02_T1"


def slices(size, count=200, seed=1):
    rng = random.Random(seed)
    for _ in range(count):
        start = rng.randrange(size)
        yield start, rng.randrange(1, size - start + 1)
    yield 0, size
    yield size - 1, 10
    yield size, 10


@pytest.mark.parametrize("archive", [Archive.demo(), Archive.demo(band_bytes=2 << 20)], ids=["small", "large"])
@pytest.mark.parametrize("name", [f"{PRODUCT}.tar", f"{PRODUCT}_SR_B3.TIF", f"{PRODUCT}_MTL.txt"])
def test_any_range_equals_the_slice_of_the_whole(archive, name):
    content = archive.file(name)
    whole = b"".join(blocks(content))
    assert len(whole) == content.size
    for start, length in slices(content.size, 60):
        assert content.read(start, length) == whole[start : start + length]
    assert sha256(content) == hashlib.sha256(whole).hexdigest()
    assert sha512(content) == hashlib.sha512(whole).hexdigest()


def test_joined_parts_read_like_their_concatenation():
    parts = [Literal(b"abc"), Zeros(0), Zeros(5), Literal(b""), Literal(b"xyz")]
    whole = b"abc" + bytes(5) + b"xyz"
    for start in range(len(whole) + 2):
        for length in range(len(whole) + 2):
            assert Concatenated(parts).read(start, length) == whole[start : start + length]


def test_the_python_tar_reader_accepts_the_archives_byte_for_byte():
    members = [("a.txt", Literal(b"hello")), ("empty", Literal(b"")), ("b.bin", Literal(bytes(range(256)) * 2))]
    content = tar_of(members, 1_700_000_000)
    data = content.read(0, content.size)
    assert len(data) % 10_240 == 0
    assert data[257:262] == b"ustar"
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        assert [(m.name, m.size, m.mtime) for m in opened] == [(n, c.size, 1_700_000_000) for n, c in members]
        for name, member in members:
            assert opened.extractfile(name).read() == member.read(0, member.size)


def test_the_same_archive_made_twice_has_the_same_bytes():
    name = f"{PRODUCT}.tar"
    assert sha256(Archive.demo().file(name)) == sha256(Archive.demo().file(name))


def test_large_files_are_not_held_in_memory():
    content = Archive.demo(band_bytes=1 << 30).bundle(PRODUCT)
    assert content.size > 16 << 30
    assert len(content.read(content.size // 2, 1 << 20)) == 1 << 20
