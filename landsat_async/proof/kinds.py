"""What a file name promises: one table of the kinds of files that USGS delivers.

A kind is added here and nowhere else: its row says by which names it is known, how it begins, and what reads it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import lru_cache

import msgspec

from landsat_async.proof.byte_view import ByteView
from landsat_async.proof.inside import ids_in_json, ids_in_text
from landsat_async.proof.jpeg import walk_jpeg
from landsat_async.proof.tar import BLOCK_BYTES, is_old_header
from landsat_async.proof.text import check_json, check_odl, check_xml

_MIB = 1024 * 1024


class Traits(msgspec.Struct, frozen=True):
    """How files of a kind are recognised and read."""

    suffixes: tuple[str, ...] = ()
    """Ends of names, in lower case."""
    magic: tuple[bytes, ...] = ()
    """How such a file begins; () = nothing is known of that."""
    magic_at: int = 0
    """Where the magic stands, in bytes from the beginning."""
    begins: Callable[[bytes], bool] | None = None
    """Tells the beginning of such a file where the magic is missing; None = the magic is all there is."""
    format: str = "binary"
    """binary, text (blanks may stand before the magic), xml, json or other."""
    has_pixels: bool = False
    """Images are inside, which `Proof.CONTENT` decodes."""
    names_product: bool = False
    """A whole file of the kind names its product or scene inside."""
    check: Callable[[ByteView, str], tuple[str, ...]] | None = None
    """Reads the whole file and returns the ids that it gives itself; raises Damage. None = nothing can be read, or it
    is an image or a bundle, which `prove` reads itself because more than one level of proof is in them."""


def _check_jpeg(view: ByteView, _name: str) -> tuple[str, ...]:
    walk_jpeg(view)
    return ()


class FileKind(enum.Enum):
    """Kinds of files, as far as they can be told apart by name and checked; the first whose suffix fits counts."""

    TAR = Traits(
        (".tar",),
        (b"ustar",),
        magic_at=257,
        begins=lambda head: is_old_header(head[:BLOCK_BYTES]),
        has_pixels=True,
        names_product=True,
    )
    TIFF = Traits((".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), has_pixels=True)  # + is BigTIFF
    TEXT_MTL = Traits(
        ("_mtl.txt",),
        (b"GROUP",),
        format="text",
        names_product=True,
        check=lambda view, _: ids_in_text(check_odl(view, is_mtl=True)),
    )
    TEXT_ANG = Traits(
        ("_ang.txt",),
        (b"GROUP",),
        format="text",
        names_product=True,
        check=lambda view, _: ids_in_text(check_odl(view, is_mtl=False)),
    )
    XML = Traits(
        (".xml",),
        format="xml",
        names_product=True,
        check=lambda view, name: check_xml(view, is_mtl=name.lower().endswith("_mtl.xml")),
    )
    JSON = Traits(
        (".json",), format="json", names_product=True, check=lambda view, name: ids_in_json(check_json(view, name))
    )
    JPEG = Traits((".jpg", ".jpeg"), (b"\xff\xd8\xff",), check=_check_jpeg)
    OTHER = Traits(format="other")

    traits: Traits

    def __init__(self, traits: Traits) -> None:
        """Keep what is known of the kind, without the detour that enums make for their values."""
        self.traits = traits


_SUFFIXES = tuple((suffix, kind) for kind in FileKind for suffix in kind.traits.suffixes)


@lru_cache(maxsize=256)
def kind_of(name: str) -> FileKind:
    """Return the kind that a file name promises."""
    lower = name.lower()
    for suffix, kind in _SUFFIXES:
        if lower.endswith(suffix):
            return kind
    return FileKind.OTHER


def is_doubtful(size_bytes: int, listed_bytes: int | None) -> bool:
    """Tell whether a size lies outside listed/2 - 1 MiB to 2 x listed + 1 MiB; never where none is listed.

    Listed sizes are nominal: the sum of the files on disk for a bundle, whole MiB for a band. So they refuse nothing.
    But an image of 122 bytes where 60 MiB are listed is a doubt, and a doubt asks for more than a look at the indexes.
    """
    if not listed_bytes or listed_bytes < 0:
        return False
    return not listed_bytes / 2 - _MIB <= size_bytes <= 2 * listed_bytes + _MIB
