"""What the transfers of a run share: one HTTP session for file hosts, threads for the disk, what hosts have shown.

The session carries no token, no cookies and no credentials of any kind. Redirects are followed here and not by the
client, so that each hop is checked against the list of hosts, Range and If-Range go along, and a signed query is sent
byte for byte.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from random import random
from typing import Any, NamedTuple, cast

import aiohttp
import msgspec
from anyio import CancelScope, move_on_after
from yarl import URL

from landsat_async.connections import ALONE, USED_AT_MOST, Answer, OutOfStep, checked
from landsat_async.disk.io_threads import DiskPool, Threads
from landsat_async.disk.target import Target
from landsat_async.errors import SessionClosed
from landsat_async.model import Identity
from landsat_async.proof.prove import Proving, prove
from landsat_async.rules.identity import OtherFile, evidence_of_name
from landsat_async.rules.links import AllowedHosts, LinkRefused, host_of, read_link
from landsat_async.rules.naming import name_from_url
from landsat_async.rules.observed import Note
from landsat_async.transfer.brief_answer import Buffers
from landsat_async.transfer.burst import Bursts
from landsat_async.transfer.connector import CheckingResolver, context_with, make_connector, proxy_url
from landsat_async.transfer.file_errors import AttemptFailed, failed, fault_of_client
from landsat_async.transfer.head_facts import facts_of_head
from landsat_async.transfer.headers import Reply, read_reply
from landsat_async.transfer.max_rate import MaxRate
from landsat_async.transfer.quick_get import QuickGets, is_possible
from landsat_async.transfer.resume import RangeSupport
from landsat_async.transfer.retry import FaultKind
from landsat_async.transfer.token_bucket import TokenBucket
from landsat_async.transfer.types import TransferPolicy
from landsat_async.transfer.waits import OpenWaits

MAX_REDIRECTS = 5
_TOO_MUCH = (429, 503)
_STALE_AT_MOST = 100
"""So many answers in a row that may belong to other requests: as many connections as others have used before us."""
MAX_HEADER_BYTES = 64 * 1024
USER_AGENT = "landsat_async (Landsat downloader; Python aiohttp)"
BUFFERS_BYTES = 64 * 1024 * 1024
"""For the blocks that go round in all transfers together, and for spare ones. The ranges of files that come over
several connections are not among them, see `TransferPolicy.span_bytes`."""
IDENTITY_ONLY = {"Accept-Encoding": "identity;q=1, *;q=0"}
"""Field for a server that has encoded a body although it was asked not to."""
READ_AHEAD_BYTES = 256 * 1024
"""What the parser may hold of a body, as aiohttp has it."""
HEADS_SEEN = 64
"""So many usual answers of a host are looked at for what they show, and of later ones every 64th."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOTHING_KNOWN = RangeSupport()


class Answered(NamedTuple):
    """An answer whose head has been read, and which belongs to its request."""

    response: Answer
    reply: Reply
    url: URL
    """Where it came from, after redirects."""
    named: bool
    """Its head gives the name of the file that was asked for."""


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
                raise self._failure_of(error, url, host) from None
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
        proxy = self._proxy(url) if self.proxies else None
        fields = {**headers, **ALONE} if alone else headers
        async with asyncio.timeout(bound_s):
            answer = await self.session.get(url, headers=fields, timeout=timeout, allow_redirects=False, proxy=proxy)
        if self.quick is not None and not alone:
            self.quick.learn(cast(Answer, answer))
        return cast(Answer, answer)

    def _failure_of(self, error: Exception, url: URL, host: str) -> Exception:
        """Return what is raised for an exception of the HTTP client; `host` as circuit breakers know it."""
        if isinstance(error, RuntimeError) and self.session.closed:  # aiohttp has no type of its own for that
            return SessionClosed()
        if isinstance(error, LinkRefused):
            failure = failed(FaultKind.BAD_LINK, str(error))
        elif isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
            failure = failed(FaultKind.NETWORK, f"{url.host or ''} does not answer")
        else:
            failure = AttemptFailed(fault_of_client(error, url.host or ""))
        failure.host = host
        return failure

    def _proxy(self, url: URL) -> URL | None:
        proxy = self.proxies.get(url.scheme)
        if not proxy or urllib.request.proxy_bypass(url.host or ""):
            return None
        return proxy_url(proxy)


