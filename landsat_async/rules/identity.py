"""Whether the names that came with an answer say that it is the file that was requested.

The problem. A host, a proxy or the service may answer with another file: a copy of the answer before, another scene
behind a redirect, another band in a row of `download-retrieve`. Such a file is whole, so no proof of its structure
finds it, and pixels carry no name. What does carry one is the answer: Content-Disposition, the targets of redirects,
the link.

What is done here
- A name speaks against a file only when it reads as a Landsat id or file name itself and is another one: another
  product, or another file of the same product. Everything else (a hash, `download`, `file.TIF`, a path) says nothing,
  and nothing is refused for it.
- Only Content-Disposition speaks for a file. The path of a link was sent by us: that the host answered it says
  nothing about whose answer it was.
- Scene identifiers (LC80040532024187LGN00) are the same for all levels and versions, so they can speak against a file
  of another scene and never for one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

import msgspec

from landsat_async.model import Identity
from landsat_async.rules.links import may_name
from landsat_async.rules.product_id import parse_scene_key

MAX_NAME_CHARS = 256

_SENSOR = r"L[COTEM]\d\d"
_DATES = r"\d{6}_\d{8}_\d{8}_\d\d"
_PRODUCT = rf"{_SENSOR}_(?:L\d[A-Z]{{2}}_{_DATES}_(?:T1|T2|RT|A1|A2)|(?:CU|AK|HI)_{_DATES})"
_SCENE = r"L[COTEM]\d\d{6}\d{7}[A-Z]{3}\d\d"
_NAME = re.compile(
    rf"(?:L\d[A-Z]{{0,2}}_(?={_SENSOR}_))?(?P<id>{_PRODUCT}|{_SCENE})(?P<rest>(?:[_.][A-Za-z0-9_.-]*)?)",
    re.ASCII | re.IGNORECASE,
)
"""The prefix is that of the entity ids of single files: L2SR_<product id>_SR_B2_TIF."""
_SUFFIX_HEAD = re.compile(
    r"b\d{1,2}|sr|st|toa|bt|qa|pixelqa|radsatqa|lineageqa|vaa|vza|saa|sza|se[az]4|so[az]4|mtl|ang|gcp|ver|md5|meta|stac"
    r"|refl|tir|qb|thumb|ba|bc|bp|dswe|fsca|inwam|intr|diag|mask|hillshade"
)
"""What the suffixes of Landsat files begin with."""
_KINDS = {
    "tif": "tif", "tiff": "tif", "tar": "tar", "txt": "txt", "xml": "xml", "json": "json", "jpg": "jpg", "jpeg": "jpg",
}  # fmt: skip
_NAMING_KEYS = frozenset(
    {
        "landsat_product_id", "product_id", "productid", "landsat_scene_id", "scene_id", "sceneid", "entity_id",
        "entityid", "display_id", "displayid", "id", "name", "filename", "file_name", "file", "path", "key",
        "response-content-disposition",
    }
)  # fmt: skip
"""Parameters of links that may name what the link leads to."""
_FIRST_CHARS = ("L", "l", "%")
"""What a Landsat name in a path begins with; most parts are folders, and are passed over."""
_IN_DISPOSITION = re.compile(r"filename\*?=(?:utf-8'[^']*')?\"?([^\";]+)", re.IGNORECASE)


class OtherFile(msgspec.Struct, frozen=True):
    """A name that came with the answer is that of another file."""

    name: str
    """The other name: letters, digits, dot, dash and underscore, so it may be shown."""


class _Read(msgspec.Struct, frozen=True):
    """A Landsat name, taken apart; all in lower case."""

    id: str
    is_scene: bool
    """It begins with a scene identifier, not with a product identifier."""
    suffix: tuple[str, ...]
    """What follows the id: ("sr", "b3"); () for a bundle."""
    endings: tuple[str, ...]
    """("tif",); () where there is none."""

    @property
    def is_bare(self) -> bool:
        return not self.suffix and not self.endings

    @property
    def satellite(self) -> str:
        """LC08 and LC8 are one satellite; with and without the thermal sensor, too."""
        return self.id[2] if self.is_scene else self.id[3]


def evidence_of_name(expected: str, *, filenames: Sequence[str] = (), urls: Sequence[str] = ()) -> Identity | OtherFile:
    """Compare the name that a file shall have with the names that came with an answer.

    Args:
        expected: The USGS file name that was requested.
        filenames: What the Content-Disposition of the answer says (`Reply.filenames`). Only this is evidence for the
            file: whether an answer belongs to its request is decided by this alone.
        urls: The link and the targets of its redirects. They can only speak against it, and one that `ends_with_name`
            does not.

    Returns:
        OtherFile as soon as one of them is the name of another file: the answer must not be used.
        Identity.NAMED when the answer carries the expected name, and nothing speaks against it.
        Identity.NONE when no name says anything, which is no reason to refuse the answer.
    """
    if filenames and not urls and filenames.count(expected) == len(filenames):
        return Identity.NAMED  # as a rule, and it costs every small file something to find out more
    found = Identity.NONE
    own = _read(expected)
    for name in filenames:
        if name.casefold() == expected.casefold():
            found = Identity.NAMED
        elif own and (given := _compare(own, name)):
            if isinstance(given, OtherFile):
                return given
            found = Identity.NAMED
    if own:
        for url in urls:
            for name in _names_in(url):
                given = None if name == expected else _compare(own, name)
                if isinstance(given, OtherFile):
                    return given
    return found


def other_product(expected: str, ids: Iterable[str]) -> str | None:
    """Return the first of some ids that is of another product or scene than the file `expected`; None without one.

    For ids that a file holds inside: both product ids and scene identifiers, with or without something behind them.
    """
    own = _read(expected)
    if own is None:
        return None
    for one in ids:
        read = _read(one)
        if read is not None and (not _may_be_one_product(own, read) or _is_other_item(own, read)):
            return one
    return None


def _is_other_item(own: _Read, read: _Read) -> bool:
    """A level 2 product has a STAC item of its reflectance and one of its temperature, each with its id inside."""
    items = {("sr",), ("st",)}
    return own.suffix[1:] == ("stac",) and {own.suffix[:1], read.suffix} == items


def names_product(expected: str, one: str) -> bool:
    """Whether an id inside a file is that of the product, or of the scene, that it is named after."""
    own, read = _read(expected), _read(one)
    return own is not None and read is not None and own.is_scene <= read.is_scene and _may_be_one_product(own, read)


def _compare(own: _Read, name: str) -> OtherFile | Identity | None:
    """Say what a name says of a file; None = nothing."""
    read = _read(name)
    if read is None:
        return None
    if not _may_be_one_product(own, read):
        return OtherFile(name)
    if own.id != read.id or read.is_bare:
        return None  # a scene identifier, or the product without a file of it
    kinds = {_KINDS[endings[0]] for endings in (own.endings, read.endings) if endings and endings[0] in _KINDS}
    if len(kinds) == 2:
        return OtherFile(name) if _is_suffix(read.suffix) else None
    if own.suffix != read.suffix:
        shorter = min(len(own.suffix), len(read.suffix))
        is_longer_form = own.suffix[:shorter] == read.suffix[:shorter]
        return None if is_longer_form or not _is_suffix(read.suffix) else OtherFile(name)
    same_end = len(own.endings) == len(read.endings) == 1 and own.endings[0] in _KINDS and len(kinds) == 1
    return Identity.NAMED if same_end and read.endings[0] in _KINDS else None


def _is_suffix(suffix: tuple[str, ...]) -> bool:
    """Whether it reads as the suffix of a Landsat file; that of a bundle is empty."""
    return not suffix or _SUFFIX_HEAD.fullmatch(suffix[0]) is not None


def _may_be_one_product(own: _Read, read: _Read) -> bool:
    if own.is_scene == read.is_scene and own.id == read.id:
        return True
    if not own.is_scene and not read.is_scene:
        return False
    here, there = parse_scene_key(own.id), parse_scene_key(read.id)
    if here is None or there is None:
        return True  # a tile has no path and row
    near = abs(here.acquired - there.acquired) <= dt.timedelta(days=1)  # of two clocks, at midnight
    return (here.path, here.row, own.satellite) == (there.path, there.row, read.satellite) and near


@lru_cache(maxsize=256)
def _read(name: str) -> _Read | None:
    """Take a Landsat id or file name apart; None for everything else."""
    match = _NAME.fullmatch(name) if len(name) <= MAX_NAME_CHARS else None
    if match is None:
        return None
    stem, *endings = match["rest"].lower().split(".")
    suffix = [part for part in stem.split("_") if part]
    if not endings and len(suffix) > 1 and suffix[-1] in _KINDS:
        endings = [suffix.pop()]  # entity ids of single files have _TIF in place of .TIF
    own = match["id"].lower()
    return _Read(own, "_" not in own, tuple(suffix), tuple(ending for ending in endings if ending))


def _names_in(url: str) -> Iterator[str]:
    """Yield what in a link may be a name: the last Landsat name of its path, and parameters that are made for that.

    It need not be the last part of the path: `.../NAME/download` leads to NAME.
    """
    path, _, query = url.partition("#")[0].partition("?")
    try:
        pairs = parse_qsl(query, max_num_fields=100) if may_name(query) else []
    except ValueError:
        return
    for part in reversed(path.split("/")):
        if part[:1] not in _FIRST_CHARS:
            continue
        name = part.partition(";")[0]
        if _read(name := unquote(name) if "%" in name else name):
            yield name
            break
    for key, value in pairs:
        if key.lower() in _NAMING_KEYS:
            given = _IN_DISPOSITION.search(value)
            yield given[1] if given else value.rpartition("/")[2]
