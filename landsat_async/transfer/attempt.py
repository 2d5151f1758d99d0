"""One attempt: one request, one answer, and as many of its bytes as come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import aiohttp
from anyio import create_task_group, fail_after, get_cancelled_exc_class, move_on_after
from yarl import URL

from landsat_async.disk.part import PartFile
from landsat_async.errors import leaves_of
from landsat_async.events import Notice, Retrying, Started, Transferred
from landsat_async.proof.kinds import kind_of
from landsat_async.proof.sniff import HEAD_BYTES, WrongBody, sniff
from landsat_async.rules.backoff import parse_retry_after_s
from landsat_async.rules.naming import served_name
from landsat_async.transfer.commit import Committer
from landsat_async.transfer.file_errors import AttemptFailed, failed
from landsat_async.transfer.headers import Reply
from landsat_async.transfer.link_policy import is_staging
from landsat_async.transfer.multi_range import Source, Split, Unfit
from landsat_async.transfer.ranges import PUSHED_BACK, Blame, RangeMismatch, blame, connections_for
from landsat_async.transfer.resume import AcceptBody, Ask, AskPlainly, Complete, Refuse, Restart, next_ask, read_answer
from landsat_async.transfer.retry import Fault, FaultKind, fault_of_status, may_refuse_range
from landsat_async.transfer.session import Answered, TransferSession
from landsat_async.transfer.sink import Sink, checkpoint, receive
from landsat_async.transfer.speed import Speed, Window, floor
from landsat_async.transfer.types import CheckpointStore, TransferEvent, TransferJob
from landsat_async.transfer.waits import LongWaits

_IDENTITY_ONLY = "identity;q=1, *;q=0"
_TELL_EVERY_S = 0.2
_PAGE_TIMEOUT_S = 5.0


@dataclass(slots=True)
class TransferContext:
    """What the attempts of one transfer share."""

    job: TransferJob
    net: TransferSession
    notify: Callable[[TransferEvent], None]
    store: CheckpointStore
    url: URL = field(repr=False)
    host: str
    """The host that is asked first; what is learnt about ranges is kept under this name."""
    part: PartFile
    lander: Committer
    whole: bool = False
    """Ranges are not to be used for this file any more."""
    any_speed: bool = False
    """Slow has turned out to be the line's own speed."""
    identity_only: bool = False
    """A server has encoded the body although it was asked not to."""
    one_connection: bool = False
    """Several connections are not to be used for this file any more."""
    breaks: int = 0
    """How often one of several connections has broken."""
    bytes_received: int = 0
    tries: int = 0
    """Attempts so far."""
    floor: Window = field(default_factory=floor)
    waits: LongWaits = field(init=False)
    _started: bool = False
    _told_s: float = 0.0

    def __post_init__(self) -> None:
        """Have long waits told as those of this file."""
        self.waits = LongWaits(self._tell_wait, self.net.waits)

    def _tell_wait(self, reason: str, wait_s: float) -> None:
        self.notify(Retrying(self.file, reason, self.tries, wait_s))

    @property
    def file(self) -> str:
        """The file's name in events."""
        return self.job.file or self.job.name

    @property
    def more_headers(self) -> dict[str, str]:
        """Header fields of each request, besides those about ranges."""
        return {"Accept-Encoding": _IDENTITY_ONLY} if self.identity_only else {}

    async def get(self, headers: dict[str, str]) -> Answered:
        """Ask for the file; see `TransferSession.get`."""
        policy = self.job.policy
        name = None if self.job.name_begins else self.job.name
        with self.waits.around(self.url.host or "", "has not answered yet", policy.answer_timeout_s):
            return await self.net.get(self.url, headers | self.more_headers, policy, name)

    def count(self, size: int) -> None:
        """Count body bytes."""
        self.bytes_received += size
        self.net.bytes_received += size

    def tell_start(self, total: int | None) -> None:
        """Say once where the transfer begins."""
        if not self._started:
            self._started = True
            self._told_s = self.net.clock()  # most files are complete before there is anything to add
            self.notify(Started(self.file, self.part.length, total))

    def tell_position(self, position: int, total: int | None) -> None:
        """Say now and then how far it is."""
        now_s = self.net.clock()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            self.notify(Transferred(self.file, position, total))


