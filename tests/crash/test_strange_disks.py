"""Folders that are read-only, vanish or change under a run, and clocks that jump."""

from __future__ import annotations

import errno
import os
import shutil
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest import mock

import anyio
import pytest

from landsat_async import Credentials, download, open_run
from landsat_async.disk import local_target
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.errors import FolderUnwritable, LandsatError
from landsat_async.events import Started, Verified
from landsat_async.sim import Script, open_simulator
from tests.support.recorded_runs import Versions, config_of, small_steps
from tests.support.small_disk import MIB, small_disk
from tests.support.virtual_loop import VirtualLoop


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture
async def sim():
    script = Script(rate_bytes_s=4 * MIB)
    async with open_simulator(Versions.demo(compress=False, pixels=420), script) as sim:
        yield sim


def credentials(sim) -> Credentials:
    return Credentials(sim.username, sim.token)


async def run_and(sim, config, act, *, times: int = 1):
    """Run; `act` is called in mid-run, when a transfer has begun and some of its bytes are here."""
    acted, full_rate = 0, sim.script.rate_bytes_s
    sim.script.rate_bytes_s = MIB // 8  # however slow the machine is, no transfer has ended before
    parts = Path(config.download.directory) / ".landsat_async" / "parts"
    with small_steps():
        async with open_run(config, credentials=credentials(sim)) as run:
            async for event in run.events():
                if isinstance(event, Started) and event.file.endswith("TIF") and acted < times:
                    acted += 1
                    while not any(part.stat().st_size for part in parts.glob("*.part")):
                        await anyio.sleep(0.002)
                    act()
                    sim.script.rate_bytes_s = full_rate
            return run.summary


async def check_rest(sim, root: Path) -> None:
    sim.script.rate_bytes_s = None
    with small_steps():
        summary = await download(config_of(sim, root), credentials=credentials(sim))
    assert (summary.exit_code, summary.files_pending) == (0, 0), summary
    check_finals(sim, root)


def check_finals(sim, root: Path) -> None:
    finals = [path for path in root.glob("*") if path.is_file()]
    assert all(path.read_bytes() in sim.archive.truths(path.name) for path in finals), "N1"


@pytest.mark.faults("D08")
@pytest.mark.parametrize("what", ["a file", "below a file", "a loop of links"])
async def test_D08_an_unusable_output_path_is_refused_before_any_login(sim, tmp_path, what):
    path = tmp_path / "data"
    if what == "a loop of links":
        path.symlink_to(tmp_path / "other")
        (tmp_path / "other").symlink_to(path)
    else:
        path.write_text("of the user")
    target = path / "below" if what == "below a file" else path
    with pytest.raises(FolderUnwritable) as refused:
        await download(config_of(sim, target), credentials=credentials(sim))
    assert refused.value.exit_code == 2
    assert str(target) in str(refused.value)
    assert not sim.log.calls, "it has talked to the service before"
    assert what == "a loop of links" or path.read_text() == "of the user"


@pytest.mark.faults("D08", "H19")
async def test_D08_a_read_only_folder_is_refused_before_any_login(sim, tmp_path):
    try:
        with small_disk(tmp_path / "disk", MIB) as disk:
            disk.set_read_only()
            with pytest.raises(FolderUnwritable):
                await download(config_of(sim, tmp_path / "disk" / "data"), credentials=credentials(sim))
    except PermissionError as refused:
        pytest.skip(str(refused))
    assert not sim.log.calls


@pytest.mark.faults("H19")
@pytest.mark.parametrize("code", ["EROFS", "EACCES", "EPERM"])
@pytest.mark.parametrize("call", ["pwrite", "link"])
async def test_H19_a_folder_that_becomes_unwritable_in_mid_run_ends_it_without_retries(sim, tmp_path, code, call):
    seen = []

    def observe(operation: str, *arguments: object) -> None:
        if operation == call or (call == "link" and operation in ("replace", "rename_noreplace")):
            if "parts" in str(arguments[1:]):
                return
            seen.append(operation)
            raise OSError(getattr(errno, code), "on purpose")

    config = config_of(sim, tmp_path)
    with (
        mock.patch.object(local_target, "local_fs", partial(PosixFs, observe)),
        small_steps(),
        pytest.raises(FolderUnwritable) as refused,
    ):
        await download(config, credentials=credentials(sim))
    assert refused.value.exit_code == 2
    assert 1 <= len(seen) <= 2 * config.download.workers, "it was tried again and again"
    check_finals(sim, tmp_path)
    await check_rest(sim, tmp_path)


