"""Where a file carries checksums of its own bytes, so that its content can be held against them.

Deflated tiles end with the Adler-32 of their pixels. Everything else has none: texts, plain or LZW tiles, the
directories of a TIFF, the members of a tar (whose headers have sums of themselves alone).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from landsat_async.proof.byte_view import Damage, Read, Window
from landsat_async.proof.sniff import FileKind, kind_of
from landsat_async.proof.tar import walk_tar
from landsat_async.proof.tiff import walk_tiff
from landsat_async.proof.tiles import carries_sums
from landsat_async.rules.joins import Stretch


def sums_inside(read: Read, size_bytes: int, name: str, *, stop: Callable[[], bool]) -> list[Stretch]:
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
    try:
        return list(_of(Window(read, 0, size_bytes, stop), name, 0))
    except Damage:  # not for this function to tell: nothing of it is covered then
        return []


def _of(window: Window, name: str, at: int) -> Iterator[Stretch]:
    match kind_of(name):
        case FileKind.TAR:
            for member in walk_tar(window):
                if kind_of(member.name) is FileKind.TIFF:
                    yield from _of(window.part(member.offset, member.size), member.name, at + member.offset)
        case FileKind.TIFF:
            for page in walk_tiff(window).pages:
                if carries_sums(page):
                    for offset, count in zip(page.offsets, page.counts, strict=True):
                        if count:
                            yield at + offset, at + offset + count