class NameSeen(Exception):
    """The head of an answer has come for which only the name is wanted."""

    def __init__(self, name: str | None) -> None:
        super().__init__("the server has named the file")
        self.name = name
        """None: it gives none that can be used."""


@dataclass(frozen=True, slots=True)
class Received:
    """The body of one answer ended as announced."""

    complete: bool
    """The whole file is here, as far as headers can tell."""
    length_known: bool
    """The server has marked the end, so that a cut would have been noticed."""


async def attempt(trip: TransferContext, *, plainly: bool = False) -> Received:
    """Ask once and keep what comes. `plainly` leaves If-Range out.

    Raises:
        AttemptFailed: with the reason; what came before it is kept, durably.
        OSError: the disk failed.
    """
    job = trip.job
    ask = next_ask(trip.part.now, trip.net.habits(trip.host), whole=trip.whole)
    if plainly:
        ask = replace(ask, if_range=None)
    trip.tries += not plainly
    response: aiohttp.ClientResponse | None = None
    try:
        try:
            response, reply, url, named = await trip.get(ask.headers)
            staging = is_staging(trip.url) or (url is not trip.url and is_staging(url))
            await _check_head(trip, response, reply, staging=staging)
        except AttemptFailed as failure:
            _note_push_back(trip, failure.fault)
            if response is None or not ask.start or not may_refuse_range(response.status):
                raise
            response.close()
            trip.whole = True  # whether it is the range that is refused, or the link, the whole file will tell
            return await attempt(trip)
        if job.name_begins and "html" not in (reply.content_type or "").lower():  # of a page the sniffer tells more
            raise NameSeen(served_name(job.name_begins, reply.filename, str(url)))
        match read_answer(ask, trip.part.now, reply, named=named):
            case AcceptBody() as take:
                _learn_ranges(trip, ask, reply, plainly=plainly)
                return await _take(trip, response, reply, take, staging=staging)
            case Complete():
                trip.part.facts = replace(trip.part.facts, total=trip.part.length)
                return Received(complete=True, length_known=True)
            case Restart(reason, odd):
                raise failed(FaultKind.ODD_RANGE if odd else FaultKind.RESTART, reason)
            case Refuse(reason, resume_off):
                if resume_off:
                    trip.net.learn(trip.host, resume_off=True)
                raise failed(FaultKind.ODD_RANGE if ask.start else FaultKind.PROTOCOL, reason)
            case AskPlainly():
                pass
    finally:
        if response is not None:
            response.close()  # no harm after a complete body: the connection is in the pool again by then
    return await attempt(trip, plainly=True)


async def _check_head(trip: TransferContext, response: aiohttp.ClientResponse, reply: Reply, *, staging: bool) -> None:
    """Raise AttemptFailed for an answer whose head already says that it is not the file."""
    fault = fault_of_status(reply.status, parse_retry_after_s(reply.retry_after, time.time()))
    if fault is not None:
        if staging and reply.status in (404, 503):
            fault = Fault(FaultKind.UNREADY, "the service is still preparing the file")
        raise AttemptFailed(_with_page(fault, await _read_page(trip, response, reply)))
    if reply.status == 200 and staging and reply.length is None and not reply.disposition:
        raise failed(FaultKind.UNREADY, "the service is still preparing the file")
    if reply.encoding is not None:
        raise failed(FaultKind.ENCODED, f"the server sends the file encoded ({reply.encoding!a})")
    if reply.status == 200 and reply.length == 0:
        if staging:
            raise failed(FaultKind.UNREADY, "the service is still preparing the file")
        raise failed(FaultKind.EMPTY, "USGS sends an empty file")
    total = reply.length if reply.range is None else reply.range.total
    if (total or 0) > trip.job.max_bytes:
        raise failed(FaultKind.TOO_BIG, f"the server announces {total} bytes")


