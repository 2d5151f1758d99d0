"""Keeps a folder as the search says: fetches what is new, and puts away what a newer version has replaced.

    scope (new or everything) ─► search ─► what was here, carried over ─► a run ─► older versions put away ─► success

A file of an older version goes only after every chosen file of its successor is proven, and only as long as it is what
was recorded: what its owner has changed stays. What the service does not list any more, without a successor, is told
and never touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec

from landsat_async.disk.fs import FileInUse
from landsat_async.disk.inspect import Facts, inspect_apart
from landsat_async.disk.ledger_sync import OldFile, PutAway
from landsat_async.disk.target import KeepsVersions, Look, Place, Recorded, StoreFailed, Target
from landsat_async.errors import ConfigError
from landsat_async.events import Notice, Superseded, Synced
from landsat_async.model import Proof, Scene, Unavailable
from landsat_async.rules.naming import SUPERSEDED
from landsat_async.rules.quantities import count_text
from landsat_async.run.context import RunContext
from landsat_async.run.search import Fields, Found
from landsat_async.run.sync_plan import (
    LastSuccess,
    Scope,
    only_new,
    same_band,
    scenes_with_gaps,
    scope_of,
    search_mark,
    successors,
    vanished,
)

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.rules.aoi import Aoi

_TOLD = 5
_FIELDS = msgspec.json.Decoder(Fields)


@dataclass(slots=True)
class Synchroniser:
    """One synchronisation of one folder, beside the run that fetches."""

    context: RunContext
    mark: str
    began_s: float
    last: LastSuccess | None
    scope: Scope
    known: dict[str, Scene]
    """What the last success had, by display id."""
    before: frozenset[str]
    """Scenes of which something was here when this run began; display ids."""
    current: dict[str, Scene] = field(default_factory=dict)
    """What the search says that has to be here, by display id."""
    gaps: frozenset[str] = frozenset()
    """Scenes of which something that was chosen cannot be had."""
    replaced: int = 0
    vanished: int = 0
    fields: Fields = field(default_factory=dict)
    """Ids of filters by dataset: kept, so that what is new costs one call a dataset; a full search asks anew."""
    store: KeepsVersions | None = None
    """Where older versions can be put away; None where they cannot."""

    @classmethod
    async def begin(cls, context: RunContext, aoi: Aoi | None, *, full: bool) -> Synchroniser:
        """Decide what is asked for, after what an earlier one has left undone is resolved.

        Raises:
            ConfigError: the target cannot put older versions away, and that is asked for.
        """
        config, records = context.config, context.ledger.sync
        store = context.target if isinstance(context.target, KeepsVersions) else None
        if store is None and config.sync.superseded != "keep":
            raise ConfigError(
                "sync.superseded: older versions can be put away in a folder of this machine only",
                hint='Keep them where they are: [sync] superseded = "keep".',
            )
        area = b"" if aoi is None else bytes(aoi.geometry.wkb)
        mark = search_mark(config.search, config.select, config.download.layout, area + str(config.shard).encode())
        row = await records.last()
        last = None if row is None else LastSuccess(*row)
        now_s = context.states.now()
        scope = scope_of(last, mark, config.search, now_s, full=full)
        if store is not None:
            await _resolve(context, store)
        known = await records.known() if last is not None and last.mark == mark else {}
        context.bus.tell(Notice(f"sync: {scope.why}" if scope.since else f"sync: everything is looked at: {scope.why}"))
        here = await records.here()
        fields = _FIELDS.decode(await records.fields()) if scope.since is not None else {}
        return cls(context, mark, now_s, last, scope, known, here, fields=fields, store=store)

    async def narrowed(self, found: Found) -> Found:
        """Return what of a search has to be asked about: of a search for what is new only that."""
        if self.scope.since is None:
            self.current = {scene.display_id: scene for scene in found.scenes}
            return found
        new, replaced = only_new(found.scenes, self.known)
        self.current = {one: scene for one, scene in self.known.items() if one not in replaced}
        await self.context.ledger.sync.carry(self.context.run_id, replaced, self.context.states.now())
        self.context.counts.scenes = len(self.current)
        self.current |= {scene.display_id: scene for scene in new}
        return replace(found, scenes=new)

    def note_gaps(self, gaps: Sequence[Unavailable]) -> None:
        """Take what cannot be had: a scene that lacks something of it replaces no older version."""
        self.gaps = scenes_with_gaps(self.current, gaps)

    async def finish(self) -> None:
        """Put older versions away, and tell what has become of everything."""
        context = self.context
        states = await context.ledger.sync.scenes_of(context.run_id)
        others = await context.ledger.sync.others(context.run_id)
        chain = successors(others, states)
        waiting = []
        for old, new in sorted(chain.items()):
            done, total = states[new]
            if done < total or not done or new in self.gaps:
                waiting.append((old, new))
            elif await self._put_away(old, new):
                self.replaced += 1
        _tell_waiting(context, waiting)
        self._tell_vanished(chain)
        here = [display_id for display_id, (done, _) in states.items() if done]
        unchanged = sum(one in self.before for one in here)
        predecessors = successors(self.before, here)
        new_ones = set(here) - self.before - set(predecessors.values())
        context.bus.tell(Synced(len(new_ones), self.replaced, self.vanished, unchanged))

    async def succeed(self) -> None:
        """Everything is here: the next one asks for what is new from now on."""
        full_s = self.began_s if self.scope.since is None or self.last is None else self.last.full_s
        fields = msgspec.json.encode(self.fields).decode()
        await self.context.ledger.sync.succeed(
            self.context.run_id, self.mark, self.began_s, full_s, self.current.values(), fields
        )

    def _tell_vanished(self, chain: dict[str, str]) -> None:
        """Known after a search for everything only."""
        if self.scope.since is not None:
            return
        known = {one: scene for one, scene in self.known.items() if one in self.before and one not in chain}
        gone, left = vanished(known, self.current, self.context.config.search)
        self.vanished = len(gone)
        for display_id in gone[:_TOLD]:
            text = f"{display_id} is not found any more and has no successor: its files stay"
            self.context.bus.tell(Notice(text, "warning"))
        if len(gone) > _TOLD:
            self.context.bus.tell(Notice(f"and {count_text(len(gone) - _TOLD, 'more scene')} like this", "warning"))
        if left:
            text = f"outside start and end by now: {count_text(len(left), 'scene')} here; their files stay"
            self.context.bus.tell(Notice(text))

    async def _put_away(self, old: str, new: str) -> bool:
        """Put the files of an older version away; False when nothing of it had to be."""
        context = self.context
        action = context.config.sync.superseded
        files = await context.ledger.sync.old_files(context.run_id, old)
        if action == "keep":
            return await self._keep(old, new, files)
        left, gone, changed = await _unchanged(context.target, files)
        for file in changed:
            text = f"{file.relpath} is of an older version ({new} is here), and was changed: it stays, and is yours now"
            context.bus.tell(Notice(text, "warning"))
        await context.ledger.sync.forget([file.relpath for file in (*gone, *changed)])
        names = await context.ledger.sync.names_of(context.run_id, new)
        moved = 0
        for files_of_action, told in _by_action(left, action, old, new, names):
            done = await self._act([_intent(file, old, new, told, context.states.now()) for file in files_of_action])
            moved += done
            if done:
                await context.bus.emit(Superseded(old, new, done, told))
        return bool(moved or gone or changed)

    async def _keep(self, old: str, new: str, files: Sequence[OldFile]) -> bool:
        """Tell once that an older version stays."""
        records = self.context.ledger.sync
        if (old, new) in await records.kept():
            return False
        now = self.context.states.now()
        await records.note_kept([_intent(file, old, new, "keep", now) for file in files])
        await self.context.bus.emit(Superseded(old, new, len(files), "keep"))
        return True

    async def _act(self, intents: Sequence[PutAway]) -> int:
        """Move or remove files: first written down, then done, then recorded; returns how many."""
        context, store = self.context, self.store
        if not intents or store is None:
            return 0
        intents = await anyio.to_thread.run_sync(_with_places, store, intents)
        await context.ledger.sync.intend(intents)
        done, failed = await anyio.to_thread.run_sync(_carry_out, store, intents)
        await context.ledger.sync.put_away(done)
        # What a store was doing when it failed nobody knows: the next synchronisation looks, as after a kill.
        await context.ledger.sync.recall([one.relpath for one, error in failed if not isinstance(error, StoreFailed)])
        for one, error in failed:
            text = f"{one.relpath} of an older version could not be put away ({_why(error)})"
            context.bus.tell(Notice(text, "warning"))
        return len(done)


async def _resolve(context: RunContext, store: KeepsVersions) -> None:
    """Find out what became of files that were about to be put away when a run was killed."""
    intents = await context.ledger.sync.intended()
    if not intents:
        return
    places = await anyio.to_thread.run_sync(store.places, [(one.relpath, "") for one in intents])
    gone = [one for one, place in zip(intents, places, strict=True) if place is Place.FREE]
    await context.ledger.sync.put_away(gone)
    still = [one for one in intents if one not in gone]
    await anyio.to_thread.run_sync(_undo, store, still)
    await context.ledger.sync.recall([one.relpath for one in still])


def _undo(target: KeepsVersions, intents: Sequence[PutAway]) -> None:
    """A file that has both names was being moved: it keeps the one that the ledger knows."""
    for one in intents:
        if one.moved_to and target.is_same_file(one.relpath, one.moved_to):
            target.remove(one.moved_to)


def _tell_waiting(context: RunContext, waiting: Sequence[tuple[str, str]]) -> None:
    for old, new in waiting[:_TOLD]:
        context.bus.tell(Notice(f"{old} stays: not everything that was chosen of its successor {new} is here"))
    if len(waiting) > _TOLD:
        context.bus.tell(Notice(f"and {len(waiting) - _TOLD:,} more older versions stay for now"))


async def _unchanged(target: Target, files: Sequence[OldFile]) -> tuple[list[OldFile], list[OldFile], list[OldFile]]:
    """Sort files: as recorded, gone, changed by somebody."""
    recorded = [Recorded(file.relpath, file.size_bytes, file.mtime_ns) for file in files]
    looks = await anyio.to_thread.run_sync(target.look, recorded)
    same, gone, changed = list[OldFile](), list[OldFile](), list[OldFile]()
    for file, look in zip(files, looks, strict=True):
        if look is Look.CHANGED:
            found = await inspect_apart(target.read(file.relpath), file.name, weakest=Proof.LENGTH)
            if isinstance(found, Facts) and found.sha256 == file.sha256:  # only its time is another one
                look = Look.SAME
        {Look.SAME: same, Look.GONE: gone, Look.CHANGED: changed}[look].append(file)
    return same, gone, changed


def _by_action(
    files: Sequence[OldFile], action: str, old: str, new: str, names: frozenset[str]
) -> list[tuple[list[OldFile], str]]:
    """Sort files by what is done with them.

    What the successor does not have, and what we have not fetched ourselves, is never deleted but moved.
    """
    if action == "move":
        return [(list(files), "move")]
    delete = [file for file in files if not file.adopted and same_band(file.name, old, names, new)]
    return [(delete, "delete"), ([file for file in files if file not in delete], "move")]


def _intent(file: OldFile, old: str, new: str, action: str, now: float) -> PutAway:
    return PutAway(file.relpath, old, new, action, "", file.size_bytes, file.sha256, now)


def _with_places(target: Target, intents: Sequence[PutAway]) -> list[PutAway]:
    """Say where each file will be; a place that is taken gets a folder with a number."""
    found = []
    for one in intents:
        place, number = f"{SUPERSEDED}/{one.relpath}", 1
        while target.places([(place, "")]) != [Place.FREE]:
            number += 1
            place = f"{SUPERSEDED}/{number}/{one.relpath}"
        found.append(replace(one, moved_to=place if one.action == "move" else ""))
    return found


def _carry_out(
    target: KeepsVersions, intents: Sequence[PutAway]
) -> tuple[list[PutAway], list[tuple[PutAway, OSError]]]:
    """Move and remove; return what was done, and what was not, each with its error."""
    done, failed = list[PutAway](), list[tuple[PutAway, OSError]]()
    for one in intents:
        try:
            if one.action == "move":
                target.move(one.relpath, one.moved_to)
            else:
                target.remove(one.relpath)
        except FileNotFoundError:
            done.append(one)  # its owner was faster
        except OSError as error:
            failed.append((one, error))
        else:
            done.append(one)
    return done, failed


def _why(error: OSError) -> str:
    if isinstance(error, FileInUse):
        return "another program has it open"
    return error.strerror or "the disk refuses it"
