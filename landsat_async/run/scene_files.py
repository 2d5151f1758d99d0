"""Reading what a scene's files tell of themselves: the metadata file, the heads of GeoTIFFs, the members of bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from landsat_async.disk.fs import READ, Fs
from landsat_async.disk.ledger_catalog import FileHere, SceneHere
from landsat_async.proof.byte_view import ByteView, Damage, Read
from landsat_async.proof.tar import walk_tar
from landsat_async.stac.assets import LocalFile
from landsat_async.stac.mtl import MTL_BYTES_MAX, Mtl, UnreadableMtl, read_mtl
from landsat_async.stac.pixel_grid import TIFF_HEAD_BYTES, Raster, raster_of_tiff

_MTL_ENDINGS = ("_MTL.txt", "_MTL.json", "_MTL.xml")
_TIFF_ENDINGS = (".tif", ".tiff")


class SceneReader:
    """Reads the files of one output folder; blocks, for threads."""

    def __init__(self, fs: Fs, root: str) -> None:
        self._fs, self._root = fs, root

    def read(self, scene: SceneHere) -> tuple[list[LocalFile], Mtl | None]:
        """Return the files of a scene that are here, members of bundles among them, and its metadata file.

        A member of a bundle that also lies beside it is left out.
        """
        found: list[LocalFile] = []
        inside: list[LocalFile] = []
        documents: dict[str, Callable[[], bytes]] = {}
        for file in scene.files:
            path = self._fs.join(self._root, file.relpath)
            with self._open(path) as opened:
                if opened is None:
                    continue  # somebody has taken it away
                size_bytes, read = opened
                found.append(_local(file, read))
                if file.name.endswith(_MTL_ENDINGS) and size_bytes <= MTL_BYTES_MAX:
                    documents[file.name] = partial(self._bytes_of, path, 0, size_bytes)
                elif file.name.endswith(".tar"):
                    inside += self._members(path, size_bytes, read, documents)
        names = {file.name for file in found}
        files = [*found, *(file for file in inside if file.name not in names)]
        return files, self._mtl(scene.display_id, documents)

    def _members(
        self, path: str, size_bytes: int, read: Read, documents: dict[str, Callable[[], bytes]]
    ) -> list[LocalFile]:
        """Return the members of a bundle; GDAL opens them where they are."""
        try:
            members = walk_tar(ByteView(read, 0, size_bytes, lambda: False))
        except Damage:
            return []
        files = []
        for member in members:
            name = member.name.rpartition("/")[2]
            head = read(TIFF_HEAD_BYTES, member.offset)[: member.size] if name.lower().endswith(_TIFF_ENDINGS) else b""
            inside = f"/vsitar/{path.replace(chr(92), '/')}/{member.name}"
            files.append(LocalFile(name, inside, member.size, None, raster_of_tiff(head) if head else None))
            if name.endswith(_MTL_ENDINGS) and member.size <= MTL_BYTES_MAX:
                documents.setdefault(name, partial(self._bytes_of, path, member.offset, member.size))
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

    def _bytes_of(self, path: str, offset: int, size: int) -> bytes:
        with self._open(path) as opened:
            return b"" if opened is None else opened[1](size, offset)

    @contextmanager
    def _open(self, path: str) -> Iterator[tuple[int, Read] | None]:
        """Open a file: its size and a reader; None where it is not there."""
        fs = self._fs
        try:
            fd = fs.open(path, READ)
        except OSError:
            yield None
            return
        try:
            yield fs.fstat(fd).st_size, partial(fs.pread, fd)
        finally:
            fs.close(fd)


def _local(file: FileHere, read: Read) -> LocalFile:
    raster: Raster | None = None
    if file.name.lower().endswith(_TIFF_ENDINGS):
        raster = raster_of_tiff(read(TIFF_HEAD_BYTES, 0))
    return LocalFile(file.name, file.relpath, file.size_bytes, file.sha256, raster)
