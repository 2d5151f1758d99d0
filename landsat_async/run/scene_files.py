"""Reading what a scene's files tell of themselves: the metadata file, the heads of GeoTIFFs, the members of bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial

from landsat_async.disk.at_once import at_once
from landsat_async.disk.inspect import OpenFile
from landsat_async.disk.ledger_catalog import FileHere, SceneHere
from landsat_async.disk.target import Target
from landsat_async.proof.byte_view import ByteView, Damage, Read
from landsat_async.proof.tar import walk_tar
from landsat_async.stac.assets import LocalFile
from landsat_async.stac.mtl import MTL_BYTES_MAX, Mtl, UnreadableMtl, read_mtl
from landsat_async.stac.pixel_grid import TIFF_HEAD_BYTES, Raster, raster_of_tiff

SCENES_AT_ONCE = 16
"""So many scenes are read at once where each read is a request."""
_MTL_ENDINGS = ("_MTL.txt", "_MTL.json", "_MTL.xml")
_TIFF_ENDINGS = (".tif", ".tiff")


class SceneReader:
    """Reads the files of one target; blocks, for threads, also for several at once."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def read(self, scene: SceneHere) -> tuple[list[LocalFile], Mtl | None]:
        """Return the files of a scene that are here, members of bundles among them, and its metadata file.

        A member of a bundle that also lies beside it is left out.
        """
        found: list[LocalFile] = []
        inside: list[LocalFile] = []
        documents: dict[str, Callable[[], bytes]] = {}
        for file in scene.files:
            with ExitStack() as stack:
                try:
                    opened = stack.enter_context(self._target.peek(file.relpath))
                except OSError:
                    continue
                try:
                    local = _local(file, opened.read)
                    if file.name.endswith(".tar"):
                        inside += self._members(file.relpath, opened, documents)
                except FileNotFoundError:  # of a store: somebody has just taken it away
                    continue
                found.append(local)
                if file.name.endswith(_MTL_ENDINGS) and opened.size_bytes <= MTL_BYTES_MAX:
                    documents[file.name] = partial(self._bytes_of, file.relpath, 0, opened.size_bytes)
        names = {file.name for file in found}
        files = [*found, *(file for file in inside if file.name not in names)]
        return files, self._mtl(scene.display_id, documents)

    def _members(self, relpath: str, opened: OpenFile, documents: dict[str, Callable[[], bytes]]) -> list[LocalFile]:
        """Return the members of a bundle; GDAL opens them where they are."""
        read = opened.read
        try:
            members = walk_tar(ByteView(read, 0, opened.size_bytes, lambda: False))
        except Damage:
            return []
        files, path = [], self._target.gdal_path(relpath)
        for member in members:
            name = member.name.rpartition("/")[2]
            head = read(TIFF_HEAD_BYTES, member.offset)[: member.size] if name.lower().endswith(_TIFF_ENDINGS) else b""
            inside = f"/vsitar/{path}/{member.name}"
            files.append(LocalFile(name, inside, member.size, None, raster_of_tiff(head) if head else None))
            if name.endswith(_MTL_ENDINGS) and member.size <= MTL_BYTES_MAX:
                documents.setdefault(name, partial(self._bytes_of, relpath, member.offset, member.size))
        return files

    def _mtl(self, display_id: str, documents: dict[str, Callable[[], bytes]]) -> Mtl | None:
        """Return the first metadata file that can be read and is this product's."""
        for ending in _MTL_ENDINGS:
            name = f"{display_id}{ending}"
            if name in documents:
                try:
                    mtl = read_mtl(documents[name](), name)
                except (UnreadableMtl, OSError):
                    continue
                if mtl.product_id == display_id:
                    return mtl
        return None

    def _bytes_of(self, relpath: str, offset: int, size: int) -> bytes:
        with self._target.peek(relpath) as opened:
            return opened.read(size, offset)


def read_scenes(
    target: Target, scenes: Iterable[SceneHere], stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[SceneHere, tuple[list[LocalFile], Mtl | None]]]:
    """Yield the scenes in their order with what their files tell; of a far target several are read at once.

    Raises Stopped when `stop` says so while a far target is waited for.
    """
    reader = SceneReader(target)
    if not target.is_far:
        yield from ((scene, reader.read(scene)) for scene in scenes)
        return
    yield from at_once(reader.read, scenes, SCENES_AT_ONCE, stop)


def _local(file: FileHere, read: Read) -> LocalFile:
    raster: Raster | None = None
    if file.name.lower().endswith(_TIFF_ENDINGS):
        raster = raster_of_tiff(read(TIFF_HEAD_BYTES, 0))
    return LocalFile(file.name, file.relpath, file.size_bytes, file.sha256, raster)