@asynccontextmanager
async def open_transfer_session(
    *,
    hosts: AllowedHosts,
    target: Target,
    workers: int = 5,
    ca_bundle: str | None = None,
    tls: ssl.SSLContext | None = None,
    connector: aiohttp.BaseConnector | None = None,
    trust_env: bool = True,
    proving: Proving = prove,
    uniform: Callable[[], float] = random,
    max_rate_bytes_s: int = 0,
    observe: Note | None = None,
) -> AsyncIterator[TransferSession]:
    """Open what transfers need, and close it again.

    Args:
        hosts: Where files may come from.
        target: Where they go; prepared, or with a folder of parts that can be made.
        workers: How many transfers will run at a time; sizes the thread pool and the blocks.
        ca_bundle: Certificates to trust besides the system's.
        tls: A context that has been made with them already; None = one is made.
        connector: The connections of a host program's session; used with its own resolver, and never closed.
        trust_env: Use the proxies of the environment. Nothing else is taken from there, no netrc in particular.
        proving: Proves a complete file, see `proof.prove`.
        uniform: Draws random numbers in [0, 1).
        max_rate_bytes_s: What all transfers together may receive in a second; 0 = no limit.
        observe: Hears what hosts have shown, see `rules.observed`; None = nobody asks.
    """
    proxies = urllib.request.getproxies_environment() if trust_env else {}
    resolver = CheckingResolver(hosts, proxies.values())
    pool, computing = DiskPool(workers + 2), DiskPool(min(workers, os.cpu_count() or 2), "cut")
    tls = context_with(ca_bundle) if tls is None and ca_bundle is not None else tls
    window = TokenBucket(max_rate_bytes_s).window_bytes if max_rate_bytes_s else None
    read_bufsize = READ_AHEAD_BYTES if window is None else window // 2
    session = aiohttp.ClientSession(
        connector=connector or make_connector(tls, resolver, window),
        connector_owner=connector is None,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        auto_decompress=False,
        requote_redirect_url=False,
        trust_env=False,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        read_bufsize=read_bufsize,
        **checked(lent=connector is not None),
    )
    shared = TransferSession(session, pool, hosts, target, proving, uniform, proxies, block_bytes_for(workers))
    quick = None
    if connector is None and is_possible():
        buffers = Buffers(shared.take_buffer, shared.give_buffer)
        quick = QuickGets(session, read_bufsize, MAX_HEADER_BYTES, buffers, gathers=window is None)
    try:
        if max_rate_bytes_s:
            shared.max_rate = MaxRate(max_rate_bytes_s, shared.clock)
        shared.observe, shared.computing = observe, computing
        shared.quick = quick
        yield shared
    finally:
        with CancelScope(shield=True), move_on_after(2.0):
            if quick is not None:
                quick.close()
            await session.close()
            await resolver.close()
        for one in (pool, computing):
            one.shutdown(wait=False, cancel_futures=True)
        shared.bursts.close()


def block_bytes_for(transfers: int) -> int:
    """Return how large a block may be when so many transfers run at a time: a power of two, two of them in each."""
    fair = BUFFERS_BYTES // (2 * transfers)
    return 1 << (fair.bit_length() - 1)


def _is_named(response: Answer, reply: Reply, name: str | None, url: URL) -> bool:
    """Tell whether the head gives the body the name of the file. Raises AttemptFailed for that of another."""
    if name is None or reply.status >= 400:
        return False
    said = evidence_of_name(name, filenames=reply.filenames)
    if isinstance(said, OtherFile):
        response.close()
        raise failed(FaultKind.OTHER_FILE, f"{url.host} sends {said.name} in place of it")
    return said is Identity.NAMED
