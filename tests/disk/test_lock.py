"""The lock of an output folder: whom it keeps out, what it survives, and what its errors mean."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.fs import LockState, local_fs
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.lock import FolderLock
from landsat_async.errors import DiskFull, FolderBusy, FolderUnwritable

PROJECT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="locks of open files")


def child(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )


OURS = """
import sys
from pathlib import Path
from landsat_async.disk.fs import local_fs
from landsat_async.disk.lock import FolderLock
from landsat_async.errors import FolderBusy
try:
    FolderLock(Path(sys.argv[1]), local_fs())
except FolderBusy as busy:
    sys.exit(str(busy))
"""
PLAIN = """
import fcntl, os, sys
fd = os.open(sys.argv[1] + "/lock", os.O_CREAT | os.O_RDWR, 0o600)
fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
"""As versions up to November 2026 took it."""


@linux
@pytest.mark.faults("L32", "J01")
def test_L32_a_host_that_opens_and_closes_the_lock_file_does_not_lose_the_lock(tmp_path):
    held = FolderLock(tmp_path, local_fs())
    (tmp_path / "lock").read_text()  # a plain record lock would be gone now
    refused = child(OURS, tmp_path)
    assert refused.returncode == 1
    assert f"process {os.getpid()}" in refused.stderr
    held.release()
    assert child(OURS, tmp_path).returncode == 0


@linux
@pytest.mark.faults("L32", "J01")
def test_L32_runs_of_older_versions_and_of_this_one_keep_each_other_out(tmp_path):
    held = FolderLock(tmp_path, local_fs())
    assert "BlockingIOError" in child(PLAIN, tmp_path).stderr
    held.release()
    holder = subprocess.Popen(
        [sys.executable, "-c", PLAIN + "print(flush=True); sys.stdin.read()", str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with holder:
        holder.stdout.readline()
        with pytest.raises(FolderBusy):
            FolderLock(tmp_path, local_fs())
        holder.stdin.close()
    FolderLock(tmp_path, local_fs()).release()


LOOK = """
import sys
from pathlib import Path
from landsat_async.disk.fs import local_fs
from landsat_async.disk.lock import holder
print(holder(Path(sys.argv[1]), local_fs()))
"""


@linux
def test_who_holds_a_folder_is_seen_from_outside_and_nothing_is_changed(tmp_path):
    assert child(LOOK, tmp_path).stdout == "None\n"
    held = FolderLock(tmp_path, local_fs())
    assert f"process {os.getpid()}" in child(LOOK, tmp_path).stdout
    assert f"process {os.getpid()}" in child(LOOK, tmp_path).stdout, "to look gives nothing up"
    held.release()
    assert child(LOOK, tmp_path).stdout == "None\n"


@linux
@pytest.mark.faults("L32", "I13")
def test_L32_a_forked_child_does_not_hold_on_to_the_folder(tmp_path):
    code = """
import os, sys, time
from pathlib import Path
from landsat_async.disk.fs import local_fs
from landsat_async.disk.lock import FolderLock
held = FolderLock(Path(sys.argv[1]), local_fs())
if os.fork() == 0:
    held.release()  # not the child's to give back
    os.write(1, b"child\\n")
    time.sleep(60)
    os._exit(0)
sys.stdin.read()
os._exit(0)  # as a kill does: nothing is given back by hand
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert parent.stdout.readline() == b"child\n"
        with pytest.raises(FolderBusy):
            FolderLock(tmp_path, local_fs())
        parent.stdin.close()
        parent.wait(20)
        FolderLock(tmp_path, local_fs()).release()
    finally:
        os.killpg(parent.pid, 9)
        parent.wait()
        parent.stdout.close()


@pytest.mark.faults("L33")
@pytest.mark.parametrize(
    ("number", "answer"),
    [
        (errno.EAGAIN, LockState.BUSY),
        (errno.EACCES, LockState.BUSY),
        (errno.ENOLCK, LockState.UNSUPPORTED),
        (errno.ENOTSUP, LockState.UNSUPPORTED),
        (errno.EOPNOTSUPP, LockState.UNSUPPORTED),
        (errno.ENOSYS, LockState.UNSUPPORTED),
        (errno.EINVAL, LockState.UNSUPPORTED),
        (errno.EIO, None),
        (errno.ESTALE, None),
        (errno.ETIMEDOUT, None),
        (errno.EPERM, None),
        (errno.EBADF, None),
    ],
)
def test_L33_only_the_codes_that_mean_no_locks_count_as_that(tmp_path, monkeypatch, number, answer):
    fs = local_fs()
    with monkeypatch.context() as patched:
        _refusing(number, patched)
        if answer is None:
            with pytest.raises(OSError, match=os.strerror(number)):
                fs.open_lock(str(tmp_path / "lock"))
            return
        fd, state = fs.open_lock(str(tmp_path / "lock"))
    assert state is answer
    fs.close(fd)


def _refusing(number, monkeypatch):
    """Every lock call answers with this error, as a file system does."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)


@pytest.mark.faults("L33")
def test_L33_an_unknown_error_of_the_lock_refuses_the_folder_and_leaves_nothing(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        _refusing(errno.EIO, patched)
        before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
        with pytest.raises(FolderUnwritable, match="Input/output error"):
            OutputFolder(tmp_path).claim()
        assert len(os.listdir("/proc/self/fd")) == len(before) if before else True
    OutputFolder(tmp_path).claim().release()


@pytest.mark.faults("L33")
def test_L33_a_file_system_without_locks_works_and_says_what_to_see_to(tmp_path, monkeypatch):
    _refusing(errno.ENOLCK, monkeypatch)
    claim = OutputFolder(tmp_path).claim()
    assert any("no locks" in warning for warning in claim.warnings)
    with pytest.raises(FolderBusy):
        OutputFolder(tmp_path).claim()  # this process knows all the same
    claim.release()


@pytest.mark.faults("L33")
def test_L33_a_full_disk_while_the_lock_is_signed_gives_the_lock_back(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(PosixFs, "pwrite", full)
        with pytest.raises(DiskFull):
            OutputFolder(tmp_path).claim()
    OutputFolder(tmp_path).claim().release()
