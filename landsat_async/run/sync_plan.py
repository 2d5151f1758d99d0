"""What a synchronisation looks at, and what its results mean: plain decisions on values.

What is new is found by the day on which the service ingested it, from a week before the last success on: days of the
service and of this machine need not agree, and what was ingested late is found all the same. Everything is looked at
once a week, and whenever the question itself has changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from landsat_async.config_tables import SearchConfig, SelectConfig
from landsat_async.disk.leftovers import is_newer_version
from landsat_async.model import Scene, Unavailable
from landsat_async.rules.product_id import parse_product_id
from landsat_async.run.scene_filter import acquired_day

OVERLAP_S = 7 * 86400.0
FULL_EVERY_S = 6.5 * 86400.0
"""A week, less what a daily job may begin earlier than a week ago."""
_CLOCK_DOUBT_S = 86400.0
"""A clock that was ahead by more than this when everything was looked at: nobody knows when that was."""


@dataclass(frozen=True, slots=True)
class LastSuccess:
    """The last synchronisation of a folder that ended with everything here."""

    mark: str
    """Stands for what was asked for, see `search_mark`."""
    began_s: float
    """Unix time."""
    full_s: float
    """Unix time of the last one that looked at everything."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one synchronisation asks for."""

    since: dt.date | None
    """First day of ingestion (UTC); None = everything is looked at."""
    why: str
    """For people."""


def search_mark(search: SearchConfig, select: SelectConfig, layout: str, area: bytes) -> str:
    """Return a text that is equal as long as the same is asked for; days relative to today count as they are written.

    Args:
        search: The [search] table.
        select: The [select] table.
        layout: The folder template.
        area: Whatever stands for the area of interest: its file may change under the same name.
    """
    relative = {text.partition(" ")[0]: None for text in search.relative}
    asked = msgspec.structs.replace(search, **relative)
    return hashlib.sha256(msgspec.json.encode((asked, select, layout)) + area).hexdigest()[:16]


def scope_of(last: LastSuccess | None, mark: str, search: SearchConfig, now_s: float, *, full: bool) -> Scope:
    """Decide what is asked for: what is new, or everything."""
    if full:
        return Scope(None, "--full")
    if last is None:
        return Scope(None, "no earlier synchronisation of this folder has ended well")
    if last.mark != mark:
        return Scope(None, "[search] or [select] has changed")
    if search.scenes or search.limit:
        return Scope(None, "a list of scenes, or a limit, is always looked at as a whole")
    if not -_CLOCK_DOUBT_S <= now_s - last.full_s < FULL_EVERY_S:
        return Scope(None, "a week has passed since everything was looked at")
    since = dt.datetime.fromtimestamp(min(now_s, last.began_s) - OVERLAP_S, dt.UTC).date()
    return Scope(since, f"what was ingested since {since}, a week before the last success")


def only_new(found: Sequence[Scene], known: Collection[str]) -> tuple[list[Scene], frozenset[str]]:
    """Return the scenes that are not known yet, and the known ones (display ids) that they replace.

    A version that is older than a known one is not taken: the service may ingest it anew.
    """
    by_key = _by_key(known)
    new, replaced = [], set[str]()
    for scene in found:
        product = parse_product_id(scene.display_id)
        others = by_key.get(product.version_key, ()) if product is not None else ()
        if scene.display_id in known or any(is_newer_version(other, scene.display_id) for other in others):
            continue
        new.append(scene)
        replaced.update(other for other in others if is_newer_version(scene.display_id, other))
    return new, frozenset(replaced)


def successors(old: Iterable[str], current: Iterable[str]) -> dict[str, str]:
    """Return for each older version among `old` the newest of the current versions of its scene; display ids."""
    by_key = _by_key(current)
    found = {}
    for one in old:
        product = parse_product_id(one)
        newer = [
            other
            for other in (by_key.get(product.version_key, ()) if product is not None else ())
            if is_newer_version(other, one)
        ]
        if newer:
            found[one] = max(newer, key=lambda other: (_processed(other), other))
    return found


def _by_key(display_ids: Iterable[str]) -> dict[tuple[object, ...], list[str]]:
    found: dict[tuple[object, ...], list[str]] = {}
    for display_id in display_ids:
        if (product := parse_product_id(display_id)) is not None:
            found.setdefault(product.version_key, []).append(display_id)
    return found


def _processed(display_id: str) -> dt.date:
    product = parse_product_id(display_id)
    return product.processed if product is not None else dt.date.min


def scenes_with_gaps(display_ids: Iterable[str], gaps: Iterable[Unavailable]) -> frozenset[str]:
    """Return the scenes of which something that was chosen cannot be had, by the names of what is missing."""
    ids = set(display_ids)
    found = set()
    for gap in gaps:
        stem = gap.file.partition(".")[0]
        while stem and stem not in ids:
            stem = stem.rpartition("_")[0]
        if stem:
            found.add(stem)
    return frozenset(found)


def vanished(known: Mapping[str, Scene], current: Collection[str], search: SearchConfig) -> tuple[list[str], list[str]]:
    """Return the known scenes that the search does not find any more: those gone, and those that time has left behind.

    Args:
        known: By display id, what earlier searches for the same have found; without what has a successor.
        current: Display ids that this search has found.
        search: Its days tell what a search that is relative to today has left behind.
    """
    gone, left = list[str](), list[str]()
    for display_id, scene in known.items():
        if display_id in current:
            continue
        day = acquired_day(scene)
        outside = day is not None and (
            (search.start is not None and day < search.start) or (search.end is not None and day > search.end)
        )
        (left if outside else gone).append(display_id)
    return gone, left


def same_band(old_name: str, old: str, new_names: Collection[str], new: str) -> bool:
    """Tell whether the successor has the same file of its own: what follows the display id is equal."""
    return new + old_name[len(old) :] in new_names
