"""K11, K12: symbolic links that somebody has planted in the output folder lead nowhere."""

from __future__ import annotations

import os
import threading

import pytest

from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.posix_rename import _renameat2
from landsat_async.errors import FolderUnwritable, LandsatError, LedgerError
from landsat_async.events import Started
from tests.whole.world import STATE, open_world

LAYOUT = "{sensor}/{path}{row}"
KEEP = b"somebody's own file"


@pytest.fixture
def elsewhere(tmp_path):
    """A folder outside, with a file in it; what is there must stay as it is."""
    folder = tmp_path / "my-elsewhere"
    folder.mkdir()
    (folder / "precious").write_bytes(KEEP)
    yield folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"precious": KEEP}, "N8 or N2"


async def run(world, **how):
    try:
        return await world.run(world.config(download={"layout": LAYOUT}), **how), None
    except LandsatError as error:
        return None, error


@pytest.mark.faults("K11")
@pytest.mark.parametrize("target", ["precious", "new", "."])
@pytest.mark.parametrize(
    "where", ["", "parts", "lock", "ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-journal"]
)
async def test_K11_links_in_the_state_folder(tmp_path, elsewhere, where, target):
    async with open_world(tmp_path) as world:
        (world.root / STATE / where).parent.mkdir(parents=True)
        link = world.root / STATE / where
        link.symlink_to(elsewhere / target)
        world.may_leave = True
        result, error = await run(world, check=False)
        if error is None:  # a companion of the ledger: SQLite itself replaces it or leaves it alone
            assert where.startswith("ledger.sqlite3-")
            assert result.summary.exit_code in (0, 1)
        else:
            assert isinstance(error, FolderUnwritable | LedgerError)
            assert world.log.calls == {}
            assert link.is_symlink()
        if link.is_symlink():
            link.unlink()


@pytest.mark.faults("K11", "H06")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("target", ["precious", "new", "."])
async def test_K11_links_under_final_names(tmp_path, elsewhere, target, overwrite):
    async with open_world(tmp_path) as world:
        result, _ = await run(world)
        name = result.verified[0]
        (world.root / name).unlink()
        (world.root / name).symlink_to(elsewhere / target)
        result, _ = await run(world, overwrite=overwrite, check=overwrite)
        if overwrite:
            assert result.summary.exit_code == 0
            assert not (world.root / name).is_symlink()
        else:
            assert list(result.failed) == [name]
            assert (world.root / name).is_symlink()
            (world.root / name).unlink()


@pytest.mark.faults("K11")
@pytest.mark.parametrize("depth", ["LC08", "LC08/004053"])
async def test_K11_links_in_place_of_folders_of_the_layout(tmp_path, elsewhere, depth):
    async with open_world(tmp_path) as world:
        link = world.root / depth
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(elsewhere)
        result, _ = await run(world, check=False)
        link.unlink()
        assert result.summary.exit_code == 4
        assert all(name.startswith(depth) for name in result.failed)
        assert set(result.failed.values()) == {"a folder on the way to the final name is a symbolic link"}
        assert result.verified  # the others


@pytest.mark.faults("K11", "N2")
async def test_K11_a_part_that_is_a_link_is_neither_read_nor_written(tmp_path, elsewhere):
    async with open_world(tmp_path) as world:
        for number in range(1, 40):
            for gen in range(1, 4):
                link = world.root / STATE / "parts" / f"{number}.{gen}.part"
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(elsewhere / ("precious" if number % 2 else "new"))
        result, _ = await run(world, check=False)
        assert result.summary.exit_code == 0
        assert not any((world.root / name).is_symlink() for name in result.verified)


@pytest.mark.faults("K12")
async def test_K12_an_output_folder_that_is_swapped_for_a_link_in_mid_run_is_not_followed(tmp_path, elsewhere):
    async with open_world(tmp_path) as world:
        world.may_leave = True
        world.may_overlap = True  # the run ends at once; the service may still be at work on the call it was in
        world.script.rate_bytes_s = 200_000

        def swap(run, event):
            if isinstance(event, Started) and not world.root.is_symlink():
                world.root.rename(tmp_path / "data-moved")
                world.root.symlink_to(elsewhere)

        _, error = await run(world, watch=swap, check=False)
        assert world.root.is_symlink()
        world.root.unlink()
        (tmp_path / "data-moved").rename(world.root)
        assert error is None or isinstance(error, LandsatError)


@pytest.mark.faults("K12")
def test_K12_a_folder_swapped_for_a_link_again_and_again_never_leads_out(tmp_path, elsewhere):
    """Two threads: one swaps a sub-folder for a link and back, the other goes on making files in it."""
    root, inner, link = tmp_path / "data", tmp_path / "data" / "inner", tmp_path / "link"
    inner.mkdir(parents=True)
    link.symlink_to(elsewhere)
    fs, swaps, over = PosixFs(), [0], threading.Event()
    fs.guard(str(root))
    renameat2, exchange = _renameat2(), 2

    def swap():
        while not over.is_set():
            assert renameat2(-100, bytes(inner), -100, bytes(link), exchange) == 0
            swaps[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    made = refused = 0
    try:
        for number in range(10_000):
            part, final = str(root / "part"), str(inner / f"f{number}")
            try:
                os.close(fs.open(part, os.O_RDWR | os.O_CREAT))
                fs.make_folder(str(inner))
                fs.link(part, final)
                fs.fsync_dir(str(inner))
                fs.replace(part, str(inner / "g"))
                fs.unlink(str(inner / "g"))
                made += 1
            except OSError as error:
                refused += "symbolic link" in str(error)
    finally:
        over.set()
        thread.join()
    assert swaps[0] > 1000
    assert made > 10
    assert refused > 100


@pytest.mark.faults("K12")
def test_K12_a_root_that_has_become_another_folder_is_refused(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    fs = PosixFs()
    fs.guard(str(root))
    root.rename(tmp_path / "moved")
    root.mkdir()
    with pytest.raises(FileNotFoundError, match="another one now"):
        fs.open(str(root / "part"), os.O_RDWR | os.O_CREAT)
    assert list(root.iterdir()) == []


def test_a_root_that_is_reached_through_a_link_is_fine(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    fs = PosixFs()
    fs.guard(str(tmp_path / "data"))
    fs.make_folder(str(tmp_path / "data"))
    fs.make_folder(str(tmp_path / "data" / "a" / "b"))
    os.close(fs.open(str(tmp_path / "data" / "a" / "b" / "f"), os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "disk" / "a" / "b" / "f").exists()


async def test_no_descriptor_is_left_by_any_refusal(tmp_path, elsewhere):
    root = tmp_path / "data"
    root.mkdir()
    (root / "way").symlink_to(elsewhere)
    fs = PosixFs()
    fs.guard(str(root))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        for call in (fs.lstat, fs.unlink, fs.fsync_dir, fs.make_folder):
            with pytest.raises(OSError):
                call(str(root / "way" / "x" / "y"))
        with pytest.raises(OSError):
            fs.link(str(root / "way" / "x"), str(root / "y"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.faults("K11")
async def test_K11_the_ledger_is_not_opened_through_a_link(tmp_path, elsewhere):
    (tmp_path / "ledger.sqlite3").symlink_to(elsewhere / "new")
    with pytest.raises(LedgerError, match="symbolic link"):
        await Ledger.open(tmp_path / "ledger.sqlite3")