@pytest.mark.faults("W95")
@pytest.mark.parametrize(("code", "ends_with"), [("ENOENT", 2), ("EIO", 2), ("EFBIG", 9)])
async def test_a_folder_that_fails_outside_of_transfers_is_no_bug_either(sim, tmp_path, code, ends_with):
    def observe(operation: str, *arguments: object) -> None:
        if operation == "listdir":
            number = getattr(errno, code)
            raise OSError(number, os.strerror(number), str(arguments[0]))

    with mock.patch.object(local_target, "local_fs", partial(PosixFs, observe)), pytest.raises(LandsatError) as refused:
        await download(config_of(sim, tmp_path), credentials=credentials(sim))
    assert refused.value.exit_code == ends_with
    assert str(tmp_path) in str(refused.value)
    await check_rest(sim, tmp_path)


@pytest.mark.faults("H08")
async def test_H08_parts_that_are_deleted_in_mid_run_are_fetched_again(sim, tmp_path):
    deleted = []

    def delete() -> None:
        for part in (tmp_path / ".landsat_async" / "parts").glob("*.part"):
            part.unlink()
            deleted.append(part)

    summary = await run_and(sim, config_of(sim, tmp_path), delete)
    assert deleted
    assert (summary.exit_code, summary.files_pending) == (0, 0), summary
    check_finals(sim, tmp_path)
    assert all((tmp_path / name).exists() for name in sim.log.files if not name.endswith("jpg"))


def remove(folder: Path) -> None:
    """Remove a folder in which others are making files."""
    for _ in range(20):
        with suppress(OSError):
            shutil.rmtree(folder)
        if not folder.exists():
            return


@pytest.mark.faults("H08")
@pytest.mark.parametrize("what", ["data", "data/.landsat_async", "data/.landsat_async/parts"])
async def test_H08_a_folder_that_vanishes_in_mid_run_ends_it_with_nothing_wrong(sim, tmp_path, what):
    root = tmp_path / "data"
    with suppress(FolderUnwritable):
        await run_and(sim, config_of(sim, root), partial(remove, tmp_path / what))
        assert what.endswith("parts"), "nobody has noticed it"  # it is made again
    if root.exists():
        check_finals(sim, root)
    await check_rest(sim, root)


class Clock:
    """The wall clock, with jumps."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s
        self._real = time.time

    def __call__(self) -> float:
        return self._real() + self.offset_s

    def jump(self, offset_s: float) -> None:
        self.offset_s = offset_s


@pytest.mark.faults("E19")
@pytest.mark.parametrize("jump_s", [-8 * 3600.0, 8 * 3600.0, -10 * 365 * 86400.0])
async def test_E19_a_clock_that_jumps_in_mid_run_changes_nothing(sim, tmp_path, jump_s):
    sim.script.fault_file("*.TIF", "status", status=403, times=3)  # new links, with pauses before them
    clock = Clock()
    with mock.patch.object(time, "time", clock):
        summary = await run_and(sim, config_of(sim, tmp_path), partial(clock.jump, jump_s))
        assert clock.offset_s == jump_s, "the clock did not jump"
        assert (summary.exit_code, summary.files_pending) == (0, 0), summary
    check_finals(sim, tmp_path)


@pytest.mark.faults("E19")
async def test_E19_a_clock_that_was_set_back_between_two_runs_does_not_make_the_second_wait(sim, tmp_path):
    with small_steps():
        async with open_run(config_of(sim, tmp_path), credentials=credentials(sim)) as run:
            async for event in run.events():
                if isinstance(event, Verified):
                    run.stop()
    assert run.summary.files_pending, "there was nothing left to do"
    with mock.patch.object(time, "time", Clock(-30 * 86400.0)):
        await check_rest(sim, tmp_path)
