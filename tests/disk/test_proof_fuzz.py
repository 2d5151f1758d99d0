"""Seeded mutations of whole files: no exception, no hang, no growth, no file of another length accepted."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import struct
from collections.abc import Callable
from functools import partial

import pytest

from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved, prove
from landsat_async.sim.browse import jpeg
from tests.disk.whole_files import ANG, HTML, MTL_JSON, MTL_XML, PRODUCT, bundle, mtl, tar, tiff

SEED = 20240705
MOST_GROWTH_BYTES = 64 * 2**20

_IMAGE = f"{PRODUCT}_SR_B3.TIF"
_SMALL_BUNDLE = {_IMAGE: tiff(pages=1, side=16), f"{PRODUCT}_MTL.txt": mtl(PRODUCT, (_IMAGE,))}


def with_sums(files: dict[str, bytes]) -> dict[str, bytes]:
    lines = "".join(f"{hashlib.md5(data).hexdigest()}  {name}\n" for name, data in files.items())
    return files | {f"{PRODUCT}_MD5.txt": lines.encode()}


# These know where each byte belongs, so a file of another length may only pass when what is in it is all there.
INDEXED: dict[str, tuple[str, bytes]] = {
    "tar": (f"{PRODUCT}.tar", tar(_SMALL_BUNDLE, padded=False)),
    "pax tar": ("other.tar", tar({"p" * 120 + ".TIF": tiff(pages=1, side=16)}, fmt=2, padded=False)),
    "tar with sums": (f"{PRODUCT}.tar", tar(with_sums(_SMALL_BUNDLE), padded=False)),
    "tiff": ("a.TIF", tiff()),
    "big tiff": ("a.TIF", tiff(big=True, order=">", tiled=False)),
}
TEXTS: dict[str, tuple[str, bytes]] = {
    "mtl": ("P_MTL.txt", mtl()),
    "ang": ("P_ANG.txt", ANG),
    "xml": ("P_MTL.xml", MTL_XML),
    "json": ("P_MTL.json", MTL_JSON),
    "jpeg": ("P_thumb.jpeg", jpeg("a browse image")),
}
EXTREMES = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


def flip_bits(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def put_number(dice: random.Random, data: bytearray) -> None:
    code = dice.choice(["<H", ">H", "<I", ">I", "<Q", ">Q"])
    at = dice.randrange(len(data))
    number = struct.pack(code, dice.choice(EXTREMES) & (2 ** (8 * struct.calcsize(code)) - 1))
    data[at : at + len(number)] = number[: len(data) - at]


def put_block(dice: random.Random, data: bytearray) -> None:
    block = dice.choice((HTML, bytes(512), b"\xff" * 64, dice.randbytes(100), b"7" * 12, b"9" * 30))
    at = dice.randrange(len(data))
    data[at : at + len(block)] = block[: len(data) - at]


def cut(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(len(data)) :]


def append(dice: random.Random, data: bytearray) -> None:
    data += dice.choice((HTML, bytes(dice.randrange(1, 2000)), dice.randbytes(5), bytes(data)))


def remove(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data))
    del data[at : at + dice.choice((1, 4, 512, 1024, dice.randrange(1, 600)))]


def insert(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data))
    begin = dice.randrange(len(data))
    data[at:at] = dice.choice((HTML, bytes(512), b"\0", bytes(data[begin : begin + 512])))


def mend_checksums(dice: random.Random, data: bytearray) -> None:
    """Change something in a tar header and make its checksum right again, so that the change gets further."""
    starts = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    if not starts:
        return flip_bits(dice, data)
    at = dice.choice(starts)
    field = dice.choice((slice(124, 136), slice(156, 157), slice(0, 100), slice(345, 500)))
    width = field.stop - field.start
    value = dice.choice((dice.randbytes(width), b"7" * width, b"\x80" + b"\xff" * (width - 1), b"../" * 34))
    data[at + field.start : at + field.stop] = value[:width].ljust(width, b"\0")
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return None


MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    flip_bits,
    flip_bits,
    put_number,
    put_number,
    put_block,
    cut,
    append,
    remove,
    insert,
    mend_checksums,
)


def prove_bytes(fd: int, data: bytes, name: str) -> Proved | Damaged:
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)
    return prove(partial(os.pread, fd), len(data), name)


def files_in(data: bytes, verdict: Proved) -> list[bytes]:
    """Return the contents of the members that no bundle can do without; of anything but a tar, all of it."""
    members = [member for member in verdict.members if not member.name.endswith("_MD5.txt")]
    return [bytes(data[m.offset : m.offset + m.size]) for m in members] or [bytes(data)]


def has_only_spare_bytes(name: str, data: bytes, verdict: Proved, whole: bytes, true: Proved) -> bool:
    """Whether a file of another length still holds all that it has to.

    What can be spared: of a tar an extension header, removed to the byte, that only held a time, likewise the list of
    sums, and zeros behind the end mark; of an image unused bytes behind the last tile.
    """
    parts = files_in(data, verdict) if name.endswith(".tar") else [bytes(data[: len(whole)])]
    return parts == files_in(whole, true)


def run(name: str, whole: bytes, rounds: int, *, lengths_are_known: bool) -> int:
    """Judge mutations of a file and return how many were still accepted."""
    dice = random.Random(SEED)
    fd = os.memfd_create("fuzz")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    accepted = 0
    try:
        for number in range(rounds):
            data = bytearray(whole)
            dice.choice(MUTATIONS)(dice, data)
            os.ftruncate(fd, 0)
            os.pwrite(fd, data, 0)
            level = Proof.CONTENT if number % 2 else Proof.STRUCTURE
            verdict = prove(partial(os.pread, fd), len(data), name, level=level)
            if isinstance(verdict, Damaged):
                assert verdict.reason.isprintable(), f"seed {SEED}, round {number}"
                continue
            accepted += 1
            assert isinstance(verdict, Proved)
            if lengths_are_known and len(data) != len(whole):
                true = prove_bytes(fd, whole, name)
                assert has_only_spare_bytes(name, data, verdict, whole, true), f"round {number}"
    finally:
        os.close(fd)
    growth_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert growth_bytes < MOST_GROWTH_BYTES
    return accepted


@pytest.mark.faults("K17", "F32")
@pytest.mark.parametrize("kind", INDEXED)
def test_K17_no_mutation_breaks_the_walk_of_an_indexed_file(kind):
    name, whole = INDEXED[kind]
    accepted = run(name, whole, 20_000, lengths_are_known=True)
    assert 0 < accepted < 18_000  # flipped bits in pixels or dates pass the structure; the rest does not


@pytest.mark.faults("K17")
@pytest.mark.parametrize("kind", TEXTS)
def test_K17_no_mutation_breaks_the_check_of_a_text(kind):
    name, whole = TEXTS[kind]
    run(name, whole, 20_000, lengths_are_known=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", [*INDEXED, *TEXTS])
def test_K17_two_hundred_thousand_mutations_of_each_kind(kind):
    name, whole = (INDEXED | TEXTS)[kind]
    run(name, whole, 200_000, lengths_are_known=kind in INDEXED)


def test_random_bytes_behind_every_magic_number_are_refused():
    dice = random.Random(SEED)
    fd = os.memfd_create("fuzz")
    magics = {"a.TIF": (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"), "a.tar": (bundle()[:512],)}
    for name, starts in magics.items():
        for _ in range(1000):
            data = dice.choice(starts) + dice.randbytes(dice.randrange(1, 3000))
            assert isinstance(prove_bytes(fd, data, name), Damaged)
    os.close(fd)
