"""One door to the file system, several systems behind it: what each implementation has to keep (disk/fs.py).

On POSIX it runs for the real file system, and for that of Windows on Windows-like disks; on Windows for the real one.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest

from landsat_async.disk.fs import NEW, READ, WRITE, LockState
from landsat_async.disk.fs_windows import WindowsFs

pytestmark = pytest.mark.portable

ON_WINDOWS = sys.platform == "win32"
KINDS = ["windows"] if ON_WINDOWS else ["posix", "ntfs-like", "exfat-like", "share-like"]
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


def make_fs(kind, root, observer=None):
    if kind == "windows":
        return WindowsFs(observer, patience_s=0.5)
    if kind == "posix":
        from landsat_async.disk.fs_posix import PosixFs

        return PosixFs(observer)
    from tests.support.windows_like import Disk, LikeWin32

    manners = {
        "ntfs-like": {},
        "exfat-like": {"hard_links": 1, "folder_sync": False},
        "share-like": {"hard_links": 50, "folder_sync": False, "no_locks": 50},
    }
    return WindowsFs(observer, api=LikeWin32(Disk(root, kind, **manners[kind])), patience_s=0.5)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def fs(kind, tmp_path):
    return make_fs(kind, tmp_path)


@pytest.fixture
def at(tmp_path):
    """Path of a name in the folder of the test."""
    return lambda name: str(tmp_path / name)


@contextmanager
def opened(fs, path, flags):
    fd = fs.open(path, flags)
    try:
        yield fd
    finally:
        fs.close(fd)


def put(fs, path, data=b"abc"):
    with opened(fs, path, NEW) as fd:
        fs.pwrite_all(fd, memoryview(data), 0)
        fs.fsync(fd)


def content(fs, path):
    with opened(fs, path, READ) as fd:
        return fs.pread(fd, 1 << 20, 0)


def has_links(fs, at):
    put(fs, at("linked"))
    try:
        fs.link(at("linked"), at("linked too"))
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return False
    return True


# Open files


CALLS_OF_A_DESCRIPTOR = {
    "pread": (1, 0),
    "pwrite": (memoryview(b"a"), 0),
    "fsync": (),
    "ftruncate": (0,),
    "fstat": (),
    "free_bytes": (),
}


@pytest.mark.parametrize("call", CALLS_OF_A_DESCRIPTOR)
def test_what_is_no_descriptor_is_refused(fs, call):
    """A part that has been closed keeps none: its number may be that of another file by then."""
    with pytest.raises((OSError, ValueError)):  # Python itself refuses some
        getattr(fs, call)(-1, *CALLS_OF_A_DESCRIPTOR[call])


def test_a_new_file_is_made_once_and_only_then(fs, at):
    put(fs, at("a"))
    with pytest.raises(FileExistsError):
        fs.open(at("a"), NEW)
    assert content(fs, at("a")) == b"abc"


@pytest.mark.parametrize("flags", [READ, WRITE])
def test_what_is_not_there_is_not_made(fs, at, flags):
    for name in ("a", "no folder/a"):
        with pytest.raises(FileNotFoundError):
            fs.open(at(name), flags)
    assert os.listdir(os.path.dirname(at("a"))) == []


def test_bytes_are_read_and_written_at_offsets_and_nothing_is_translated(fs, at):
    text = b"\r\n\n\x1a\x00" * 20
    put(fs, at("a"), text)
    with opened(fs, at("a"), WRITE) as fd:
        fs.pwrite_all(fd, memoryview(bytearray(b"xyz")), 10)
        assert fs.pread(fd, 5, 8) == text[8:10] + b"xyz"
        assert fs.pread(fd, 1000, 95) == text[95:]
        assert fs.pread(fd, 10, 100) == b""
        assert fs.pread(fd, 10, 10**12) == b""
        assert fs.pread(fd, 0, 0) == b""
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0 or ON_WINDOWS, "the position has been used"
    assert content(fs, at("a")) == text[:10] + b"xyz" + text[13:]


def test_a_write_behind_the_end_leaves_zeros(fs, at):
    with opened(fs, at("a"), NEW) as fd:
        fs.pwrite_all(fd, memoryview(b"x"), 5)
        assert fs.pread(fd, 10, 0) == b"\0\0\0\0\0x"


@pytest.mark.skipif(ON_WINDOWS and not os.environ.get("WINEPREFIX"), reason="takes that much of a real disk")
def test_offsets_beyond_four_gibibytes_are_right(fs, at):
    with opened(fs, at("a"), NEW) as fd:
        fs.pwrite_all(fd, memoryview(b"low"), 2**20)
        fs.pwrite_all(fd, memoryview(b"high"), 2**32 + 2**20)
        assert fs.pread(fd, 4, 2**20) == b"low\0"
        assert fs.pread(fd, 9, 2**32 + 2**20) == b"high"
        assert fs.fstat(fd).st_size == 2**32 + 2**20 + 4
        fs.ftruncate(fd, 0)


def test_files_are_cut_and_extended_by_zeros(fs, at):
    with opened(fs, at("a"), NEW) as fd:
        fs.pwrite_all(fd, memoryview(b"abcdef"), 0)
        fs.ftruncate(fd, 2)
        fs.ftruncate(fd, 4)
        fs.fsync(fd)
        assert fs.pread(fd, 9, 0) == b"ab\0\0"


def test_descriptors_are_not_inherited(fs, at):
    with opened(fs, at("a"), NEW) as fd:
        assert not os.get_inheritable(fd)


def test_a_reader_cannot_write(fs, at):
    put(fs, at("a"))
    with opened(fs, at("a"), READ) as fd, pytest.raises(OSError):
        fs.pwrite(fd, memoryview(b"x"), 0)


def test_readers_and_a_writer_of_ours_bear_with_each_other(fs, at):
    put(fs, at("a"))
    with opened(fs, at("a"), WRITE) as writer, opened(fs, at("a"), READ) as reader:
        fs.pwrite_all(writer, memoryview(b"X"), 0)
        assert fs.pread(reader, 9, 0) == b"Xbc"


def test_a_closed_descriptor_is_refused(fs, at):
    put(fs, at("a"))
    fd = fs.open(at("a"), READ)
    fs.close(fd)
    with pytest.raises((OSError, KeyError)):
        fs.close(fd)


# What a file is


def test_an_open_file_and_its_name_tell_the_same(fs, at):
    put(fs, at("a"), b"12345")
    with opened(fs, at("a"), READ) as fd:
        open_file, name = fs.fstat(fd), fs.lstat(at("a"))
    for field in ("st_size", "st_mtime_ns", "st_dev", "st_ino", "st_nlink"):
        assert getattr(open_file, field) == getattr(name, field)
    assert (name.st_size, name.st_nlink) == (5, 1)
    assert stat.S_ISREG(name.st_mode)
    assert stat.S_ISREG(open_file.st_mode)
    assert name.st_mtime_ns == os.lstat(at("a")).st_mtime_ns, "the ledger holds times that Python has told"


def test_folders_are_told_from_files(fs, at):
    fs.mkdir(at("folder"), 0o755)
    assert stat.S_ISDIR(fs.lstat(at("folder")).st_mode)
    with pytest.raises(IsADirectoryError):
        fs.open(at("folder"), WRITE)
    try:
        fd = fs.open(at("folder"), READ)
    except IsADirectoryError:
        return
    assert stat.S_ISDIR(fs.fstat(fd).st_mode)
    fs.close(fd)


def test_the_identity_of_a_file_stays_with_it(fs, at):
    put(fs, at("a"))
    put(fs, at("b"))
    before, other = fs.lstat(at("a")), fs.lstat(at("b"))
    assert (before.st_dev, before.st_ino) != (other.st_dev, other.st_ino)
    fs.rename_noreplace(at("a"), at("c"))
    after = fs.lstat(at("c"))
    assert (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)


def test_names_that_are_not_there_are_missing(fs, at):
    for name in ("a", "folder/a"):
        with pytest.raises(FileNotFoundError):
            fs.lstat(at(name))


def test_a_folder_tells_its_names(fs, at, tmp_path):
    put(fs, at("LC08.TIF"))
    put(fs, at("zwölf Ä €.txt"))
    fs.mkdir(at("folder"), 0o755)
    assert sorted(fs.listdir(str(tmp_path))) == ["LC08.TIF", "folder", "zwölf Ä €.txt"]
    with pytest.raises(FileNotFoundError):
        fs.listdir(at("nothing"))


# Names


@pytest.mark.parametrize("how", ["link", "rename_noreplace"])
@pytest.mark.parametrize("there", ["file", "folder", "same"])
@pytest.mark.faults("H06", "H14")
def test_H06_names_are_never_taken_from_anything(fs, at, how, there):
    if how == "link" and not has_links(fs, at):
        pytest.skip("no links on this file system: rename_noreplace is used then")
    put(fs, at("part"), b"part")
    match there:
        case "file":
            put(fs, at("final"), b"theirs")
        case "folder":
            fs.mkdir(at("final"), 0o755)
        case "same":
            if how != "link":
                pytest.skip("a name on itself")
            fs.link(at("part"), at("final"))
    with pytest.raises(FileExistsError):
        getattr(fs, how)(at("part"), at("final"))
    assert content(fs, at("part")) == b"part"
    if there == "file":
        assert content(fs, at("final")) == b"theirs"


@pytest.mark.parametrize("how", ["rename_noreplace", "replace"])
def test_a_file_moves_to_a_free_name(fs, at, tmp_path, how):
    put(fs, at("part"))
    getattr(fs, how)(at("part"), at("final"))
    assert fs.listdir(str(tmp_path)) == ["final"]
    assert content(fs, at("final")) == b"abc"


@pytest.mark.parametrize("how", ["link", "rename_noreplace", "replace"])
def test_what_is_missing_cannot_be_named(fs, at, how):
    if how == "link" and not has_links(fs, at):
        pytest.skip("no links on this file system")
    with pytest.raises(FileNotFoundError):
        getattr(fs, how)(at("part"), at("final"))
    put(fs, at("part"))
    with pytest.raises(FileNotFoundError):
        getattr(fs, how)(at("part"), at("no folder/final"))


def test_a_link_is_a_second_name_of_the_same_file(fs, at):
    if not has_links(fs, at):
        pytest.skip("no links on this file system")
    one, other = fs.lstat(at("linked")), fs.lstat(at("linked too"))
    assert (one.st_dev, one.st_ino, 2) == (other.st_dev, other.st_ino, other.st_nlink)
    fs.unlink(at("linked"))
    assert content(fs, at("linked too")) == b"abc"


def test_replacing_takes_the_place_of_a_file_and_of_nothing_else(fs, at):
    put(fs, at("new"), b"new")
    put(fs, at("old"), b"old")
    fs.replace(at("new"), at("old"))
    assert content(fs, at("old")) == b"new"
    fs.mkdir(at("folder"), 0o755)
    with pytest.raises(IsADirectoryError):
        fs.replace(at("old"), at("folder"))
    assert content(fs, at("old")) == b"new"


def test_a_part_is_named_and_its_own_name_removed_while_it_is_open(fs, at, tmp_path):
    links = has_links(fs, at)
    with opened(fs, at("part"), NEW) as fd:
        fs.pwrite_all(fd, memoryview(b"part"), 0)
        fs.fsync(fd)
        if links:
            fs.link(at("part"), at("final"))
            fs.unlink(at("part"))
        else:
            fs.rename_noreplace(at("part"), at("final"))
        fs.pwrite_all(fd, memoryview(b"P"), 0)
    assert content(fs, at("final")) == b"Part"
    assert "part" not in fs.listdir(str(tmp_path))


def test_a_part_changes_its_generation_while_an_abandoned_writer_has_it_open(fs, at):
    with opened(fs, at("1.1.part"), NEW) as fd:
        fs.replace(at("1.1.part"), at("1.2.part"))
        fs.pwrite_all(fd, memoryview(b"late"), 0)
    assert content(fs, at("1.2.part")) == b"late"


def test_names_are_removed(fs, at, tmp_path):
    put(fs, at("a"))
    fs.unlink(at("a"))
    assert fs.listdir(str(tmp_path)) == []
    with pytest.raises(FileNotFoundError):
        fs.unlink(at("a"))
    fs.mkdir(at("folder"), 0o755)
    with pytest.raises(OSError) as refused:
        fs.unlink(at("folder"))
    assert refused.value.errno in (errno.EISDIR, errno.EPERM)


def test_folders_are_made_with_their_parents_and_only_where_nothing_is(fs, at):
    fs.make_folder(at("a/b/c"))
    fs.make_folder(at("a/b/c"))
    assert stat.S_ISDIR(fs.lstat(at("a/b/c")).st_mode)
    with pytest.raises(FileExistsError):
        fs.mkdir(at("a/b"), 0o755)
    with pytest.raises(FileNotFoundError):
        fs.mkdir(at("x/y"), 0o755)
    put(fs, at("file"))
    with pytest.raises(FileExistsError):
        fs.make_folder(at("file"))
    with pytest.raises((FileExistsError, NotADirectoryError)):
        fs.make_folder(at("file/b"))


def test_a_folder_is_synced_or_that_is_passed_over(fs, at, tmp_path):
    put(fs, at("a"))
    fs.fsync_dir(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        fs.fsync_dir(at("nothing"))


@pytest.mark.parametrize("length", [259, 260, 300])
@pytest.mark.faults("D10")
@pytest.mark.faults("W17")
def test_D10_long_paths_are_no_trouble_below_the_limit_of_a_name(fs, tmp_path, length):
    folder = str(tmp_path)
    while length - len(folder) > 120:
        folder = fs.join(folder, "d" * 60)
    if not 1 < length - len(folder) - 1 < 200:
        pytest.skip("the folder of this test is too long")
    fs.make_folder(folder)
    part, final = fs.join(folder, "p" * (length - len(folder) - 1)), fs.join(folder, "f" * (length - len(folder) - 1))
    assert fs.length_of(part) == length
    put(fs, part)
    fs.rename_noreplace(part, final)
    fs.fsync_dir(folder)
    assert content(fs, final) == b"abc"
    assert fs.listdir(folder) == ["f" * (length - len(folder) - 1)]


@pytest.mark.faults("D10")
def test_D10_a_name_that_is_too_long_is_told(fs, at):
    with pytest.raises(OSError) as refused:
        put(fs, at("a" * 256))
    assert refused.value.errno == errno.ENAMETOOLONG


# Whether it is ours, and how much room there is


def test_a_file_with_a_second_name_is_not_ours_alone(fs, at, kind):
    with opened(fs, at("a"), NEW) as fd:
        assert fs.is_ours_alone(fd) or sys.platform == "darwin"
        try:
            fs.link(at("a"), at("b"))
        except OSError:
            return
        assert not fs.is_ours_alone(fd)


def test_free_space_and_limits_are_told(fs, at, tmp_path):
    with opened(fs, at("a"), NEW) as fd:
        assert fs.free_bytes(fd) > 0
    volume = fs.volume(str(tmp_path))
    assert volume.free_bytes > 0
    assert volume.name_max >= 143
    assert volume.path_max >= 259
    assert isinstance(volume.kind, str)


_HOLDER = """
import sys
from landsat_async.disk.fs import local_fs
fd, state = local_fs().open_lock(sys.argv[1])
local_fs().pwrite_all(fd, memoryview(b"it is me"), 0)
print(state.value, flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not ON_WINDOWS and "windows" in KINDS, reason="only where the implementation is the real one")
@pytest.mark.faults("J01", "J02")
def test_J01_a_lock_keeps_other_processes_out_while_its_holder_lives(kind, fs, at):
    if kind not in ("posix", "windows"):
        pytest.skip("not the system's own")
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, at("lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline().strip() == "held"
        fd, state = fs.open_lock(at("lock"))
        assert state is LockState.BUSY
        assert fs.pread(fd, 100, 0) == b"it is me", "who has it can be read by those who do not"
        fs.close(fd)
        holder.kill()
    fd, state = fs.open_lock(at("lock"))
    assert state is LockState.HELD
    fs.close(fd)


def test_a_lock_is_free_again_when_its_descriptor_is_closed(fs, at, kind):
    expected = LockState.UNSUPPORTED if kind == "share-like" else LockState.HELD
    for _ in range(2):
        fd, state = fs.open_lock(at("lock"))
        assert state is expected
        fs.close(fd)


@pytest.mark.faults("J06")
def test_J06_on_windows_a_lock_also_keeps_out_its_own_process(fs, at, kind):
    if kind in ("posix", "share-like"):
        pytest.skip("record locks do not, see disk/lock.py")
    fd, state = fs.open_lock(at("lock"))
    assert state is LockState.HELD
    other, state = fs.open_lock(at("lock"))
    assert state is LockState.BUSY
    fs.close(other)
    fs.close(fd)


# The guard


@pytest.mark.parametrize(
    "relpath", ["", "/", "a/", "/a", "a//b", ".", "..", "../a", "a/../../b", "a/./b", "a/..", "a\0b"]
)
def test_a_path_that_leaves_the_root_cannot_be_made(fs, tmp_path, relpath):
    with pytest.raises(OSError) as refused:
        fs.join(str(tmp_path), relpath)
    assert refused.value.errno == errno.EINVAL


def test_below_a_guarded_root_all_is_as_without(fs, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    fs.guard(str(root))
    fs.make_folder(fs.join(str(root), "LC08/2024"))
    with fs.together():
        part, final = fs.join(str(root), "part"), fs.join(str(root), "LC08/2024/a.TIF")
        put(fs, part)
        with fs.together():
            fs.rename_noreplace(part, final)
        fs.fsync_dir(os.path.dirname(final))
        with pytest.raises(FileNotFoundError):
            fs.lstat(part)
        assert content(fs, final) == b"abc"
    assert fs.listdir(os.path.dirname(final)) == ["a.TIF"]
    os.rename(root / "LC08", root / "LE07")
    api = getattr(fs, "_api", None)
    assert not getattr(getattr(api, "disk", None), "opens", {}), "a folder is still held"


@pytest.mark.faults("K11")
@pytest.mark.faults("W14", "W15")
def test_K11_no_link_is_followed_below_a_guarded_root(fs, tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "real").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "a").write_bytes(b"theirs")
    try:
        os.symlink(elsewhere, root / "LC08", target_is_directory=True)
        os.symlink(elsewhere / "a", root / "real" / "a")
        if not os.path.islink(root / "LC08"):
            pytest.skip("links cannot be read here (Wine)")
    except OSError:
        pytest.skip("links cannot be made here")
    fs.guard(str(root))
    for relpath in ("LC08/a", "real/a"):
        for path in (fs.join(str(root), relpath), f"{root}/{relpath}"):  # also where somebody has joined by hand
            for flags in (READ, WRITE):
                with pytest.raises(OSError) as refused:
                    fs.open(path, flags)
                assert refused.value.errno == errno.ELOOP
    put(fs, fs.join(str(root), "part"))
    for call in (fs.rename_noreplace, fs.replace):
        with pytest.raises(OSError) as refused:
            call(fs.join(str(root), "part"), fs.join(str(root), "LC08/b"))
        assert refused.value.errno == errno.ELOOP
    with pytest.raises(OSError) as refused:
        fs.make_folder(fs.join(str(root), "LC08"))
    assert refused.value.errno == errno.ELOOP
    assert stat.S_ISLNK(fs.lstat(fs.join(str(root), "real/a")).st_mode)
    assert os.listdir(elsewhere) == ["a"]
    assert (elsewhere / "a").read_bytes() == b"theirs"


def test_a_root_that_is_another_folder_now_is_missing(fs, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    fs.guard(str(root))
    os.rename(root, tmp_path / "away")
    root.mkdir()
    with pytest.raises(FileNotFoundError):
        put(fs, fs.join(str(root), "a"))
    assert os.listdir(root) == []


# Watched by tests


def test_the_observer_sees_each_call_before_it_happens_and_may_fail_it(kind, tmp_path):
    seen = []

    def observer(operation, *arguments):
        seen.append(operation)
        if operation == "fsync":
            raise OSError(errno.EIO, "no")

    fs = make_fs(kind, tmp_path, observer)
    with opened(fs, str(tmp_path / "a"), NEW) as fd:
        fs.pwrite_all(fd, memoryview(b"abc"), 0)
        with pytest.raises(OSError, match="no"):
            fs.fsync(fd)
        fs.pread(fd, 1, 0)
        fs.fstat(fd)
        fs.ftruncate(fd, 1)
        fs.fchmod(fd, 0o644)
    fs.lstat(str(tmp_path / "a"))
    fs.replace(str(tmp_path / "a"), str(tmp_path / "b"))
    fs.unlink(str(tmp_path / "b"))
    assert seen == [
        "open", "pwrite", "fsync", "pread", "fstat", "ftruncate", "fchmod", "close", "lstat", "replace", "unlink",
    ]  # fmt: skip
