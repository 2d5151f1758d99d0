"""What is different on Windows: sharing, names that linger, other programs, file systems that can less.

On Windows with the real calls, on Linux with those of tests/support/windows_like.py.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from landsat_async.disk import win32
from landsat_async.disk.fs import NEW, READ, WRITE, FileInUse, LockState
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.disk.win32_errors import Win32Error

pytestmark = pytest.mark.portable

ON_WINDOWS = sys.platform == "win32"
on_linux_only = pytest.mark.skipif(ON_WINDOWS, reason="needs a disk that can be told what to do")
SCANNER, SELFISH = win32.SHARE_READ, 0
FOR_EVER = 10**6


class Failing:
    """Fails the first calls of some names; what is asked for afterwards goes to the calls below."""

    def __init__(self, api, code, names, times):
        self.api, self.code, self.names, self.left = api, code, names, times
        self.failed = 0

    def __getattr__(self, name):
        call = getattr(self.api, name)
        if name not in self.names:
            return call

        def failing(*arguments, **named):
            if self.left > 0:
                self.left -= 1
                self.failed += 1
                raise Win32Error(self.code)
            return call(*arguments, **named)

        return failing


@pytest.fixture
def disk(tmp_path):
    if ON_WINDOWS:
        yield None
        return
    from tests.support.windows_like import Disk

    disk = Disk(tmp_path)
    yield disk
    assert [one for one in disk.opens.values() if one.ends_at_s == math.inf] == [], "a handle is still open"


@pytest.fixture
def api(disk):
    if ON_WINDOWS:
        return win32.kernel32()
    from tests.support.windows_like import LikeWin32

    return LikeWin32(disk)


@pytest.fixture
def fs(api):
    return WindowsFs(api=api, patience_s=0.1)


@pytest.fixture
def at(tmp_path):
    return lambda name: str(tmp_path / name)


def put(fs, path, data=b"abc"):
    fd = fs.open(path, NEW)
    try:
        fs.pwrite_all(fd, memoryview(data), 0)
    finally:
        fs.close(fd)


def content(fs, path):
    fd = fs.open(path, READ)
    try:
        return fs.pread(fd, 1 << 20, 0)
    finally:
        fs.close(fd)


@contextmanager
def other_program(api, path, share=SCANNER, access=win32.GENERIC_READ):
    """Another program has the file open; a scanner only lets others read."""
    handle = api.create_file(api.native(path), access, share, win32.OPEN_EXISTING, 0)
    try:
        yield
    finally:
        api.close_handle(handle)


# Sharing


def test_a_writer_keeps_other_writers_out(fs, at):
    fd = fs.open(at("part"), NEW)
    with pytest.raises(FileInUse, match="open in another program"):
        fs.open(at("part"), WRITE)
    fs.close(fd)
    fs.close(fs.open(at("part"), WRITE))


def test_a_reader_lets_anybody_write_rename_and_remove(fs, api, at):
    put(fs, at("a"))
    fd = fs.open(at("a"), READ)
    with other_program(api, at("a"), win32.SHARE_ALL, win32.GENERIC_READ | win32.GENERIC_WRITE | win32.DELETE):
        fs.rename_noreplace(at("a"), at("b"))
    fs.unlink(at("b"))
    assert fs.pread(fd, 9, 0) == b"abc"
    fs.close(fd)


def use(fs, at, name):
    """One call of each kind on a file that somebody has open."""
    match name:
        case "open":
            fs.close(fs.open(at("a"), WRITE))
        case "rename":
            fs.rename_noreplace(at("a"), at("b"))
        case "replace":
            fs.replace(at("a"), at("b"))
        case "replaced":
            put(fs, at("new"))
            fs.replace(at("new"), at("a"))
        case "unlink":
            fs.unlink(at("a"))


@pytest.mark.parametrize("name", ["open", "rename", "replace", "replaced", "unlink"])
@pytest.mark.faults("H15")
def test_H15_a_file_that_stays_open_elsewhere_is_told_as_that_and_nothing_is_lost(fs, api, at, name):
    put(fs, at("a"))
    with other_program(api, at("a"), SCANNER):
        began_s = time.perf_counter()
        with pytest.raises(FileInUse) as refused:
            use(fs, at, name)
        assert time.perf_counter() - began_s > 0.05, "it was not tried again"
        assert refused.value.filename == at("a")
        assert refused.value.errno == errno.EBUSY
        assert content(fs, at("a")) == b"abc"
    assert content(fs, at("a")) == b"abc"


@pytest.mark.parametrize("name", ["open", "rename", "replace", "replaced", "unlink"])
@pytest.mark.faults("H15")
def test_H15_a_scanner_that_lets_go_is_waited_for(api, at, name):
    fs = WindowsFs(api=api, patience_s=30)
    put(fs, at("a"))
    holding, enough = threading.Event(), threading.Event()

    def scan():
        with other_program(api, at("a"), SCANNER):
            holding.set()
            enough.wait(30)
            time.sleep(0.1)

    scanner = threading.Thread(target=scan)
    scanner.start()
    holding.wait(30)
    enough.set()
    use(fs, at, name)
    scanner.join()


@pytest.mark.faults("H15")
def test_H15_a_file_that_nobody_else_may_even_read_is_in_use(fs, api, at):
    put(fs, at("a"))
    with other_program(api, at("a"), SELFISH), pytest.raises(FileInUse):
        fs.open(at("a"), READ)


def test_what_is_open_is_not_replaced_even_when_its_user_would_let_it_be_removed(fs, api, at):
    put(fs, at("new"), b"new")
    put(fs, at("old"), b"old")
    with other_program(api, at("old"), win32.SHARE_ALL), pytest.raises(FileInUse) as refused:
        fs.replace(at("new"), at("old"))
    assert refused.value.filename == at("old")
    assert content(fs, at("new")) == b"new"
    fs.replace(at("new"), at("old"))
    assert content(fs, at("old")) == b"new"


@pytest.mark.faults("W08")
def test_a_name_lingers_until_the_last_handle_is_closed(fs, at):
    put(fs, at("1.1.part"))
    fd = fs.open(at("1.1.part"), READ)
    fs.unlink(at("1.1.part"))
    with pytest.raises((FileInUse, FileExistsError)):
        fs.open(at("1.1.part"), NEW)
    if not ON_WINDOWS:  # Wine opens what lingers
        with pytest.raises(FileInUse):
            fs.open(at("1.1.part"), READ)
    put(fs, at("1.2.part"))  # so a new part takes the next generation's name
    fs.close(fd)
    put(fs, at("1.1.part"))


def test_hurry_ends_waits_and_begins_none(api, at):
    fs = WindowsFs(api=api, patience_s=60)
    put(fs, at("a"))
    failures = []

    def wait():
        try:
            fs.unlink(at("a"))
        except FileInUse as error:
            failures.append(error)

    with other_program(api, at("a")):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.05)
        fs.cancel_soon()
        waiting.join(30)
        assert not waiting.is_alive()
        with pytest.raises(FileInUse):
            fs.open(at("a"), WRITE)
    assert len(failures) == 1
    fs.unlink(at("a"))  # what is in nobody's way is still done


# Errors 5, 32 and 33 at each call

CALLS = {
    "open": ("create_file", lambda fs, at: fs.close(fs.open(at("a"), READ))),
    "open new": ("create_file", lambda fs, at: fs.close(fs.open(at("new"), NEW))),
    "lstat": ("create_file", lambda fs, at: fs.lstat(at("a"))),
    "listdir": ("list_folder", lambda fs, at: fs.listdir(at("."))),
    "link": ("make_hard_link", lambda fs, at: fs.link(at("a"), at("b"))),
    "rename": ("move_file", lambda fs, at: fs.rename_noreplace(at("a"), at("b"))),
    "replace": ("move_file", lambda fs, at: fs.replace(at("a"), at("b"))),
    "unlink": ("delete_file", lambda fs, at: fs.unlink(at("a"))),
    "mkdir": ("make_folder", lambda fs, at: fs.mkdir(at("folder"), 0o700)),
    "make_folder": ("make_folder", lambda fs, at: fs.make_folder(at("x/y"))),
    "guard": ("create_file", lambda fs, at: fs.guard(at("."))),
    "volume": ("volume", lambda fs, at: fs.volume(at("."))),
}
OPEN_CALLS = {
    "pread": ("read_file", lambda fs, fd: fs.pread(fd, 1, 0)),
    "pwrite": ("write_file", lambda fs, fd: fs.pwrite_all(fd, memoryview(b"xy"), 0)),
    "fsync": ("flush", lambda fs, fd: fs.fsync(fd)),
    "ftruncate": ("set_size", lambda fs, fd: fs.ftruncate(fd, 1)),
    "fstat": ("information", lambda fs, fd: fs.fstat(fd)),
    "free_bytes": ("free_bytes", lambda fs, fd: fs.free_bytes(fd)),
}


@pytest.mark.parametrize("code", [5, 32, 33, 303, 1224])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.faults("H15")
@pytest.mark.faults("W04")
def test_H15_any_call_on_a_name_goes_on_when_the_other_program_lets_go(api, at, name, code):
    called, call = CALLS[name]
    put(WindowsFs(api=api), at("a"))
    failing = Failing(api, code, {called}, 3)
    call(WindowsFs(api=failing, patience_s=30), at)
    assert failing.failed == 3


@pytest.mark.parametrize("code", [32, 33, 303, 1224])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.faults("H15")
@pytest.mark.faults("W05", "W06")
def test_H15_any_call_on_a_name_ends_when_the_other_program_never_lets_go(api, at, name, code):
    called, call = CALLS[name]
    put(WindowsFs(api=api), at("a"))
    with pytest.raises(FileInUse):
        call(WindowsFs(api=Failing(api, code, {called}, FOR_EVER), patience_s=0.02), at)
    assert content(WindowsFs(api=api), at("a")) == b"abc"


@pytest.mark.parametrize("code", [5, 33])
@pytest.mark.parametrize("name", OPEN_CALLS)
@pytest.mark.faults("H15")
def test_H15_any_call_on_an_open_file_waits_too(api, at, name, code):
    called, call = OPEN_CALLS[name]
    failing = Failing(api, code, {called}, 0)
    fs = WindowsFs(api=failing, patience_s=30)
    fd = fs.open(at("a"), NEW)
    fs.pwrite_all(fd, memoryview(b"abc"), 0)
    failing.left = 3
    call(fs, fd)
    assert failing.failed == 3
    fs.close(fd)


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("mkdir", "make_folder")])
def test_a_lack_of_rights_is_no_other_program(api, at, name):
    called, call = CALLS[name]
    put(WindowsFs(api=api), at("a"))
    failing = Failing(api, 5, {called}, FOR_EVER)
    with pytest.raises(PermissionError):
        call(WindowsFs(api=failing, patience_s=0.02), at)


@pytest.mark.faults("H15")
def test_H15_access_denied_is_another_program_where_one_has_the_file_open(api, at):
    fs = WindowsFs(api=Failing(api, 5, {"delete_file", "move_file"}, FOR_EVER), patience_s=0.02)
    put(fs, at("a"))
    with other_program(api, at("a")):
        for call in (lambda: fs.unlink(at("a")), lambda: fs.rename_noreplace(at("a"), at("b"))):
            with pytest.raises(FileInUse):
                call()


def test_a_folder_is_not_waited_for(api, at):
    fs = WindowsFs(api=api, patience_s=60)
    os.mkdir(at("folder"))
    put(fs, at("a"))
    for call in (lambda: fs.open(at("folder"), WRITE), lambda: fs.replace(at("a"), at("folder")),
                 lambda: fs.unlink(at("folder"))):  # fmt: skip
        with pytest.raises(IsADirectoryError):
            call()


# Disks that are gone, full, or can less


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (1167, errno.EIO),  # a stick was pulled out
        (433, errno.EIO),
        (64, errno.EIO),  # a share was lost
        (59, errno.EIO),
        (53, errno.EIO),
        (112, errno.ENOSPC),
        (39, errno.ENOSPC),
        (1295, errno.EDQUOT),
        (19, errno.EROFS),
        (4, errno.EMFILE),
        (1450, errno.ENOMEM),
        (999999, errno.EIO),
    ],
)
def test_other_errors_are_told_at_once_and_by_their_kind(api, at, code, number):
    failing = Failing(api, code, {"write_file", "create_file"}, 0)
    fs = WindowsFs(api=failing, patience_s=60)
    fd = fs.open(at("a"), NEW)
    failing.left = 2
    for call in (lambda: fs.pwrite(fd, memoryview(b"x"), 0), lambda: fs.open(at("b"), NEW)):
        with pytest.raises(OSError, match=str(code)) as refused:
            call()
        assert refused.value.errno == number
    fs.close(fd)


@pytest.mark.parametrize("code", [1, 50])
@pytest.mark.faults("H14")
@pytest.mark.faults("W09", "W10")
def test_H14_where_there_are_no_links_a_rename_takes_no_name_from_anything(api, at, code):
    fs = WindowsFs(api=Failing(api, code, {"make_hard_link"}, FOR_EVER))
    put(fs, at("part"))
    put(fs, at("theirs"), b"theirs")
    with pytest.raises(OSError) as refused:
        fs.link(at("part"), at("theirs"))
    assert refused.value.errno in (errno.ENOSYS, errno.ENOTSUP)
    with pytest.raises(FileExistsError):
        fs.rename_noreplace(at("part"), at("theirs"))
    assert content(fs, at("theirs")) == b"theirs"
    assert content(fs, at("part")) == b"abc"


@pytest.mark.parametrize("code", [1, 5, 50, 87])
def test_where_a_folder_cannot_be_flushed_that_is_passed_over(api, at, code):
    fs = WindowsFs(api=Failing(api, code, {"flush"}, FOR_EVER), patience_s=60)
    fs.fsync_dir(at("."))


def test_a_disk_that_fails_in_a_flush_of_a_folder_is_told(api, at):
    fs = WindowsFs(api=Failing(api, 1117, {"flush"}, FOR_EVER))
    with pytest.raises(OSError) as refused:
        fs.fsync_dir(at("."))
    assert refused.value.errno == errno.EIO


@pytest.mark.parametrize(("code", "state"), [(1, LockState.UNSUPPORTED), (50, LockState.UNSUPPORTED),
                                             (33, LockState.BUSY), (997, LockState.BUSY)])  # fmt: skip
@pytest.mark.faults("J01")
@pytest.mark.faults("W10")
def test_J01_only_a_file_system_that_says_so_has_no_locks(api, at, code, state):
    fs = WindowsFs(api=Failing(api, code, {"lock"}, FOR_EVER))
    fd, found = fs.open_lock(at("lock"))
    assert found is state
    fs.close(fd)


@pytest.mark.parametrize("code", [0, 5, 6, 64, 87, 1117])
@pytest.mark.faults("J01")
def test_J01_a_lock_that_fails_for_an_unknown_reason_is_no_lock(api, at, code):
    fs = WindowsFs(api=Failing(api, code, {"lock"}, FOR_EVER))
    with pytest.raises(OSError):
        fs.open_lock(at("lock"))
    os.remove(at("lock"))  # nobody has it open


def test_nobody_removes_the_lock_file_while_it_is_held(fs, at):
    fd, state = fs.open_lock(at("lock"))
    assert state is LockState.HELD
    with pytest.raises(FileInUse):
        fs.unlink(at("lock"))
    fs.close(fd)


@pytest.mark.faults("W19")
def test_the_read_only_attribute_binds_us_no_more_than_a_mode_does(fs, at):
    put(fs, at("new"), b"new")
    put(fs, at("old"), b"old")
    os.chmod(at("old"), 0o444)
    fs.replace(at("new"), at("old"))
    assert content(fs, at("old")) == b"new"
    os.chmod(at("old"), 0o444)
    fs.unlink(at("old"))
    assert fs.listdir(at(".")) == []


@pytest.mark.faults("W33")
def test_names_that_differ_in_case_are_one_name(fs, at):
    put(fs, at("LC08.TIF"), b"theirs")
    assert content(fs, at("lc08.tif")) == b"theirs"
    put(fs, at("part"))
    for call in (fs.link, fs.rename_noreplace):
        with pytest.raises(FileExistsError):
            call(at("part"), at("Lc08.tif"))
    assert content(fs, at("LC08.TIF")) == b"theirs"


@on_linux_only
@pytest.mark.faults("W16")
def test_placeholders_are_files_and_no_links(fs, disk, at):
    put(fs, at("a"))
    disk.placeholders.add(os.stat(at("a")).st_ino)
    assert content(fs, at("a")) == b"abc"
    assert stat.S_ISREG(fs.lstat(at("a")).st_mode)
    fd = fs.open(at("a"), WRITE)
    fs.pwrite_all(fd, memoryview(b"A"), 0)
    fs.close(fd)
    assert content(fs, at("a")) == b"Abc"


@on_linux_only
def test_each_new_file_may_be_scanned_for_a_while(disk, api, at):
    disk.scan_s = 0.05
    fs = WindowsFs(api=api, patience_s=30)
    for number in range(5):
        put(fs, at("part"))
        fs.rename_noreplace(at("part"), at(f"final {number}"))
    assert len(fs.listdir(at("."))) == 5


@on_linux_only
def test_the_fault_of_a_disk_can_be_put_at_any_call(disk, fs, at):
    seen = []

    def fault(call, path):
        seen.append(call)
        return 1117 if call == "WriteFile" else None

    disk.fault = fault
    with pytest.raises(OSError):
        put(fs, at("a"))
    assert seen[0] == "CreateFileW"
    assert seen[-2:] == ["WriteFile", "CloseHandle"]


@pytest.mark.parametrize("name", ["CON", "nul.TIF", "com1", "a:b", "a?", "a*", "a.", "a ", 'a"', "a|b", "a<b", "\x1f"])
@pytest.mark.faults("W18")
def test_names_that_windows_would_take_for_something_else_are_refused(fs, at, tmp_path, name):
    with pytest.raises(OSError) as refused:
        fs.join(str(tmp_path), f"LC08/{name}")
    assert refused.value.errno == errno.EINVAL
    if ON_WINDOWS:
        with pytest.raises(OSError):
            fs.open(f"{tmp_path}\\{name}", NEW)
