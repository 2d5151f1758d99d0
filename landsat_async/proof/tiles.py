"""Decoding every tile of a TIFF: the proof that looks at the pixels.

Collection 2 bands are deflated, and each deflated tile ends with the Adler-32 of its pixels, so inflating all of
them finds damage that no index shows. Nothing is kept of what comes out, and the predictor does not matter.

Nothing else carries a sum of its own bytes: no text, no plain or LZW tile, not the directories of a TIFF, not the
members of a tar (whose headers have sums of themselves alone). `sums_inside` tells which stretches of a file do.

Such a sum tells of its tile alone. That all tiles are of one version is told by the index, which holds how long each
became when it was deflated: other pixels, other lengths. A tile that did not become shorter is as long as any other
such tile, so nothing ties it to the rest of the file.

Zeros behind the end of what was deflated are padding. GDAL and libtiff read past anything else there as well, but such
bytes may be what is left of a shorter tile's neighbour: a tile of another version that begins at the same place.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from landsat_async.proof.byte_view import ByteView, Damage, Read
from landsat_async.proof.kinds import FileKind, kind_of
from landsat_async.proof.tar import walk_tar
from landsat_async.proof.tiff import DEFLATE, Page, TiffLayout, walk_tiff
from landsat_async.rules.joins import Sums, is_told_by_length

_STEP_BYTES = 2**20
_FRAME_BYTES = 4


def decode_tiles(view: ByteView, layout: TiffLayout) -> bool:
    """Inflate all tiles, and return True when each of them carried a checksum of its pixels, which then is right.

    False = some page is stored in another way (LZW, JPEG, plain), which has no checksum to be held against.

    Args:
        view: The TIFF.
        layout: What it holds.

    Raises:
        Damage: A tile does not decode, has the wrong size or checksum, or stands in the wrong frame.
        Stopped: The caller asked for the end; asked before each read.
    """
    for page in layout.pages:
        for index, (offset, count) in enumerate(zip(page.offsets, page.counts, strict=True)):
            if count and layout.tile_frame:
                _check_frame(view, offset, count)
            if count and carries_sums(page):
                _inflate(view, offset, count, _sizes(page, index))
    return all(carries_sums(page) for page in layout.pages)


def carries_sums(page: Page) -> bool:
    """Tell whether each stored tile of a page ends with a checksum of its pixels."""
    return page.compression in DEFLATE and page.tile_bytes is not None


def _sizes(page: Page, index: int) -> tuple[int, ...]:
    """Return the sizes that a tile may have: the last strip of a plane may be short."""
    whole, last = page.tile_bytes or 0, page.last_bytes or 0
    return (whole, last) if (index + 1) % page.per_plane == 0 else (whole,)


def _check_frame(view: ByteView, offset: int, count: int) -> None:
    leader = view.read(offset - _FRAME_BYTES, _FRAME_BYTES)
    tail = view.read(offset + count - min(count, _FRAME_BYTES), min(count, _FRAME_BYTES) + _FRAME_BYTES)
    if int.from_bytes(leader, "little") != count or not tail.endswith(tail[:-_FRAME_BYTES]):
        raise Damage(f"the tile at byte {offset} of the TIFF is not framed by its size and its last bytes")


def _inflate(view: ByteView, offset: int, count: int, sizes: tuple[int, ...]) -> None:
    inflater = zlib.decompressobj()
    size, is_padded = 0, True
    for at in range(0, count, _STEP_BYTES):
        piece = view.read(offset + at, min(_STEP_BYTES, count - at))
        if not inflater.eof:
            size += _inflated_bytes(inflater, piece, max(sizes) - size, offset)
            piece = inflater.unused_data
        is_padded = is_padded and not piece.strip(b"\0")
    if not inflater.eof or size not in sizes:
        raise Damage(f"the tile at byte {offset} of the TIFF decodes to {size} bytes in place of {sizes[0]}")
    if not is_padded:
        raise Damage(f"the tile at byte {offset} of the TIFF ends before the index says")


def _inflated_bytes(inflater: zlib._Decompress, piece: bytes, most: int, offset: int) -> int:
    """Return how many bytes come out of the next piece of a tile, counted until they are more than `most`."""
    size = 0
    try:
        while piece and not inflater.eof and size <= most:  # what follows the end may stay in the tail
            size += len(inflater.decompress(piece, _STEP_BYTES))
            piece = inflater.unconsumed_tail
    except zlib.error as error:
        raise Damage(f"the tile at byte {offset} of the TIFF does not decode: {error}") from None
    return size


def sums_inside(read: Read, size_bytes: int, name: str, *, stop: Callable[[], bool]) -> Sums:
    """Return the stretches of an open file whose bytes carry a sum; blocks, reads the indexes alone.

    Args:
        read: Reads the file.
        size_bytes: Size of the file.
        name: Says what kind of file it is.
        stop: Asked between reads.

    Raises:
        Stopped: `stop` said so.
        OSError: The disk does not give the file back.
    """
    sums = Sums()
    try:
        _add_sums(sums, ByteView(read, 0, size_bytes, stop), name, 0)
    except Damage:  # not for this function to tell: nothing of it is covered then
        return Sums()
    return sums


def _add_sums(sums: Sums, view: ByteView, name: str, at: int) -> None:
    match kind_of(name):
        case FileKind.TAR:
            for member in walk_tar(view):
                if kind_of(member.name) is FileKind.TIFF:
                    _add_sums(sums, view.part(member.offset, member.size), member.name, at + member.offset)
        case FileKind.TIFF:
            for page in walk_tiff(view).pages:
                if carries_sums(page):
                    for index, (offset, count) in enumerate(zip(page.offsets, page.counts, strict=True)):
                        if count:
                            told = is_told_by_length(count, min(_sizes(page, index)))
                            (sums.tied if told else sums.alone).append((at + offset, at + offset + count))
