"""Who may read what: finished files as the user's umask says, everything else by its owner alone."""

from __future__ import annotations

import os
import stat

import pytest

from landsat_async.disk.folder import OutputFolder
from landsat_async.errors import FolderUnwritable
from landsat_async.events import Notice
from tests.whole.world import STATE, open_world


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture(params=[0o022, 0o077, 0o027, 0o002])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.faults("K04", "K11")
async def test_finished_files_get_the_users_mode_and_the_rest_is_private(tmp_path, umask):
    async with open_world(tmp_path) as world:
        modes_of_parts = set()
        world.script.fault_file("*_SR_B3.TIF", "cut", times=3)

        def watch(run, event):
            modes_of_parts.update(mode(part) for part in (world.root / STATE / "parts").iterdir())

        result = await world.run(watch=watch)
        assert result.summary.exit_code == 0
        assert {mode(world.root / name) for name in world.files()} == {0o666 & ~umask}
        assert 0o600 in modes_of_parts
        assert modes_of_parts <= {0o600, 0o666 & ~umask}  # a part that has its final name already has that mode
        assert mode(world.root / STATE) == mode(world.root / STATE / "parts") == 0o700
        assert {mode(path) for path in (world.root / STATE).glob("l*")} == {0o600}  # ledger, its companions, lock


@pytest.mark.faults("K13")
@pytest.mark.parametrize(("bits", "warnings"), [(0o777, 1), (0o1777, 1), (0o775, 0), (0o755, 0)])
async def test_K13_a_folder_that_everybody_may_write_is_warned_of_once(tmp_path, bits, warnings):
    async with open_world(tmp_path) as world:
        world.root.mkdir()
        world.root.chmod(bits)
        result = await world.run()
        said = [event.text for event in result.of(Notice) if "everybody may write" in event.text]
        assert len(said) == warnings
        assert result.summary.exit_code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.faults("K11")
@pytest.mark.parametrize("whose", ["state", "parts"])
def test_K11_a_state_folder_that_a_stranger_has_made_is_refused(tmp_path, monkeypatch, whose):
    folder = OutputFolder(tmp_path / "data")
    folder.claim().release()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    os.chown(folder.root, 1000, -1)
    folder.claim().release()  # made by root, as after one run with sudo
    os.chown(getattr(folder, whose), 2000, -1)
    with pytest.raises(FolderUnwritable, match="belongs to another user"):
        folder.claim()
