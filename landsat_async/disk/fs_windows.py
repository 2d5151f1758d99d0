"""The file system door on Windows, behind the contract of `disk.fs`.

What is different there, and what is done about it:
- A file is shared only as far as everybody who has it open allows. Readers of ours allow everything; a writer of ours
  keeps other writers out, so a part needs no copy, and may still be named, renamed and removed while it is open.
- Other programs (scanners, indexers, synchronisers) open each new file for a moment and shut us out. Each call waits
  for that with growing pauses, 5 s in all, and then says so: `FileInUse`.
- There is no way to open a name relative to an open folder. Instead the folders on the way are held open, without
  leave to rename or remove them, while a call uses a name below.
- What we do not do: touch rights (a file has those of its folder), follow links and junctions below the root, rely on
  the order of names after a power cut where a folder cannot be flushed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from landsat_async.disk import win32, win32_errors, win32_paths
from landsat_async.disk.fs import FileInUse, FileStat, Fs, LockState, Observer, Volume, observe
from landsat_async.disk.win32 import Information, Win32
from landsat_async.disk.win32_errors import Win32Error, os_error
from landsat_async.disk.win32_folders import HeldFolders, link_in_the_way
from landsat_async.disk.win32_names import Names
from landsat_async.disk.win32_patience import Patience

T = TypeVar("T")

_LOCK_OFFSET = 0x7FFFFFFF
"""Locks on Windows shut readers out: this byte lies far behind the text that says who holds the lock."""
_REMOVABLE, _REMOTE = 2, 4


@dataclass(frozen=True, slots=True)
class _Stat:
    st_mode: int
    st_size: int
    st_mtime_ns: int
    st_dev: int
    st_ino: int
    st_nlink: int


def _stat_of(found: Information) -> _Stat:
    mode = win32_errors.mode_of(found.attributes, found.reparse_tag)
    return _Stat(mode, found.size, found.mtime_ns, found.volume, found.index, found.links)


class WindowsFs:
    """The file system of Windows, as far as transfers need it."""

    closing_sets_times = True

    def __init__(
        self, observer: Observer | None = None, *, api: Win32 | None = None,
        patience_s: float = win32_errors.PATIENCE_S,
    ) -> None:  # fmt: skip
        if observer is not None:
            observe(self, observer)
        self._api = api if api is not None else win32.kernel32()
        self._names = Names(self._api)
        self._patience = Patience(patience_s)
        self._folders = HeldFolders(self._api, self._patience)
        self._paths: dict[int, str] = {}  # of open descriptors, for messages and free space

    def cancel_soon(self) -> None:
        """Wait for other programs no longer; for any thread."""
        self._patience.cancel_soon()

    def guard(self, root: str) -> None:
        """Reach every name below the folder `root` without following a link or junction from now on."""
        self._folders.guard(root)

    def together(self) -> AbstractContextManager[None]:
        """Look up each folder below the root only once for all calls of this thread inside such a block.

        The folders are held open meanwhile, so nobody can swap, rename or remove them.
        """
        return self._folders.together()

    def join(self, root: str, relpath: str) -> str:
        """Return the path of `relpath` below `root`, in the form that `guard` recognises."""
        return self._api.join(root, relpath)

    def length_of(self, path: str) -> int:
        """Return how many UTF-16 units a path has."""
        return win32_paths.length_of(path)

    # Open files

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a regular file as READ, WRITE or NEW says; never through a link."""
        if flags & os.O_EXCL:
            disposition = win32.CREATE_NEW
        else:
            disposition = win32.OPEN_ALWAYS if flags & os.O_CREAT else win32.OPEN_EXISTING
        # A writer keeps other writers out. Readers must bear with our own writers, and with being removed.
        share = win32.SHARE_READ | win32.SHARE_DELETE if flags & os.O_RDWR else win32.SHARE_ALL
        return self._open(path, bool(flags & os.O_RDWR), share, disposition)

    def _open(self, path: str, writable: bool, share: int, disposition: int) -> int:
        access = win32.GENERIC_READ | (win32.GENERIC_WRITE if writable else 0)
        with self._folders.way(path) as native:
            handle = self._patience.call(path, self._open_file, native, access, share, disposition)
        try:
            fd = self._api.to_fd(handle, writable=writable)
        except BaseException:
            self._api.close_handle(handle)
            raise
        self._paths[fd] = path
        return fd

    def _open_file(self, native: str, access: int, share: int, disposition: int) -> int:
        try:
            handle = self._api.create_file(native, access, share, disposition, win32.OPEN_REPARSE_POINT)
        except Win32Error as error:
            if error.code == win32_errors.ACCESS_DENIED:
                self._names.check_no_folder(native)
            raise
        if disposition == win32.CREATE_NEW:
            return handle
        try:
            found = self._api.information(handle)
            if win32_errors.is_link(found.attributes, found.reparse_tag):
                raise link_in_the_way(native)
        except BaseException:
            self._api.close_handle(handle)
            raise
        if not win32_errors.is_reparse_point(found.attributes):
            return handle
        # A placeholder or a deduplicated file: opened like this it would show what stands in for its bytes.
        self._api.close_handle(handle)
        handle = self._api.create_file(native, access, share, win32.OPEN_EXISTING, 0)
        again = self._api.information(handle)
        if (again.volume, again.index) != (found.volume, found.index):
            self._api.close_handle(handle)
            raise link_in_the_way(native)
        return handle

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        self._paths.pop(fd, None)
        self._api.close_fd(fd)

    def _with(self, fd: int, call: Callable[..., T], *arguments: object) -> T:
        return self._patience.call(self._paths.get(fd, ""), call, self._api.to_handle(fd), *arguments)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read up to `size` bytes; empty at the end."""
        return self._with(fd, self._api.read_file, size, offset)

    def pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        """Write once; may write less than asked."""
        return self._with(fd, self._api.write_file, data, offset)

    def pwrite_all(self, fd: int, data: memoryview, offset: int) -> None:
        """Write all of `data`; on an error, a prefix of it may be written."""
        done = 0
        while done < len(data):
            done += self.pwrite(fd, data[done:], offset + done)

    def fsync(self, fd: int) -> None:
        """Make the file's bytes durable; the descriptor must be open for writing."""
        self._with(fd, self._api.flush)

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut a file, or extend it by zeros."""
        self._with(fd, self._api.set_size, size)

    def fchmod(self, fd: int, mode: int) -> None:
        """Do nothing: who may use a file is decided by its folder."""

    def fstat(self, fd: int) -> FileStat:
        """Describe an open file."""
        return _stat_of(self._with(fd, self._api.information))

    def is_ours_alone(self, fd: int) -> bool:
        """Tell whether a file open for writing has no second name; other writers are shut out anyway."""
        return self._with(fd, self._api.information).links == 1

    def free_bytes(self, where: int | str) -> int:
        """Return how much an ordinary user may still write to the volume of an open file, or of a folder."""
        if isinstance(where, str):
            return self._patience.call(where, self._api.free_bytes, self._api.native(where))
        path = self._paths.get(where)
        if path is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._patience.call(path, self._api.free_bytes, os.path.dirname(self._api.native(path)))

    # Names

    def lstat(self, path: str) -> FileStat:
        """Describe what a name stands for, without following a link."""
        with self._folders.way(path) as native:
            return _stat_of(self._patience.call(path, self._look, native))

    def _look(self, native: str) -> Information:
        handle = self._api.create_file(
            native, win32.READ_ATTRIBUTES, win32.SHARE_ALL, win32.OPEN_EXISTING, win32.AS_IT_IS
        )
        try:
            return self._api.information(handle)
        finally:
            self._api.close_handle(handle)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder."""
        with self._folders.way(path) as native:
            return self._patience.call(path, self._api.list_folder, native)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; ENOSYS or ENOTSUP on exFAT and many shares."""
        with self._folders.way(source) as old, self._folders.way(target) as new:
            self._patience.call(source, self._api.make_hard_link, new, old)

    def rename_noreplace(self, source: str, target: str) -> None:
        """Rename, but never over something."""
        with self._folders.way(source) as old, self._folders.way(target) as new:
            self._move(source, old, target, new, win32.MOVE_WRITE_THROUGH)

    def replace(self, source: str, target: str) -> None:
        """Rename over whatever file has the name; not while anybody has that open."""
        with self._folders.way(source) as old, self._folders.way(target) as new:
            self._move(source, old, target, new, win32.MOVE_WRITE_THROUGH | win32.MOVE_REPLACE)

    def _move(self, source: str, old: str, target: str, new: str, flags: int) -> None:
        try:
            self._patience.call(target, self._names.move, old, new, flags)
        except FileInUse:
            raise FileInUse(target if flags & win32.MOVE_REPLACE and self._names.in_use(new) else source) from None
        except PermissionError:
            if flags & win32.MOVE_REPLACE and self._names.in_use(new, allowed_means_yes=True):
                raise FileInUse(target) from None
            if self._names.in_use(old):
                raise FileInUse(source) from None
            raise

    def unlink(self, path: str) -> None:
        """Remove a name; it lingers until the last program closes the file."""
        with self._folders.way(path) as native:
            try:
                self._patience.call(path, self._names.unlink, native)
            except PermissionError:
                if self._names.in_use(native):
                    raise FileInUse(path) from None
                raise

    def mkdir(self, path: str, mode: int) -> None:
        """Make one folder, with the rights that its parent gives."""
        with self._folders.way(path) as native:
            self._patience.call(path, self._names.mkdir, native)

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Make a folder and its missing parents; each new name is as durable as Windows can make it."""
        try:
            self.mkdir(path, mode)
        except FileExistsError:
            found = self.lstat(path).st_mode
            if stat.S_ISLNK(found) and self._folders.lies_below(path):
                raise link_in_the_way(path) from None
            if not self._names.is_folder(self._api.native(path)):
                raise
            return
        except FileNotFoundError:
            parent = os.path.dirname(path)
            if parent in ("", path):
                raise
            self.make_folder(parent)
            self.make_folder(path, mode)
            return
        self.fsync_dir(os.path.dirname(path) or ".")

    def fsync_dir(self, path: str) -> None:
        """Make the names in a folder durable where Windows lets us, else do nothing."""
        with self._folders.way(path) as native:
            try:
                handle = self._api.create_file(
                    native, win32.GENERIC_WRITE, win32.SHARE_ALL, win32.OPEN_EXISTING, win32.AS_IT_IS
                )
            except Win32Error as error:
                if error.code in win32_errors.NO_FOLDER_SYNC:
                    return
                raise os_error(error.code, path) from None
            try:
                self._api.flush(handle)
            except Win32Error as error:
                if error.code not in win32_errors.NO_FOLDER_SYNC:
                    raise os_error(error.code, path) from None
            finally:
                self._api.close_handle(handle)

    def volume(self, path: str) -> Volume:
        """Describe the volume of an existing folder."""
        native = self._api.native(path)
        found = self._patience.call(path, self._api.volume, native)
        free = self._patience.call(path, self._api.free_bytes, native)
        return Volume(
            found.kind, found.drive_type == _REMOTE, found.drive_type == _REMOVABLE, free, found.name_max,
            win32_paths.PATH_MAX,
        )  # fmt: skip

    def open_lock(self, path: str) -> tuple[int, LockState]:
        """Open (or make) a file and try to lock a byte far behind its text."""
        # Everybody must be able to read who holds it, and nobody to remove or rename it.
        fd = self._open(path, True, win32.SHARE_READ | win32.SHARE_WRITE, win32.OPEN_ALWAYS)
        try:
            self._api.lock(self._api.to_handle(fd), _LOCK_OFFSET)
        except Win32Error as error:
            if error.code in (win32_errors.LOCK_VIOLATION, win32_errors.IO_PENDING):
                return fd, LockState.BUSY
            if error.code in win32_errors.NO_LOCKS:
                return fd, LockState.UNSUPPORTED
            self.close(fd)
            raise os_error(error.code, path) from None
        return fd, LockState.HELD

    def unlock(self, fd: int) -> None:
        """Do nothing: no other process inherits the descriptor, so closing it gives the lock back."""

    def lock_state(self, path: str) -> LockState:
        """Try the lock for a moment: Windows has no way to ask only."""
        fd = self._open(path, False, win32.SHARE_ALL, win32.OPEN_EXISTING)
        try:
            self._api.lock(self._api.to_handle(fd), _LOCK_OFFSET)
        except Win32Error as error:
            busy = error.code in (win32_errors.LOCK_VIOLATION, win32_errors.IO_PENDING)
            return LockState.BUSY if busy else LockState.FREE
        finally:
            self.close(fd)
        return LockState.FREE

    def check_writable(self, path: str) -> None:
        """Raise NotADirectoryError for what is no folder; rights are only seen by trying here."""
        if not self._names.is_folder(self._api.native(path)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)

    def is_foreign(self, path: str, root: str) -> bool:
        """Return False: who may use a folder is decided by the folder above it."""
        return False

    def is_open_to_all(self, path: str) -> bool:
        """Return False: rights are lists here, and inherited."""
        return False


if TYPE_CHECKING:
    _keeps_the_contract: Fs = WindowsFs()
