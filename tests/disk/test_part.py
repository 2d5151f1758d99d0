"""A part is what its last checkpoint says, and nothing else."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import threading
from contextlib import asynccontextmanager

import anyio
import pytest

from landsat_async.disk import win32
from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.disk.io_threads import DiskPool, Threads
from landsat_async.disk.open_part import open_part
from landsat_async.disk.part import HashedFile, NoRoom
from tests.support.windows_like import Disk, LikeWin32

DATA = random.Random(1).randbytes(3_000_000)


def facts(data: bytes) -> Checkpoint:
    return Checkpoint(len(data), hashlib.sha256(data).hexdigest(), 10**7, '"v"')


@asynccontextmanager
async def opened(path, known=None, fs=None, **how):
    with DiskPool(2) as pool:
        part, believed = await open_part(str(path), known, fs=fs or PosixFs(), threads=Threads(pool, 0.2), **how)
        try:
            yield part, believed
        finally:
            await part.close()


async def test_a_new_part_is_made_with_its_first_write_private_and_alone_in_its_folder(tmp_path):
    async with opened(tmp_path / "parts" / "1.part") as (part, believed):
        assert believed
        assert (part.now, part.facts) == (Checkpoint(), Checkpoint())
        assert repr(part) == "<PartFile 1.part 0 of None>"
        await part.cut()
        await part.digest_of(0)
        assert os.listdir(tmp_path) == []
        await part.write(memoryview(b"x"))
        assert os.fstat(part.fd).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "parts") == ["1.part"]
    assert (tmp_path / "parts").stat().st_mode & 0o777 == 0o700


async def test_a_part_that_is_closed_keeps_no_descriptor(tmp_path):
    async with opened(tmp_path / "1.part") as (part, _):
        await part.write(memoryview(b"x"))
        await part.close()
        others = os.open(tmp_path / "1.part", os.O_RDONLY)  # as a rule it gets the number that has become free
        with pytest.raises(OSError):
            part.read(1, 0)
        with pytest.raises(OSError):
            await part.write(memoryview(b"y"))
        os.close(others)
    assert (tmp_path / "1.part").read_bytes() == b"x"


async def test_a_new_part_replaces_what_has_its_name_and_removes_earlier_ones(tmp_path):
    for name in ("1.1.part", "1.2.part"):
        (tmp_path / name).write_bytes(b"old")
    with open(tmp_path / "1.2.part", "rb") as old:
        async with opened(tmp_path / "1.2.part", was=("1.1.part", "1.0.part")) as (part, _):
            await part.write(memoryview(b"new"))
        assert old.read() == b"old"  # whoever has it open keeps it
    assert os.listdir(tmp_path) == ["1.2.part"]
    assert (tmp_path / "1.2.part").read_bytes() == b"new"


async def test_the_folder_above_the_parts_is_never_made(tmp_path):
    for known in (None, facts(DATA)):
        with pytest.raises(FileNotFoundError):
            async with opened(tmp_path / "gone" / "parts" / "1.part", known) as (part, _):
                await part.write(memoryview(b"x"))
    assert os.listdir(tmp_path) == []


async def test_what_is_written_is_counted_and_hashed(tmp_path):
    async with opened(tmp_path / "1.part") as (part, _):
        for at in range(0, len(DATA), 700_000):
            await part.write(memoryview(DATA[at : at + 700_000]))
        await part.sync()
        assert part.now == Checkpoint(len(DATA), hashlib.sha256(DATA).hexdigest())
        assert os.pread(part.fd, 10, 5) == DATA[5:15]
    assert (tmp_path / "1.part").read_bytes() == DATA


@pytest.mark.parametrize("needs", ["sync", "more", "compare", "nothing"])
async def test_what_is_gathered_is_on_disk_as_soon_as_the_disk_is_needed(tmp_path, needs):
    async with opened(tmp_path / "1.part") as (part, _):
        part.stay_in_memory()
        await part.write(memoryview(DATA[:1000]))
        await part.write(memoryview(DATA[1000:3000]))
        assert os.listdir(tmp_path) == []
        size = 3000
        match needs:
            case "sync":
                await part.sync()
            case "more":
                size = len(DATA)
                await part.write(memoryview(DATA[3000:]))
            case "compare":
                assert await part.same_until(memoryview(DATA[500:1500] + b"other"), 500) == 1000
        assert part.in_memory is (needs == "nothing")
        assert os.listdir(tmp_path) == ["1.part"] * (needs != "nothing")
        assert part.now == Checkpoint(size, hashlib.sha256(DATA[:size]).hexdigest())
        assert part.read(1000, 1500) == DATA[1500:2500]
        await part.write(memoryview(b"end"))
        assert part.read(9, size - 6) == (DATA[:size] + b"end")[-9:]
        await part.sync()
    assert (tmp_path / "1.part").read_bytes() == DATA[:size] + b"end"


@pytest.mark.parametrize("keep", [0, 700])
async def test_what_was_gathered_is_cut_in_memory_and_no_more_is_gathered_then(tmp_path, keep):
    async with opened(tmp_path / "1.part") as (part, _):
        part.stay_in_memory()
        await part.write(memoryview(DATA[:1000]))
        assert await part.digest_of(keep) == hashlib.sha256(DATA[:keep]).hexdigest()
        await part.cut()
        assert (part.length, os.listdir(tmp_path)) == (keep, [])
        await part.write(memoryview(b"anew"))
        assert part.sha256 == hashlib.sha256(DATA[:keep] + b"anew").hexdigest()
    assert (tmp_path / "1.part").read_bytes() == DATA[:keep] + b"anew"


async def test_a_part_of_others_and_one_with_earlier_names_are_written_at_once(tmp_path):
    (tmp_path / "1.part").touch()
    for how in ({"is_claim": True}, {"was": ("1.0.part",)}):
        async with opened(tmp_path / "1.part", **how) as (part, _):
            part.stay_in_memory()
            await part.write(memoryview(b"x"))
            assert not part.in_memory


async def test_gathered_bytes_that_find_no_room_are_not_lost_to_who_asks_again(tmp_path):
    fs = PosixFs()
    async with opened(tmp_path / "1.part", fs=fs, min_free_bytes=1) as (part, _):
        part.stay_in_memory()
        await part.write(memoryview(DATA[:1000]))
        fs.free_bytes = lambda fd: 500
        for _ in range(2):
            with pytest.raises(NoRoom):
                await part.sync()
            assert (part.length, part.read(10, 5)) == (1000, DATA[5:15])
        del fs.free_bytes
        await part.sync()
    assert (tmp_path / "1.part").read_bytes() == DATA[:1000]


async def test_a_part_goes_on_from_its_checkpoint_and_forgets_the_rest(tmp_path):
    (tmp_path / "1.part").write_bytes(DATA[:2_000_000] + b"never synced")
    known = facts(DATA[:2_000_000])
    async with opened(tmp_path / "1.part", known) as (part, believed):
        assert believed
        assert part.facts == known
        await part.write(memoryview(DATA[2_000_000:]))
        assert part.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "1.part").read_bytes() == DATA


@pytest.mark.faults("H09", "H10")
async def test_H09_H10_damage_anywhere_below_the_checkpoint_is_found(tmp_path):
    draw = random.Random(2)
    known = facts(DATA[:300_000])
    for _ in range(40):
        damaged = bytearray(DATA[:300_000])
        match draw.randrange(3):
            case 0:
                damaged[draw.randrange(300_000)] ^= 1 << draw.randrange(8)
            case 1:
                del damaged[draw.randrange(300_000) :]
            case 2:
                at = draw.randrange(299_000)
                damaged[at:] = bytes(300_000 - at)
        (tmp_path / "1.part").write_bytes(damaged)
        async with opened(tmp_path / "1.part", known) as (part, believed):
            assert not believed
            assert (part.length, part.facts) == (0, Checkpoint())
            assert (tmp_path / "1.part").read_bytes() == damaged  # the ledger is lowered before anything is cut
            await part.cut()
            assert (tmp_path / "1.part").read_bytes() == b""


async def test_equal_bytes_are_found_to_the_last_one(tmp_path):
    async with opened(tmp_path / "1.part") as (part, _):
        await part.write(memoryview(DATA[:100_000]))
        for at in (0, 1, 500, 49_999, 50_000, 89_999):
            other = bytearray(DATA[10_000:100_000])
            other[at] ^= 1
            assert await part.same_until(memoryview(other), 10_000) == at
        assert await part.same_until(memoryview(DATA[10_000:100_000]), 10_000) == 90_000
        assert await part.same_until(memoryview(DATA[90_000:110_000]), 90_000) == 10_000  # the part ends there


async def test_going_back_restores_the_digest(tmp_path):
    async with opened(tmp_path / "1.part") as (part, _):
        await part.write(memoryview(DATA))
        assert await part.digest_of(1_234_567) == hashlib.sha256(DATA[:1_234_567]).hexdigest()
        assert (tmp_path / "1.part").stat().st_size == len(DATA)
        await part.cut()
        assert (tmp_path / "1.part").stat().st_size == 1_234_567
        await part.write(memoryview(DATA[1_234_567:]))
        assert part.sha256 == hashlib.sha256(DATA).hexdigest()


@pytest.mark.faults("H01")
async def test_H01_a_write_that_fails_half_way_is_not_counted(tmp_path):
    class Full(PosixFs):
        def pwrite(self, fd, data, offset):
            if offset >= 100:
                raise OSError(errno.ENOSPC, "full")
            return super().pwrite(fd, data[:100], offset)

    async with opened(tmp_path / "1.part", fs=Full()) as (part, _):
        with pytest.raises(OSError, match="full"):
            await part.write(memoryview(DATA[:300]))
        assert part.now == Checkpoint()
        assert (tmp_path / "1.part").stat().st_size == 100


@pytest.mark.parametrize(
    ("free", "expected", "enough"), [(1099, 0, False), (1100, 0, True), (1100, 101, False), (1101, 101, True)]
)
def test_the_room_to_be_kept_is_kept_for_the_whole_rest_of_the_file(tmp_path, free, expected, enough):
    class Small(PosixFs):
        def free_bytes(self, fd):
            return free

    fs = Small()
    file = HashedFile(fs.open(str(tmp_path / "a"), os.O_RDWR | os.O_CREAT), fs, min_free_bytes=1000)
    file.expected = expected
    if enough:
        file.write(b"x" * 100)
    else:
        with pytest.raises(NoRoom):
            file.write(b"x" * 100)
    file.shut()
    file.shut()


@pytest.mark.faults("H03")
async def test_H03_after_a_failed_sync_no_other_is_believed(tmp_path):
    failures = [OSError(errno.EIO, "once")]

    def observer(operation, *_):
        if operation == "fsync" and failures:
            raise failures.pop()

    async with opened(tmp_path / "1.part", fs=PosixFs(observer)) as (part, _):
        await part.write(memoryview(DATA))
        with pytest.raises(OSError, match="once"):
            await part.sync()
        with pytest.raises(OSError, match="earlier sync"):
            await part.sync()


@pytest.mark.faults("H11")
async def test_H11_the_first_sync_makes_the_bytes_durable_and_then_the_name(tmp_path):
    calls = []
    async with opened(tmp_path / "1.part", fs=PosixFs(lambda operation, *_: calls.append(operation))) as (part, _):
        for _ in range(2):
            await part.write(memoryview(DATA))
            await part.sync()
    assert [call for call in calls if "sync" in call] == ["fsync", "fsync_dir", "fsync"]


@pytest.mark.faults("H17", "L02")
async def test_H17_a_cancelled_caller_waits_for_its_thread(tmp_path):
    begun, may_end = threading.Event(), threading.Event()

    class Slow(PosixFs):
        def pwrite(self, fd, data, offset):
            begun.set()
            may_end.wait(5)
            return super().pwrite(fd, data, offset)

    async with opened(tmp_path / "1.part", fs=Slow()) as (part, _), anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:

            async def cancel():
                while not begun.is_set():
                    await anyio.sleep(0.001)
                scope.cancel()
                await anyio.sleep(0.02)
                may_end.set()

            tasks.start_soon(cancel)
            await part.write(memoryview(DATA[:1000]))
            assert part.length == 1000
            await anyio.sleep(0)
        assert scope.cancelled_caught
        assert not part.threads.lost


@pytest.mark.faults("H16", "L02")
async def test_H16_a_lost_thread_is_left_its_descriptor(tmp_path):
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def hang():
        begun.set()
        may_end.wait(20)
        ended.set()

    with DiskPool(2) as pool:
        threads = Threads(pool, 0.05)
        part, _ = await open_part(str(tmp_path / "1.part"), None, fs=PosixFs(), threads=threads)
        await part.write(memoryview(b"x"))
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(threads.run, hang)
                while not begun.is_set():
                    await anyio.sleep(0.001)
                scope.cancel()
                threads.cancel_soon()
        assert part.threads.lost
        assert not ended.is_set()
        await part.close()
        os.fstat(part.fd)  # still open
        may_end.set()
        assert ended.wait(5)
        os.close(part.fd)


@pytest.mark.faults("L31", "L02")
@pytest.mark.parametrize("way", ["plain", "lost"])
async def test_L31_a_part_that_is_opened_for_nobody_is_closed_again(tmp_path, way):
    """The thread reads the part again, and its waiter has gone: by a plain cancel, or after the grace period."""
    path, begun, go_on = tmp_path / "1.part", threading.Event(), threading.Event()
    path.write_bytes(DATA)

    class Slow(PosixFs):
        def pread(self, *arguments):
            begun.set()
            assert go_on.wait(10)
            return super().pread(*arguments)

    with DiskPool(2) as pool:
        threads = Threads(pool, 0.05)

        async def wait():
            await open_part(str(path), facts(DATA), fs=Slow(), threads=threads)

        async with anyio.create_task_group() as group:
            if way == "plain":
                task = asyncio.ensure_future(wait())
            else:
                group.start_soon(wait)
            while not begun.is_set():
                await anyio.sleep(0.001)
            threads.cancel_soon()
            task.cancel() if way == "plain" else group.cancel_scope.cancel()
        assert threads.lost == (way == "lost")
        go_on.set()
        with anyio.fail_after(10):
            while any(os.path.realpath(f"/proc/self/fd/{fd}") == str(path) for fd in os.listdir("/proc/self/fd")):
                await anyio.sleep(0.002)


@pytest.mark.faults("H15")
async def test_H15_a_new_part_takes_its_name_at_once_from_what_somebody_has_open(tmp_path):
    disk = Disk(tmp_path)
    fs = WindowsFs(api=LikeWin32(disk), patience_s=0.1)
    (tmp_path / "7.2.part").write_bytes(b"old")
    (tmp_path / "7.1.part").write_bytes(b"older")
    share = win32.SHARE_READ | win32.SHARE_DELETE
    with disk.other_program(tmp_path / "7.2.part", share=share), disk.other_program(tmp_path / "7.1.part"):
        async with opened(tmp_path / "7.2.part", fs=fs, was=("7.1.part",)) as (part, _):
            await part.write(memoryview(b"new"))
        assert (tmp_path / "7.2.part").read_bytes() == b"new"


@pytest.mark.faults("H15")
async def test_H15_a_part_with_a_second_name_is_gone_on_with_as_a_copy_where_nothing_open_can_be_replaced(tmp_path):
    fs = WindowsFs(api=LikeWin32(Disk(tmp_path)), patience_s=0.1)
    (tmp_path / "7.2.part").write_bytes(DATA)
    os.link(tmp_path / "7.2.part", tmp_path / "final")
    known = Checkpoint(100, hashlib.sha256(DATA[:100]).hexdigest())
    async with opened(tmp_path / "7.2.part", known, fs=fs) as (part, believed):
        assert (believed, part.length) == (True, 100)
        await part.write(memoryview(b"x"))
    assert (tmp_path / "7.2.part").read_bytes() == DATA[:100] + b"x"
    assert (tmp_path / "final").read_bytes() == DATA


@pytest.mark.faults("X120")
async def test_X120_what_is_in_memory_is_written_once_when_a_checkpoint_and_a_block_need_the_disk(tmp_path):
    writing, go = threading.Event(), threading.Event()

    def hang(operation, *_):
        if operation == "pwrite":
            writing.set()
            go.wait(30)

    async with opened(tmp_path / "1.part", fs=PosixFs(hang)) as (part, _):
        part.stay_in_memory()
        await part.write(memoryview(DATA[:1000]))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(part.sync)
            while not writing.is_set():
                await anyio.sleep(0.001)
            tasks.start_soon(part.write, memoryview(DATA[1000:3000]))
            await anyio.sleep(0.05)  # for a second write of the same to show itself; a right part needs nothing of it
            go.set()
        assert part.now == Checkpoint(3000, hashlib.sha256(DATA[:3000]).hexdigest())
    assert (tmp_path / "1.part").read_bytes() == DATA[:3000]


@pytest.mark.faults("X120")
@pytest.mark.parametrize("needs", ["sync", "compare"])
async def test_X120_nothing_is_added_in_memory_to_what_a_thread_is_about_to_write(tmp_path, needs):
    making, go = threading.Event(), threading.Event()

    def hang(operation, *_):
        if operation == "open":
            making.set()
            go.wait(30)

    async with opened(tmp_path / "1.part", fs=PosixFs(hang)) as (part, _):
        part.stay_in_memory()
        await part.write(memoryview(DATA[:1000]))
        before = part._held
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(*((part.sync,) if needs == "sync" else (part.same_until, memoryview(DATA[1:9]), 0)))
            while not making.is_set():
                await anyio.sleep(0.001)
            tasks.start_soon(part.write, memoryview(DATA[1000:3000]))
            await anyio.sleep(0.01)
            assert len(before) == 1000
            go.set()
        assert part.now == Checkpoint(3000, hashlib.sha256(DATA[:3000]).hexdigest())
    assert (tmp_path / "1.part").read_bytes() == DATA[:3000]
