"""What is shown of versions: what a synchronisation has replaced, and what was replaced before. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from landsat_async.events import Superseded, Synced
from landsat_async.rules.product_id import ProductId, parse_product_id
from landsat_async.show.formatting import scene_name
from landsat_async.show.tables import columns, more

if TYPE_CHECKING:
    from landsat_async.disk.ledger_sync import PutAway

LINEAGE_ROWS = 10
_PUT_AWAY = {"move": "moved", "delete": "removed", "keep": "kept"}


def superseded_lines(replaced: Sequence[Superseded], total: int, width: int) -> list[str]:
    """Return the table of older versions that a newer one has replaced."""
    if not replaced:
        return []
    rows = [(*_versions(one.old, one.new), f"{one.files:,} {_PUT_AWAY[one.action]}") for one in replaced]
    return [*columns(("replaced", "was", "is now", "files"), rows, width), *more(len(replaced), total, "version")]


def _versions(old: str, new: str) -> tuple[str, str, str]:
    """Return the scene, its older version and its newer one, short; other ids as they are."""
    was, now = parse_product_id(old), parse_product_id(new)
    if was is None or now is None:
        return old, old, new
    return scene_name(old), _version(was), _version(now)


def _version(product: ProductId) -> str:
    return " ".join(filter(None, (product.level, product.tier, str(product.processed))))


def synced_line(synced: Synced) -> str:
    """Return the line that sums a synchronisation up."""
    parts = [f"{synced.new:,} new", f"{synced.replaced:,} replaced", f"{synced.unchanged:,} unchanged"]
    if synced.vanished:
        parts.append(f"{synced.vanished:,} not listed any more (kept)")
    return f"scenes: {', '.join(parts)}"


def lineage(files: Sequence[PutAway]) -> list[tuple[str, str, str, int, float]]:
    """Return what was put away: older version, newer one, what was done, number of files, unix time."""
    groups: dict[tuple[str, str, str], list[PutAway]] = {}
    for one in files:
        groups.setdefault((one.old, one.new, one.action), []).append(one)
    return [(*key, len(group), max(file.at for file in group)) for key, group in groups.items()]


def lineage_lines(files: Sequence[PutAway], width: int) -> list[str]:
    """Return the table of older versions that were put away, the latest first."""
    found = sorted(lineage(files), key=lambda one: -one[-1])
    rows = [
        (*_versions(old, new), f"{count:,} {_PUT_AWAY[action]}", time.strftime("%m-%d", time.gmtime(at)))
        for old, new, action, count, at in found[:LINEAGE_ROWS]
    ]
    if not rows:
        return []
    head = ("replaced", "was", "is now", "files", "on")
    return ["", *columns(head, rows, width), *more(len(rows), len(found), "version")]
