"""What is shown of versions: what a synchronisation has replaced, and what was replaced before. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from landsat_async.events import Superseded, Synced
from landsat_async.rules.quantities import count_text
from landsat_async.show.tables import columns, more

if TYPE_CHECKING:
    from landsat_async.disk.ledger_sync import PutAway

LINEAGE_ROWS = 10
_PUT_AWAY = {"move": "moved to superseded/", "delete": "removed", "keep": "kept"}


def superseded_lines(replaced: Sequence[Superseded], total: int, width: int) -> list[str]:
    """Return the table of older versions that a newer one has replaced."""
    if not replaced:
        return []
    rows = [(one.old, one.new, count_text(one.files, "file"), _PUT_AWAY[one.action]) for one in replaced]
    return [*columns(("replaced", "by", "files", "are"), rows, width), *more(len(replaced), total, "version")]


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
        (old, new, f"{count_text(count, 'file')} {_PUT_AWAY[action]}", time.strftime("%Y-%m-%d", time.gmtime(at)))
        for old, new, action, count, at in found[:LINEAGE_ROWS]
    ]
    if not rows:
        return []
    return ["", *columns(("replaced", "by", "files", "on"), rows, width), *more(len(rows), len(found), "version")]
