"""From a complete part to a window under its final name, in one call of a thread.

The part holds the ranges that the window takes, or the whole file, which is proven then as if it were wanted itself.
The window is written beside the part, synced, read again and proven, and named as any file is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from landsat_async.disk.part import WINDOW_SUFFIX, HashedFile, discard_part, new_window_file
from landsat_async.disk.target import Committed
from landsat_async.model import Proof, WindowRecord
from landsat_async.proof.byte_view import stoppable
from landsat_async.proof.prove import Damaged, Proved
from landsat_async.raster.cog import CogLayout
from landsat_async.raster.grid import BrokenRaster, UnsupportedRaster
from landsat_async.raster.range_plan import window_on
from landsat_async.raster.window import FillOnly, Origin, RasterWindow, Read, WindowMode, cut, layout_of
from landsat_async.rules.naming import NO_DATA, OUTSIDE, fill_of
from landsat_async.transfer.commit import CommittedWindow, EmptyWindow, NotCut, WindowResult, is_to_end
from landsat_async.transfer.types import WantedMember
from landsat_async.transfer.window_fetch import followed_plan

if TYPE_CHECKING:
    from landsat_async.raster.spec import WindowSpec
    from landsat_async.transfer.transfer import Transfer


_READ_BYTES = 1024 * 1024
"""Ranges up to this are read in one call."""
_WRITE_BYTES = 256 * 1024
_MOMENTS_BYTES = 1024 * 1024
"""Windows up to this are proven and named within moments, see `disk.fs`."""


@dataclass(frozen=True, slots=True)
class CutOut:
    """What the window is cut from."""

    layout: CogLayout
    window: RasterWindow
    read: Read
    """Reads the file that it is cut from."""
    whole_proof: Proof | None
    """Of that file; None where only ranges of it are here."""


@dataclass(slots=True)
class WindowPart:
    """The window beside the part that it is cut from, see `disk.target.CompletePart`."""

    path: str
    file: HashedFile

    @property
    def fd(self) -> int:
        """Descriptor of its file."""
        return self.file.fd

    @property
    def length(self) -> int:
        """Bytes of the file."""
        return self.file.length

    @property
    def sha256(self) -> str:
        """Hex digest of these bytes."""
        return self.file.digest.hexdigest()

    def shut(self) -> None:
        """Close the file."""
        self.file.shut()


def cut_window(transfer: Transfer, whole: Proved | None) -> WindowResult:
    """Cut the window out of the complete part and give it its final name; for threads.

    Args:
        transfer: Whose part.
        whole: How the file was proven that the part holds; None when it holds ranges.

    Raises:
        OSError: the disk failed.
        Stopped: the transfer was cancelled meanwhile.
    """
    try:
        source = _ranges_source(transfer) if whole is None else _whole_source(transfer, whole.proof)
    except BrokenRaster as broken:
        return Damaged(str(broken))
    except UnsupportedRaster as unsupported:
        return NotCut(str(unsupported))
    job = transfer.job
    result = cut_from(transfer, WantedMember(job.name, job.relpath, job.window), source)
    if isinstance(result, CommittedWindow | EmptyWindow):
        transfer.part.shut()  # here, which spares a trip to a thread
    return result


def cut_from(transfer: Transfer, wanted: WantedMember, source: CutOut) -> WindowResult:
    """Cut one window and give it its final name; for threads. Raises as `cut_window` does."""
    record = _record_of(transfer, wanted, source)
    fs, path = transfer.session.target.fs, transfer.part.path + WINDOW_SUFFIX
    with fs.together():
        part = WindowPart(path, new_window_file(fs, transfer.part.path, transfer.job.policy.min_free_bytes))
    try:
        for block in joined(_blocks(wanted, source)):
            part.file.write(block)
        with fs.together() if part.length <= _MOMENTS_BYTES else nullcontext():
            return _named(transfer, wanted, part, record)
    except BrokenRaster as broken:
        return Damaged(str(broken))
    except FillOnly:
        return EmptyWindow(OUTSIDE if source.window.tiles is None else NO_DATA, record)
    finally:
        part.shut()
        with fs.together():
            discard_part(fs, path)


def joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield short blocks joined: each write gives Python's lock up, and may be slow to get it back."""
    held: list[bytes] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size >= _WRITE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _ranges_source(transfer: Transfer) -> CutOut:
    part = transfer.part
    stop = partial(is_to_end, transfer)
    read = stoppable(part.read, stop)
    plan = followed_plan(transfer, read)
    if part.length <= _READ_BYTES:
        whole = read(part.length, 0)
        read = stoppable(lambda size, at: whole[at : at + size], stop)
    if plan.layout is None or plan.window is None or plan.wanted() is not None:
        raise BrokenRaster("not all ranges of its window are here")
    return CutOut(plan.layout, plan.window, plan.reader(read), None)


def _whole_source(transfer: Transfer, proof: Proof) -> CutOut:
    spec = transfer.job.window
    assert spec is not None
    read = stoppable(transfer.part.read, partial(is_to_end, transfer))
    return source_of_file(read, transfer.part.length, spec, proof)


def source_of_file(read: Read, size_bytes: int, spec: WindowSpec, proof: Proof) -> CutOut:
    """Return what a window of a file is cut from that is here whole.

    Raises:
        BrokenRaster, UnsupportedRaster: see `raster.cog` and `raster.window`.
    """
    layout = layout_of(read, size_bytes)
    if spec.mode is WindowMode.TILES and not layout.has_sums:
        raise UnsupportedRaster(
            'its tiles are not compressed, and have no checksums; window = "pixels" packs them anew'
        )
    return CutOut(layout, window_on(layout, spec.ground, spec.mode), read, proof)


def _record_of(transfer: Transfer, wanted: WantedMember, source: CutOut) -> WindowRecord:
    facts, box = transfer.part.facts, source.window.box
    by_ranges = "ranges, weakly tied" if facts.joined_weakly else "ranges"
    return WindowRecord(
        source=wanted.name,
        source_bytes=source.layout.total,
        validator=facts.etag or facts.last_modified or "",
        transport=by_ranges if source.whole_proof is None else "whole",
        whole_proof="" if source.whole_proof is None else source.whole_proof.value,
        tiles=0 if source.window.tiles is None else source.window.tiles.count,
        box=(box.column, box.row, box.width, box.height),
    )


def _blocks(wanted: WantedMember, source: CutOut) -> Iterator[bytes]:
    assert wanted.window is not None
    origin = Origin(wanted.name, source.layout.total, wanted.window.key)
    return cut(source.layout, source.window, source.read, origin, fill=fill_of(wanted.name))


def _named(transfer: Transfer, wanted: WantedMember, part: WindowPart, record: WindowRecord) -> WindowResult:
    job, session = transfer.job, transfer.session

    def read(size: int, at: int) -> bytes:
        return session.target.fs.pread(part.fd, size, at)

    def prove() -> Proved | Damaged:
        name = wanted.relpath.rpartition("/")[2]
        stop = partial(is_to_end, transfer)
        return session.prove(read, part.length, name, level=Proof.WINDOW, published=None, stop=stop)

    overwrite = job.policy.overwrite
    result = session.target.commit(part, wanted.relpath, prove=prove, needed=Proof.WINDOW, overwrite=overwrite)
    if isinstance(result, Proved):
        return Damaged("the window that was cut cannot be verified")
    return CommittedWindow(result, part.length, part.sha256, record) if isinstance(result, Committed) else result
