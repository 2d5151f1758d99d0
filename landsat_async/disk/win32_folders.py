"""The way to a name on Windows: no link or junction on it, and nobody can change it while a call is under way.

Windows has no call that takes a name relative to an open folder. But a folder that is open without leave to remove it
can be neither renamed nor removed, so each folder on the way is looked at and held open until the call is over. What
that does not keep out: somebody with the right to write there may make a junction of an empty folder that we hold.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType

from landsat_async.disk import win32, win32_errors
from landsat_async.disk.win32 import Win32
from landsat_async.disk.win32_errors import Win32Error
from landsat_async.disk.win32_patience import Patience


class _Block(threading.local):
    """Folders that one thread holds open inside a block; blocks may stand in each other."""

    def __init__(self, close: Callable[[int], None]) -> None:
        self._close = close
        self._depth = 0
        self.handles: dict[str, int] = {}

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth or error is not None:
            while self.handles:
                with suppress(Win32Error):  # of a disk that is gone: what the block did has said so
                    self._close(self.handles.popitem()[1])


class HeldFolders:
    """Leads to names, see the header. Each thread has its own block."""

    def __init__(self, api: Win32, patience: Patience) -> None:
        self._api, self._patience = api, patience
        self._root: str | None = None
        self._root_is: tuple[int, int] = (0, 0)
        self._block = _Block(api.close_handle)

    def guard(self, root: str) -> None:
        """Hold the folders below `root` from now on; `root` has to stay the folder that it is now."""
        native = self._api.native(root)
        handle = self._patience.call(root, self._hold, native, False)
        try:
            found = self._api.information(handle)
        finally:
            self._api.close_handle(handle)
        self._root, self._root_is = native, (found.volume, found.index)

    def together(self) -> AbstractContextManager[None]:
        """Return a block in which this thread opens each folder only once."""
        return self._block

    def lies_below(self, path: str) -> bool:
        """Tell whether `path` lies below the root."""
        return self._root is not None and bool(self._api.below(self._root, self._api.native(path)))

    @contextmanager
    def way(self, path: str) -> Iterator[str]:
        """Give the native form of `path`, with all folders on the way from the root to it held.

        Raises OSError: ELOOP for a link on the way, ENOENT when the root is another folder now.
        """
        native = self._api.native(path)
        names = None if self._root is None else self._api.below(self._root, native)
        if names is None or self._root is None:
            yield native
            return
        with self._block:
            self._hold_root(self._root)
            folder = self._root
            for name in names[:-1]:
                folder = os.path.join(folder, name)
                if folder not in self._block.handles:
                    self._block.handles[folder] = self._patience.call(path, self._hold, folder, True)
            yield native

    def _hold_root(self, root: str) -> None:
        if root in self._block.handles:
            return
        self._block.handles[root] = handle = self._patience.call(root, self._hold, root, False)
        found = self._api.information(handle)
        if (found.volume, found.index) != self._root_is:
            raise FileNotFoundError(errno.ENOENT, "the output folder is another one now", root)

    def _hold(self, native: str, refuse_links: bool) -> int:
        flags = win32.AS_IT_IS if refuse_links else win32.BACKUP_SEMANTICS
        share = win32.SHARE_READ | win32.SHARE_WRITE
        handle = self._api.create_file(native, win32.LIST_FOLDER, share, win32.OPEN_EXISTING, flags)
        try:
            found = self._api.information(handle)
            if win32_errors.is_link(found.attributes, found.reparse_tag):
                raise link_in_the_way(native)
            if not win32_errors.is_folder(found.attributes):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), native)
        except BaseException:
            self._api.close_handle(handle)
            raise
        return handle


def link_in_the_way(path: str) -> OSError:
    """Return the error for a link where none may be."""
    return OSError(errno.ELOOP, "a symbolic link or junction is in the way", path)
