"""Disks that are full, broken, slow or tidied up under our feet (group H), and symbolic links in the way (K11)."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time

import anyio
import pytest

from landsat_async.disk.fs import observe
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.errors import DiskFull, FolderUnwritable
from landsat_async.transfer.transfer import Transfer
from landsat_async.transfer.types import Done, FileFailed
from tests.support.raw_server import RawServer, ranged, status
from tests.transfer.bench import KIB, noise, sha

DATA = noise(900 * KIB + 7)


class Failing(PosixFs):
    """Fails chosen calls: `faults[operation] = [None, errno, ...]`, one entry per call; the last one stays."""

    def __init__(self, **faults):
        super().__init__()
        self.faults = {name: list(codes) for name, codes in faults.items()}
        self.failed: list[str] = []
        observe(self, self._fail)

    def _fail(self, operation, *arguments):
        codes = self.faults.get(operation)
        code = (codes.pop(0) if len(codes) > 1 else codes[0]) if codes else None
        if code is not None:
            self.failed.append(operation)
            raise OSError(code, os.strerror(code))


class Filling(PosixFs):
    """A disk with room for so many bytes; the write that does not fit is short, then there is ENOSPC."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.short = 0

    def pwrite(self, fd, data, offset):
        fits = min(len(data), self.room)
        if not fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.short += fits < len(data)
        self.room -= fits
        return super().pwrite(fd, data[:fits], offset)

    def ftruncate(self, fd, size):
        self.room += max(0, os.fstat(fd).st_size - size)
        super().ftruncate(fd, size)


@pytest.mark.faults("H01")
async def test_H01_a_full_disk_ends_the_run_and_keeps_the_checkpoint(bench):
    bench.right = [DATA]
    bench.fs = Filling(room=600 * KIB + 100)
    async with RawServer([ranged(DATA)]) as server:
        with pytest.raises(DiskFull):
            await bench.run(server)
        assert bench.fs.short == 1
        durable = bench.store.facts.durable
        assert 0 < durable <= 600 * KIB
        assert len(bench.part_bytes()) == durable  # what was not accounted for has given its room back
        bench.fs.room = 10**9
        assert isinstance(await bench.run(server), Done)
        assert server.requests[1].start == durable - 64 * KIB


@pytest.mark.faults("H01")
async def test_H01_the_room_to_be_kept_free_is_not_touched(bench):
    free = os.statvfs(bench.folder)
    bench.tune(min_free_bytes=free.f_bavail * free.f_frsize + 10**9)
    async with RawServer([ranged(DATA)]) as server:
        with pytest.raises(DiskFull):
            await bench.run(server)
    assert bench.part_bytes() == b""


async def test_a_file_that_will_not_fit_is_not_begun(bench):
    class Nearly(PosixFs):
        def free_bytes(self, fd):
            return 10**6

    bench.fs = Nearly()
    bench.tune(min_free_bytes=200_000)
    async with RawServer([ranged(DATA)]) as server:
        with pytest.raises(DiskFull):
            await bench.run(server)
    assert bench.part_bytes() == b""


@pytest.mark.faults("H02")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_H02_a_disk_that_is_full_only_at_the_sync_makes_no_checkpoint(bench, code):
    bench.fs = Failing(fsync=[None, code])
    async with RawServer([ranged(DATA)]) as server:
        with pytest.raises(DiskFull):
            await bench.run(server)
    assert "fsync" in bench.fs.failed
    assert len(bench.store.saved) == 1


@pytest.mark.faults("H03")
async def test_H03_after_a_failed_sync_nothing_since_the_checkpoint_is_believed(bench):
    bench.right = [DATA]
    opened = []
    bench.fs = Failing(fsync=[None, errno.EIO, None])
    real_open = bench.fs.open
    bench.fs.open = lambda path, *rest: (real_open(path, *rest), opened.append(path))[0]
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert bench.fs.failed == ["fsync"]
        assert len(server.requests) == 3  # the last one compares what was joined
        assert server.requests[1].start == bench.store.saved[0] - 64 * KIB
    assert len(opened) == 2  # the descriptor of the failed sync was not used again
    assert isinstance(outcome, Done)


