"""Takes links out of the stream for the workers, and claims their files: for all that will be free soon in one commit.

A file that has been claimed ahead is in flight, as one whose link waits in the stream; a run that is killed leaves both
to the next one, which looks them up by their labels. It is counted as taken only when a worker has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from landsat_async.run.dispatch import Link
from landsat_async.run.file_states import Claiming, FileStates

Taken: TypeAlias = tuple[Link, Claiming | None]
"""A link out of the stream, and the claim of its file; None where the link was too old for that."""

AT_ONCE = 16
"""The most files of one claim."""


class ClaimsAhead:
    """Links that have left the stream, and that no worker has yet; never more than one claim has brought."""

    def __init__(self, states: FileStates, workers: int, is_too_old: Callable[[Link], bool]) -> None:
        self._states = states
        self._most = min(workers, AT_ONCE)
        self._is_too_old = is_too_old
        self._ahead: deque[Taken] = deque()

    def take(self, receive: MemoryObjectReceiveStream[Link]) -> Taken:
        """Return the next link. Raises anyio.WouldBlock, anyio.EndOfStream."""
        if not self._ahead:
            self._claim(receive.receive_nowait(), receive)
        return self._ahead.popleft()

    async def wait(self, receive: MemoryObjectReceiveStream[Link]) -> Taken:
        """Wait for the next link. Raises anyio.EndOfStream."""
        try:
            return self.take(receive)  # what can wait takes a turn of the loop in any case
        except anyio.WouldBlock:
            self._claim(await receive.receive(), receive)
            return self._ahead.popleft()

    def _claim(self, first: Link, receive: MemoryObjectReceiveStream[Link]) -> None:
        links = [first]
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while len(links) < self._most:
                links.append(receive.receive_nowait())
        ids = [link.item_id for link in links if not self._is_too_old(link)]
        claiming = self._states.claim(ids) if ids else None
        self._ahead += [(link, claiming if link.item_id in ids else None) for link in links]

    def give_back(self, taken: Taken) -> None:
        """Keep what a worker has taken and that ends before it begins with it."""
        self._ahead.appendleft(taken)

    def leave(self) -> None:
        """Give all claims up when no worker is left; what may have gone wrong with them concerns nobody any more."""
        for _, claiming in self._ahead:
            if claiming is not None and not claiming.cancel() and not claiming.cancelled():
                claiming.exception()
        self._ahead.clear()
