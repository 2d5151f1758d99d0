"""Uploads of this run that may have been left open in a store, where nobody sees them, and they cost money."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class CutOff:
    """The keys of such uploads; for several threads."""

    def __init__(self) -> None:
        self._under_way: list[str] = []
        self._cut: set[str] = set()

    @contextmanager
    def watched(self, key: str) -> Iterator[None]:
        """Note an upload while it goes on, and for good when it fails, though the next try may succeed."""
        self._under_way.append(key)
        try:
            yield
        except InterruptedError:  # we have ended it, and it was given up before this was raised
            raise
        except Exception:  # also that the key is taken: whether it was given up then, nobody tells
            self._cut.add(key)
            raise
        finally:
            self._under_way.remove(key)

    def add(self, key: str) -> None:
        """Note one that could not be given up."""
        self._cut.add(key)

    def keys(self) -> set[str]:
        """Return the keys of those that have failed, and of those that are under way: their threads may never end."""
        return {*self._cut, *self._under_way}

    def forget(self, keys: Iterable[str]) -> None:
        """Take off the list what is given up; what is under way stays on it."""
        self._cut.difference_update(keys)
