from __future__ import annotations

import io
import os
import random
import tarfile
from functools import partial

import pytest

from landsat_async.proof.byte_view import ByteView, Damage
from landsat_async.proof.kinds import FileKind, sniff
from landsat_async.proof.prove import Damaged
from landsat_async.proof.tar import Member, walk_tar
from tests.disk.whole_files import HTML, PRODUCT, bundle, checksummed, judge, open_bytes, product_files, tar

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
SMALL = {"a.txt": b"first", "b.txt": b"x" * 512, "empty.txt": b"", "c.txt": b"y" * 1500}


def walk(data: bytes) -> tuple[Member, ...]:
    fd = open_bytes(data)
    try:
        return walk_tar(ByteView(partial(os.pread, fd), 0, len(data), lambda: False))
    finally:
        os.close(fd)


def refused(data: bytes) -> str:
    with pytest.raises(Damage) as caught:
        walk(data)
    return str(caught.value)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("fmt", FORMATS)
def test_tars_of_every_format_are_walked_to_the_last_byte(fmt, padded):
    data = tar(SMALL, fmt=FORMATS[fmt], padded=padded)
    assert {m.name: data[m.offset : m.offset + m.size] for m in walk(data)} == SMALL


@pytest.mark.parametrize("fmt", ["gnu", "pax"])
def test_long_names_are_read_from_extension_headers(fmt):
    name = "LC08_" + "x" * 150 + ".TIF"
    assert [m.name for m in walk(tar({name: b"1"}, fmt=FORMATS[fmt]))] == [name]


@pytest.mark.faults("N04")
def test_N04_headers_of_writers_without_a_magic_word_are_headers():
    """How bundles are written that are made on the fly is not known; it was refused before a byte was kept."""
    data = bytearray(tar(product_files()))
    for member in walk(bytes(data)):
        header = data[member.offset - 512 : member.offset]
        header[257:329] = bytes(72)
        data[member.offset - 512 : member.offset] = checksummed(header)
    old = bytes(data)
    assert sniff(FileKind.TAR, old[:512], None) is None
    assert judge(old, f"{PRODUCT}.tar") == judge(bundle(), f"{PRODUCT}.tar")
    for at in (0, 3, 130, 150, 260):
        broken = old[:at] + bytes((old[at] ^ 1,)) + old[at + 1 :]
        assert sniff(FileKind.TAR, broken[:512], None) is not None
        assert isinstance(judge(broken, f"{PRODUCT}.tar"), Damaged)
    assert sniff(FileKind.TAR, bytes(512), None) is not None


def test_long_ustar_names_are_put_together_from_both_parts():
    name = "folder" * 10 + "/" + "x" * 90
    assert [m.name for m in walk(tar({name: b"1"}))] == [name]


def test_a_leading_dot_and_folders_are_passed_over():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo("./a.txt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert [(m.name, m.size) for m in walk(out.getvalue())] == [("a.txt", 3)]


@pytest.mark.faults("F33")
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_tar_cut_at_any_block_is_refused(fmt):
    padded, bare = (tar(SMALL, fmt=FORMATS[fmt], padded=padded) for padded in (True, False))
    assert len(bare) < len(padded)
    for size in range(0, len(padded), 512):
        if size >= len(bare):  # two zero blocks are there, and every byte of every member
            assert walk(padded[:size]) == walk(padded)
        else:
            refused(padded[:size])


def test_a_tar_cut_anywhere_is_refused():
    whole = bundle(padded=False)
    for size in random.Random(1).sample(range(len(whole)), 300):
        refused(whole[:size])


@pytest.mark.faults("F31")
def test_an_error_page_in_place_of_the_rest_or_in_the_middle_is_refused():
    whole = bundle()
    for at in random.Random(2).sample(range(len(whole)), 300):
        refused(whole[:at] + HTML)
        refused((whole[:at] + HTML + whole[at:])[: len(whole)])


@pytest.mark.faults("K31")
@pytest.mark.parametrize("extra", [1, 511, 512, 10_240, 20_480, 2**20 - 1, 2**20, 9 * 2**20])
def test_K31_zeros_behind_the_end_mark_are_padding_however_many(extra):
    for padded in (True, False):
        assert walk(bundle(padded=padded) + bytes(extra)) == walk(bundle())
        assert "follows" in refused(bundle(padded=padded) + bytes(extra) + b"x")


def test_something_behind_the_end_mark_is_refused():
    whole = bytearray(bundle())
    whole[-1] = 1
    assert "follows" in refused(bytes(whole))


def test_one_zero_block_is_no_end():
    refused(bundle(padded=False)[:-512])


def test_nothing_at_all_is_no_tar():
    assert walk(bytes(1024)) == ()  # legal, and refused by the proof: a bundle has members
    refused(b"")
    refused(bytes(512))


def edited(field: slice, value: bytes, *, mend: bool = True) -> bytes:
    """Return a tar whose first header has another value in a field, with or without the checksum for it."""
    whole = bytearray(tar(SMALL))
    whole[field] = value
    if mend:
        whole[:512] = checksummed(whole[:512])
    return bytes(whole)


@pytest.mark.faults("K17")
@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (slice(124, 136), b"77777777777\0", "cut off"),
        (slice(124, 136), b"\x80" + b"\xff" * 11, "cut off"),
        (slice(124, 136), b"\xff" * 12, "negative"),
        (slice(124, 136), b"00000000008\0", "size"),
        (slice(124, 136), b"\0" * 12, ""),
        (slice(124, 136), b"0x1\0\0\0\0\0\0\0\0\0", "size"),
        (slice(148, 156), b"zzzzzz\0 ", "checksum"),
        (slice(257, 263), b"ustart", "no tar header"),
        (slice(156, 157), b"1", "something else"),
        (slice(156, 157), b"2", "something else"),
        (slice(156, 157), b"3", "something else"),
        (slice(156, 157), b"S", "something else"),
        (slice(156, 157), b"5", "folder"),
        (slice(0, 6), b"/a.txt", "name"),
        (slice(0, 6), b"../a.t", "name"),
        (slice(0, 6), b"a/../b", "name"),
        (slice(0, 6), b"a\\b.tx", "name"),
        (slice(0, 6), b"a\x1b[2Jb", "name"),
        (slice(0, 6), b"a\xe2\x80\xaebc", "name"),
        (slice(0, 6), b"a//b.t", "name"),
        (slice(0, 6), b"a.txt/", "name"),
        (slice(0, 6), b"b.txt\0", "twice"),
    ],
)
def test_hostile_headers_are_refused(field, value, reason):
    if value.strip(b"\0"):
        mend = field != slice(148, 156)
        said = refused(edited(field, value, mend=mend))
        assert reason in said
        assert said.isprintable()
    else:
        refused(edited(field, value))


