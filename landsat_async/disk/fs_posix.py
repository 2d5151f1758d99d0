"""The file system of POSIX systems behind the contract of `disk.fs`.

A name is reached through the open folder that it stands in, and never through a path that somebody could swap. A thread
holds such folders open for a moment, so that many small files look each of them up once.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from landsat_async.disk.fs import Fs, LockState, Observer, Volume, observe

assert sys.platform != "win32"  # there it is fs_windows

# These have nothing to give on Windows.
from landsat_async.disk import posix_macos  # noqa: E402
from landsat_async.disk.posix_lock import give_lock_back, grants_lease, state_of_lock, take_lock  # noqa: E402
from landsat_async.disk.posix_rename import rename_noreplace  # noqa: E402
from landsat_async.disk.posix_volume import check_writable, volume_of  # noqa: E402

_SAFE = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO must not block us
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
HOLD_S = 0.1
"""So long folders are held open; a later block looks them up anew."""
T = TypeVar("T")
_link = partial(os.link, follow_symlinks=False)
_NO_NAMES = frozenset(("", ".", ".."))


class FoldersOfThread(dict[str, int]):
    """Descriptors of folders that one thread holds open, by path; closed with the thread, or by a later block."""

    inside = False
    _since_s = 0.0

    def __enter__(self) -> None:
        now_s = time.monotonic()
        if now_s - self._since_s > HOLD_S:
            self.drop()
            self._since_s = now_s
        self.inside = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.inside = False

    def drop(self) -> None:
        """Close them: a folder may be another one by now."""
        for fd in self.values():
            os.close(fd)
        self.clear()

    def __del__(self) -> None:
        self.drop()


class HeldByThread(threading.local):
    """What each thread holds open."""

    def __init__(self) -> None:
        self.folders = FoldersOfThread()


class PosixFs:
    """The file system of a POSIX system, as far as an output folder needs it."""

    closing_sets_times = False

    # Each of these is a call of the system and no more.
    close = staticmethod(os.close)
    pread = staticmethod(os.pread)
    pwrite = staticmethod(os.pwrite)
    ftruncate = staticmethod(os.ftruncate)
    fchmod = staticmethod(os.fchmod)
    fstat = staticmethod(os.fstat)
    # On macOS a plain fsync leaves the data in the drive's cache.
    fsync = staticmethod(posix_macos.full_sync if sys.platform == "darwin" else os.fsync)

    def __init__(self, observer: Observer | None = None) -> None:
        if observer is not None:
            observe(self, observer)
        self._root: str | None = None
        self._root_is: tuple[int, int] = (0, 0)
        self._held = HeldByThread()

    def guard(self, root: str) -> None:
        """From now on, reach every name below the folder `root` without following a symbolic link on the way.

        Who may write there cannot lead us out of it then, not even by swapping a folder for a link between two calls.
        `root` itself may be reached through links, but must stay the folder that it is now.
        """
        found = os.stat(root)
        self._root, self._root_is = root, (found.st_dev, found.st_ino)

    def together(self) -> AbstractContextManager[None]:
        """Look up each folder below the root only once for all calls of this thread inside such a block.

        To be left within moments: who swaps a folder for another one is seen by a block that begins HOLD_S later, or
        after an error. Many small files need many blocks, so what one has looked up serves the next.
        """
        return self._held.folders

    def cancel_soon(self) -> None:
        """Do nothing: no call waits for other programs here."""

    def join(self, root: str, relpath: str) -> str:
        """Return the path of `relpath` below `root`, in the form that `guard` recognises."""
        names = relpath.split("/")
        if "\0" in relpath or not _NO_NAMES.isdisjoint(names):
            raise OSError(errno.EINVAL, "not a path below the output folder", relpath)
        return os.sep.join([root.rstrip(os.sep), *names])

    def length_of(self, path: str) -> int:
        """Return how many bytes a path has on the disk."""
        return len(os.fsencode(path))

    def _below(self, call: Callable[..., T], path: str, *arguments: object) -> T:
        """Call what takes a name and the open folder that it stands in; the path alone where it is not below the root.

        After an error the folders are looked up anew: they may be others by now.
        """
        held = self._held.folders
        if self._root is None:
            return call(path, *arguments)
        if not held.inside:
            result: T = self._apart(self._below, call, path, *arguments)
            return result
        folder, _, name = path.rpartition(os.sep)
        try:
            fd = held.get(folder)
            if fd is None:
                name, fd = self._place_of(path)
            return call(name, *arguments, dir_fd=fd)
        except BaseException:
            held.drop()
            raise

    def _between(self, call: Callable[..., None], source: str, target: str) -> None:
        """Do the same with two names."""
        held = self._held.folders
        if not held.inside:
            self._apart(self._between, call, source, target)
            return
        try:
            old, old_folder = self._place_of(source)
            new, new_folder = self._place_of(target)
            call(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder)
        except BaseException:
            held.drop()
            raise

    def _place_of(self, path: str) -> tuple[str, int | None]:
        """Return a name and the open folder that it stands in, held until the block ends."""
        root, held = self._root, self._held.folders
        folder, _, name = path.rpartition(os.sep)
        if (fd := held.get(folder)) is not None:  # held are folders below the root alone
            return name, fd
        if root is None or not path.startswith(root + os.sep):
            return path, None
        held[folder] = fd = self._open_folder(root, folder[len(root) + 1 :])
        return name, fd

    def _apart(self, call: Callable[..., T], *arguments: object) -> T:
        """Call in a block of its own, which looks up each folder anew and holds none afterwards."""
        local, held = self._held, FoldersOfThread()
        kept, local.folders = local.folders, held
        held.inside = True
        try:
            return call(*arguments)
        finally:
            held.drop()
            local.folders = kept

    def _open_folder(self, root: str, path: str) -> int:
        """Open a folder below the root, step by step."""
        fd = os.open(root, _FOLDER)
        try:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) != self._root_is:
                raise FileNotFoundError(errno.ENOENT, "the output folder is another one now", root)
            for folder in path.split(os.sep) if path else ():
                inner = _open_inner(folder, dir_fd=fd)
                os.close(fd)
                fd = inner
        except BaseException:
            os.close(fd)
            raise
        return fd

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a file as READ, WRITE or NEW says; never through a link, never waiting for a FIFO's other end."""
        fd = self._below(os.open, path, flags | _SAFE, mode)
        if sys.platform == "darwin" and flags & os.O_RDWR:
            posix_macos.show_as_writer(fd)
        return fd

    def pwrite_all(self, fd: int, data: memoryview, offset: int) -> None:
        """Write all of `data`; on an error, a prefix of it may be written."""
        done = 0
        while done < len(data):
            done += self.pwrite(fd, data[done:], offset + done)

    def lstat(self, path: str) -> os.stat_result:
        """Describe what a name stands for, without following a link."""
        return self._below(os.lstat, path)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder."""
        fd = self._below(_open_inner, path)
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; fails when the name is taken."""
        self._between(_link, source, target)

    def rename_noreplace(self, source: str, target: str) -> None:
        """Rename, but never over something; OSError EINVAL or ENOSYS where the system cannot promise that."""
        self._between(rename_noreplace, source, target)

    def replace(self, source: str, target: str) -> None:
        """Rename over whatever file has the name."""
        self._between(os.replace, source, target)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        self._below(os.unlink, path)

    def mkdir(self, path: str, mode: int) -> None:
        """Make one folder."""
        self._below(os.mkdir, path, mode)

    def fsync_dir(self, path: str) -> None:
        """Make the names in a folder durable."""
        held = self._held.folders
        if held.inside and path in held:
            os.fsync(held[path])
            return
        fd = self._below(_open_inner, path)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free_bytes(self, where: int | str) -> int:
        """Return how much an ordinary user may still write to the file system of an open file, or of a folder."""
        state = os.statvfs(where)
        return state.f_bavail * state.f_frsize

    def is_ours_alone(self, fd: int) -> bool:
        """Tell whether an open file has no second name and nobody else has it open.

        Linux grants a lease to a sole user alone; on macOS only writers of ours are seen. Elsewhere False.
        """
        if os.fstat(fd).st_nlink != 1:
            return False
        return posix_macos.is_only_writer(fd) if sys.platform == "darwin" else grants_lease(fd)

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Make a folder and its missing parents; each new name is durable when this returns."""
        try:
            self.mkdir(path, mode)
        except FileExistsError:
            found = self._below(_mode_of, path)
            if stat.S_ISLNK(found):
                raise OSError(errno.ELOOP, "a symbolic link is in the way", path) from None
            if not stat.S_ISDIR(found):
                raise
            return
        except FileNotFoundError:
            parent = os.path.dirname(path)
            if parent in ("", path):
                raise
            self.make_folder(parent)
            with suppress(FileExistsError):  # by somebody else, just now
                self.mkdir(path, mode)  # not this method again: /proc takes no folder, and says that none is there
        self.fsync_dir(os.path.dirname(path) or ".")

    def volume(self, path: str) -> Volume:
        """Describe the file system of an existing folder."""
        return volume_of(path)

    def open_lock(self, path: str) -> tuple[int, LockState]:
        """Open (or make) a file and try to lock it; see `disk.posix_lock`."""
        fd = self._below(os.open, path, os.O_CREAT | os.O_RDWR | _SAFE, 0o600)
        try:
            return fd, take_lock(fd)
        except OSError:
            os.close(fd)
            raise

    def unlock(self, fd: int) -> None:
        """Give a lock back: a child forked without Python may have the file open, and so the lock."""
        give_lock_back(fd)

    def lock_state(self, path: str) -> LockState:
        """Ask without locking where the system can; a run that begins just now must not be turned away by us."""
        fd = self.open(path, os.O_RDONLY)
        try:
            return state_of_lock(fd)
        finally:
            os.close(fd)

    def check_writable(self, path: str) -> None:
        """Raise OSError when it can be seen that nothing can be made in a folder."""
        check_writable(path)

    def is_foreign(self, path: str, root: str) -> bool:
        """Tell whether `path` belongs to neither us nor the owner of `root` nor the administrator."""
        return os.lstat(path).st_uid not in (os.geteuid(), os.stat(root).st_uid, 0)

    def is_open_to_all(self, path: str) -> bool:
        """Tell whether everybody may write in a folder."""
        return bool(os.stat(path).st_mode & stat.S_IWOTH)


def _mode_of(name: str, *, dir_fd: int | None = None) -> int:
    """Return what a name stands for; below the root, without following a link."""
    return os.stat(name, dir_fd=dir_fd, follow_symlinks=dir_fd is None).st_mode


def _open_inner(name: str, *, dir_fd: int | None = None) -> int:
    """Open a folder; below the root, without following a link."""
    if dir_fd is None:
        return os.open(name, _FOLDER)
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=dir_fd)
    except NotADirectoryError:  # what Linux says of a link here
        if stat.S_ISLNK(os.lstat(name, dir_fd=dir_fd).st_mode):
            raise OSError(errno.ELOOP, "a symbolic link is in the way", name) from None
        raise


if TYPE_CHECKING:
    _keeps_the_contract: Fs = PosixFs()
