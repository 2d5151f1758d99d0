"""Folders below the output folder that a thread holds open, so that many small files look each of them up once.

A name is reached through the open folder that it stands in, and never through a path that somebody could swap.
"""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

HOLD_S = 0.1
"""So long folders are held open; a later block looks them up anew."""


class FoldersOfThread:
    """Folders that one thread holds open; closed with the thread, or at the beginning of a later block."""

    def __init__(self) -> None:
        self.inside = False
        self.fds: dict[str, int] = {}
        self._since_s = 0.0

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
        for fd in self.fds.values():
            os.close(fd)
        self.fds.clear()

    def __del__(self) -> None:
        self.drop()


class HeldByThread(threading.local):
    """What each thread holds open."""

    def __init__(self) -> None:
        self.folders = FoldersOfThread()


class OpenPlace:
    """A name and the open folder that it stands in; the path as it is and None outside of the root."""

    __slots__ = ("_fd", "_folders", "_name")

    def __init__(self, name: str, fd: int | None, folders: FoldersOfThread | None = None) -> None:
        self._name, self._fd, self._folders = name, fd, folders

    def __enter__(self) -> tuple[str, int | None]:
        return self._name, self._fd

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folders is not None:
            if error is not None:
                self._folders.drop()
        elif self._fd is not None:
            os.close(self._fd)
