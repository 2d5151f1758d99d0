"""A part has one writer, whatever locks say."""

from __future__ import annotations

import hashlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.fs import local_fs
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.io_threads import DiskPool, Threads
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.lock import FolderLock
from landsat_async.disk.open_part import open_part
from landsat_async.errors import FolderBusy

pytestmark = pytest.mark.faults("J03")
DATA = os.urandom(300_000)


@asynccontextmanager
async def opened(path, facts=None, **how):
    with DiskPool(2) as pool:
        part, believed = await open_part(str(path), facts, fs=PosixFs(), threads=Threads(pool, 1.0), **how)
        try:
            yield part, believed
        finally:
            await part.close()


def facts(size: int) -> Checkpoint:
    return Checkpoint(size, hashlib.sha256(DATA[:size]).hexdigest())


async def test_J03_who_still_has_the_part_open_cannot_touch_what_the_next_one_makes_of_it(tmp_path):
    (tmp_path / "7.1.part").write_bytes(DATA)
    stale = os.open(tmp_path / "7.1.part", os.O_RDWR)
    async with opened(tmp_path / "7.2.part", facts(200_000), was=("7.1.part",)) as (part, believed):
        assert (believed, part.length) == (True, 200_000)
        os.pwrite(stale, b"\xff" * 1000, 50_000)
        os.ftruncate(stale, 100)
        await part.write(memoryview(DATA)[200_000:])
        await part.sync()
    os.close(stale)
    assert sorted(os.listdir(tmp_path)) == ["7.2.part"]
    assert (tmp_path / "7.2.part").read_bytes() == DATA


async def test_J03_a_part_that_nobody_else_has_open_is_gone_on_with_without_a_copy(tmp_path):
    (tmp_path / "7.1.part").write_bytes(DATA)
    before = (tmp_path / "7.1.part").stat().st_ino
    async with opened(tmp_path / "7.2.part", facts(200_000), was=("7.1.part",)) as (_, believed):
        assert believed
    assert (tmp_path / "7.2.part").stat().st_ino == before
    assert (tmp_path / "7.2.part").stat().st_size == 200_000


async def test_J03_a_part_that_has_a_final_name_already_is_never_cut(tmp_path):
    (tmp_path / "7.1.part").write_bytes(DATA)
    os.link(tmp_path / "7.1.part", tmp_path / "final.TIF")
    async with opened(tmp_path / "7.2.part", facts(1000), was=("7.1.part",)) as (_, believed):
        assert believed
    async with opened(tmp_path / "7.3.part", Checkpoint(1000, "00"), was=("7.2.part",)) as (part, believed):
        assert not believed
        await part.cut()
    async with opened(tmp_path / "7.4.part", was=("7.3.part",)) as (part, _):
        await part.write(memoryview(b"another"))
        assert sorted(os.listdir(tmp_path)) == ["7.4.part", "final.TIF"]
    assert (tmp_path / "final.TIF").read_bytes() == DATA


async def test_J03_the_part_is_found_under_the_name_that_a_killed_run_gave_it(tmp_path):
    (tmp_path / "7.5.part").write_bytes(DATA)
    async with opened(tmp_path / "7.6.part", facts(200_000), was=("7.2.part", "7.5.part")) as (_, believed):
        assert believed


def test_J03_looking_whether_a_file_is_ours_alone_survives_somebody_who_opens_it(tmp_path):
    """A lease that is broken sends a signal, and the usual one would end the process."""
    path = tmp_path / "part"
    path.write_bytes(DATA)
    assert signal.getsignal(signal.SIGURG) in (signal.SIG_DFL, signal.SIG_IGN)
    fd = os.open(path, os.O_RDWR)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(lambda: [os.close(os.open(path, os.O_RDWR)) for _ in range(3000)])
        answers = {PosixFs().is_ours_alone(fd) for _ in range(3000)}
        opening.result()
    assert PosixFs().is_ours_alone(fd)
    os.close(fd)
    assert True in answers


async def test_J03_the_later_run_decides_alone(tmp_path):
    first, second = await Ledger.open(tmp_path / "ledger"), await Ledger.open(tmp_path / "ledger")
    await first.begin_run("a", 1.0)
    await first.count("a")
    await second.begin_run("b", 2.0)
    for call in (first.count("a"), first.files.drop_part(1)):
        with pytest.raises(FolderBusy, match="Another run"):
            await call
    await second.count("b")
    await first.end_run("a", 3.0, 8)  # how it ended may still be written down
    await first.aclose()
    await second.aclose()


@pytest.mark.faults("J01", "J06")
def test_J01_J06_the_second_lock_of_a_process_is_refused_at_once(tmp_path):
    lock = FolderLock(tmp_path, local_fs())
    with pytest.raises(FolderBusy):
        FolderLock(tmp_path, local_fs())
    lock.release()
    lock.release()
    FolderLock(tmp_path, local_fs()).release()
