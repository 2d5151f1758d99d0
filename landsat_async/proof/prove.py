"""The proof that stands between a finished transfer and a final name.

    length       the byte count; and the first bytes are not a web page or an error message
    structure    every index of the tar or TIFF points inside the file, texts end as they must, and a bundle
                 holds all images that its own metadata file lists, each with its MD5 where the bundle has one;
                 what names its product inside names the right one
    content      all image tiles inflate with the right Adler-32
    published    the SHA-512 that USGS publishes in the STAC item of the product

`prove` tells the level it reached, which may be lower than the one asked for: there is nothing to decode in a text,
no checksum in an LZW tile, no index in an unknown kind of file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from landsat_async.model import Identity, Proof
from landsat_async.proof.bundle import base_name, check_members, check_sums, digest_of
from landsat_async.proof.byte_view import ByteView, Damage, Source, Stopped
from landsat_async.proof.inside import identity_by
from landsat_async.proof.kinds import HEAD_BYTES, FileKind, kind_of, sniff
from landsat_async.proof.tar import Member, walk_tar
from landsat_async.proof.tiff import TiffLayout, check_beginnings, walk_tiff
from landsat_async.proof.tiles import decode_tiles
from landsat_async.raster.grid import BrokenRaster, UnsupportedRaster
from landsat_async.rules.naming import window_key, window_source

_AT_ONCE_BYTES = 256 * 1024
"""Files up to this long are read in one call: each call gives up Python's lock, and may be slow to get it back."""

__all__ = ["Damaged", "Proved", "Proving", "Stopped", "prove", "published_sums"]


class Proved(msgspec.Struct, frozen=True):
    """The file is what its name says, as far as `proof` goes."""

    proof: Proof
    members: tuple[Member, ...] = ()
    """The files of a bundle whose headers were read; empty for everything else."""
    identity: Identity = Identity.NONE
    """What the file itself has shown of whose it is; pixels show nothing."""


class Damaged(msgspec.Struct, frozen=True):
    """The file must not get its final name."""

    reason: str


class Proving(Protocol):
    """Proves an open file, as `prove` does."""

    def __call__(
        self,
        read: Source,
        size_bytes: int,
        name: str,
        *,
        level: Proof,
        published: Mapping[str, str] | None,
        stop: Callable[[], bool],
    ) -> Proved | Damaged:
        """Prove it; blocks."""


