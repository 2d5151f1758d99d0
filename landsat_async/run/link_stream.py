"""The one bounded stream of links, from requester and poller to the workers, and the claims of their files.

Links are taken out for all workers that will be free soon, and their files are claimed in one commit. A file that has
been claimed ahead is in flight, as one whose link waits in the stream; a run that is killed leaves both to the next
one, which looks them up by their labels. It is counted as taken only when a worker has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TypeAlias

import anyio
import msgspec

from landsat_async.disk.ledger import Item
from landsat_async.model import SecretUrl
from landsat_async.run.file_states import Claiming, FileStates

_ITEM = attrgetter("item")
AT_ONCE = 16
"""The most files of one claim."""


class Link(msgspec.Struct, frozen=True, eq=False):
    """A file that can be fetched now. The link lives here, in memory, and nowhere else."""

    item: Item
    """As it was when it was asked for, or polled."""
    url: SecretUrl
    host: str
    born_s: float
    """Monotonic time of the answer that brought it; an old link is renewed before use."""
    proxied: bool


class LinkStream:
    """Bounded, and for the tasks of one event loop.

    Who puts links in waits until there is room for a good part of them: to be woken for each place that becomes free
    would cost a small file as much as its request.
    """

    def __init__(self, size: int, senders: int) -> None:
        """`size`: so many links may wait; `senders`: so many tasks enter `sending`."""
        self.size = size
        self.quarter = max(1, size // 4)
        """What is worth waking who waits for room."""
        self._senders = senders
        self._links: deque[Link] = deque()
        self._takers: deque[anyio.Event] = deque()
        self._room: anyio.Event | None = None

    def __len__(self) -> int:
        """How many links wait."""
        return len(self._links)

    @property
    def room(self) -> int:
        """How many links may be put in now; who waits for one needs no room for it."""
        return self.size - len(self._links) + len(self._takers)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Put links in inside; when all senders have left their blocks, the stream ends after the last link."""
        try:
            yield
        finally:
            self._senders -= 1
            if not self._senders:
                while self._takers:
                    self._takers.popleft().set()

    async def put(self, links: Sequence[Link]) -> None:
        """Put links in, in this order; waits while there is no room."""
        begin = 0
        while begin < len(links):
            if self.room < min(self.quarter, len(links) - begin):
                self._room = self._room or anyio.Event()
                await self._room.wait()
                continue
            end = begin + self.room
            self._links.extend(links[begin:end])
            self._wake_takers()
            begin = end

    def take(self, most: int) -> list[Link]:
        """Take the next links; none when there are none now."""
        links: list[Link] = []
        while self._links and len(links) < most:
            links.append(self._links.popleft())
        if self._room is not None and self.size - len(self._links) >= self.quarter:
            room, self._room = self._room, None
            room.set()
        return links

    async def wait(self) -> bool:
        """Wait until links have been put in; False when there will be no more. Others may have taken them by then."""
        if self._links or not self._senders:
            return bool(self._links)
        woken = anyio.Event()
        self._takers.append(woken)
        try:
            await woken.wait()
        except BaseException:
            if woken.is_set():
                self._wake_takers()  # that was for somebody who goes on
            else:
                self._takers.remove(woken)
            raise
        return True

    def _wake_takers(self) -> None:
        for _ in range(min(len(self._takers), len(self._links))):
            self._takers.popleft().set()


Taken: TypeAlias = tuple[Link, Claiming | None]
"""A link out of the stream, and the claim of its file; None where the link was too old for that."""


class ClaimsAhead:
    """Links that have left the stream, and that no worker has yet; few more than one claim has brought."""

    def __init__(
        self, states: FileStates, workers: int, usable: Callable[[Sequence[Link]], list[Link]],
        before: Callable[[], None],
    ) -> None:  # fmt: skip
        """`usable`: returns the links that are not too old; the files of the others are not claimed.

        `before`: called before each claim; what it has written in its turn of the loop shares the commit.
        """
        self._states = states
        self._before = before
        self._most = min(workers, AT_ONCE)
        self._few = self._most // 4
        """So many are left when the next ones are claimed: they are there before anybody waits for them."""
        self._usable = usable
        self._ahead: deque[Taken] = deque()

    def take(self, stream: LinkStream) -> Taken | None:
        """Return the next link; None when there is none now."""
        if len(self._ahead) <= self._few and (links := stream.take(self._most)):
            usable, claiming = self._usable(links), None
            if usable:
                self._before()
                claiming = self._states.claim(list(map(_ITEM, usable)))
            for link in links:
                self._ahead.append((link, claiming if link in usable else None))
        return self._ahead.popleft() if self._ahead else None

    async def wait(self, stream: LinkStream) -> Taken | None:
        """Wait for the next link; None when there will be no more."""
        while (taken := self.take(stream)) is None and await stream.wait():
            pass  # another worker may have claimed for this one as well
        return taken

    def give_back(self, taken: Taken) -> None:
        """Keep what a worker has taken and that ends before it begins with it."""
        self._ahead.appendleft(taken)

    def leave(self) -> None:
        """Give all claims up when no worker is left."""
        for _, claiming in self._ahead:
            if claiming is not None:
                claiming.cancel()
        self._ahead.clear()
