"""What the transfers of a run share: one HTTP session for file hosts, what these have shown, and the waits for them.

It is opened by `open_transfer_session`.

The session carries no token, no cookies and no credentials of any kind. Redirects are followed here and not by the
client, so that each hop is checked against the list of hosts, Range and If-Range go along, and a signed query is sent
byte for byte.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from random import random
from types import TracebackType
from typing import Any, NamedTuple, cast

import aiohttp
import msgspec
from yarl import URL

from landsat_async.connections import ALONE, USED_AT_MOST, Answer, OutOfStep
from landsat_async.disk.io_threads import DiskPool, Threads
from landsat_async.disk.target import Target
from landsat_async.errors import SessionClosed
from landsat_async.model import Identity
from landsat_async.proof.prove import Proving, prove
from landsat_async.rules.identity import OtherFile, evidence_of_name
from landsat_async.rules.links import AllowedHosts, LinkRefused, host_of, read_link
from landsat_async.rules.naming import name_from_url
from landsat_async.rules.observed import Note
from landsat_async.transfer.burst import Bursts
from landsat_async.transfer.connector import proxy_for
from landsat_async.transfer.file_errors import failed, failure_of_request
from landsat_async.transfer.head_facts import facts_of_head
from landsat_async.transfer.headers import Reply, read_reply
from landsat_async.transfer.max_rate import MaxRate
from landsat_async.transfer.quick_get import QuickGets
from landsat_async.transfer.resume import RangeSupport
from landsat_async.transfer.retry import FaultKind
from landsat_async.transfer.types import TransferPolicy

MAX_REDIRECTS = 5
_TOO_MUCH = (429, 503)
_STALE_AT_MOST = 100
"""So many answers in a row that may belong to other requests: as many connections as others have used before us."""
BUFFERS_BYTES = 64 * 1024 * 1024
"""For the blocks that go round in all transfers together, and for spare ones. The ranges of files that come over
several connections are not among them, see `TransferPolicy.span_bytes`."""
IDENTITY_ONLY = {"Accept-Encoding": "identity;q=1, *;q=0"}
"""Field for a server that has encoded a body although it was asked not to."""
HEADS_SEEN = 64
"""So many usual answers of a host are looked at for what they show, and of later ones every 64th."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOTHING_KNOWN = RangeSupport()
TELL_AFTER_S = 4.0
"""So that the word is there within five seconds."""
TELL_AGAIN_S = 60.0
"""A server that sends a byte now and then makes a wait of each pause."""
_LOOK_EVERY_S = 0.5
NEVER_S = math.inf

Tell = Callable[[str, float], None]
"""tell(reason, wait_s): the wait goes on for so long at most, then something else is tried."""


class Answered(NamedTuple):
    """An answer whose head has been read, and which belongs to its request."""

    response: Answer
    reply: Reply
    url: URL
    """Where it came from, after redirects."""
    named: bool
    """Its head gives the name of the file that was asked for."""


# -- waits for a server, told while they last


class OpenWaits:
    """All connections of one event loop that may be waiting for their server.

    Nearly all waits are too short to be worth a word, and there are one or two for each small file. So a wait is only
    noted, and all of them are looked at together, twice a second while there are any.
    """

    def __init__(self) -> None:
        self.open: dict[Wait, None] = {}
        self.timer: asyncio.TimerHandle | None = None

    def look_later(self) -> None:
        """Look at all of them from now on, as long as there are any."""
        self.timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self.timer = None
        if self.open:
            self.look_later()
        now_s = asyncio.get_running_loop().time()
        for wait in list(self.open):
            wait.look(now_s)


def _nobody(reason: str, wait_s: float) -> None:
    pass


