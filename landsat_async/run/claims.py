"""Takes links out of the stream for the workers, and claims their files: for all that will be free soon in one commit.

A file that has been claimed ahead is in flight, as one whose link waits in the stream; a run that is killed leaves both
to the next one, which looks them up by their labels. It is counted as taken only when a worker has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from landsat_async.run.dispatch import Link, LinkStream
from landsat_async.run.file_states import Claiming, FileStates

Taken: TypeAlias = tuple[Link, Claiming | None]
"""A link out of the stream, and the claim of its file; None where the link was too old for that."""

AT_ONCE = 16
"""The most files of one claim."""


class ClaimsAhead:
    """Links that have left the stream, and that no worker has yet; never more than one claim has brought."""

    def __init__(
        self, states: FileStates, workers: int, is_too_old: Callable[[Link], bool], before: Callable[[], None]
    ) -> None:
        """`before`: called before each claim; what it has written in its turn of the loop shares the commit."""
        self._states = states
        self._before = before
        self._most = min(workers, AT_ONCE)
        self._is_too_old = is_too_old
        self._ahead: deque[Taken] = deque()

    def take(self, stream: LinkStream) -> Taken | None:
        """Return the next link; None when there is none now."""
        if not self._ahead and (links := stream.take(self._most)):
            self._claim(links)
        return self._ahead.popleft() if self._ahead else None

    async def wait(self, stream: LinkStream) -> Taken | None:
        """Wait for the next link; None when there will be no more."""
        while (taken := self.take(stream)) is None and await stream.wait():
            pass  # another worker may have claimed for this one as well
        return taken

    def _claim(self, links: Sequence[Link]) -> None:
        ids = [link.item_id for link in links if not self._is_too_old(link)]
        if ids:
            self._before()
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
