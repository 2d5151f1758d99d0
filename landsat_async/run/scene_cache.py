"""Scenes that need not be asked about: cached not long ago, with every file still here as it was recorded.

A folder that is finished says so after the search alone. What a product id lists hardly changes (a reprocessed scene
has another id); what does change is found when a day has passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import anyio.to_thread
import msgspec

from landsat_async.config import Config
from landsat_async.disk.ledger import CachedFile, Ledger
from landsat_async.disk.target import Look, Recorded, Target
from landsat_async.model import Scene, WantedFile
from landsat_async.run.windows import RunWindows

CACHED_FOR_S = 86400.0


class SceneCache(msgspec.Struct, frozen=True):
    """The cached scenes of one folder, for one choice of files."""

    config: Config
    ledger: Ledger
    target: Target
    now: Callable[[], float]
    windows: RunWindows | None = None

    @property
    def choice(self) -> str:
        """Stands for [select], the layout and the area of windows: other ones ask for other files."""
        area = () if self.windows is None else (self.windows.spec.key,)
        asked = msgspec.json.encode((self.config.select, self.config.download.layout, *area))
        return hashlib.sha256(asked).hexdigest()[:16]

    async def files_of(self, scenes: Sequence[Scene]) -> dict[str, list[WantedFile]]:
        """The files of those scenes that are cached, by display id."""
        now = self.now()
        ids = [scene.display_id for scene in scenes]
        found = await self.ledger.scenes.cached(ids, self.choice, since=now - CACHED_FOR_S, until=now)
        if not found:
            return {}
        return await anyio.to_thread.run_sync(_all_here, self.target, found)


def _all_here(target: Target, found: Mapping[str, Sequence[CachedFile]]) -> dict[str, list[WantedFile]]:
    def is_here(files: Sequence[CachedFile]) -> bool:
        own = [one for one in files if one.size_bytes]  # a window of fill alone is no file
        looks = target.look([Recorded(one.file.relpath, one.size_bytes, one.mtime_ns) for one in own])
        return all(look is Look.SAME for look in looks)

    return {display_id: [one.file for one in files] for display_id, files in found.items() if is_here(files)}