async def _read_page(trip: TransferContext, response: aiohttp.ClientResponse, reply: Reply) -> WrongBody | None:
    """Look at the page that came with a bad status."""
    if "html" not in (reply.content_type or "").lower():
        return None
    try:
        with fail_after(_PAGE_TIMEOUT_S):
            head = await response.content.read(HEAD_BYTES)
    except (aiohttp.ClientError, OSError):
        return None
    trip.count(len(head))
    return sniff(kind_of(trip.job.name), head, reply.content_type)


def _with_page(fault: Fault, page: WrongBody | None) -> Fault:
    """Say what a page adds to a bad status: maintenance concerns the whole host, and a refusal may say why."""
    if page is not None and page.maintenance:
        return _fault_of_page(page)
    if page is not None and page.first_line and fault.kind is FaultKind.LINK_REFUSED:
        return replace(fault, reason=f'{fault.reason}: "{page.first_line}"')
    return fault


def _fault_of_page(wrong: WrongBody, *, staging: bool = False) -> Fault:
    """Say what a page or message in place of the file means."""
    said = f': "{wrong.first_line}"' if wrong.first_line else ""
    if wrong.maintenance:
        return Fault(FaultKind.MAINTENANCE, f"the host is being maintained{said}")
    if staging:
        return Fault(FaultKind.UNREADY, "the service is still preparing the file")
    if wrong.login:
        page = "a login page" if wrong.what == "html" else f"{wrong.what}{said}"
        return Fault(FaultKind.LOGIN, f"the link has expired: {page} came in place of the file")
    return Fault(
        FaultKind.PAGE if wrong.page else FaultKind.WRONG_BODY, f"{wrong.what} came in place of the file{said}"
    )


def _note_push_back(trip: TransferContext, fault: Fault) -> None:
    """Other files use several connections to the host: when it pushes back, they are too many."""
    if fault.kind in PUSHED_BACK and trip.net.splits[trip.host]:
        _leave_one(trip)


def _leave_one(trip: TransferContext) -> None:
    """Use one connection a file for the host from now on."""
    if not trip.net.habits(trip.host).one_connection:
        trip.net.learn(trip.host, one_connection=True)
        text = f"{trip.host} does not serve a file over several connections; one a file from now on"
        trip.notify(Notice(text, "warning"))


def _learn_ranges(trip: TransferContext, ask: Ask, reply: Reply, *, plainly: bool) -> None:
    if not ask.start:
        return
    if reply.status == 206 and not trip.net.habits(trip.host).gives_ranges:
        trip.net.learn(trip.host, gives_ranges=True)
    if reply.status == 206 and plainly:
        trip.net.learn(trip.host, dislikes_if_range=True)
    elif reply.status == 200 and ask.if_range is None:
        trip.net.learn(trip.host, ignores_ranges=True)


