"""A Windows-like disk on Linux: what fs_windows asks of Windows, answered with the manners of NTFS (or exFAT, or SMB).

It stands below `WindowsFs` and not in its place, so that the labs which kill, cut the power and fail calls run the
very code that runs on Windows:

    disk = Disk(tmp_path)
    fs = WindowsFs(observer, api=LikeWin32(disk))

Like Windows: share modes, names that linger until the last handle is closed, no replacing of an open file, the
read-only attribute, no case in names, no flush through a read-only handle, ERROR_ACCESS_DENIED for nearly everything.
Not like it: files opened past this module are not seen, nor are those of other processes (but locks are).
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landsat_async.disk import win32, win32_paths
from landsat_async.disk import win32_errors as codes
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.disk.win32 import Information, VolumeInformation
from landsat_async.disk.win32_errors import Win32Error

PATH_NOT_FOUND = 3
_CLOUD_TAG = 0x9000001A
_REPARSE, _READONLY, _FOLDER, _NORMAL = 0x400, 0x1, 0x10, 0x80
_ASKS = {
    win32.SHARE_READ: win32.GENERIC_READ | win32.LIST_FOLDER,
    win32.SHARE_WRITE: win32.GENERIC_WRITE,
    win32.SHARE_DELETE: win32.DELETE,
}

Fault = Callable[[str, str], int | None]
"""Asked with the name of each call and its path ("" for an open file); an error number fails the call."""


@dataclass
class Open:
    """Somebody has a file open."""

    file: tuple[int, int]
    path: str
    access: int
    share: int
    as_it_is: bool = False
    is_new: bool = False
    ends_at_s: float = math.inf

    def asks(self) -> int:
        """What the others have to share."""
        return sum(share for share, access in _ASKS.items() if self.access & access)


@dataclass
class Disk:
    """One volume. All `LikeWin32` on it see each other's open files."""

    root: Path
    kind: str = "NTFS"
    hard_links: int = 0
    """0 = there are; else what asking for one answers: 1 on exFAT, 50 on a share."""
    folder_sync: bool = True
    path_max: int = 1 << 16
    no_locks: int = 0
    """0 = there are; else what asking for one answers."""
    scan_s: float = 0.0
    """A virus scanner opens each new file for so long when its writer closes it, and lets others only read."""
    fault: Fault = lambda call, path: None
    close_sets_time: bool = False
    """The time of the last change is set again when a writer closes the file, as NTFS may do."""
    link_tag: int = 0xA000000C
    """What links are: symbolic links, or 0xA0000003 for junctions."""
    free: int = 1 << 40
    clock: Callable[[], float] = time.monotonic
    placeholders: set[int] = field(default_factory=set)
    """Inodes of files that OneDrive has made placeholders of."""
    opens: dict[int, Open] = field(default_factory=dict)
    lingering: dict[str, tuple[int, int]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _others: int = -1

    def see(self, call: str, path: str) -> None:
        code = self.fault(call, path)
        if code:
            raise Win32Error(code)

    def users(self, file: tuple[int, int]) -> list[Open]:
        """Who has a file open to read, write or remove it."""
        now = self.clock()
        for handle in [handle for handle, one in self.opens.items() if one.ends_at_s <= now]:
            del self.opens[handle]
        return [one for one in self.opens.values() if one.file == file and one.asks()]

    @contextmanager
    def other_program(self, path: Path, access: int = win32.GENERIC_READ, share: int = win32.SHARE_READ) -> Iterator:
        """Another program has `path` open inside the block; as it stands, one that only lets others read."""
        handle = self.add_other(str(path), access, share)
        try:
            yield
        finally:
            with self.lock:
                self.opens.pop(handle, None)
                self.settle()

    def add_other(self, path: str, access: int, share: int, ends_at_s: float = math.inf) -> int:
        with self.lock:
            self._others -= 1
            self.opens[self._others] = Open(_file(os.lstat(path)), path, access, share, ends_at_s=ends_at_s)
            return self._others

    def settle(self) -> None:
        """Let names go whose file nobody has open any more."""
        for path, file in list(self.lingering.items()):
            if not any(one.path.casefold() == path for one in self.users(file)):
                del self.lingering[path]

    def lingers(self, path: str) -> bool:
        self.settle()
        return path.casefold() in self.lingering

    def find(self, path: str) -> str:
        """Return the spelling under which something stands there, or `path`."""
        if os.path.lexists(path) or not path.startswith(f"{self.root}{os.sep}"):
            return path
        folder, name = os.path.split(path)
        folder = self.find(folder)
        try:
            names = os.listdir(folder)
        except OSError:
            return path
        return os.path.join(folder, next((one for one in names if one.casefold() == name.casefold()), name))


class LikeWin32:
    """The calls, see the header. Handles are descriptors of the real file below."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def native(self, path: str) -> str:
        return os.path.abspath(path)

    def join(self, root: str, relpath: str) -> str:
        return os.path.join(os.path.abspath(root), *map(win32_paths.check_name, relpath.split("/")))

    def below(self, root: str, path: str) -> list[str] | None:
        if not path.casefold().startswith(f"{root}{os.sep}".casefold()):
            return None
        return path[len(root) + 1 :].split(os.sep)

    @contextmanager
    def _call(self, name: str, *paths: str) -> Iterator[list[str]]:
        """One call at a time; gives the spellings that the paths have on the disk."""
        for path in paths:
            if win32_paths.length_of(path) > self.disk.path_max:
                raise Win32Error(codes.FILENAME_TOO_LONG)
        with self.disk.lock:
            self.disk.see(name, paths[-1] if paths else "")
            try:
                yield [self.disk.find(path) for path in paths]
            except FileNotFoundError as error:
                folder = os.path.dirname(str(error.filename or (paths[-1] if paths else "")))
                raise Win32Error(codes.FILE_NOT_FOUND if os.path.isdir(folder) else PATH_NOT_FOUND) from None
            except NotADirectoryError:
                raise Win32Error(PATH_NOT_FOUND) from None
            except OSError as error:
                raise Win32Error(_CODES[error.errno or 0]) from None

    # Handles

    def create_file(self, path: str, access: int, share: int, disposition: int, flags: int) -> int:
        with self._call("CreateFileW", path) as (path,):
            if self.disk.lingers(path):
                raise Win32Error(codes.DELETE_PENDING)
            if disposition == win32.CREATE_NEW or (disposition == win32.OPEN_ALWAYS and not os.path.lexists(path)):
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                self.disk.opens[fd] = Open(_file(os.fstat(fd)), path, access, share, is_new=True)
                return fd
            return self._open(path, access, share, flags)

    def _open(self, path: str, access: int, share: int, flags: int) -> int:
        as_it_is = bool(flags & win32.OPEN_REPARSE_POINT)
        found = os.lstat(path) if as_it_is else os.stat(path)
        is_folder, writes = stat.S_ISDIR(found.st_mode), bool(access & win32.GENERIC_WRITE)
        if (is_folder and not flags & win32.BACKUP_SEMANTICS) or (writes and not self._may_write(found)):
            raise Win32Error(codes.ACCESS_DENIED)
        mine = Open(_file(found), path, access, share, as_it_is)
        for other in self.disk.users(mine.file) if mine.asks() else ():
            if mine.asks() & ~other.share or other.asks() & ~mine.share:
                raise Win32Error(codes.SHARING_VIOLATION)
        how = os.O_RDWR if writes and not is_folder else os.O_RDONLY
        if stat.S_ISLNK(found.st_mode) or not mine.asks():
            how = os.O_PATH
        fd = os.open(path, how | os.O_CLOEXEC | (os.O_NOFOLLOW if as_it_is else 0))
        self.disk.opens[fd] = mine
        return fd

    def _may_write(self, found: os.stat_result) -> bool:
        return self.disk.folder_sync if stat.S_ISDIR(found.st_mode) else bool(found.st_mode & 0o200)

    def close_handle(self, handle: int) -> None:
        with self._call("CloseHandle"):
            mine = self.disk.opens.pop(handle)
            if self.disk.close_sets_time and mine.access & win32.GENERIC_WRITE:
                os.utime(handle, ns=(time.time_ns() + 10**9,) * 2)
            os.close(handle)
            self.disk.settle()
            if mine.is_new and self.disk.scan_s:
                until_s = self.disk.clock() + self.disk.scan_s
                self.disk.add_other(mine.path, win32.GENERIC_READ, win32.SHARE_READ, until_s)

    def close_fd(self, fd: int) -> None:
        self.close_handle(fd)

    def to_fd(self, handle: int, *, writable: bool) -> int:
        return handle

    def to_handle(self, fd: int) -> int:
        if fd < 0:  # as msvcrt does
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return fd

    def read_file(self, handle: int, size: int, offset: int) -> bytes:
        with self._call("ReadFile"):
            mine = self.disk.opens[handle]
            if mine.as_it_is and mine.file[1] in self.disk.placeholders:
                return b"what stands in for the file"[offset : offset + size]
            return os.pread(handle, size, offset)

    def write_file(self, handle: int, data: memoryview, offset: int) -> int:
        with self._call("WriteFile"):
            return os.pwrite(handle, data, offset)

    def set_size(self, handle: int, size: int) -> None:
        with self._call("SetFileInformationByHandle"):
            os.ftruncate(handle, size)

    def flush(self, handle: int) -> None:
        with self._call("FlushFileBuffers"):
            if not self.disk.opens[handle].access & win32.GENERIC_WRITE:
                raise Win32Error(codes.ACCESS_DENIED)
            os.fsync(handle)

    def information(self, handle: int) -> Information:
        with self._call("GetFileInformationByHandle"):
            found, tag = os.fstat(handle), 0
            attributes = _attributes(found)
            if stat.S_ISLNK(found.st_mode):
                tag = self.disk.link_tag
            elif found.st_ino in self.disk.placeholders and self.disk.opens[handle].as_it_is:
                attributes, tag = attributes | _REPARSE, _CLOUD_TAG
            size, mtime_ns = found.st_size, found.st_mtime_ns
            return Information(attributes, tag, size, mtime_ns, found.st_dev, found.st_ino, found.st_nlink)

    def lock(self, handle: int, offset: int) -> None:
        with self._call("LockFileEx"):
            if self.disk.no_locks:
                raise Win32Error(self.disk.no_locks)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Win32Error(codes.LOCK_VIOLATION) from None

    # Names

    def attributes(self, path: str) -> int:
        with self._call("GetFileAttributesW", path) as (path,):
            if self.disk.lingers(path):
                raise Win32Error(codes.ACCESS_DENIED)
            return _attributes(os.lstat(path))

    def set_attributes(self, path: str, attributes: int) -> None:
        with self._call("SetFileAttributesW", path) as (path,):
            os.chmod(path, 0o444 if attributes & _READONLY else 0o666)

    def list_folder(self, path: str) -> list[str]:
        with self._call("FindFirstFileW", path) as (path,):
            lingering = [name for name in self.disk.lingering if os.path.dirname(name) == path.casefold()]
            return [*os.listdir(path), *map(os.path.basename, lingering)]

    def make_hard_link(self, name: str, existing: str) -> None:
        with self._call("CreateHardLinkW", existing, name) as (existing, name):
            if self.disk.hard_links:
                raise Win32Error(self.disk.hard_links)
            self._check_free(name)
            os.link(existing, name, follow_symlinks=False)

    def _check_free(self, name: str) -> None:
        if self.disk.lingers(name):
            raise Win32Error(codes.ACCESS_DENIED)
        if os.path.lexists(name):
            raise Win32Error(codes.ALREADY_EXISTS)

    def move_file(self, source: str, target: str, flags: int) -> None:
        with self._call("MoveFileExW", source, target) as (source, target):
            file = self._for_removal(source)
            if not flags & win32.MOVE_REPLACE or not os.path.lexists(target):
                self._check_free(target)
            elif self.disk.users(self._for_removal(target)):
                raise Win32Error(codes.ACCESS_DENIED)
            os.rename(source, target)
            for one in self.disk.users(file):
                if one.path == source:
                    one.path = target

    def _for_removal(self, path: str) -> tuple[int, int]:
        """Open a file as Windows does before it renames or removes it."""
        found = os.lstat(path)
        if self.disk.lingers(path) or stat.S_ISDIR(found.st_mode) or not found.st_mode & 0o200:
            raise Win32Error(codes.ACCESS_DENIED)
        if any(not one.share & win32.SHARE_DELETE for one in self.disk.users(_file(found))):
            raise Win32Error(codes.SHARING_VIOLATION)
        return _file(found)

    def delete_file(self, path: str) -> None:
        with self._call("DeleteFileW", path) as (path,):
            if self.disk.lingers(path):
                raise Win32Error(codes.ACCESS_DENIED)
            file = self._for_removal(path)
            # At once, so that a killed process leaves what Windows would leave; only its name is kept back.
            os.unlink(path)
            if any(one.path == path for one in self.disk.users(file)):
                self.disk.lingering[path.casefold()] = file

    def make_folder(self, path: str) -> None:
        with self._call("CreateDirectoryW", path) as (path,):
            self._check_free(path)
            os.mkdir(path)

    def free_bytes(self, folder: str) -> int:
        with self._call("GetDiskFreeSpaceExW", folder) as (folder,):
            if not os.path.isdir(folder):
                raise Win32Error(codes.DIRECTORY)
            return self.disk.free

    def volume(self, folder: str) -> VolumeInformation:
        with self._call("GetVolumeInformationW", folder):
            return VolumeInformation(self.disk.kind, 3, win32_paths.NAME_MAX)


_CODES = {
    errno.EEXIST: codes.FILE_EXISTS, errno.ENOSPC: codes.DISK_FULL, errno.EXDEV: codes.NOT_SAME_DEVICE,
    errno.EACCES: codes.ACCESS_DENIED, errno.EPERM: codes.ACCESS_DENIED, errno.EROFS: codes.WRITE_PROTECT,
    errno.ENAMETOOLONG: codes.FILENAME_TOO_LONG, errno.EBADF: codes.ACCESS_DENIED, errno.ELOOP: 681,
    errno.EINVAL: codes.INVALID_PARAMETER, errno.EIO: 1117, errno.ENOTEMPTY: 145, errno.EMLINK: codes.TOO_MANY_LINKS,
}  # fmt: skip


def _file(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _attributes(found: os.stat_result) -> int:
    if stat.S_ISLNK(found.st_mode):
        return _REPARSE
    return (_FOLDER if stat.S_ISDIR(found.st_mode) else 0) | (0 if found.st_mode & 0o200 else _READONLY) or _NORMAL


def windows_like_fs(root: Path, observer: Callable[..., None] | None = None, **manners: Any) -> WindowsFs:
    """Return the file system of Windows on a disk of its own."""
    return WindowsFs(observer, api=LikeWin32(Disk(root, **manners)))
