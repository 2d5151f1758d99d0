"""What the members of a bundle have to be: those of its product, all that its metadata lists, each with its sum."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping

from landsat_async.model import Identity
from landsat_async.proof.byte_view import ByteView, Damage
from landsat_async.proof.inside import identity_by, ids_in_text
from landsat_async.proof.kinds import FileKind, kind_of
from landsat_async.proof.tar import Member
from landsat_async.proof.text import check_odl
from landsat_async.rules.identity import names_product, other_product

_HASH_STEP_BYTES = 4 * 2**20
# `re` compiles these when they are first used: most runs need none of them.
_PRODUCT_ID = r"L[A-Z]\d\d_L[12][A-Z0-9]{2}_\d{6}_\d{8}_\d{8}_\d\d_[A-Z0-9]{2}"
_TILE_WITH_IMAGES = r"L[A-Z]\d\d_(CU|AK|HI)_\d{6}_\d{8}_\d{8}_\d\d_(SR|ST|TOA|BT|QA|BA|DSWE|FSCA)"
"""Bundles of a tile; one of metadata alone exists as well."""
_LISTED = r'(?m)^[ \t]*FILE_NAME_\w+[ \t]*=[ \t]*"([\w.-]{1,200})"'
_ALWAYS_BUNDLED = (".tif", "_ang.txt", "_mtl.txt", "_mtl.xml")
"""Endings of listed files that every bundle holds. Reports (GCP.txt, VER.txt, VER.jpg) are listed without it."""
_SUM_LINE = r"(?P<md5>[0-9a-fA-F]{32})[ \t]+\*?(?P<name>\S{1,512})"
_TAGGED_LINE = r"MD5 \((?P<name>\S{1,512})\) = (?P<md5>[0-9a-fA-F]{32})"
"""What `md5sum --tag` and BSD systems write."""
_LONGEST_LIST_BYTES = 2**20
_NO_TEXT = r"[\x00-\x08\x0e-\x1f\x7f\ufffd]"


def check_members(view: ByteView, name: str, members: tuple[Member, ...]) -> Identity:
    """Hold the members against the product that the bundle is named after, and against its metadata file.

    Only bundles of level 1 and 2 scenes have that file; of others it is known what their members are called.

    Raises:
        Damage: The bundle is empty, of another product, or something is missing.
    """
    if not members:
        raise Damage("the bundle is empty")
    here = {base_name(member): member for member in members}
    if stranger := other_product(name, here):
        raise Damage(f"{stranger} belongs to another product")
    product = name.removesuffix(".tar")
    if not re.fullmatch(_PRODUCT_ID, product):
        images = [base for base in here if kind_of(base) is FileKind.TIFF]
        if not images and re.fullmatch(_TILE_WITH_IMAGES, product):
            raise Damage("the bundle holds no image of its product")
        named = images and all(names_product(name, base) for base in images)
        return Identity.CONTENT if named else Identity.NONE
    metadata = here.get(f"{product}_MTL.txt")
    if metadata is None:
        raise Damage("the bundle holds no metadata file of its product")
    text = check_odl(view.part(metadata.offset, metadata.size), is_mtl=True)
    try:
        identity = identity_by(name, ids_in_text(text))
    except Damage as damage:
        raise Damage(f"{product}_MTL.txt in the bundle: {damage}") from None
    _check_listed({base for base in re.findall(_LISTED, text) if base.startswith(product)}, here)
    return identity


def _check_listed(listed: set[str], here: Mapping[str, Member]) -> None:
    missing = sorted(base for base in listed - here.keys() if base.lower().endswith(_ALWAYS_BUNDLED))
    if missing:
        raise Damage(f"the bundle lacks {missing[0]}" + (f" and {len(missing) - 1} more" * (len(missing) > 1)))
    if not any(kind_of(base) is FileKind.TIFF for base in listed & here.keys()):
        raise Damage("the bundle holds no image of its product")


def check_sums(view: ByteView, name: str, members: tuple[Member, ...]) -> frozenset[str]:
    """Compare the members with the bundle's own list of MD5 sums, where it has one; return the members' names.

    Bundles of 2021 and 2022 have it. The sums are read to find damage, not to prove who made them.

    Raises:
        Damage: A member differs from its sum or is missing, or the list cannot be read.
    """
    product = name.removesuffix(".tar")
    here = {base_name(member): member for member in members}
    lists = here.get(f"{product}_MD5.txt")
    if lists is None:
        return frozenset()
    sums = _read_sums(view.part(lists.offset, lists.size), here.keys())
    for own in (f"{product}_MD5.txt", name):  # written while it was being made: the sum of what it was then
        sums.pop(own, None)
    for base, md5 in sums.items():
        member = here.get(base)
        if member is None:
            raise Damage(f"the bundle lacks {base[:100]}, of which it has a sum")
        if digest_of(view.part(member.offset, member.size), "md5") != md5:
            raise Damage(f"{base[:100]} in the bundle differs from the MD5 sum that the bundle has of it")
    return frozenset(here[base].name for base in sums)


def _read_sums(view: ByteView, members: Collection[str]) -> dict[str, str]:
    """Read lines of md5sum, in text and in binary mode, and of its BSD form.

    A list of the members in a form that is not known says nothing. Where a line can be read, another one that speaks
    of a member and cannot is damage; the rest are remarks.
    """
    if view.size > _LONGEST_LIST_BYTES:
        raise Damage(f"a list of MD5 sums of {view.size} bytes in the bundle")
    text = view.read(0, view.size).decode("utf-8", "replace").removeprefix("\ufeff")
    if re.search(_NO_TEXT, text):
        raise Damage("the bundle's list of MD5 sums holds bytes that are no text")
    sums: dict[str, str] = {}
    unread: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        match = re.fullmatch(_SUM_LINE, line) or re.fullmatch(_TAGGED_LINE, line)
        if match is None:
            unread.append(line)
            continue
        base, md5 = re.split(r"[/\\]", match["name"])[-1], match["md5"].lower()
        if sums.setdefault(base, md5) != md5:
            raise Damage("the bundle's list of MD5 sums contradicts itself")
    speaks = any(base in line for line in unread for base in members)
    if unread and speaks is bool(sums):
        raise Damage("the bundle's list of MD5 sums cannot be read")
    return sums


def digest_of(view: ByteView, algorithm: str) -> str:
    """Hash a stretch of the file in bounded steps; hex."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for at in range(0, view.size, _HASH_STEP_BYTES):
        digest.update(view.read(at, min(_HASH_STEP_BYTES, view.size - at)))
    return digest.hexdigest()


def base_name(member: Member) -> str:
    """Name of a member without its folders."""
    return member.name.rpartition("/")[2]
