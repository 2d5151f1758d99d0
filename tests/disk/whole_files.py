"""Whole products in a few KiB, made by hand, so that the tests know each byte of them."""

from __future__ import annotations

import io
import os
import random
import struct
import tarfile
import tempfile
import zlib
from functools import partial

from landsat_async.proof.prove import Damaged, Proved, prove

PRODUCT = "LC08_L2SP_004053_20240705_20240714_02_T1"
OTHER_PRODUCT = "LC09_L2SP_010065_20220129_20220131_02_T1"
HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body></body></html>"


def judge(data: bytes, name: str, **how) -> Proved | Damaged:
    """Put bytes into a file and prove it."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return prove(partial(os.pread, file.fileno()), len(data), name, **how)


def tiff(
    *,
    order: str = "<",
    big: bool = False,
    tiled: bool = True,
    compression: int = 8,
    pages: int = 2,
    side: int = 40,
    tile: int = 16,
    bits: int = 16,
    pixels: bytes | None = None,
    seed: int = 0,
    mask: int = 0xFF,
) -> bytes:
    """Write a TIFF with its directories first and its tiles last, as cloud-optimised ones have it.

    `mask` is laid on each byte of the noise: without it deflating makes no tile shorter.
    """
    images = [_image(side >> level, tiled, tile, bits, compression, pixels, seed, mask) for level in range(pages)]
    entry, pointer = ("HHQ", "Q") if big else ("HHI", "I")
    pointer_size = struct.calcsize(pointer)

    def build(starts: list[list[int]]) -> bytes:
        out = struct.pack(order + "2sHHHQ", b"", 43, 8, 0, 16) if big else struct.pack(order + "2sHI", b"", 42, 8)
        out = (b"II" if order == "<" else b"MM") + out[2:]
        for number, (tags, _) in enumerate(images):
            arrays = {
                324 if tiled else 273: (pointer, starts[number]),
                325 if tiled else 279: ("I", [len(data) for data in images[number][1]]),
            }
            fields = {**{tag: ("I", [value]) for tag, value in tags.items()}, **arrays}
            counter = struct.pack(order + ("Q" if big else "H"), len(fields))
            after = len(out) + len(counter) + len(fields) * (20 if big else 12) + pointer_size
            directory, extra = counter, b""
            for tag, (code, values) in sorted(fields.items()):
                raw = struct.pack(order + code * len(values), *values)
                if len(raw) > pointer_size:
                    value, extra = struct.pack(order + pointer, after + len(extra)), extra + raw
                else:
                    value = raw.ljust(pointer_size, b"\0")
                directory += struct.pack(order + entry, tag, 16 if code == "Q" else 4, len(values)) + value
            following = after + len(extra) if number + 1 < len(images) else 0
            out += directory + struct.pack(order + pointer, following) + extra
        return out

    starts = [[0] * len(tiles) for _, tiles in images]
    at = len(build(starts))
    for number in reversed(range(len(images))):  # overviews first, the full resolution last
        for index, data in enumerate(images[number][1]):
            starts[number][index] = at
            at += len(data)
    return build(starts) + b"".join(data for _, tiles in reversed(images) for data in tiles)


def _image(side: int, tiled: bool, tile: int, bits: int, compression: int, pixels: bytes | None, seed: int, mask: int):
    rows = tile if tiled else 7
    row_bytes = (tile if tiled else side) * bits // 8
    across = -(-side // tile) if tiled else 1
    down = -(-side // rows)
    noise = random.Random(side + 1000 * seed)
    kept = bytes(byte & mask for byte in range(256))
    tiles = []
    for index in range(across * down):
        height = rows if tiled else min(rows, side - index * rows)
        plain = (
            (pixels * (row_bytes * height))[: row_bytes * height]
            if pixels
            else noise.randbytes(row_bytes * height).translate(kept)
        )
        tiles.append(zlib.compress(plain) if compression in (8, 32946) else plain)
    tags = {256: side, 257: side, 258: bits, 259: compression, 262: 1, 277: 1, 284: 1}
    tags |= {322: tile, 323: tile} if tiled else {278: rows}
    return tags, tiles


def mtl(product: str = PRODUCT, files: tuple[str, ...] = (), *, end: bool = True) -> bytes:
    """Write a MTL.txt as the USGS software does, without END for the versions that left it out."""
    lines = ["GROUP = LANDSAT_METADATA_FILE", "  GROUP = PRODUCT_CONTENTS"]
    lines += [f'    LANDSAT_PRODUCT_ID = "{product}"', "    COLLECTION_NUMBER = 02"]
    lines += [f'    FILE_NAME_BAND_{number} = "{name}"' for number, name in enumerate(files, 1)]
    lines += ["  END_GROUP = PRODUCT_CONTENTS", "  GROUP = LEVEL1_PROCESSING_RECORD"]
    lines += ['    LANDSAT_PRODUCT_ID = "LC08_L1TP_004053_20240705_20240712_02_T1"']  # what it was made of
    lines += ['    FILE_NAME_BAND_1 = "LC08_L1TP_004053_20240705_20240712_02_T1_B1.TIF"']
    lines += ["  END_GROUP = LEVEL1_PROCESSING_RECORD", "END_GROUP = LANDSAT_METADATA_FILE"]
    return ("\n".join([*lines, "END"] if end else lines) + "\n").encode()


ANG = (
    b"GROUP = FILE_HEADER\n  BAND_LIST = (1, 2,\n               3)\nEND_GROUP = FILE_HEADER\n"
    b"GROUP = RPC_BAND11\n  BAND11_START_TIME =   7.486831\nEND_GROUP = RPC_BAND11\nEND\n"
)
MTL_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<LANDSAT_METADATA_FILE>\n  <PRODUCT_CONTENTS>\n'
    b"    <COLLECTION_NUMBER>02</COLLECTION_NUMBER>\n  </PRODUCT_CONTENTS>\n</LANDSAT_METADATA_FILE>\n"
)
MTL_JSON = b'{"LANDSAT_METADATA_FILE": {"PRODUCT_CONTENTS": {"COLLECTION_NUMBER": "02"}}}'


def product_files(product: str = PRODUCT) -> dict[str, bytes]:
    """Return the files of a small product by name."""
    bands = {f"{product}_{band}.TIF": tiff(side=side) for band, side in (("SR_B3", 40), ("ST_QA", 24))}
    listed = (*bands, f"{product}_ANG.txt", f"{product}_MTL.txt", f"{product}_MTL.xml", f"{product}_GCP.txt")
    return {
        **bands,
        f"{product}_ANG.txt": ANG,
        f"{product}_MTL.txt": mtl(product, listed),
        f"{product}_MTL.xml": MTL_XML,
    }


def tar(files: dict[str, bytes], *, fmt: int = tarfile.USTAR_FORMAT, padded: bool = True) -> bytes:
    """Write a tar as Python does; padded = zeros up to a multiple of 10,240 bytes, else two zero blocks."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 1720000000.5 if fmt == tarfile.PAX_FORMAT else 1720000000
            archive.addfile(info, io.BytesIO(data))
        end = archive.offset
    whole = out.getvalue()
    assert len(whole) % 10_240 == 0
    return whole if padded else whole[: end + 1024]


def bundle(**how) -> bytes:
    """Return the bundle of a small product."""
    return tar(product_files(), **how)


def checksummed(header: bytearray) -> bytes:
    """Return a tar header with its checksum set right."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def open_bytes(data: bytes) -> int:
    """Return a file descriptor of a nameless file that holds the bytes."""
    fd = os.memfd_create("whole")
    os.write(fd, data)
    return fd