class Wait(msgspec.Struct, eq=False):
    """A connection that may be waiting for its server; watched from `begin` until it is taken out of the open ones.

    What one of them has told, the others of its transfer (`beside`) do not tell again soon.
    """

    _tell: Tell = _nobody
    _open_waits: OpenWaits = msgspec.field(default_factory=OpenWaits)
    _told: dict[str, float] = msgspec.field(default_factory=dict)
    _host: str = ""
    _what: str = ""
    _bound_s: float = math.inf
    since_s: float = NEVER_S
    """Loop time since which the server is waited for; `NEVER_S`: it is not the server that is waited for."""

    def begin(self, host: str, what: str, bound_s: float, now_s: float) -> None:
        """Note that a wait for `host` begins, which ends within `bound_s`; `what` is what it does meanwhile."""
        self._host, self._what, self._bound_s, self.since_s = host, what, bound_s, now_s
        waits = self._open_waits
        waits.open[self] = None
        if waits.timer is None:
            waits.look_later()

    def beside(self) -> Wait:
        """Return that of another connection of the same transfer."""
        return Wait(self._tell, self._open_waits, self._told)

    def around(self, host: str, what: str, bound_s: float) -> Wait:
        """Return a context manager around a wait of another connection, see `begin`."""
        wait = self.beside()
        wait.begin(host, what, bound_s, asyncio.get_running_loop().time())
        return wait

    def __enter__(self) -> Wait:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_waits.open.pop(self, None)

    def silent(self, host: str, silent_s: float, bound_s: float) -> None:
        """Tell that nothing has come from `host` for `silent_s`, when that is long; at `bound_s` it will be a fault."""
        if silent_s >= TELL_AFTER_S:
            self._say(f"{host} sends nothing", bound_s - silent_s, asyncio.get_running_loop().time())

    def look(self, now_s: float) -> None:
        """Tell the wait when it has become long."""
        waited_s = now_s - self.since_s
        if waited_s >= TELL_AFTER_S:
            self._say(f"{self._host} {self._what}", self._bound_s - waited_s, now_s)

    def _say(self, reason: str, wait_s: float, now_s: float) -> None:
        """Tell a wait, unless it has just been told."""
        if wait_s > 0.0 and now_s >= self._told.get(reason, 0.0):
            self._told[reason] = now_s + TELL_AGAIN_S
            self._tell(reason, wait_s)


# -- what is shared


