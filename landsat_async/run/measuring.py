"""Measures the clouds of the area in each scene before the rest of it is asked for.

The QA_PIXEL of a scene is one file of the run, fetched by the same workers; its other files are held
(`disk.ledger_measures`) until the figure is there, and then come into the run or are let go. There is no barrier:
scenes that pass are fetched while others are still measured. Figures are kept, so nothing is measured twice. A scene
that cannot be measured is kept, and that is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from landsat_async.disk.ledger import Item
from landsat_async.disk.part import part_name
from landsat_async.events import LeftOut, Measured, Notice
from landsat_async.model import Scene, WantedFile
from landsat_async.rules.clouds import CloudCount, MeasureSpec
from landsat_async.rules.quantities import count_text
from landsat_async.run.area_clouds import Rule, judge, measured_event, unknown_text
from landsat_async.run.context import RunContext
from landsat_async.run.inventory import take_stock
from landsat_async.run.selection import Selection

if TYPE_CHECKING:
    from landsat_async.raster.spec import WindowSpec

NO_QA = "USGS offers no QA_PIXEL of it now"


def _window_of(rule: Rule) -> WindowSpec:
    import shapely  # with numpy a tenth of a second: only for those who measure

    from landsat_async.raster.spec import WindowSpec
    from landsat_async.raster.window import WindowMode

    return WindowSpec.of(shapely.from_wkb(rule.area_wkb), WindowMode.TILES)


class Measuring:
    """Holds scenes back and lets them go; one for a run.

    Args:
        context: Of the run.
        rule: What is measured, and what is asked of it.
        only: Nothing but figures is wanted: the files of no scene come into the run.
    """

    def __init__(self, context: RunContext, rule: Rule, *, only: bool = False) -> None:
        self._context = context
        self._rule = rule
        self._only = only
        self.window = _window_of(rule)
        """Which part of QA_PIXEL is fetched, where its host gives ranges."""
        self._known: Mapping[str, CloudCount] = {}
        self._told_of: set[str] = set()
        """Sensors of which was told what their QA_PIXEL does not know."""
        self._unmeasured: Counter[str] = Counter()
        """Reasons for which scenes could not be measured."""

    # -- while the run is prepared

    async def known_scenes(self, scenes: Sequence[Scene]) -> list[Scene]:
        """Return the scenes that are not left out by figures of earlier runs; the others are told."""
        context = self._context
        self._known = await context.ledger.measures.known(self._rule.area, self._rule.counts)
        judged = judge(scenes, self._rule, self._known)
        for scene, reason in judged.refused:
            await self._tell(scene.display_id, self._known[scene.display_id], reason)
        for scene in judged.kept:
            if scene.display_id in self._known:
                await self._tell(scene.display_id, self._known[scene.display_id], None)
        return judged.kept

    async def select(self, selection: Selection, choice: str) -> None:
        """Put the files of a selection into the run, those of scenes without a figure behind their QA_PIXEL."""
        context, now = self._context, self._context.states.now()
        waiting, ready = await self._split(selection)
        qa_files = [selection.to_measure[scene] for scene in waiting]
        held = [file for files in waiting.values() for file in files]
        ledger, complete = context.ledger, selection.complete
        if not self._only:
            await ledger.select(ready, context.run_id, now, complete=complete, choice=choice)
        await ledger.measures.hold(held, now, complete=complete, choice=choice)
        await ledger.select(qa_files, context.run_id, now)
        context.counts.measuring += len(qa_files)
        context.counts.held += len(held)

    async def _split(self, selection: Selection) -> tuple[dict[str, list[WantedFile]], list[WantedFile]]:
        """Return the files of the scenes that are to be measured, by scene, and all other files."""
        files: dict[str, list[WantedFile]] = {}
        for file in selection.files:
            files.setdefault(file.scene_display_id, []).append(file)
        unknown = {scene: own for scene, own in files.items() if scene not in self._known}
        here = await self._context.ledger.scenes.done_among([file.relpath for own in unknown.values() for file in own])
        done = Counter(file.scene_display_id for file in here)
        waiting = {scene: own for scene, own in unknown.items() if done[scene] < len(own)}
        for scene in waiting.keys() - selection.to_measure.keys():
            await self._cannot(scene, NO_QA)
            del waiting[scene]
        return waiting, [file for scene, own in files.items() if scene not in waiting for file in own]

    def tell_begin(self) -> None:
        """Say what comes first."""
        counts = self._context.counts
        if counts.measuring:
            scenes = count_text(counts.measuring, "scene")
            text = f"the clouds in the area are measured first, from QA_PIXEL of {scenes}"
            after = "" if self._only else "; what passes is fetched meanwhile"
            self._context.bus.tell(Notice(text + after))

    # -- during the run

    def spec(self, item: Item) -> MeasureSpec:
        """Return what to count in a QA_PIXEL."""
        return self._rule.spec(item.scene_display_id)

    async def counted(self, item: Item, count: CloudCount, size_bytes: int, *, report: bool) -> None:
        """Keep the figure of a scene, and let its files in or go."""
        scene, rule = item.scene_display_id, self._rule
        reason = rule.refusal(count)
        keep = None if self._only else reason is None
        if await self._conclude(item, (rule.area, rule.counts, count), keep, size_bytes if report else None):
            await self._tell(scene, count, reason)

    async def cannot(self, item: Item, reason: str) -> None:
        """Keep a scene whose QA_PIXEL cannot be had or read."""
        if await self._conclude(item, None, None if self._only else True, None):
            await self._cannot(item.scene_display_id, reason)

    async def _conclude(
        self, item: Item, figure: tuple[str, str, CloudCount] | None, keep: bool | None, size_bytes: int | None
    ) -> bool:
        context = self._context
        done = None
        with anyio.CancelScope(shield=True):  # what the ledger has done is counted
            done = await context.ledger.measures.conclude(
                item, context.run_id, context.states.now(), figure=figure, keep=keep, size_bytes=size_bytes
            )
            if done is not None:
                context.counts.measuring -= 1
                context.counts.held -= done.held
                context.states.replaced(item.item_id, done.before, done.states)
        if done is None:
            return False
        if keep is False:
            context.counts.scenes -= 1
            context.counts.nominal_left -= done.bytes_nominal
        await anyio.to_thread.run_sync(context.target.discard, [part_name(item.item_id, item.generation)])
        if done.states:
            await take_stock(context, item.scene_display_id)
        return True

    # -- what is told

    async def _tell(self, scene: str, count: CloudCount, reason: str | None) -> None:
        bus, sensor = self._context.bus, scene[:4]
        unknown = self._rule.unknown(scene)
        if unknown and sensor not in self._told_of:
            self._told_of.add(sensor)
            bus.tell(Notice(unknown_text(sensor, unknown), "warning"))
        await bus.emit(measured_event(scene, count))
        if reason is not None:
            await bus.emit(LeftOut(scene, reason, 1, scene))

    async def _cannot(self, scene: str, reason: str) -> None:
        bus = self._context.bus
        self._unmeasured[reason] += 1
        bus.tell(Notice(f"{scene} is kept without being measured: {reason}", "warning"))
        await bus.emit(Measured(scene, None, None, None, None, None))
