"""The proof that stands between a finished transfer and a final name.

    length       the byte count; and the first bytes are not a web page or an error message
    structure    every index of the tar or TIFF points inside the file, texts end as they must, and a bundle
                 holds all images that its own metadata file lists
    content      all image tiles inflate with the right Adler-32
    published    the SHA-512 that USGS publishes in the STAC item of the product

`prove` tells the level it reached, which may be lower than the one asked for: there is nothing to decode in a text,
no checksum in an LZW tile, no index in an unknown kind of file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from landsat_async.disk.tar_walk import Member, walk_tar
from landsat_async.disk.text_ends import check_jpeg, check_json, check_odl, check_xml
from landsat_async.disk.tiff_walk import walk_tiff
from landsat_async.disk.tiles import decode_tiles
from landsat_async.disk.window import Damage, Stopped, Window
from landsat_async.model import Proof
from landsat_async.rules.sniff import HEAD_BYTES, FileKind, kind_of, sniff

__all__ = ["Damaged", "Proved", "Stopped", "prove", "published_sums"]

_HASH_STEP_BYTES = 4 * 2**20
_PRODUCT_ID = re.compile(r"L[A-Z]\d\d_L[12][A-Z0-9]{2}_\d{6}_\d{8}_\d{8}_\d\d_[A-Z0-9]{2}")
_LISTED = re.compile(r'^[ \t]*FILE_NAME_\w+[ \t]*=[ \t]*"([\w.-]{1,200})"', re.MULTILINE)
_ALWAYS_BUNDLED = (".tif", "_ang.txt", "_mtl.txt", "_mtl.xml")
"""Endings of listed files that every bundle holds. Reports (GCP.txt, VER.txt, VER.jpg) are listed without it."""


@dataclass(frozen=True, slots=True)
class Proved:
    """The file is what its name says, as far as `proof` goes."""

    proof: Proof
    members: tuple[Member, ...] = ()
    """The files of a bundle whose headers were read; empty for everything else."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """The file must not get its final name."""

    reason: str


def prove(
    fd: int,
    size_bytes: int,
    name: str,
    *,
    level: Proof = Proof.STRUCTURE,
    published: Mapping[str, str] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Proved | Damaged:
    """Prove an open file up to `level`. Blocks on the disk, so it belongs in a thread.

    Args:
        fd: Open for reading; its position is neither used nor moved.
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
        if os.fstat(fd).st_size != size_bytes or not size_bytes:
            raise Damage(f"the file has {os.fstat(fd).st_size} bytes in place of {size_bytes}")
        return _prove(Window(fd, 0, size_bytes, stop), name, level, published or {})
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


def _prove(window: Window, name: str, level: Proof, published: Mapping[str, str]) -> Proved:
    kind = kind_of(name)
    if level is Proof.PUBLISHED and name in published:
        _compare(window, name, published[name])
        return Proved(Proof.PUBLISHED)
    if kind is FileKind.TAR and level is not Proof.LENGTH:
        _check_head(window, kind)
        return _prove_bundle(window, name, level, published)
    return Proved(_prove_single(window, name, level))


def _check_head(window: Window, kind: FileKind) -> None:
    wrong = sniff(kind, window.read(0, min(HEAD_BYTES, window.size)), None)
    if wrong:
        raise Damage(f"holds {wrong.what} in place of a file" + (f': "{wrong.first_line}"' * bool(wrong.first_line)))


def _prove_single(window: Window, name: str, level: Proof) -> Proof:
    kind = kind_of(name)
    if window.size:
        _check_head(window, kind)
    if level is Proof.LENGTH or kind is FileKind.OTHER:
        return Proof.LENGTH
    match kind:
        case FileKind.TIFF:
            layout = walk_tiff(window)
            if level is not Proof.STRUCTURE and decode_tiles(window, layout):
                return Proof.CONTENT
        case FileKind.TEXT_MTL | FileKind.TEXT_ANG:
            check_odl(window, must_say_end=kind is FileKind.TEXT_ANG)
        case FileKind.XML:
            check_xml(window, is_mtl=name.lower().endswith("_mtl.xml"))
        case FileKind.JSON:
            check_json(window, name)
        case FileKind.JPEG:
            check_jpeg(window)
    return Proof.STRUCTURE


def _prove_bundle(window: Window, name: str, level: Proof, published: Mapping[str, str]) -> Proved:
    members = walk_tar(window)
    _check_contents(window, name, members)
    reached = [_prove_member(window, member, level, published) for member in members]
    # Texts, reports and browse images have been read to their end; only images have pixels to decode.
    images = [proof for member, proof in zip(members, reached, strict=True) if kind_of(member.name) is FileKind.TIFF]
    if level is Proof.PUBLISHED and reached and all(proof is Proof.PUBLISHED for proof in reached):
        return Proved(Proof.PUBLISHED, members)
    if images and all(proof.rank >= Proof.CONTENT.rank for proof in images):
        return Proved(Proof.CONTENT, members)
    return Proved(Proof.STRUCTURE, members)


def _prove_member(window: Window, member: Member, level: Proof, published: Mapping[str, str]) -> Proof:
    inside = window.part(member.offset, member.size)
    base = member.name.rpartition("/")[2]
    try:
        if level is Proof.PUBLISHED and base in published:
            _compare(inside, base, published[base])
            return Proof.PUBLISHED
        return _prove_single(inside, base, level)
    except Damage as damage:
        raise Damage(f"{base} in the bundle: {damage}") from None


def _check_contents(window: Window, name: str, members: tuple[Member, ...]) -> None:
    """Hold the members against the product that the bundle is named after, and against its metadata file."""
    product = name.removesuffix(".tar")
    if not members:
        raise Damage("the bundle is empty")
    if not _PRODUCT_ID.fullmatch(product):
        return
    here = {member.name.rpartition("/")[2]: member for member in members}
    for base in here:
        other = _PRODUCT_ID.match(base)
        if other and other[0] != product:
            raise Damage(f"{base} belongs to another product")
    metadata = here.get(f"{product}_MTL.txt")
    if metadata is None:
        raise Damage("the bundle holds no metadata file of its product")
    text = check_odl(window.part(metadata.offset, metadata.size), must_say_end=False)
    listed = {base for base in _LISTED.findall(text) if base.startswith(product)}
    missing = sorted(base for base in listed - here.keys() if base.lower().endswith(_ALWAYS_BUNDLED))
    if missing:
        raise Damage(f"the bundle lacks {missing[0]}" + (f" and {len(missing) - 1} more" * (len(missing) > 1)))


def _compare(window: Window, name: str, sha512: str) -> None:
    digest = hashlib.sha512()
    for at in range(0, window.size, _HASH_STEP_BYTES):
        digest.update(window.read(at, min(_HASH_STEP_BYTES, window.size - at)))
    if digest.hexdigest() != sha512.lower():
        raise Damage(f"{name} differs from the SHA-512 that USGS publishes for it")
