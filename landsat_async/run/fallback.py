"""Single files in place of a bundle that cannot be had, where the config allows it (`select.bundle_fallback`).

A bundle is given up when each of its storage systems has refused it or has been down for FALLBACK_AFTER_S. A scene
that is fetched as single files stays so in later runs: the ledger remembers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import anyio.to_thread

from landsat_async.config import Config
from landsat_async.config_tables import SelectConfig
from landsat_async.disk.ledger import Item
from landsat_async.errors import RequestRefused
from landsat_async.events import Notice
from landsat_async.m2m.replies import ProductOption
from landsat_async.model import Scene, WantedFile
from landsat_async.rules.naming import bundle_name
from landsat_async.run.context import RunContext
from landsat_async.run.inventory import take_stock
from landsat_async.run.selection import Selection, choose

FALLBACK_AFTER_S = 600.0
LOOK_EVERY_S = 60.0
SCENES_AT_A_TIME = 50
EARLIER = "not offered now, or begun with single files by an earlier run"
_SINGLE_FILES = SelectConfig(type="band", bands=("*",))


def with_single_files(
    bundles: Selection,
    scenes: Sequence[Scene],
    options: Sequence[ProductOption],
    config: Config,
    replaced: frozenset[str],
) -> Selection:
    """Add the single files of scenes whose bundle is not offered now, or that an earlier run has begun with them."""
    layout = config.download.layout
    lacking = {gap.file for gap in bundles.unavailable}
    in_files = [s for s in scenes if s.display_id in replaced or bundle_name(s.display_id) in lacking]
    singles = choose(in_files, options, _SINGLE_FILES, layout=layout)
    had = {bundle_name(file.scene_display_id) for file in singles.files}
    gaps = [gap for gap in bundles.unavailable if gap.file not in had]
    return replace(bundles, files=(*bundles.files, *singles.files), unavailable=(*gaps, *singles.unavailable))


def scenes_in_files(selection: Selection) -> set[str]:
    """Display ids of the scenes of which single files were chosen."""
    return {file.scene_display_id for file in selection.files if file.kind == "file"}


def notice_of(scenes: int, why: str) -> Notice:
    """Say that single files come in place of bundles."""
    bundles = "1 bundle" if scenes == 1 else f"{scenes:,} bundles"
    return Notice(f"{bundles} cannot be had ({why}): the single files come instead (select.bundle_fallback)", "warning")


class BundleFallback:
    """Gives bundles up during a run; see the module header."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._look_s = 0.0

    async def look(self) -> None:
        """Replace what has come to its end, and now and then what has waited for too long."""
        context = self._context
        refused, context.routes.refused_bundles = context.routes.refused_bundles, {}
        items = [await context.ledger.item(item_id) for item_id in refused]
        if context.states.loop_time() >= self._look_s:
            self._look_s = context.states.loop_time() + LOOK_EVERY_S
            down = context.hosts.systems_down_for(FALLBACK_AFTER_S)
            known = {item.item_id for item in items}
            waiting = await context.ledger.requests.bundles_of(context.run_id, down) if down else []
            items += [item for item in waiting if item.item_id not in known]
        for start in range(0, len(items), SCENES_AT_A_TIME):
            await self._replace(items[start : start + SCENES_AT_A_TIME], refused)

    async def _replace(self, items: Sequence[Item], refused: Mapping[int, str]) -> None:
        context = self._context
        files = await self._single_files(items)
        replaced = 0
        for item in items:
            if item.item_id not in refused and not context.hosts.is_down(item.system):
                continue  # its host has come back while the service was asked
            found = files.get(item.scene_display_id, [])
            if found and await self._put_in(item, found):
                replaced += 1
                await take_stock(context, item.scene_display_id)
            elif not found and item.item_id in refused:
                await context.routes.fail(
                    item, refused[item.item_id], "Its single files cannot be had either; try later."
                )
        if replaced:
            context.bus.tell(notice_of(replaced, "its storage systems are down or refuse it"))

    async def _put_in(self, item: Item, files: Sequence[WantedFile]) -> bool:
        """Put single files into the run in place of a bundle; False when the bundle is on its way after all."""
        context = self._context
        done = await context.ledger.replace_bundle(item.item_id, files, context.run_id, context.states.now())
        if done is None:
            return False
        context.states.replaced(item.item_id, *done)
        context.counts.nominal_left, _ = await context.ledger.files.nominal_left(context.run_id)
        return True

    async def _single_files(self, items: Sequence[Item]) -> dict[str, list[WantedFile]]:
        """The single files by scene, of the scenes of which each can be had now."""
        context = self._context
        datasets = await context.ledger.scenes.datasets_of([item.scene_display_id for item in items])
        options: list[ProductOption] = []
        for dataset in dict.fromkeys(datasets.values()):
            ids = [item.scene_entity_id for item in items if datasets.get(item.scene_display_id) == dataset]
            try:
                options += await context.m2m.download_options(dataset, entity_ids=ids)
            except RequestRefused:
                pass
        scenes = [Scene(item.scene_entity_id, item.scene_display_id) for item in items]
        folders = {item.scene_display_id: item.relpath.rpartition("/")[0] for item in items}
        selection = await anyio.to_thread.run_sync(partial(choose, scenes, options, _SINGLE_FILES))
        files: dict[str, list[WantedFile]] = {}
        for file in selection.files:
            own = files.setdefault(file.scene_display_id, [])
            own.append(replace(file, folder=folders[file.scene_display_id]))
        lacking = tuple(gap.file for gap in selection.unavailable)
        return {
            scene: own
            for scene, own in files.items()
            if all(map(self._can_be_had, own)) and not any(name.startswith(scene) for name in lacking)
        }

    def _can_be_had(self, file: WantedFile) -> bool:
        return any(route.available and not self._context.hosts.is_down(route.system) for route in file.routes)
