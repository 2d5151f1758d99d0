"""From scenes to files: ask what the service offers, a portion of scenes at a time, and apply the selection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio.to_thread

from landsat_async.config import Config
from landsat_async.disk.ledger import Ledger
from landsat_async.m2m.client import M2MClient
from landsat_async.model import Scene, Unavailable, WantedFile
from landsat_async.rules.selection import NONE_OF_THE, Selection, choose
from landsat_async.run.fallback import allowed, choose_with_fallback
from landsat_async.run.scene_lists import scene_list

SCENES_PER_CALL = 500
"""One scene costs about 50 KB of download-options (22 files under each of four rows)."""

T = TypeVar("T")


def portions(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


async def choose_files(
    config: Config, m2m: M2MClient, ledger: Ledger | None, dataset: str, scenes: Sequence[Scene]
) -> AsyncIterator[Selection]:
    """Yield the selection for one portion of scenes after the other, so that memory does not grow with their number."""
    by_group = config.select.type == "band_group"
    aliases: dict[str, str] = {}
    replaced = await ledger.replaced() if ledger is not None and allowed(config) else frozenset()
    for portion in portions(scenes, SCENES_PER_CALL):
        async with scene_list(m2m, ledger, dataset, [scene.entity_id for scene in portion]) as list_id:
            options = await m2m.download_options(dataset, list_id=list_id, include_secondary_file_groups=by_group)
        if allowed(config):
            decide = partial(choose_with_fallback, portion, options, config, replaced)
        else:
            decide = partial(choose, portion, options, config.select, layout=config.download.layout)
        selection = await anyio.to_thread.run_sync(decide)
        if by_group:
            files = [await _with_alias(m2m, file, aliases) for file in selection.files]
            selection = replace(selection, files=tuple(files))
        yield selection


async def _with_alias(m2m: M2MClient, file: WantedFile, aliases: dict[str, str]) -> WantedFile:
    """Replace the id of the secondary dataset by its alias, which dataGroups needs."""
    dataset_id = file.group_dataset
    if dataset_id is None:
        return file
    if dataset_id not in aliases:
        aliases[dataset_id] = (await m2m.dataset(dataset_id=dataset_id)).alias
    return replace(file, group_dataset=aliases[dataset_id])


_SPELLING = {
    "band": 'Check the spelling; a plan with bands = ["*"] lists all names.',
    "file group": "Check the spelling; an empty file_groups takes every group that the scenes have.",
}


class Gaps:
    """Collects what was selected and cannot be had, across portions of scenes."""

    def __init__(self, config: Config) -> None:
        self._kind = "band" if config.select.type == "band" else "file group"
        self._asked = set(config.select.bands if config.select.type == "band" else config.select.file_groups)
        self._nowhere = set(self._asked)
        """Bands or groups that no portion so far has had."""
        self._named: list[Unavailable] = []
        self._any = False

    def add(self, selection: Selection) -> None:
        """Note the gaps of one portion."""
        self._any = True
        self._nowhere &= set(selection.unmatched_bands)
        self._named += selection.unavailable

    def all(self) -> list[Unavailable]:
        """Everything that cannot be had; a band is missing only if no portion has it."""
        if not self._any:
            return []
        named, hint = self._named, _SPELLING[self._kind]
        if self._asked and self._nowhere == self._asked:
            # A misspelt band: one line for it says more than one for each scene.
            without = [gap for gap in named if gap.reason.startswith(NONE_OF_THE)]
            named = [gap for gap in named if gap not in without]
            hint = without[0].hint if without else hint
        reason = f"no scene of the search has this {self._kind}"
        return [*named, *(Unavailable(name, reason, hint) for name in sorted(self._nowhere))]
