"""The one bounded stream of links: how requester and poller put links in, and how workers take and claim them.

Links are taken out for all workers that will be free soon, and their files are claimed in one commit. A file that has
been claimed ahead is in flight, as one whose link waits in the stream; a run that is killed leaves both to the next
one, which looks them up by their labels. It is counted as taken only when a worker has it.

Nobody says how long links live. Those that work, and those that are refused, show it for each host (`LinkAges`), and a
link that is too old is renewed before use instead of collecting a refusal.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import TypeAlias

import anyio
import msgspec

from landsat_async.disk.ledger import Item
from landsat_async.disk.ledger_requests import AcceptedDownload
from landsat_async.events import Ready
from landsat_async.rules.lifecycle import State
from landsat_async.rules.links import SecretUrl, host_in
from landsat_async.rules.observed import NOTED_MOST, Fact
from landsat_async.run.context import RunContext
from landsat_async.run.counts import Claiming, FileStates
from landsat_async.run.matching import PROXIED, AnswerRow

_ITEM = attrgetter("item")
AT_ONCE = 16
"""The most files of one claim."""
LINK_MAX_AGE_S = 1800.0
"""How long links live is not known; older ones are renewed before use instead of collecting refusals."""
TOO_OLD_IN_A_ROW = 3
"""After so many links that were too old when their turn came, the next one is used whatever its age."""
AGE_GROWTH = 1.01
"""So much older may links become with each one that was nearly as old and has worked."""


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


# -- into the stream

Pairs: TypeAlias = Sequence[tuple[Item, AnswerRow]]


async def deliver(context: RunContext, pairs: Pairs, stream: LinkStream, *, label: str) -> int:
    """Hand links to the workers and note what is being prepared; returns how many links were handed over.

    Waits while the stream is full. A file becomes `ready` only when its turn comes, together with the next ones: a
    commit for each would cost more than the quarter of a stream that waits here. Links to a host that is left
    alone stay where they are. `label` may be an older one: from now on the files are polled under it.
    """
    preparing: list[tuple[Item, AnswerRow]] = []
    rest: list[tuple[Item, AnswerRow]] = []
    waiting: set[int] = set()
    taken_by: set[str] = set()
    for item, answer in pairs:
        if item.state is not State.PREPARING:
            taken_by.add(item.system)
        if answer.url is None:
            preparing.append((item, answer))
        else:
            rest.append((item, answer))
            waiting.add(item.item_id)
    for system in taken_by:
        context.hosts.ok(f"system:{system}")  # it has taken a request, so what it refused before is over
    if preparing:
        await _note_preparing(context, preparing, label)
    born_s = context.states.loop_time()
    context.states.undelivered |= waiting
    delivered = 0
    try:
        while rest:
            count = max(stream.quarter, stream.room)
            usable: Pairs = rest[:count]
            if context.hosts.interrupted or context.states.deferred:
                usable, deferred = _sort_out(context, usable)
                await _defer(context, deferred, label)
            await _hand_over(context, usable, stream, label, born_s)
            delivered += len(usable)
            rest = rest[count:]
    finally:
        context.states.undelivered -= waiting
    return delivered


async def _note_preparing(context: RunContext, pairs: Pairs, label: str) -> None:
    news = [(item, answer) for item, answer in pairs if item.state is not State.PREPARING or item.absent_polls]
    if news:
        await context.states.apply(context.ledger.requests.prepare(_answered(news, label), context.states.now()))


def _answered(pairs: Pairs, label: str) -> list[AcceptedDownload]:
    return [AcceptedDownload(answer.download_id, answer.label or label, item.item_id) for item, answer in pairs]


def _sort_out(context: RunContext, pairs: Pairs) -> tuple[list[tuple[Item, AnswerRow]], list[tuple[Item, AnswerRow]]]:
    """Links that may be used now, and those to leave where they are; of a host on probation one is used."""
    hosts, now = context.hosts, context.states.now()
    closed, on_probation = set(hosts.paused_systems()), set(hosts.on_probation())
    usable: list[tuple[Item, AnswerRow]] = []
    deferred: list[tuple[Item, AnswerRow]] = []
    # What has failed there before says less about a host than a file that has not been tried.
    ordered = sorted(pairs, key=lambda pair: hosts.fails_at(pair[0].system, pair[0].item_id)) if on_probation else pairs
    for pair in ordered:
        system = pair[0].system
        waits = system in closed or context.states.deferred.get(pair[0].item_id, 0.0) > now
        (deferred if waits else usable).append(pair)
        if system in on_probation and not waits:
            closed.add(system)
    return usable, deferred


async def _defer(context: RunContext, pairs: Pairs, label: str) -> None:
    """Leave files at the service; those that another storage system has now are requested there instead."""
    elsewhere: list[tuple[Item, AnswerRow]] = []
    stay: list[tuple[Item, AnswerRow]] = []
    for pair in pairs:
        (elsewhere if context.routes.elsewhere(pair[0]) else stay).append(pair)
    if elsewhere:
        downloads = [(item, answer.download_id) for item, answer in elsewhere]
        await context.states.apply(context.ledger.requests.withdraw(downloads, context.states.now()))
    for item, _ in stay:
        context.states.deferred.setdefault(item.item_id, 0.0)
    await _note_preparing(context, stay, label)


async def _hand_over(context: RunContext, pairs: Pairs, stream: LinkStream, label: str, born_s: float) -> None:
    """Make files `ready` in one commit, then put their links into the stream."""
    if not pairs:
        return
    deferred = set(context.states.deferred)  # their waits say nothing of how long the service takes
    linked = await context.states.apply(context.ledger.requests.link(_answered(pairs, label), context.states.now()))
    watched, waits = linked - deferred, []
    for item, _ in pairs:
        context.states.undelivered.discard(item.item_id)
        if item.item_id in watched and item.state is State.PREPARING and item.requested_at is not None:
            waits.append((item.system, context.states.now() - item.requested_at))
    if waits:
        await context.ledger.requests.add_staged(waits, context.states.now())
    links = []
    for item, answer in pairs:
        if item.item_id in linked and answer.url is not None:
            host = host_in(answer.url)
            context.hosts.host_of_system[item.system] = host
            context.bus.tell(Ready(item.relpath))
            proxied = answer.proxied or item.system.startswith(PROXIED)
            links.append(Link(item, answer.url, host, born_s, proxied))
    await context.bus.room()
    await stream.put(links)


# -- out of the stream


class _Age(msgspec.Struct):
    limit_s: float
    worked_s: float = 0.0
    """The oldest link that has worked."""
    refused: set[int] = msgspec.field(default_factory=set)
    """Files of which a link was too old, as it was refused; none of the host has worked since."""


class _Untold(msgspec.Struct):
    """Links that have worked, of which no fact tells yet."""

    least_s: float
    most_s: float
    times: int = 1


class LinkAges:
    """What links of each host have shown. Ages count from the answer that brought a link."""

    def __init__(self, most_s: float) -> None:
        self.renewed = Counter[int]()
        """How often in a row the link of a file was too old when its turn came."""
        self.young_s = most_s
        """A link of this age, or younger, is too old at no host."""
        self._most_s = most_s
        self._hosts = defaultdict[str, _Age](partial(_Age, most_s))
        self._untold: dict[str, _Untold] = {}

    def is_too_old(self, link: Link, age_s: float) -> bool:
        """Whether a link should be renewed before use, to spare a refusal."""
        return age_s > self._hosts[link.host].limit_s and self.renewed[link.item.item_id] < TOO_OLD_IN_A_ROW

    def worked(self, host: str, age_s: float) -> bool:
        """A link of this age brought its file; the limit grows slowly while links of its order work.

        True when they are to be told of (`told`): it is the first of them, or what was noted of them is lost by now.
        """
        age, untold = self._hosts[host], self._untold.get(host)
        age.worked_s = max(age.worked_s, age_s)
        age.refused.clear()
        if age_s > age.limit_s / 2:
            age.limit_s = min(self._most_s, age.limit_s * AGE_GROWTH)
        if untold is None:
            self._untold[host] = _Untold(age_s, age_s)
            return True
        untold.least_s, untold.most_s = min(untold.least_s, age_s), max(untold.most_s, age_s)
        untold.times += 1
        return untold.times % NOTED_MOST == 0

    def told(self, host: str) -> Iterator[Fact]:
        """Yield one fact of all links that have worked until it is asked for, and that were not told of before."""
        if (untold := self._untold.pop(host, None)) is not None:  # from any thread
            yield Fact("links", "worked at this age", untold.least_s, untold.most_s, untold.times)

    def refused(self, link: Link, age_s: float) -> bool:
        """A link of this age was refused: whether its age is to blame.

        Not if an older one has worked, nor twice for one file while none works: a host that refuses whatever it is
        asked for would be asked for ever, as refusals for age count for nothing.
        """
        age, item_id = self._hosts[link.host], link.item.item_id
        if age_s <= age.worked_s or item_id in age.refused:
            return False
        age.refused.add(item_id)
        age.limit_s = min(age.limit_s, max(age.worked_s, age_s / 2))
        self.young_s = min(self.young_s, age.limit_s)
        return True


Taken: TypeAlias = tuple[Link, Claiming | None]
"""A link out of the stream, and the claim of its file; None where the link was too old for that."""


class ClaimsAhead:
    """Links that have left the stream, and that no worker has yet; few more than one claim has brought."""

    def __init__(self, states: FileStates, workers: int, ages: LinkAges, before: Callable[[], None]) -> None:
        """`before`: called before each claim; what it has written in its turn of the loop shares the commit."""
        self._states = states
        self._before = before
        self._most = min(workers, AT_ONCE)
        self._few = self._most // 4
        """So many are left when the next ones are claimed: they are there before anybody waits for them."""
        self._ages = ages
        self._ahead: deque[Taken] = deque()

    def take(self, stream: LinkStream) -> Taken | None:
        """Return the next link; None when there is none now."""
        if len(self._ahead) <= self._few and (links := stream.take(self._most)):
            claiming, now_s, young_s, usable = None, self._states.loop_time(), self._ages.young_s, []
            for link in links:
                age_s = now_s - link.born_s
                if age_s <= young_s or not self._ages.is_too_old(link, age_s):
                    usable.append(link)
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
