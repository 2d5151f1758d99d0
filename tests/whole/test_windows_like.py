"""Whole runs on a disk with the manners of Windows: scanners, viewers, names that linger, no links, no folder sync."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from landsat_async.disk import local_target
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.events import Started
from tests.support.windows_like import Disk, LikeWin32
from tests.whole.world import STATE

NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
ON_NAMES = {"CreateFileW", "CreateDirectoryW", "CreateHardLinkW", "DeleteFileW"}
MANNERS = {
    "NTFS": {},
    "exFAT": {"hard_links": 1, "folder_sync": False},
    "a share": {"hard_links": 50, "folder_sync": False, "no_locks": 50},
}


@pytest.fixture
def on(tmp_path, monkeypatch):
    """Have runs work on such a disk; returns it."""

    def mount(kind="NTFS", patience_s=5.0, **manner):
        disk = Disk(tmp_path, kind, **MANNERS[kind], **manner)
        make = partial(WindowsFs, api=LikeWin32(disk), patience_s=patience_s)
        monkeypatch.setattr(local_target, "local_fs", make)
        return disk

    return mount


@pytest.mark.parametrize("kind", MANNERS)
@pytest.mark.faults("H15")
async def test_H15_a_run_works_on_each_kind_of_disk_with_a_scanner_on_every_new_file(opened, on, kind):
    on(kind, scan_s=0.05)
    async with opened() as world:
        first = await world.run()
        assert first.summary.exit_code == 0
        again = await world.run()
        assert len(again.skipped) == len(first.verified) == len(world.files())


@pytest.mark.parametrize("code", [5, 32, 33])
@pytest.mark.faults("H15")
async def test_H15_what_fails_for_a_moment_is_tried_again_at_every_call(opened, on, code):
    calls = Counter()

    def fault(call, path):
        """Fail the first call of each kind, and then every fifth."""
        calls[call] += 1
        return code if call in ON_NAMES and calls[call] % 5 == 1 else None

    on(fault=fault)
    async with opened() as world:
        assert (await world.run()).summary.exit_code == 0
    assert set(calls) >= ON_NAMES


@pytest.mark.faults("H15")
async def test_H15_a_final_name_that_stays_open_fails_that_file_alone_and_the_next_run_ends_it(opened, on):
    disk = on(patience_s=0.2)
    async with opened() as world:
        path = world.put(NAME, b"somebody's notes")
        with disk.other_program(path):
            first = await world.run(overwrite=True)
        assert first.summary.exit_code == 4
        assert list(first.failed) == [NAME]
        assert f"{NAME} is open in another program" in first.failed[NAME]
        assert path.read_bytes() == b"somebody's notes"
        assert list((world.root / STATE / "parts").iterdir()), "the part is gone"
        world.users.clear()
        again = await world.run(overwrite=True)
        assert again.verified == [NAME]
        assert again.offsets(NAME) != [0], "it was fetched anew"
        assert again.summary.exit_code == 0


@pytest.mark.faults("H15")
async def test_H15_what_nobody_may_read_is_neither_adopted_nor_held_against_its_file(opened, on):
    disk = on(patience_s=0.1)
    async with opened() as world:
        path = world.put(NAME, world.content(NAME))
        with disk.other_program(path, share=0):
            first = await world.run()
        assert "open in another program" in first.failed[NAME]
        world.users.clear()
        again = await world.run()
        assert NAME in again.skipped
        assert again.summary.exit_code == 0


@pytest.mark.faults("H15")
async def test_H15_a_stop_does_not_wait_for_other_programs(opened, on):
    disk = on(patience_s=60.0)
    async with opened() as world:
        path = world.put(NAME, b"somebody's notes")

        def stop(run, event):
            if isinstance(event, Started) and event.file == NAME:
                run.stop()

        with disk.other_program(path):
            result = await world.run(overwrite=True, watch=stop)
        assert result.summary.exit_code == 7
        assert result.summary.elapsed_s < 10