@pytest.mark.faults("H03")
async def test_H03_a_sync_that_fails_for_good_fails_the_file(bench):
    bench.fs = Failing(fsync=[errno.EIO])
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
    assert len(bench.fs.failed) >= 2
    assert isinstance(outcome, FileFailed)
    assert "disk error" in outcome.reason
    assert bench.store.saved == []


@pytest.mark.faults("H03")
async def test_H03_a_file_is_not_named_while_its_last_checkpoint_fails(bench):
    data = DATA[: 500 * KIB]
    bench.right = [data]
    requests_at_link = []

    class LateFailure(PosixFs):
        failed = False

        def fsync(self, fd):
            if self.failed:
                return super().fsync(fd)
            while os.fstat(fd).st_size < 448 * KIB:  # all full blocks; the end of the file waits for this sync
                time.sleep(0.002)
            time.sleep(0.05)
            self.failed = True
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def link(self, source, target):
            requests_at_link.append(len(server.requests))
            super().link(source, target)

    bench.fs = LateFailure()
    async with RawServer([ranged(data)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert bench.fs.failed
    assert set(requests_at_link) == {2}


@pytest.mark.faults("H03", "H11")
async def test_H03_H11_a_file_whose_last_sync_fails_does_not_get_its_name(bench):
    bench.tune(checkpoint_bytes=10**9)
    bench.fs = Failing(fsync=[errno.EIO])
    linked = []
    bench.fs.link = lambda *names: linked.append(names)
    async with RawServer([ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), FileFailed)
    assert linked == []


@pytest.mark.faults("H11")
async def test_H11_the_order_of_calls_is_the_promise(bench):
    bench.right = [DATA]
    calls = []
    observe(bench.fs, lambda operation, *arguments: calls.append((operation, *arguments)))
    async with RawServer([ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
    names = [call[0] for call in calls]
    last_write = max(i for i, name in enumerate(names) if name == "pwrite")
    sync = names.index("fsync", last_write)
    link = names.index("link")
    folder = calls.index(("fsync_dir", os.path.dirname(bench.final)), link)
    assert last_write < sync < link < folder
    assert not {"replace", "unlink"} & set(names[names.index("pwrite") :])


@pytest.mark.faults("H06")
@pytest.mark.parametrize("there", ["file", "folder", "dangling link", "link to a file"])
async def test_H06_what_is_in_the_way_is_left_alone(bench, tmp_path, there):
    os.makedirs(os.path.dirname(bench.final))
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    match there:
        case "file":
            precious.rename(bench.final)
        case "folder":
            os.mkdir(bench.final)
        case "dangling link":
            os.symlink(tmp_path / "nothing", bench.final)
        case "link to a file":
            os.symlink(precious, bench.final)
    before = os.lstat(bench.final)
    bench.right = [b"precious"]
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert "exists" in outcome.reason
    assert "--overwrite" in outcome.hint
    assert os.lstat(bench.final) == before
    assert not (tmp_path / "nothing").exists()
    if there == "folder":
        os.rmdir(bench.final)


@pytest.mark.faults("H06")
async def test_H06_overwrite_replaces_a_file_but_not_a_folder(bench):
    bench.right = [DATA]
    bench.tune(overwrite=True)
    os.makedirs(bench.final)
    async with RawServer([ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), FileFailed)
        os.rmdir(bench.final)
        with open(bench.final, "wb") as file:
            file.write(b"old")
        assert isinstance(await bench.run(server), Done)
    assert bench.final_bytes() == DATA


@pytest.mark.faults("H08")
async def test_H08_a_part_that_is_deleted_while_it_grows_is_fetched_again(bench):
    bench.right = [DATA]

    async def deleting(wire):
        half = len(DATA) // 2
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        await wire.send(DATA[:half])
        while not os.path.exists(bench.part):
            await anyio.sleep(0.001)
        os.unlink(bench.part)
        wire.mark("deleted")
        await wire.send(DATA[half:])  # only now: a whole file has its final name before one looks

    async with RawServer([deleting, ranged(DATA)]) as server:
        observe(bench.fs, lambda operation, *_: None)
        outcome = await bench.run(server)
        assert server.marks == ["deleted"]
        assert len(server.requests) == 2
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(DATA)


@pytest.mark.faults("H08")
async def test_H08_a_folder_that_vanishes_ends_the_run_and_is_not_made_again(bench):
    root = os.path.join(bench.folder, "disk")
    os.makedirs(root)

    class Mounted(type(bench)):
        @property
        def final(self):
            return os.path.join(root, self.name)

        @property
        def part(self):
            return os.path.join(root, "state", "1.part")

    bench.__class__ = Mounted
    bench.store._part = bench.part
    os.makedirs(os.path.dirname(bench.part))

    async def vanish(wire):
        await ranged(DATA, stop=500 * KIB)(wire)

    def tidy_up(event):
        if hasattr(event, "wait_s"):
            shutil.rmtree(root)

    bench.events = type("Tidy", (list,), {"append": lambda self, event: tidy_up(event)})()
    async with RawServer([vanish, ranged(DATA)]) as server:
        with pytest.raises(FolderUnwritable):
            await bench.run(server)
        assert server.marks
    assert not os.path.exists(root)


@pytest.mark.faults("H09", "H10")
@pytest.mark.parametrize("how", ["flipped bit", "shorter", "zero tail", "longer"])
async def test_H09_H10_a_part_that_is_not_what_the_checkpoint_says_is_never_used(bench, how):
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')
    with open(bench.part, "r+b") as part:
        match how:
            case "flipped bit":
                part.seek(100_000)
                part.write(bytes([DATA[100_000] ^ 1]))
            case "shorter":
                part.truncate(299 * KIB)
            case "zero tail":
                part.seek(290 * KIB)
                part.write(b"\0" * (10 * KIB))
            case "longer":
                part.seek(0, os.SEEK_END)
                part.write(b"\0" * 5000)
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
        expected = 236 * KIB if how == "longer" else None
        assert server.requests[0].start == expected
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(DATA)
    assert (("clear",) in bench.store.calls) is (how != "longer")


@pytest.mark.faults("H14")
@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("rename", [None, errno.EINVAL])
async def test_H14_without_hard_links_the_name_is_still_taken_from_nobody(bench, rename, taken):
    bench.right = [DATA, b"theirs"]
    bench.fs = Failing(link=[errno.EPERM], rename_noreplace=[rename])
    os.makedirs(os.path.dirname(bench.final))
    if taken:
        with open(bench.final, "wb") as file:
            file.write(b"theirs")
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
    assert bench.fs.failed[0] == "link"
    assert isinstance(outcome, FileFailed if taken else Done)
    assert bench.final_bytes() == (b"theirs" if taken else DATA)


@pytest.mark.faults("H18")
async def test_H18_too_many_open_files_is_waited_for(bench):
    bench.fs = Failing(open=[errno.EMFILE])
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert len(bench.fs.failed) == bench.policy.attempts
        assert len(server.requests) == 1  # nobody is asked again before the part can be opened
    assert isinstance(outcome, FileFailed)
    assert "ulimit" in outcome.hint


@pytest.mark.faults("H18")
async def test_H18_it_goes_on_once_files_can_be_opened_again(bench):
    bench.right = [DATA]
    bench.fs = Failing(open=[errno.EMFILE, errno.EMFILE, None])
    async with RawServer([ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert len(server.requests) == 2


@pytest.mark.faults("H19")
@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
async def test_H19_a_folder_that_cannot_be_written_is_not_tried_again(bench, code):
    bench.fs = Failing(pwrite=[code])
    async with RawServer([ranged(DATA)]) as server:
        with pytest.raises(FolderUnwritable):
            await bench.run(server)
        assert len(server.requests) == 1


@pytest.mark.faults("H22")
async def test_H22_a_file_system_that_cannot_hold_the_file_is_told(bench):
    bench.fs = Failing(pwrite=[None, errno.EFBIG])
    async with RawServer([ranged(DATA)]) as server:
        with pytest.raises(DiskFull):
            await bench.run(server)


@pytest.mark.faults("K11")
async def test_K11_a_symbolic_link_in_place_of_the_part_is_not_followed(bench, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    os.makedirs(os.path.dirname(bench.part))
    os.symlink(precious, bench.part)
    bench.right = [DATA]
    async with RawServer([ranged(DATA)]) as server:
        await bench.run(server)
    assert precious.read_bytes() == b"precious"
    assert not os.path.islink(bench.final)


@pytest.mark.faults("K11")
async def test_K11_a_part_that_is_swapped_before_its_final_name_is_noticed(bench, tmp_path):
    bench.right = [DATA]
    swapped = []

    def swap(operation, *_):
        if operation == "fsync" and not swapped:
            swapped.append(True)
            os.unlink(bench.part)
            with open(bench.part, "wb") as file:
                file.write(b"x" * len(DATA))

    observe(bench.fs, swap)
    bench.tune(checkpoint_bytes=10**9)
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert swapped
        assert len(server.requests) == 2
    assert isinstance(outcome, Done)


async def test_parts_are_private(bench):
    bench.tune(attempts=1)
    async with RawServer([ranged(DATA, stop=200 * KIB), status(404)]) as server:
        await bench.run(server)
    assert os.stat(os.path.dirname(bench.part)).st_mode & 0o777 == 0o700
    assert os.stat(bench.part).st_mode & 0o077 == 0


@pytest.mark.faults("H17")
async def test_H17_a_write_that_is_under_way_when_cancelled_has_ended_before_the_transfer_has(bench):
    begun, may_end = threading.Event(), threading.Event()
    ended = []

    class Slow(PosixFs):
        def pwrite(self, fd, data, offset):
            begun.set()
            may_end.wait(5)
            done = super().pwrite(fd, data, offset)
            ended.append(offset)
            return done

    bench.fs = Slow()
    async with RawServer([ranged(DATA, stop=500 * KIB)]) as server, anyio.create_task_group() as tasks:

        async def cancel():
            while not begun.is_set():
                await anyio.sleep(0.001)
            scope.cancel()
            await anyio.sleep(0.05)
            assert ended == []
            may_end.set()

        tasks.start_soon(cancel)
        with anyio.CancelScope() as scope:
            await bench.run(server)
        assert scope.cancelled_caught
        assert ended
        written = len(ended)
        size = os.path.getsize(bench.part)
        await anyio.sleep(0.05)
        assert (len(ended), os.path.getsize(bench.part)) == (written, size)
    assert bench.store.facts.durable == size


@pytest.mark.faults("H16", "L02")
@pytest.mark.parametrize("place", ["alone", "in a group", "begun in a hurry"])
async def test_H16_L02_a_disk_that_hangs_holds_a_cancelled_transfer_only_for_the_grace_period(bench, place):
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    class Hung(PosixFs):
        def pwrite(self, fd, data, offset):
            begun.set()
            may_end.wait(20)
            done = super().pwrite(fd, data, offset)
            ended.set()
            return done

    bench.fs = Hung()
    bench.tune(grace_s=0.2)
    if place != "alone":
        bench.fetch = lambda *given: Transfer(*given).run()
    async with RawServer([ranged(DATA)]) as server, bench.net() as net, anyio.create_task_group() as tasks:

        async def cancel():
            while not begun.is_set():
                await anyio.sleep(0.001)
            scope.cancel()
            if place == "in a group":
                net.cancel_soon()

        tasks.start_soon(cancel)
        if place == "begun in a hurry":
            net.cancel_soon()
        with anyio.CancelScope() as scope:
            await bench.run(server, net=net)
        hung_on = not ended.is_set()
    may_end.set()
    assert ended.wait(5)
    for fd in os.listdir("/proc/self/fd"):  # left open on purpose, because the thread still used it
        if os.path.exists(link := f"/proc/self/fd/{fd}") and os.readlink(link) == bench.part:
            os.close(int(fd))
    assert scope.cancelled_caught
    assert hung_on, "the transfer has waited for the disk"
    assert bench.store.saved == []


@pytest.mark.faults("H10")
async def test_H10_the_store_is_lowered_before_bytes_that_it_speaks_of_are_given_up(bench):
    bench.right = [DATA]
    cuts = []

    class Watching(PosixFs):
        def ftruncate(self, fd, size):
            cuts.append((size, bench.store.facts.durable if bench.store.facts else 0))
            super().ftruncate(fd, size)

    async def another_size(wire):
        start, last = wire.request.start, len(DATA)
        wire.mark("another size")
        where = f"bytes {start}-{last}/{last + 1}"
        await wire.head(206, ("Content-Range", where), ("Content-Length", str(last + 1 - start)), ("ETag", '"v1"'))
        await wire.send(DATA[start:] + b"x")

    bench.fs = Watching()
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')
    async with RawServer([another_size, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["another size"]
    assert (0, 0) in cuts
    assert all(durable <= size for size, durable in cuts)
