"""From a complete part to a final name: in this order, or not at all."""

from __future__ import annotations

import errno
import os

import pytest

from landsat_async.disk.fs import WRITE, local_fs, observe
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.disk.local_target import finalise, move_file
from landsat_async.disk.part import discard_part
from landsat_async.disk.target import Committed, InTheWay, PartLost
from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved
from tests.support.windows_like import Disk, LikeWin32


class Table:
    """A part in a folder, and a way to land it."""

    def __init__(self, folder, fs=None) -> None:
        self.folder, self.fs = folder, fs or PosixFs()
        self.part, self.final = str(folder / "1.part"), str(folder / "out" / "deep" / "x.TIF")
        (folder / "1.part").write_bytes(b"data")
        self.fd = os.open(self.part, os.O_RDWR)

    def land(self, proved=None, needed=Proof.LENGTH, overwrite=False, size_bytes=4):
        return finalise(
            self.fs, self.fd, self.part, self.final,
            size_bytes=size_bytes, prove=lambda: proved or Proved(Proof.STRUCTURE), needed=needed, overwrite=overwrite,
        )  # fmt: skip

    def final_bytes(self):
        try:
            with open(self.final, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None


def is_committed(result):
    return isinstance(result, Committed) and result.proof is Proof.STRUCTURE


@pytest.fixture
def table(tmp_path):
    table = Table(tmp_path)
    yield table
    os.close(table.fd)


def test_a_proven_part_gets_its_name_and_keeps_its_own_until_it_is_discarded(table):
    assert is_committed(table.land())
    assert table.final_bytes() == b"data"
    assert os.path.samefile(table.part, table.final)
    discard_part(table.fs, table.part)
    discard_part(table.fs, table.part)
    assert not os.path.exists(table.part)
    assert table.final_bytes() == b"data"


@pytest.mark.faults("H11")
def test_H11_a_failure_at_any_call_leaves_a_whole_file_or_none(tmp_path):
    calls = []
    whole = Table(tmp_path, PosixFs(lambda operation, *_: calls.append(operation)))
    whole.land()
    os.close(whole.fd)
    assert calls.index("fsync") < calls.index("link") < len(calls) - 1
    assert calls[-1] == "fsync_dir"
    named = len(calls) - 1
    for number in range(len(calls)):
        folder = tmp_path / str(number)
        folder.mkdir()
        left = [number]

        def fail(operation, *_, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.EIO, operation)

        table = Table(folder, PosixFs(fail))
        with pytest.raises(OSError):
            table.land()
        assert table.final_bytes() == (b"data" if number >= named else None)
        os.close(table.fd)


@pytest.mark.parametrize("proved", [Damaged("cut"), Proved(Proof.LENGTH)])
def test_what_is_damaged_or_proven_too_weakly_gets_no_name(table, proved):
    assert table.land(proved, needed=Proof.STRUCTURE) == proved
    assert not os.path.exists(os.path.dirname(table.final))


def test_a_part_of_another_size_is_not_ours_any_more(table):
    assert table.land(size_bytes=5) == PartLost()


@pytest.mark.faults("H08", "K11")
@pytest.mark.parametrize("how", ["removed", "swapped", "linked"])
def test_H08_K11_a_part_whose_name_is_gone_or_taken_is_not_named(table, how):
    os.unlink(table.part)
    if how != "removed":
        other = table.folder / "other"
        other.write_bytes(b"evil")
        (os.link if how == "swapped" else os.symlink)(other, table.part)
    assert table.land() == PartLost()
    assert table.final_bytes() is None


@pytest.mark.faults("H06")
@pytest.mark.parametrize("link_errno", [None, errno.EPERM])
@pytest.mark.parametrize("rename_errno", [None, errno.EINVAL, errno.ENOSYS])
@pytest.mark.parametrize("theirs", [b"theirs", b"size"], ids=["other size", "same size"])
def test_H06_what_is_in_the_way_stays_whatever_the_file_system_can_do(table, link_errno, rename_errno, theirs):
    def fail(operation, *_):
        code = {"link": link_errno, "rename_noreplace": rename_errno}.get(operation)
        if code:
            raise OSError(code, operation)

    observe(table.fs, fail)
    os.makedirs(os.path.dirname(table.final))
    with open(table.final, "wb") as file:
        file.write(theirs)
    assert table.land() == InTheWay()
    assert table.final_bytes() == theirs
    os.unlink(table.final)
    assert is_committed(table.land())
    assert table.final_bytes() == b"data"


def test_overwrite_replaces_a_file_and_never_a_folder(table):
    os.makedirs(table.final)
    assert table.land(overwrite=True) == InTheWay()
    os.rmdir(table.final)
    with open(table.final, "wb") as file:
        file.write(b"old")
    assert is_committed(table.land(overwrite=True))
    assert table.final_bytes() == b"data"


def test_a_link_error_that_is_no_missing_ability_is_an_error(table):
    def fail(operation, *_):
        if operation == "link":
            raise OSError(errno.EIO, "broken")

    observe(table.fs, fail)
    with pytest.raises(OSError, match="broken"):
        table.land()


def test_a_file_that_has_its_name_already_is_known_without_reading_it(tmp_path):
    reads = []
    table = Table(tmp_path, PosixFs(lambda operation, *_: reads.append(operation) if operation == "pread" else None))
    assert isinstance(table.land(), Committed)
    assert isinstance(table.land(), Committed)
    assert reads == []
    os.close(table.fd)


@pytest.mark.faults("H15")
def test_H15_equal_bytes_under_the_name_are_synced_through_a_handle_that_may_write(tmp_path):
    """Windows flushes no handle that only reads: equal bytes would be taken for somebody else's."""
    fs = WindowsFs(api=LikeWin32(Disk(tmp_path)), patience_s=0.1)
    table = Table(tmp_path, fs)
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "x.TIF").write_bytes(b"data")
    os.close(table.fd)
    table.fd = fs.open(table.part, WRITE)
    assert isinstance(table.land(), Committed)
    fs.close(table.fd)


def test_a_moved_file_has_a_name_at_every_moment_and_the_new_one_is_durable_before_the_old_one_goes(tmp_path):
    calls = []
    fs = local_fs(lambda operation, *_: calls.append(operation))
    (tmp_path / "a.TIF").write_bytes(b"x")
    move_file(fs, str(tmp_path / "a.TIF"), str(tmp_path / "superseded" / "2024" / "a.TIF"))
    changes = [call for call in calls if call in ("link", "rename_noreplace", "replace", "unlink", "fsync_dir")]
    assert changes[-4:] == ["link", "fsync_dir", "unlink", "fsync_dir"]
    assert not (tmp_path / "a.TIF").exists()
    assert (tmp_path / "superseded" / "2024" / "a.TIF").read_bytes() == b"x"
