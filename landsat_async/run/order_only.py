"""Scenes that USGS gives by order only: what is missing of them says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from landsat_async.model import Scene
from landsat_async.run.selection import Selection

REASON = "USGS gives this scene by order only; it cannot be downloaded now"
HINT = "Order it at https://earthexplorer.usgs.gov; once USGS has made it, the same command fetches it."


def with_orders(selection: Selection, scenes: Sequence[Scene]) -> Selection:
    """Give the missing files of scenes that have to be ordered their reason."""
    ids = tuple(scene.display_id for scene in scenes if scene.order_only)
    if not ids:
        return selection
    missing = [
        replace(gap, reason=REASON, hint=HINT) if gap.file.startswith(ids) else gap for gap in selection.unavailable
    ]
    return replace(selection, unavailable=tuple(missing))
