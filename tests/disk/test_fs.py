"""The few file calls, each of them seen by an observer."""

from __future__ import annotations

import errno
import os

import pytest

from landsat_async.disk.fs_posix import PosixFs


def test_the_observer_sees_each_call_before_it_happens_and_may_fail_it(tmp_path):
    seen = []

    def observer(operation, *arguments):
        seen.append(operation)
        if operation == "fsync":
            raise OSError(errno.EIO, "no")

    fs = PosixFs(observer)
    fd = fs.open(str(tmp_path / "a"), os.O_RDWR | os.O_CREAT)
    fs.pwrite_all(fd, memoryview(b"abc"), 0)
    with pytest.raises(OSError, match="no"):
        fs.fsync(fd)
    assert fs.pread(fd, 9, 1) == b"bc"
    fs.close(fd)
    assert seen == ["open", "pwrite", "fsync", "pread", "close"]


@pytest.mark.faults("H01")
def test_H01_short_writes_are_gone_on_with(tmp_path):
    class Short(PosixFs):
        def pwrite(self, fd, data, offset):
            return super().pwrite(fd, data[:3], offset)

    fs = Short()
    fd = fs.open(str(tmp_path / "a"), os.O_RDWR | os.O_CREAT)
    fs.pwrite_all(fd, memoryview(b"abcdefgh"), 2)
    assert fs.pread(fd, 20, 0) == b"\0\0abcdefgh"
    fs.close(fd)


@pytest.mark.faults("K11")
def test_K11_symbolic_links_are_not_opened(tmp_path):
    os.symlink(tmp_path / "target", tmp_path / "link")
    with pytest.raises(OSError) as refused:
        PosixFs().open(str(tmp_path / "link"), os.O_RDWR | os.O_CREAT)
    assert refused.value.errno == errno.ELOOP
    assert not (tmp_path / "target").exists()


def test_files_are_private_and_not_inherited(tmp_path):
    fs = PosixFs()
    fd = fs.open(str(tmp_path / "a"), os.O_RDWR | os.O_CREAT)
    assert os.fstat(fd).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(fd)
    fs.close(fd)


@pytest.mark.parametrize("how", ["link", "rename_noreplace"])
@pytest.mark.parametrize("there", ["file", "folder", "dangling"])
@pytest.mark.faults("H06")
def test_H06_names_are_never_taken_from_anything(tmp_path, how, there):
    (tmp_path / "part").write_bytes(b"part")
    final = tmp_path / "final"
    match there:
        case "file":
            final.write_bytes(b"theirs")
        case "folder":
            final.mkdir()
        case "dangling":
            final.symlink_to(tmp_path / "nothing")
    with pytest.raises(FileExistsError):
        getattr(PosixFs(), how)(str(tmp_path / "part"), str(final))
    assert (tmp_path / "part").read_bytes() == b"part"
    assert not (tmp_path / "nothing").exists()


def test_rename_noreplace_moves_a_file_to_a_free_name(tmp_path):
    (tmp_path / "part").write_bytes(b"part")
    PosixFs().rename_noreplace(str(tmp_path / "part"), str(tmp_path / "final"))
    assert os.listdir(tmp_path) == ["final"]


def test_folders_are_made_with_their_parents_and_each_name_is_synced(tmp_path):
    synced = []
    fs = PosixFs(lambda operation, *arguments: synced.append(arguments[0]) if operation == "fsync_dir" else None)
    fs.make_folder(str(tmp_path / "a/b/c"))
    assert (tmp_path / "a/b/c").is_dir()
    assert synced == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a/b")]
    fs.make_folder(str(tmp_path / "a/b/c"))
    assert len(synced) == 3


def test_a_file_in_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FileExistsError):
        PosixFs().make_folder(str(tmp_path / "a"))
    with pytest.raises(NotADirectoryError):
        PosixFs().make_folder(str(tmp_path / "a/b"))