def prove(
    read: Source,
    size_bytes: int,
    name: str,
    *,
    level: Proof = Proof.STRUCTURE,
    published: Mapping[str, str] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Proved | Damaged:
    """Prove an open file up to `level`. Blocks on the disk, so it belongs in a thread.

    Args:
        read: Reads the file.
        size_bytes: What the file must have.
        name: The final name, which says what the file has to be.
        level: How far to go; the result tells how far it was possible.
        published: SHA-512 in hex by file name (see `published_sums`), for `Proof.PUBLISHED`.
        stop: Asked between reads; True ends the proof.

    Raises:
        Stopped: `stop` said so; nothing is known about the file.
        OSError: The disk does not give the file back.
    """
    try:
        if size_bytes <= 0:
            raise Damage("the file is empty")
        whole = read(size_bytes + 1, 0) if size_bytes <= _AT_ONCE_BYTES else b""
        if len(whole) != size_bytes and len(read(2, size_bytes - 1)) != 1:
            raise Damage(f"the file has not the {size_bytes} bytes that it was said to have")
        view = ByteView(read, 0, size_bytes, stop, whole if len(whole) == size_bytes else b"")
        if stop():
            raise Stopped
        if level is Proof.PUBLISHED and published and name in published:
            _compare(view, name, published[name])
            return Proved(Proof.PUBLISHED, identity=Identity.PUBLISHED)
        if kind_of(name) is FileKind.TAR and level is not Proof.LENGTH:
            return _prove_bundle(view, name, level, published or {})
        return _prove_single(view, name, level)
    except Damage as damage:
        return Damaged(str(damage))


def published_sums(stac_item: bytes) -> dict[str, str]:
    """Return the SHA-512 in hex of every file that a STAC item of LandsatLook publishes one for.

    Checksums are multihashes there: 13 40 stands for 64 bytes of SHA2-512. Items of older versions have none,
    and what is no STAC item has none either.
    """
    try:
        assets = msgspec.json.decode(stac_item, type=_StacItem).assets.values()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {
        asset.href.partition("?")[0].rpartition("/")[2]: asset.checksum[4:].lower()
        for asset in assets
        if re.fullmatch(r"1340[0-9a-fA-F]{128}", asset.checksum)
    }


class _StacAsset(msgspec.Struct):
    href: str
    checksum: str = msgspec.field(name="file:checksum", default="")


class _StacItem(msgspec.Struct):
    assets: dict[str, _StacAsset]


def _prove_single(view: ByteView, name: str, level: Proof) -> Proved:
    kind = kind_of(name)
    if kind is FileKind.TIFF and level is not Proof.LENGTH:
        return Proved(_prove_image(view, name, level))
    _check_beginning(view, kind)
    if level is Proof.LENGTH or kind is FileKind.OTHER:
        return Proved(Proof.LENGTH)
    check = kind.traits.check
    return Proved(Proof.STRUCTURE, identity=identity_by(name, check(view, name) if check else ()))


def _check_beginning(view: ByteView, kind: FileKind) -> None:
    if wrong := sniff(kind, view.read(0, min(HEAD_BYTES, view.size)), None):
        raise Damage(f"holds {wrong.what} in place of a file" + (f': "{wrong.first_line}"' * bool(wrong.first_line)))


def _prove_image(view: ByteView, name: str, level: Proof) -> Proof:
    try:
        layout = walk_tiff(view)
    except Damage:
        _check_beginning(view, FileKind.TIFF)  # the walk refuses what is no TIFF, too, and cannot say what it is
        raise
    if window_key(name) is not None:
        _check_window(view, layout, name)
        return Proof.WINDOW
    if level is Proof.STRUCTURE and not layout.unused_bytes:
        check_beginnings(view, layout)
        return Proof.STRUCTURE
    if decode_tiles(view, layout):
        return Proof.CONTENT
    if layout.unused_bytes:  # of an image that was rewritten in place, or of bytes that slipped in before
        raise Damage(f"{layout.unused_bytes} bytes follow the last part of the TIFF, and its tiles have no checksum")
    return Proof.STRUCTURE


def _check_window(view: ByteView, layout: TiffLayout, name: str) -> None:
    """Raise Damage for what is not a whole window of the file, and of the area, that it is named after."""
    from landsat_async.raster.window import Origin, layout_of  # loads numpy: a tenth of a second

    if layout.unused_bytes or not decode_tiles(view, layout):
        raise Damage("it is not as windows are written: its tiles have no checksums, or something follows them")
    try:
        origin = Origin.read(layout_of(lambda size, at: view.read(at, size), view.size).description)
    except (BrokenRaster, UnsupportedRaster) as wrong:
        raise Damage(str(wrong)) from None
    if origin is None or (origin.name, origin.key) != (window_source(name), window_key(name)):
        raise Damage(f"it does not say that it is a window of {window_source(name)}, or of this area")


def _prove_bundle(view: ByteView, name: str, level: Proof, published: Mapping[str, str]) -> Proved:
    _check_beginning(view, FileKind.TAR)
    members = walk_tar(view)
    identity = check_members(view, name, members)
    summed = check_sums(view, name, members)
    reached = [_prove_member(view, member, level, published) for member in members]
    if level is Proof.PUBLISHED and reached and all(proof is Proof.PUBLISHED for proof in reached):
        return Proved(Proof.PUBLISHED, members, Identity.PUBLISHED)
    # Texts, reports and browse images have been read to their end; only images have pixels to decode.
    images = [
        proof.rank >= Proof.CONTENT.rank or member.name in summed
        for member, proof in zip(members, reached, strict=True)
        if kind_of(member.name) is FileKind.TIFF
    ]
    return Proved(Proof.CONTENT if images and all(images) else Proof.STRUCTURE, members, identity)


def _prove_member(view: ByteView, member: Member, level: Proof, published: Mapping[str, str]) -> Proof:
    inside = view.part(member.offset, member.size)
    base = base_name(member)
    try:
        if level is Proof.PUBLISHED and base in published:
            _compare(inside, base, published[base])
            return Proof.PUBLISHED
        return _prove_single(inside, base, level).proof
    except Damage as damage:
        raise Damage(f"{base} in the bundle: {damage}") from None


def _compare(view: ByteView, name: str, sha512: str) -> None:
    if digest_of(view, "sha512") != sha512.lower():
        raise Damage(f"{name} differs from the SHA-512 that USGS publishes for it")
