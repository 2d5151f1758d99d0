"""Whole runs on a disk with the manners of Windows: scanners, viewers, names that linger, no links, no folder sync."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from landsat_async.disk import local_target
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.errors import FolderBusy, FolderUnwritable
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
        assert result.summary.elapsed_s < 60, "the other program has the file for as long"


@pytest.mark.parametrize("name", [".landsat_async.probe", "lock"])
@pytest.mark.faults("W36")
async def test_W36_a_lock_or_probe_that_another_program_has_open_is_told_by_name(opened, on, name):
    disk = on(patience_s=0.1)
    async with opened() as world:
        path = world.put(name if name.startswith(".") else f"{STATE}/{name}", b"")
        with disk.other_program(path, share=0), pytest.raises(FolderBusy, match=f"{name} is open in another program"):
            await world.run()
        world.users.clear()
        assert (await world.run()).summary.exit_code == 0


@pytest.mark.parametrize("kind", ["exFAT", "a share"])
@pytest.mark.faults("W09", "W10")
async def test_W09_W10_where_there_are_no_links_a_strangers_file_is_never_replaced(opened, on, kind):
    on(kind)
    async with opened() as world:
        path = world.put(NAME, b"somebody's notes")
        result = await world.run()
        assert list(result.failed) == [NAME]
        assert path.read_bytes() == b"somebody's notes"


@pytest.mark.parametrize(("code", "what"), [(59, "a share that is lost"), (1167, "a stick that is pulled out")])
@pytest.mark.faults("W11", "W12")
async def test_W11_W12_a_disk_that_goes_in_mid_run_leaves_nothing_wrong_and_the_next_run_goes_on(
    opened, on, code, what
):
    writes = Counter()

    def fault(call, path):
        writes[call] += 1
        return code if writes["WriteFile"] > 12 and lost and call != "CloseHandle" else None

    lost = True
    on("a share", fault=fault)
    async with opened() as world:
        first = await world.run(check=False)  # what got its name while the disk went is recorded by the next run
        assert first.error is not None or first.summary.exit_code == 4, what
        lost = False
        world.users.clear()
        again = await world.run()
        assert again.summary.exit_code == 0
        assert len(again.skipped) + len(again.verified) == len(world.files())


@pytest.mark.faults("W33")
async def test_W33_a_file_whose_name_was_changed_in_case_is_the_file_itself(opened, on):
    """Many programs change the case of names; the disk does not tell them apart."""
    on()
    async with opened() as world:
        assert (await world.run()).summary.exit_code == 0
        path = world.root / NAME
        path.rename(path.with_name(NAME.lower()))
        again = await world.run(check=False)
        assert (again.summary.exit_code, again.summary.bytes_received) == (0, 0)
        path.with_name(NAME.lower()).rename(path)


@pytest.mark.faults("W34")
async def test_W34_a_time_that_is_set_when_a_file_is_closed_is_no_change_by_somebody(opened, on):
    on(close_sets_time=True)
    async with opened() as world:
        assert (await world.run()).summary.exit_code == 0
        again = await world.run()
        assert (again.summary.bytes_received, len(again.skipped)) == (0, len(world.files()))


@pytest.mark.parametrize("tag", [0xA000000C, 0xA0000003], ids=["symbolic link", "junction"])
@pytest.mark.faults("W14", "W15")
async def test_W14_W15_a_junction_is_never_followed(opened, on, tag, tmp_path_factory):
    """Wine can make neither of them, so it is played here."""
    on(link_tag=tag)
    async with opened() as world:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        world.root.mkdir(exist_ok=True)
        (world.root / "LC08").symlink_to(elsewhere, target_is_directory=True)
        result = await world.run(world.config(download={"layout": "{sensor}"}), check=False)
        assert result.summary.exit_code == 4
        assert result.failed
        assert all("LC08" in reason or "link" in reason for reason in result.failed.values())
        assert list(elsewhere.iterdir()) == []
        (world.root / "LC08").unlink()
        world.users.clear()
        parts = world.root / STATE / "parts"
        for part in parts.iterdir():
            part.unlink()
        parts.rmdir()
        parts.symlink_to(elsewhere, target_is_directory=True)
        with pytest.raises(FolderUnwritable):
            await world.run()
        assert list(elsewhere.iterdir()) == []
        parts.unlink()