class TransferSession(msgspec.Struct):
    """Shared by the transfers of one run; make one with `open_transfer_session`."""

    session: aiohttp.ClientSession
    pool: DiskPool
    hosts: AllowedHosts
    target: Target
    """Where proven files go; parts lie on a disk of this machine."""
    prove: Proving = prove
    uniform: Callable[[], float] = random
    """Draws the jitter, in [0, 1)."""
    proxies: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Proxy by scheme, as the environment has it."""
    block_bytes: int = BUFFERS_BYTES
    """The largest block for which there is memory; a policy may ask for smaller ones."""
    clock: Callable[[], float] = msgspec.field(default_factory=lambda: asyncio.get_running_loop().time)
    """Time of the event loop."""
    bytes_received: int = 0
    """Body bytes from file hosts, of all transfers, whatever became of them."""
    max_rate: MaxRate | None = None
    """What all transfers share; None = no limit."""
    waits: OpenWaits = msgspec.field(default_factory=OpenWaits)
    """What transfers wait for just now."""
    computing: DiskPool | None = None
    """Threads that cut windows for a folder; None = those of the disk do, as for a store."""
    bursts: Bursts = msgspec.field(default_factory=Bursts)
    """Threads that receive what comes quickly."""
    pauses: dict[str, float] = msgspec.field(default_factory=dict)
    """File -> loop time of its next try, of those that wait for it."""
    splits: Counter[str] = msgspec.field(default_factory=Counter)
    """Host -> files that are coming over several connections now."""
    quick: QuickGets | None = None
    """For hosts that have been asked before; None = each request goes the plain way."""
    observe: Note | None = None
    """Hears what hosts show of how they behave, also from threads; None = nobody asks."""
    running: set[Threads] = msgspec.field(default_factory=set)
    """Those of transfers that `cancel_soon` concerns; a transfer takes its own out when it is over."""
    _cancelled_soon: bool = False
    _range_support: dict[str, RangeSupport] = msgspec.field(default_factory=dict)
    _mismatches: Counter[str] = msgspec.field(default_factory=Counter)
    _told: set[str] = msgspec.field(default_factory=set)
    _looked_at: Counter[str] = msgspec.field(default_factory=Counter)
    _nameless: set[str] = msgspec.field(default_factory=set)
    """Hosts whose answers do not name the file: each of their connections serves one request."""
    _buffers: dict[int, list[memoryview]] = msgspec.field(default_factory=dict)
    _timeouts: dict[tuple[float, float, float], aiohttp.ClientTimeout] = msgspec.field(default_factory=dict)

    def cancel_soon(self) -> None:
        """All transfers are to end, also those that are only beginning: threads have the grace period, and no more."""
        self._cancelled_soon = True
        self.target.fs.cancel_soon()
        for threads in self.running:
            threads.cancel_soon()

    def begin(self, threads: Threads) -> None:
        """Have `cancel_soon` concern a transfer's threads."""
        self.running.add(threads)
        if self._cancelled_soon:
            threads.cancel_soon()

    @contextmanager
    def pausing(self, file: str, wait_s: float) -> Iterator[None]:
        """Inside, a file waits for its next try and not for its host."""
        self.pauses[file] = self.clock() + wait_s
        try:
            yield
        finally:
            del self.pauses[file]

    def range_support(self, host: str) -> RangeSupport:
        """Return how `host` has treated ranges so far in this run."""
        return self._range_support.get(host, _NOTHING_KNOWN)

    def learn(self, host: str, **news: bool) -> None:
        """Remember something about `host` for this run."""
        self._range_support[host] = replace(self.range_support(host), **news)

    def count_mismatch(self, host: str) -> None:
        """Remember that a range of `host` had wrong bytes; the second time, no more ranges are asked for."""
        self._mismatches[host] += 1
        if self._mismatches[host] > 1:
            self.learn(host, resume_off=True)

    def tell_once(self, topic: str) -> bool:
        """Return True the first time a topic comes up in this run."""
        first = topic not in self._told
        self._told.add(topic)
        return first

    def is_sample(self, of: str, first: int) -> bool:
        """Tell whether one more of these is looked at: the first few are."""
        number = self._looked_at[of] = self._looked_at[of] + 1
        return number <= first

    def take_buffer(self, size: int) -> memoryview:
        """Return a buffer to fill; used ones are cheaper, their memory is there already."""
        spare = self._buffers.get(size)
        return spare.pop() if spare else memoryview(bytearray(size))

    def give_buffer(self, buffer: memoryview) -> None:
        """Hand a buffer back."""
        spare = self._buffers.setdefault(len(buffer), [])
        if len(spare) < BUFFERS_BYTES // len(buffer):
            spare.append(buffer)

    async def get(
        self, url: URL, headers: Mapping[str, str], policy: TransferPolicy, name: str | None, host: str = ""
    ) -> Answered:
        """Ask for `url`, follow redirects, and return the answer that belongs to this request, its head read.

        An answer belongs to its request when it names the file, or is the first of its connection. One that does
        neither may be a copy of the answer before it, so it is dropped with its connection. A connection whose answers
        do not name files serves one request. "Too much" (429, 503) is believed whomever it was meant for: to ask again
        at once would be one request more.

        Args:
            url: What to ask for.
            headers: Of each request.
            policy: How long to wait.
            name: File that is asked for, as answers name it; None = they do not.
            host: That of `url` (`host_of`), where it is known.

        Raises:
            AttemptFailed: there is no answer, or none that can be believed.
        """
        redirects = stale = tries = 0
        while redirects <= MAX_REDIRECTS:
            host = host or host_of(url)
            alone = name is None or stale > 0 or host in self._nameless
            try:
                response = await self._get_once(url, host, headers, policy, alone=alone)
            except (aiohttp.ClientError, ValueError, OSError, RuntimeError) as error:
                tries += 1
                if isinstance(error, OutOfStep) and tries <= USED_AT_MOST:  # one connection fewer each time
                    continue
                if isinstance(error, RuntimeError) and self.session.closed:  # aiohttp has no type of its own for that
                    raise SessionClosed from None
                raise failure_of_request(error, url, host) from None
            reply = read_reply(response.status, response.headers.getall)
            seen = self._looked_at[host] = self._looked_at[host] + 1
            if self.observe is not None and (seen <= HEADS_SEEN or seen % HEADS_SEEN == 0 or reply.status != 200):
                self.observe((host, facts_of_head(reply, response.headers, headers, name, url)))
            redirected, tries = reply.status in _REDIRECTS, 0
            said = name_from_url(reply.location or "") if redirected else reply.filename
            named = name is not None and said == name
            if not named:
                response.last()
                if not response.first and reply.status not in _TOO_MUCH:
                    response.close()
                    stale += 1
                    if stale == _STALE_AT_MOST:
                        raise failed(FaultKind.PROTOCOL, f"{url.host} sends answers to other requests", host)
                    continue
            if name is not None and (not named or host in self._nameless):
                self._note_names(host, reply.status, named=named)
            if not redirected:
                only_named = named and reply.filenames == (name,) and reply.status < 400  # nearly always
                return Answered(response, reply, url, only_named or _is_named(response, reply, name, url))
            response.release()
            url = self._target(reply, url, name)
            host, redirects, stale = "", redirects + 1, 0
        raise failed(FaultKind.BAD_LINK, f"more than {MAX_REDIRECTS} redirects")

    def _target(self, reply: Reply, url: URL, name: str | None) -> URL:
        """Return where a redirect leads to, if it may be followed. Raises AttemptFailed."""
        if reply.location is None:
            raise failed(FaultKind.PROTOCOL, f"{url.host} redirects without a target")
        try:
            target = read_link(reply.location, url)
            self.hosts.check(target)
        except LinkRefused as refused:
            raise failed(FaultKind.BAD_LINK, f"redirect: {refused}") from None
        said = Identity.NONE if name is None else evidence_of_name(name, urls=[str(target)])
        if isinstance(said, OtherFile):
            raise failed(FaultKind.OTHER_FILE, f"the link is redirected to {said.name}")
        return target

    def _note_names(self, host: str, status: int, *, named: bool) -> None:
        if named:
            self._nameless.discard(host)
        elif status < 400:  # pages under a bad status never name a file
            self._nameless.add(host)

    def _get_once(
        self, url: URL, host: str, headers: Mapping[str, str], policy: TransferPolicy, *, alone: bool
    ) -> Awaitable[Answer]:
        """Begin a request: after the pattern of its origin, or by way of aiohttp where there is none."""
        bound_s = policy.connect_timeout_s + policy.header_timeout_s
        bounds = policy.connect_timeout_s, policy.stall_timeout_s, bound_s
        timeout = self._timeouts.get(bounds)
        if timeout is None:
            timeout = self._timeouts[bounds] = aiohttp.ClientTimeout(
                total=None, connect=bound_s, sock_connect=bounds[0], sock_read=bounds[1]
            )
        if self.quick is not None and not alone and (url.scheme, host) in self.quick.patterns:
            quick: Awaitable[Any] = self.quick.get(url, host, headers, timeout, self.clock() + bound_s)
            return quick  # as much of an answer as transfers use
        return self._get_plainly(url, headers, timeout, bound_s, alone=alone)

    async def _get_plainly(
        self, url: URL, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout, bound_s: float, *, alone: bool
    ) -> Answer:
        proxy = proxy_for(url, self.proxies) if self.proxies else None
        fields = {**headers, **ALONE} if alone else headers
        async with asyncio.timeout(bound_s):
            answer = await self.session.get(url, headers=fields, timeout=timeout, allow_redirects=False, proxy=proxy)
        if self.quick is not None and not alone:
            self.quick.learn(cast(Answer, answer))
        return cast(Answer, answer)


def _is_named(response: Answer, reply: Reply, name: str | None, url: URL) -> bool:
    """Tell whether the head gives the body the name of the file. Raises AttemptFailed for that of another."""
    if name is None or reply.status >= 400:
        return False
    said = evidence_of_name(name, filenames=reply.filenames)
    if isinstance(said, OtherFile):
        response.close()
        raise failed(FaultKind.OTHER_FILE, f"{url.host} sends {said.name} in place of it")
    return said is Identity.NAMED
