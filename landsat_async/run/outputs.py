"""What is made of proven files after a run: STAC items and catalogue, VRTs, a table of scenes. Offline, in a thread.

Each file is written whole before it gets its name, and in the order of what names what: items before their collection,
collections before the catalogue, and what is no longer there is removed last, each durable before the next. So whenever
this is killed, or the power fails, every document is valid and names only what is there. What has not changed is not
written again; where no file has changed since the last time, nothing is even read.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec

from landsat_async.config_tables import OutputConfig
from landsat_async.disk.at_once import at_once
from landsat_async.disk.folder import STATE_FOLDER
from landsat_async.disk.ledger_catalog import SceneHere, scenes_here
from landsat_async.disk.output_files import NotOurs, is_spare
from landsat_async.disk.target import Target
from landsat_async.errors import DiskFull, FolderUnwritable, LandsatError, is_disk_full, resources_lacking, single_error
from landsat_async.model import Unavailable
from landsat_async.proof.byte_view import Stopped
from landsat_async.rules.product_id import parse_product_id
from landsat_async.run.items_file import write_items
from landsat_async.run.scene_files import SCENES_AT_ONCE, read_scenes
from landsat_async.run.table_files import TableFile, check_parquet, open_table
from landsat_async.stac.assets import LocalFile, asset_of
from landsat_async.stac.collection import COLLECTION_IDS, CollectionBuilder, catalog_of
from landsat_async.stac.item import SceneFacts, Versions, item_of
from landsat_async.stac.item_columns import ITEMS_TABLE, ColumnType, row_of_item
from landsat_async.stac.items_there import files_of_item, read_item
from landsat_async.stac.mtl import Mtl
from landsat_async.stac.ours import is_ours
from landsat_async.stac.scene_table import row_of
from landsat_async.stac.vrt import MARK, vrts_of

MARKER = "outputs"
"""Name of the note, in the folder of state below the target, of what the outputs were made from."""
_NOTE = f"{STATE_FOLDER}/{MARKER}"
_FORMAT = "3"
_ITEM_BYTES = 4 * 2**20
_RASTERS = (".tif", ".tiff", ".tar")
_IN_THE_WAY = "something that landsat_async has not made stands in its place; it was kept"
_MOVE_IT = "Move it away and run the same command again."


@dataclass
class OutputsMade:
    """What came of it."""

    scenes: int = 0
    changed: int = 0
    """Documents that were written because they are new or other than before."""
    without_metadata: int = 0
    """Scenes whose metadata file is not here: their items say less."""
    unchanged: bool = False
    """Nothing has changed since the last time."""
    refused: list[Unavailable] = field(default_factory=list)


def check_outputs(wanted: OutputConfig) -> None:
    """Raise ConfigError for what could not be made at the end, before anything is asked for."""
    if wanted.table == "parquet":
        check_parquet()


async def write_outputs(
    target: Target, wanted: OutputConfig, *, anew: bool = False, digest: str | None = None
) -> OutputsMade:
    """Make what is `wanted` of the files that are here; `anew`, also where nothing has changed.

    `digest` stands for the files that the ledger knows, where somebody has asked it already (`digest_of_files`).

    Raises:
        LedgerError: the ledger cannot be read.
        LandsatError: the target cannot be read or written to.
    """
    stopping = False

    async def stop_when_cancelled() -> None:
        nonlocal stopping
        try:
            await anyio.sleep_forever()
        finally:
            stopping = True

    writer = _Writer(target, wanted, lambda: stopping)
    written = OutputsMade()
    with single_error():
        async with anyio.create_task_group() as group:
            group.start_soon(stop_when_cancelled)
            with suppress(Stopped):  # the thread is waited for: nobody may give the folder away before it has ended
                written = await anyio.to_thread.run_sync(_in_words, writer, anew, digest)
            group.cancel_scope.cancel()
    await anyio.lowlevel.checkpoint()  # a stop that has come meanwhile counts now
    return written


def _in_words(writer: _Writer, anew: bool, digest: str | None) -> OutputsMade:
    """Have it done, with errors of ours for what the disk refuses."""
    try:
        return writer.write(anew, digest)
    except LandsatError:
        if writer.stop():  # who waited for a store was told to wait no longer
            raise Stopped from None
        raise
    except OSError as error:
        if is_disk_full(error):
            hint = "Free some space and run the same command again; the files themselves are safe."
            raise DiskFull("The disk is full: STAC items and tables could not be written.", hint=hint) from None
        if (lacking := resources_lacking(error)) is not None:
            raise lacking from None
        raise FolderUnwritable(
            f"{_named(error.filename or '')} could not be written: {error.strerror}.",
            hint="The files themselves are safe. Mend that and run `stac` with the same config.",
        ) from None


def _named(path: str) -> str:
    """Return what a person calls a file that could not be written; one that has no name yet by the folder it is in."""
    folder, name = os.path.split(path)
    if is_spare(name):
        return f"STAC items and tables in {folder}"
    return path or "STAC items and tables"


class _Writer:
    """Makes all outputs of one target, once."""

    def __init__(self, target: Target, wanted: OutputConfig, stop: Callable[[], bool]) -> None:
        self._target, self._wanted, self.stop = target, wanted, stop
        self._files = target.outputs(is_ours, stop)
        self._collections: dict[str, CollectionBuilder] = {}
        self._columns: dict[str, ColumnType] = {}
        """Of the table of items, by collection."""
        self._items_table = ITEMS_TABLE if wanted.stac and wanted.table == "parquet" else ""
        self._written = OutputsMade()
        self._vrts: set[str] = set()
        self._own: set[str] = set()
        """Display ids of the scenes that this machine knows."""

    def write(self, anew: bool, digest: str | None = None) -> OutputsMade:
        """Make them; `digest` is that of the ledger's files where it is known. Raises Stopped."""
        if digest is not None and not anew and self._is_current(self._mark(digest)):
            return OutputsMade(unchanged=True)
        try:
            return self._write(anew)
        finally:
            self._files.abandon()

    def _write(self, anew: bool) -> OutputsMade:
        with scenes_here(self._target.folder.ledger) as scenes:
            mark = self._mark(scenes.digest())
            if not anew and self._is_current(mark):
                return OutputsMade(unchanged=True)
            self._files.sweep()
            if self._target.is_far:  # the note may be that of another machine, whose outputs we change now
                self._files.remove(_NOTE)
                self._files.sync()
            self._own.update(ids := scenes.ids())
            versions = versions_of(ids)
            with ExitStack() as stack:
                table = self._table(stack)
                for scene, (files, mtl) in read_scenes(self._target, scenes, self.stop):
                    if self.stop():
                        raise Stopped
                    if files:
                        self._scene(scene, files, mtl, versions.get(scene.display_id, Versions()), table)
            folders = scenes.folders() if self._wanted.vrt else set[str]()
        if self._wanted.stac:
            self._catalogue()
        self._files.sync()
        for folder in folders:
            self._remove_old_vrts(folder)
        self._files.sync()  # before the note: it says that there is nothing to be done
        self._written.changed += self._files.changed
        self._written.refused += [Unavailable(one, _IN_THE_WAY, _MOVE_IT) for one in self._files.refused]
        if not self._written.refused:
            self._files.put(_NOTE, mark.encode())
            self._files.name_all()
        return self._written

    def _mark(self, digest: str) -> str:
        """Return what stands for everything that the outputs are made from."""
        wanted = msgspec.json.encode(self._wanted).decode()
        return f"{MARK} {_FORMAT} {wanted} {self._target.gdal_path(_NOTE)} {digest}\n"

    def _is_current(self, mark: str) -> bool:
        if self._files.read(_NOTE, len(mark.encode()) + 1) != mark.encode():
            return False
        made = [name for name, on in (("stac/catalog.json", self._wanted.stac),) if on]
        made += [f"scenes.{self._wanted.table}"] if self._wanted.table else []
        if self._items_table:
            made += [f"stac/{name}/{ITEMS_TABLE}" for name in self._collections_there()]
        return all(map(self._files.is_there, made))

    def _table(self, stack: ExitStack) -> TableFile | None:
        if not self._wanted.table:
            return None
        try:
            return stack.enter_context(open_table(self._files, self._wanted.table))
        except NotOurs as error:
            self._files.refused.append(error.relpath)
            return None

    def _scene(
        self, scene: SceneHere, files: list[LocalFile], mtl: Mtl | None, versions: Versions, table: TableFile | None
    ) -> None:
        self._written.scenes += 1
        self._written.without_metadata += mtl is None
        facts = SceneFacts(
            scene.display_id, scene.entity_id, scene.dataset, scene.acquired, scene.cloud_cover, scene.footprint,
            max(file.done for file in scene.files),
        )  # fmt: skip
        assets = [asset_of(scene.display_id, file, mtl) for file in files]
        item = item_of(facts, mtl, assets, versions)
        if self._wanted.stac:
            self._document(f"stac/{self._add(item)}/{scene.display_id}.json", item)
        if self._wanted.vrt:
            below = scene.files[0].relpath.rpartition("/")[0]
            for name, text in vrts_of(scene.display_id, below, assets).items():
                relpath = f"{below}/{name}" if below else name
                self._vrts.add(relpath)
                self._files.put(relpath, text.encode())
        if table is not None:
            row = row_of(facts, item, [file.size_bytes for file in scene.files], versions.newer)
            table.add(row, item["geometry"])

    def _add(self, item: Mapping[str, Any]) -> str:
        """Take an item into its collection; returns the id of that."""
        collection = self._collections.setdefault(item["collection"], CollectionBuilder(item["collection"]))
        if self._items_table:
            self._columns.setdefault(collection.id, ColumnType()).learn(row_of_item(item))
        collection.add(item)
        return collection.id

    def _catalogue(self) -> None:
        """Write collections and catalogue, then remove items of scenes that are gone; each durable before the next."""
        if self._target.is_far:
            self._join_others()
        self._files.sync()
        table = self._items_table
        for collection in self._collections.values():
            document = collection.document(table)
            if table:
                self._table_of_items(collection, document)
            self._document(f"stac/{collection.id}/collection.json", document)
        self._files.sync()
        self._document("stac/catalog.json", catalog_of(self._collections))
        self._files.sync()
        for name in self._collections_there():
            here = self._collections[name].hrefs | {"collection.json", table} if name in self._collections else set()
            for file in self._files.names(f"stac/{name}"):
                if file not in here and (file.endswith(".json") or file == ITEMS_TABLE):
                    self._files.remove(f"stac/{name}/{file}")

    def _join_others(self) -> None:
        """Take in what other machines have made of files that are there: below one prefix stands one catalogue."""
        for path, data in at_once(self._read_item, self._items_of_others(), SCENES_AT_ONCE, self.stop):
            _, collection, name = path.split("/")
            if (item := read_item(data or b"", collection, name.removesuffix(".json"))) is None:
                continue
            files = files_of_item(item, f"stac/{collection}", self._target.gdal_path(""))
            if files is not None and all(map(self._files.is_there, files)):
                with suppress(TypeError):  # of another version of ours: one table cannot hold both
                    self._add(item)
                    self._written.scenes += 1

    def _items_of_others(self) -> list[str]:
        known = {f"{display_id}.json" for display_id in self._own} | {"collection.json"}
        below = {name: self._files.names(f"stac/{name}") for name in self._collections_there()}
        paths = [(name, one) for name, files in below.items() for one in files if one not in known]
        return [f"stac/{name}/{one}" for name, one in paths if one.endswith(".json")]

    def _collections_there(self) -> list[str]:
        """Return the folders beside the catalogue that can be of ours; others are of other tools, and are let alone."""
        return [name for name in self._files.names("stac") if name in COLLECTION_IDS]

    def _read_item(self, relpath: str) -> bytes | None:
        return self._files.read(relpath, _ITEM_BYTES)

    def _table_of_items(self, collection: CollectionBuilder, document: Mapping[str, Any]) -> None:
        """Write the items of a collection as one table, from the documents that have their names by now."""
        relpath = f"stac/{collection.id}/{ITEMS_TABLE}"
        try:
            write_items(self._files, relpath, self._items(collection), self._columns[collection.id], document)
        except NotOurs as error:
            self._files.refused.append(error.relpath)

    def _items(self, collection: CollectionBuilder) -> Iterator[Mapping[str, Any]]:
        refused = set(self._files.refused)
        for name in sorted(collection.hrefs):
            if self.stop():
                raise Stopped
            relpath = f"stac/{collection.id}/{name}"
            if relpath not in refused and (data := self._read_item(relpath)) is not None:
                yield msgspec.json.decode(data)

    def _remove_old_vrts(self, folder: str) -> None:
        """Remove VRTs of ours whose scene is not here any more: deleted, or put away for a newer version."""
        names = self._files.names(folder)
        for name in names:
            relpath = f"{folder}/{name}" if folder else name
            display_id = name.partition(".")[0]
            is_of_scene = name.endswith(".vrt") and parse_product_id(display_id) is not None
            if is_of_scene and relpath not in self._vrts and not self._is_of_others(display_id, names):
                self._files.remove(relpath)

    def _is_of_others(self, display_id: str, names: Sequence[str]) -> bool:
        """Tell whether rasters of a scene that another machine has fetched are among sorted names."""
        if not self._target.is_far or display_id in self._own:
            return False
        at = bisect_left(names, display_id)
        while at < len(names) and names[at].startswith(display_id):
            if names[at].lower().endswith(_RASTERS):
                return True
            at += 1
        return False

    def _document(self, relpath: str, document: object) -> None:
        self._files.put(relpath, msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def versions_of(display_ids: list[str]) -> dict[str, Versions]:
    """Return the older and newer versions of those scenes of which several are here."""
    by_scene: dict[tuple[object, ...], list[tuple[object, str]]] = {}
    for display_id in display_ids:
        product = parse_product_id(display_id)
        if product is not None:
            by_scene.setdefault(product.version_key, []).append((product.processed, display_id))
    found: dict[str, Versions] = {}
    for several in by_scene.values():
        ids = [display_id for _, display_id in sorted(several, key=str)]
        for at, display_id in enumerate(ids):
            if len(ids) > 1:
                older = ids[at - 1] if at else None
                newer = ids[at + 1] if at + 1 < len(ids) else None
                found[display_id] = Versions(older, newer, ids[-1])
    return found
