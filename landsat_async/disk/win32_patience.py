"""Waiting for other programs that have a file open, as scanners, indexers and synchronisers do for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from landsat_async.disk import win32_errors
from landsat_async.disk.fs import FileInUse
from landsat_async.disk.win32_errors import Win32Error, os_error

T = TypeVar("T")


class Patience:
    """Repeats calls that fail because somebody has a file open. Blocks its thread; `cancel_soon` ends all waits."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._cancelled_soon = threading.Event()

    def cancel_soon(self) -> None:
        """End all waits, and begin none any more."""
        self._cancelled_soon.set()

    def call(self, path: str, call: Callable[..., T], *arguments: object) -> T:
        """Call until no other program is in the way.

        Raises:
            FileInUse: Somebody has kept `path` open for too long, or nobody wants to wait.
            PermissionError: Access is denied all the time: that may be the same, or a lack of rights.
            OSError: Any other failure, at once.
        """
        waits, give_up_at_s = 0, time.monotonic() + self._patience_s
        while True:
            try:
                return call(*arguments)
            except Win32Error as error:
                code = error.code
            pause_s = win32_errors.pause_s(waits)
            if code not in win32_errors.WORTH_WAITING:
                raise os_error(code, path)
            if self._cancelled_soon.is_set() or time.monotonic() + pause_s > give_up_at_s:
                break
            self._cancelled_soon.wait(pause_s)
            waits += 1
        if code == win32_errors.ACCESS_DENIED:
            raise os_error(code, path)
        raise FileInUse(path)
