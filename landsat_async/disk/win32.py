"""The calls of Windows that the file system door needs, and nothing else: ctypes, no decisions.

Why not `os`: its `open` shares a file in no useful way (a file that plain Python has open can be neither renamed nor
removed), its `rename` gives no durability, and there is no reading at an offset. `Win32` is what fs_windows needs of
the system; `kernel32()` is the real one, and the tests have another that runs on Linux.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from dataclasses import dataclass
from typing import Protocol

from landsat_async.disk.win32_errors import ACCESS_DENIED, DELETE_PENDING, HANDLE_EOF, Win32Error

LIST_FOLDER, READ_ATTRIBUTES, DELETE, GENERIC_READ, GENERIC_WRITE = 1, 0x80, 0x10000, 0x80000000, 0x40000000
SHARE_READ, SHARE_WRITE, SHARE_DELETE, SHARE_ALL = 1, 2, 4, 7
CREATE_NEW, OPEN_EXISTING, OPEN_ALWAYS = 1, 3, 4
BACKUP_SEMANTICS, OPEN_REPARSE_POINT = 0x02000000, 0x00200000
AS_IT_IS = OPEN_REPARSE_POINT | BACKUP_SEMANTICS
"""Open what the name stands for, be it a link or a folder."""
MOVE_REPLACE, MOVE_WRITE_THROUGH = 0x1, 0x8
MOST_AT_ONCE_BYTES = 32 * 2**20
"""Some servers of shares refuse longer reads and writes."""


@dataclass(frozen=True, slots=True)
class Information:
    """What Windows tells of an open file or folder."""

    attributes: int
    reparse_tag: int
    size: int
    mtime_ns: int
    volume: int
    index: int
    links: int


@dataclass(frozen=True, slots=True)
class VolumeInformation:
    """What Windows tells of a volume."""

    kind: str
    drive_type: int
    """2 removable, 3 fixed, 4 on another machine, 5 CD, 6 RAM."""
    name_max: int


class Win32(Protocol):
    """Every call raises Win32Error. Paths are in the form that `native` returns."""

    def native(self, path: str) -> str:
        """Return the form of a path that the other calls take; raises OSError EINVAL for what is no file name."""

    def join(self, root: str, relpath: str) -> str:
        """Return `relpath` below `root`, see `win32_paths.join`."""

    def below(self, root: str, path: str) -> list[str] | None:
        """Return the names from `root` to `path`, both native; None when it is not below."""

    def create_file(self, path: str, access: int, share: int, disposition: int, flags: int) -> int:
        """Open or make a file; returns a handle that children do not inherit."""

    def close_handle(self, handle: int) -> None:
        """Close a handle."""

    def to_fd(self, handle: int, *, writable: bool) -> int:
        """Return a binary descriptor that owns the handle from now on."""

    def to_handle(self, fd: int) -> int:
        """Return the handle below a descriptor."""

    def close_fd(self, fd: int) -> None:
        """Close a descriptor and its handle."""

    def read_file(self, handle: int, size: int, offset: int) -> bytes:
        """Read once."""

    def write_file(self, handle: int, data: memoryview, offset: int) -> int:
        """Write once."""

    def set_size(self, handle: int, size: int) -> None:
        """Cut or extend a file."""

    def flush(self, handle: int) -> None:
        """Make a file or folder durable."""

    def information(self, handle: int) -> Information:
        """Describe an open file or folder."""

    def attributes(self, path: str) -> int:
        """Return the attributes of a name, without following a link."""

    def set_attributes(self, path: str, attributes: int) -> None:
        """Set them."""

    def list_folder(self, path: str) -> list[str]:
        """Return the names in a folder."""

    def make_hard_link(self, name: str, existing: str) -> None:
        """Give a file a second name."""

    def move_file(self, source: str, target: str, flags: int) -> None:
        """Rename a file; MOVE_REPLACE also over another one."""

    def delete_file(self, path: str) -> None:
        """Remove a name."""

    def make_folder(self, path: str) -> None:
        """Make a folder."""

    def lock(self, handle: int, offset: int) -> None:
        """Lock one byte for ourselves, or fail at once."""

    def free_bytes(self, folder: str) -> int:
        """Return how much may still be written to the volume of an existing folder."""

    def volume(self, folder: str) -> VolumeInformation:
        """Describe that volume."""


if sys.platform == "win32":
    import msvcrt
    from ctypes import wintypes as w

    from landsat_async.disk import win32_paths

    _INVALID_HANDLE = ctypes.c_void_p(-1).value
    _NO_ATTRIBUTES = 0xFFFFFFFF
    _STATUS_DELETE_PENDING = 0xC0000056 - 2**32
    _ATTRIBUTE_TAG_INFO, _END_OF_FILE_INFO, _FILE_ID_INFO = 9, 6, 18
    _LOCK_EXCLUSIVE_AT_ONCE = 0x3
    _EPOCH_100NS = 116444736000000000

    class _Overlapped(ctypes.Structure):
        _fields_ = (
            ("internal", ctypes.c_void_p), ("internal_high", ctypes.c_void_p),
            ("offset", w.DWORD), ("offset_high", w.DWORD), ("event", w.HANDLE),
        )  # fmt: skip

    class _ByHandle(ctypes.Structure):
        _fields_ = (
            ("attributes", w.DWORD), ("created", w.FILETIME), ("read", w.FILETIME), ("written", w.FILETIME),
            ("volume", w.DWORD), ("size_high", w.DWORD), ("size_low", w.DWORD), ("links", w.DWORD),
            ("index_high", w.DWORD), ("index_low", w.DWORD),
        )  # fmt: skip

    class _FileId(ctypes.Structure):
        _fields_ = (("volume", ctypes.c_uint64), ("index", ctypes.c_ubyte * 16))

    class _Kernel32:
        def __init__(self) -> None:
            self._k = ctypes.WinDLL("kernel32", use_last_error=True)
            self._last_status = ctypes.WinDLL("ntdll").RtlGetLastNtStatus
            self._last_status.restype = ctypes.c_long
            for name, *arguments in _SIGNATURES:
                function = getattr(self._k, name)
                function.argtypes, function.restype = arguments, w.BOOL
            self._k.CreateFileW.restype = w.HANDLE
            self._k.GetFileAttributesW.restype = self._k.GetDriveTypeW.restype = w.DWORD

        def _check(self, good: object) -> None:
            if not good:
                raise Win32Error(ctypes.get_last_error())

        def native(self, path: str) -> str:
            return win32_paths.long(path, os.getcwd())

        def join(self, root: str, relpath: str) -> str:
            return win32_paths.join(win32_paths.normal(root, os.getcwd()), relpath)

        def below(self, root: str, path: str) -> list[str] | None:
            return win32_paths.below(root, path)

        def create_file(self, path: str, access: int, share: int, disposition: int, flags: int) -> int:
            handle = self._k.CreateFileW(path, access, share, None, disposition, flags, None)
            if handle == _INVALID_HANDLE:
                code = ctypes.get_last_error()
                if code == ACCESS_DENIED and self._last_status() == _STATUS_DELETE_PENDING:
                    code = DELETE_PENDING  # else it would look like a lack of rights
                raise Win32Error(code)
            return int(handle)

        def close_handle(self, handle: int) -> None:
            self._check(self._k.CloseHandle(handle))

        def to_fd(self, handle: int, *, writable: bool) -> int:
            flags = os.O_BINARY | os.O_NOINHERIT | (os.O_RDWR if writable else os.O_RDONLY)
            return msvcrt.open_osfhandle(handle, flags)

        def to_handle(self, fd: int) -> int:
            return msvcrt.get_osfhandle(fd)

        def close_fd(self, fd: int) -> None:
            os.close(fd)

        def read_file(self, handle: int, size: int, offset: int) -> bytes:
            buffer, done = bytearray(min(size, MOST_AT_ONCE_BYTES)), w.DWORD()
            if not buffer:
                return b""
            where = _Overlapped(offset=offset & 0xFFFFFFFF, offset_high=offset >> 32)
            first = ctypes.c_char.from_buffer(buffer)
            good = self._k.ReadFile(handle, ctypes.byref(first), len(buffer), ctypes.byref(done), ctypes.byref(where))
            if not good and ctypes.get_last_error() != HANDLE_EOF:
                raise Win32Error(ctypes.get_last_error())
            return bytes(memoryview(buffer)[: done.value])

        def write_file(self, handle: int, data: memoryview, offset: int) -> int:
            data, done = data[:MOST_AT_ONCE_BYTES], w.DWORD()
            where = _Overlapped(offset=offset & 0xFFFFFFFF, offset_high=offset >> 32)
            # A view of bytes has no address that ctypes gives away; only short texts come that way.
            buffer: memoryview | bytearray = bytearray(data) if data.readonly else data
            first = ctypes.byref(ctypes.c_char.from_buffer(buffer)) if data else None
            self._check(self._k.WriteFile(handle, first, len(data), ctypes.byref(done), ctypes.byref(where)))
            return done.value

        def set_size(self, handle: int, size: int) -> None:
            end = ctypes.c_int64(size)
            self._check(self._k.SetFileInformationByHandle(handle, _END_OF_FILE_INFO, ctypes.byref(end), 8))

        def flush(self, handle: int) -> None:
            self._check(self._k.FlushFileBuffers(handle))

        def information(self, handle: int) -> Information:
            found, tag, identity = _ByHandle(), (w.DWORD * 2)(), _FileId()
            self._check(self._k.GetFileInformationByHandle(handle, ctypes.byref(found)))
            attributes = found.attributes
            if attributes & 0x400:
                ask = self._k.GetFileInformationByHandleEx
                self._check(ask(handle, _ATTRIBUTE_TAG_INFO, ctypes.byref(tag), ctypes.sizeof(tag)))
            volume, index = found.volume, found.index_high << 32 | found.index_low
            # ReFS counts files with 128 bits; file systems that do not know this question have the 64 of above.
            if self._k.GetFileInformationByHandleEx(
                handle, _FILE_ID_INFO, ctypes.byref(identity), ctypes.sizeof(identity)
            ):
                volume, index = identity.volume, int.from_bytes(bytes(identity.index), "little")
            written = found.written.dwHighDateTime << 32 | found.written.dwLowDateTime
            return Information(
                attributes,
                tag[1],
                found.size_high << 32 | found.size_low,
                (written - _EPOCH_100NS) * 100,
                volume,
                index,
                found.links,
            )

        def attributes(self, path: str) -> int:
            found: int = self._k.GetFileAttributesW(path)
            self._check(found != _NO_ATTRIBUTES)
            return found

        def set_attributes(self, path: str, attributes: int) -> None:
            self._check(self._k.SetFileAttributesW(path, attributes))

        def list_folder(self, path: str) -> list[str]:
            try:
                return os.listdir(path)
            except OSError as error:
                raise Win32Error(error.winerror) from None

        def make_hard_link(self, name: str, existing: str) -> None:
            self._check(self._k.CreateHardLinkW(name, existing, None))

        def move_file(self, source: str, target: str, flags: int) -> None:
            self._check(self._k.MoveFileExW(source, target, flags))

        def delete_file(self, path: str) -> None:
            self._check(self._k.DeleteFileW(path))

        def make_folder(self, path: str) -> None:
            self._check(self._k.CreateDirectoryW(path, None))

        def lock(self, handle: int, offset: int) -> None:
            where = _Overlapped(offset=offset & 0xFFFFFFFF, offset_high=offset >> 32)
            self._check(self._k.LockFileEx(handle, _LOCK_EXCLUSIVE_AT_ONCE, 0, 1, 0, ctypes.byref(where)))

        def free_bytes(self, folder: str) -> int:
            free = ctypes.c_uint64()
            self._check(self._k.GetDiskFreeSpaceExW(folder, ctypes.byref(free), None, None))
            return free.value

        def volume(self, folder: str) -> VolumeInformation:
            root, kind, name_max = ctypes.create_unicode_buffer(32768), ctypes.create_unicode_buffer(261), w.DWORD()
            self._check(self._k.GetVolumePathNameW(folder, root, len(root)))
            told = self._k.GetVolumeInformationW(root, None, 0, None, ctypes.byref(name_max), None, kind, len(kind))
            known = (kind.value, name_max.value) if told else ("", win32_paths.NAME_MAX)
            return VolumeInformation(known[0], self._k.GetDriveTypeW(root), known[1])

    _P = ctypes.c_void_p
    _SIGNATURES = (
        ("CreateFileW", w.LPCWSTR, w.DWORD, w.DWORD, _P, w.DWORD, w.DWORD, w.HANDLE),
        ("CloseHandle", w.HANDLE),
        ("ReadFile", w.HANDLE, _P, w.DWORD, _P, _P),
        ("WriteFile", w.HANDLE, _P, w.DWORD, _P, _P),
        ("SetFileInformationByHandle", w.HANDLE, ctypes.c_int, _P, w.DWORD),
        ("FlushFileBuffers", w.HANDLE),
        ("GetFileInformationByHandle", w.HANDLE, _P),
        ("GetFileInformationByHandleEx", w.HANDLE, ctypes.c_int, _P, w.DWORD),
        ("GetFileAttributesW", w.LPCWSTR),
        ("SetFileAttributesW", w.LPCWSTR, w.DWORD),
        ("CreateHardLinkW", w.LPCWSTR, w.LPCWSTR, _P),
        ("MoveFileExW", w.LPCWSTR, w.LPCWSTR, w.DWORD),
        ("DeleteFileW", w.LPCWSTR),
        ("CreateDirectoryW", w.LPCWSTR, _P),
        ("LockFileEx", w.HANDLE, w.DWORD, w.DWORD, w.DWORD, w.DWORD, _P),
        ("GetVolumePathNameW", w.LPCWSTR, w.LPWSTR, w.DWORD),
        ("GetDiskFreeSpaceExW", w.LPCWSTR, _P, _P, _P),
        ("GetVolumeInformationW", w.LPCWSTR, w.LPWSTR, w.DWORD, _P, _P, _P, w.LPWSTR, w.DWORD),
        ("GetDriveTypeW", w.LPCWSTR),
    )


def kernel32() -> Win32:
    """Return the real calls. Raises OSError ENOSYS where this is not Windows."""
    if sys.platform == "win32":
        return _Kernel32()
    raise OSError(errno.ENOSYS, "this is not Windows")
