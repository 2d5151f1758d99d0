"""Single calls on names on Windows, and what its "access denied" means each time: no waiting, no guard.

A folder in the way, the read-only attribute and a file that somebody has open all answer alike.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from landsat_async.disk import win32, win32_errors
from landsat_async.disk.win32 import Win32
from landsat_async.disk.win32_errors import Win32Error


class Names:
    """Calls on names in their native form; each raises Win32Error, or OSError where the answer is clear."""

    def __init__(self, api: Win32) -> None:
        self._api = api

    def in_use(self, native: str, *, allowed_means_yes: bool = False) -> bool:
        """Tell whether "access denied" means that somebody has the file open, and not that we lack the right.

        Who may open a file for removal has the right to replace it: then it can only be open (`allowed_means_yes`).
        """
        try:
            handle = self._api.create_file(native, win32.DELETE, win32.SHARE_ALL, win32.OPEN_EXISTING, win32.AS_IT_IS)
        except Win32Error as error:
            return error.code in win32_errors.WORTH_WAITING - {win32_errors.ACCESS_DENIED}
        self._api.close_handle(handle)
        return allowed_means_yes

    def check_no_folder(self, native: str) -> None:
        """Raise IsADirectoryError when a folder has this name: Windows only says "access denied"."""
        with suppress(Win32Error):
            if win32_errors.is_folder(self._api.attributes(native)):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), native)

    def move(self, old: str, new: str, flags: int) -> None:
        """Rename once; over a read-only file too where that is asked for."""
        try:
            self._api.move_file(old, new, flags)
        except Win32Error as error:
            if error.code != win32_errors.ACCESS_DENIED or not flags & win32.MOVE_REPLACE:
                raise
            self.check_no_folder(new)
            self._clear_read_only(new, error)
            self._api.move_file(old, new, flags)

    def _clear_read_only(self, native: str, error: Win32Error) -> None:
        """Take the read-only attribute away, which binds no other system; raises `error` when it is not that."""
        try:
            attributes = self._api.attributes(native)
        except Win32Error:
            raise error from None
        if not win32_errors.is_read_only(attributes):
            raise error
        self._api.set_attributes(native, win32_errors.without_read_only(attributes))

    def unlink(self, native: str) -> None:
        """Remove a name once, also that of a read-only file."""
        try:
            self._api.delete_file(native)
        except Win32Error as error:
            if error.code != win32_errors.ACCESS_DENIED:
                raise
            self.check_no_folder(native)
            self._clear_read_only(native, error)
            self._api.delete_file(native)

    def mkdir(self, native: str) -> None:
        """Make a folder once."""
        try:
            self._api.make_folder(native)
        except Win32Error as error:
            if error.code == win32_errors.ACCESS_DENIED and self.is_folder(native):
                raise Win32Error(win32_errors.ALREADY_EXISTS) from None  # the root of a drive answers like that
            raise

    def is_folder(self, native: str) -> bool:
        """Tell whether a folder has this name."""
        try:
            return win32_errors.is_folder(self._api.attributes(native))
        except Win32Error:
            return False