def test_a_header_with_a_wrong_checksum_is_refused():
    assert "checksum" in refused(edited(slice(100, 107), b"0000777", mend=False))


@pytest.mark.parametrize(
    "size_field", [b"00000000005\0", b"         5 \0", b"\x80" + bytes(10) + b"\x05", b"5".ljust(12, b"\0")]
)
def test_sizes_are_read_in_every_spelling(size_field):
    assert walk(edited(slice(124, 136), size_field))[0] == Member("a.txt", 512, 5)


def with_extension(kind: bytes, body: bytes) -> bytes:
    """Return a tar that begins with an extension header."""
    header = bytearray(tar({"x": b""})[:512])
    header[124:136] = b"%011o\0" % len(body)
    header[156:157] = kind
    rest = tar({"a.txt": b"first"}, padded=False)
    return checksummed(header) + body.ljust(-(-len(body) // 512) * 512, b"\0") + rest


def test_a_size_in_a_pax_header_counts():
    assert walk(with_extension(b"x", b"10 size=5\n"))[0] == Member("a.txt", 1536, 5)
    assert "cut off" in refused(with_extension(b"x", b"17 size=99999999\n"))


@pytest.mark.faults("K17")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"x", b"11 size=-5\n"),
        (b"x", b"28 size=9999999999999999999\n"),
        (b"x", b"29 size=99999999999999999999\n"),
        (b"x", b"9999 size=5\n"),
        (b"x", b"0 size=5\n"),
        (b"x", b"3 size=5\n"),
        (b"x", b"10 size=5 "),
        (b"x", b"9 sizes5\n"),
        (b"x", b"size=5\n"),
        (b"x", b"23 GNU.sparse.major=1\n\n"),
        (b"x", b"22 GNU.sparse.major=1\n"),
        (b"x", b"19 path=../../evil\n"),
        (b"g", b"10 size=5\n"),
        (b"g", b"10 path=a\n"),
        (b"L", b"../../etc/passwd\0"),
        (b"L", b"a" * 600),
        (b"L", b""),
        (b"K", b"link\0"),
        (b"x", b"x" * 70_000),
    ],
)
def test_hostile_extension_headers_are_refused(kind, body):
    assert refused(with_extension(kind, body)).isprintable()


def test_an_extension_header_needs_its_member():
    lonely = with_extension(b"L", b"a.txt\0")[:1024] + bytes(1024)
    assert "not there" in refused(lonely)


@pytest.mark.faults("K17")
def test_a_tar_of_headers_alone_ends():
    header = bytearray(tar({"x": b""})[:512])
    many = []
    for number in range(10_001):
        header[:100] = b"%d" % number + bytes(100 - len(b"%d" % number))
        many.append(checksummed(header))
    assert "more than" in refused(b"".join(many) + bytes(1024))


def test_the_members_of_a_product_are_told_with_their_places():
    whole = bundle()
    for member in walk(whole):
        assert whole[member.offset : member.offset + member.size] == product_files()[member.name]