async def _take(
    trip: TransferContext, response: aiohttp.ClientResponse, reply: Reply, take: AcceptBody, *, staging: bool
) -> Received:
    """Receive the body that `take` describes."""
    part, job = trip.part, trip.job
    old_etag, old_length, total = part.facts.etag, part.length, take.facts.total
    part.expect(total)
    trip.tell_start(total)

    def look(head: bytes) -> None:
        wrong = sniff(kind_of(job.name), head, reply.content_type)
        if wrong is not None:
            raise AttemptFailed(_fault_of_page(wrong, staging=staging))

    def report(size: int) -> None:
        trip.count(size)
        trip.tell_position(max(sink.position, part.length), total)

    async def whole_body() -> None:
        if split is None:
            speed = Speed.of(job.policy, trip.floor, any_speed=trip.any_speed)
            stall_s = job.policy.stall_timeout_s
            await receive(response, sink, take.end, job.max_bytes, speed, stall_s, report, trip.net.clock, trip.waits)
        else:
            await split.run()
        await sink.finish()

    connections = _connections(trip, reply, take)
    if connections > 1:
        take = replace(take, overwrite=False)  # nothing is here that a 200 could differ from; ranges never overwrite
    sink = Sink(trip.net, part, trip.store, job.policy, take, look, trip.lander)
    split = None if connections == 1 else Split(_source(trip, take, report), sink, take, response, connections)
    rescue = sink.rescue if split is None else split.rescue
    try:
        if sink.fits:
            await whole_body()
        else:
            with one_error():
                async with create_task_group() as sink.tasks:
                    await whole_body()
    except get_cancelled_exc_class():
        with move_on_after(job.policy.grace_s, shield=True):
            await rescue()
        raise
    except AttemptFailed as failure:
        await (sink.rewind() if failure.fault.kind is FaultKind.OVERRUN else rescue())
        await checkpoint_if_new(part, trip.store)
        if split is not None:
            _learn_of_split(trip, failure, opening=False)
        if isinstance(failure, Unfit):
            return Received(complete=False, length_known=True)  # the next attempt sees what has become of the file
        raise
    finally:
        if split is not None:
            split.close()
            if split.called_off is not None:
                _learn_of_split(trip, split.called_off, opening=True)
        sink.close()
        etags_differ = None not in (old_etag, reply.etag) and old_etag != reply.etag
        if old_length and etags_differ and sink.adopted and not sink.diverged:
            trip.net.learn(trip.host, etag_unstable=True)
    return _received(part, take, reply)


def _connections(trip: TransferContext, reply: Reply, take: AcceptBody) -> int:
    policy = trip.job.policy
    if trip.whole or trip.one_connection:
        return 1
    habits = trip.net.habits(trip.host)
    return connections_for(policy.connections, take, reply, habits, here=trip.part.length, span_bytes=policy.span_bytes)


def _source(trip: TransferContext, take: AcceptBody, report: Callable[[int], None]) -> Source:
    """Say how more connections for the file are opened."""
    habits = trip.net.habits(trip.host)
    tie = {} if habits.dislikes_if_range else {"If-Range": take.facts.etag or ""}
    return Source(
        net=trip.net,
        url=trip.url,
        host=trip.host,
        name=trip.job.name,
        policy=trip.job.policy,
        headers=tie | trip.more_headers,
        max_bytes=trip.job.max_bytes,
        report=report,
        any_speed=trip.any_speed,
        floor=trip.floor,
        waits=trip.waits,
    )


def _learn_of_split(trip: TransferContext, failure: AttemptFailed, *, opening: bool) -> None:
    """See to it that what several connections have led to does not come again."""
    trip.breaks += 1
    changed = isinstance(failure, Unfit) and failure.misfit is RangeMismatch.CHANGED
    match Blame.FILE if changed else blame(failure.fault.kind, opening=opening, breaks=trip.breaks):
        case Blame.HOST:
            _leave_one(trip)
        case Blame.FILE:
            trip.one_connection = True


def _received(part: PartFile, take: AcceptBody, reply: Reply) -> Received:
    """Judge a body that ended without an error: for a body without announced length that means little."""
    if take.end is not None and part.length < take.end:
        raise failed(FaultKind.NETWORK, "the connection ended in the middle of the file")
    if not part.length:
        raise failed(FaultKind.EMPTY, "USGS sends an empty file")
    total = take.facts.total
    length_known = total is not None or (reply.chunked and reply.status == 200)
    if length_known and total is None:
        part.facts = replace(part.facts, total=part.length)
    return Received(complete=total in (None, part.length), length_known=length_known)


async def checkpoint_if_new(part: PartFile, store: CheckpointStore) -> None:
    """Make a checkpoint unless the last one says it all, or the part has become the file."""
    if part.length > part.facts.durable and not part.closed:
        await checkpoint(part, store, part.now)


@contextmanager
def one_error() -> Iterator[None]:
    """Take the one error that matters out of a task group's bundle: a disk error before a fault of the network."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = leaves_of(group)
        raise next((leaf for leaf in leaves if not isinstance(leaf, AttemptFailed)), leaves[0]) from None
