"""What comes quickly, received by a thread: from the connection by way of SHA-256 into the file, piece by piece.

The loop receives into blocks of some MiB, and threads write and hash them; by then they have left the processor's
cache, and over TLS the loop's one thread decrypts for all connections. Where bytes come as fast as they can be kept, a
thread does all of that for a while, piece by piece: a burst. Each long body begins with one.

A thread never waits for a server. What has come is taken, and where nothing more comes for a moment the burst is over:
the loop waits, as it is the loop that knows about stalls, speed and the end of everything. A burst is bounded in time
too, and there is one more at once than processors, as one or the other mostly waits for its server; who gets no turn
soon, because threads hang in a broken disk, goes on with the loop's way.

Nothing of this is for Windows, for loops that are not asyncio's own, or for a Python whose TLS
looks different inside: `open_source` knows none there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import threading
import time
from asyncio import sslproto
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from anyio import Semaphore, move_on_after

from landsat_async.connections import readable
from landsat_async.disk.io_threads import DiskPool, Threads
from landsat_async.errors import OutOfResources

_IS_WINDOWS = sys.platform == "win32"
PIECE_BYTES = 1024 * 1024
"""Received, written and hashed at a time. Less would mean more system calls, and a server that is woken more often."""
PAUSE_MS = 4
"""So long a thread waits for more at most."""
MOST_S = 0.1
"""So long a burst lasts at most: others want a turn, and a stop waits for its end."""
TURN_S = 0.25
"""So long a turn is waited for; whoever has one gives it back after `MOST_S`, unless the disk hangs."""
QUICK_BYTES_S = 32 * 1024 * 1024
"""A connection that brings less than this in a second costs the loop hardly anything."""


class Burst(msgspec.Struct, frozen=True):
    """What a thread has received."""

    size_bytes: int
    is_over: bool
    """Nothing more came for a moment, or little all the time: the loop has to judge that."""
    has_ended: bool = False
    """Nothing more will come: the connection has ended."""
    error: Exception | None = None
    """How, where it broke."""


class Source(Protocol):
    """A connection, for one thread at a time while the loop leaves it alone."""

    is_closed: bool
    """The loop has nothing more to do with it."""

    def hold(self) -> None:
        """Let the loop receive nothing from it."""

    def release(self) -> None:
        """Let the loop receive again, once the transport is told to go on."""

    def close(self) -> None:
        """Close our end, at once or when the thread that uses it has ended; for the loop."""

    def begin(self) -> bool:
        """Let nobody close it before `end`; False = it is closed. For threads, as are the next three."""

    def end(self) -> None:
        """Leave it; close it if that was wanted meanwhile."""

    def read(self, room: memoryview) -> int | None:
        """Put what has come into the room; 0 = the connection has ended, None = nothing is there. Does not wait."""

    def is_silent(self) -> bool:
        """Tell whether nothing comes for a moment."""


class _Socket:
    """A connection without TLS."""

    def __init__(self, own: socket.socket, transport: Any) -> None:
        self._own, self._under = own, transport
        """`_own`: a descriptor of ours. That of the loop may be another connection's while a thread still reads."""
        self._has_bytes = readable(own.fileno(), PAUSE_MS)
        self._lock = threading.Lock()
        self.is_closed = self._is_used = False

    def hold(self) -> None:
        self._under.pause_reading()

    def release(self) -> None:
        """The transport that is told to go on is this one."""

    def close(self) -> None:
        with self._lock:
            self.is_closed = True
            if not self._is_used:
                self._let_go()

    def begin(self) -> bool:
        with self._lock:
            self._is_used = not self.is_closed
            return self._is_used

    def end(self) -> None:
        with self._lock:
            self._is_used = False
            if self.is_closed:
                self._let_go()

    def _let_go(self) -> None:
        self._own.close()

    def read(self, room: memoryview) -> int | None:
        try:
            return self._own.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return None

    def is_silent(self) -> bool:
        return not self._has_bytes()


class _Away:
    """Stands for the TLS object of a connection while a thread has it: two that use it at once break it, or all.

    Nobody should ask meanwhile; but who closes a connection that is not his (the session of a host program) does.
    """

    def read(self, *_: object) -> int:
        raise ssl.SSLWantReadError

    write = unwrap = read


class _Encrypted(threading.local):
    """What a thread has just received and hands on at once: one buffer each, however many connections there are."""

    def __init__(self) -> None:
        self.room = memoryview(bytearray(PIECE_BYTES))


_encrypted = _Encrypted()


class _Tls(_Socket):
    """A connection with asyncio's TLS: its own objects decrypt, so that the loop can go on where a thread has ended."""

    def __init__(self, own: socket.socket, protocol: Any) -> None:
        super().__init__(own, protocol._transport)
        self._protocol = protocol
        self._inside = protocol._sslobj, protocol._incoming, protocol._outgoing
        self._decrypted, self._feed = protocol._sslobj.read, protocol._incoming.write
        self._error: OSError | None = None
        """Of a call that had something to hand over all the same."""
        protocol._ssl_reading_paused, protocol._control_ssl_reading  # noqa: B018  # raises where that is not there

    def hold(self) -> None:
        self._protocol._ssl_reading_paused = True
        super().hold()
        self._put(_Away(), ssl.MemoryBIO(), ssl.MemoryBIO())

    def release(self) -> None:
        self._put(*self._inside)
        self._protocol._ssl_reading_paused = False
        self._under.resume_reading()

    def _put(self, *inside: Any) -> None:
        self._protocol._sslobj, self._protocol._incoming, self._protocol._outgoing = inside

    def read(self, room: memoryview) -> int | None:
        if self._error is not None:
            raise self._error
        at, size, decrypted = 0, len(room), self._decrypted
        fruitless = False  # records without data come in any number, and whoever calls looks at the time
        try:
            while at < size:
                try:
                    while at < size and (count := decrypted(size - at, room[at:])):  # a record at a time
                        at += count
                        fruitless = False
                    return at
                except ssl.SSLWantReadError:
                    received = None if fruitless else super().read(_encrypted.room)
                    if not received:  # an end is told once more by the next call
                        return at or received
                    self._feed(_encrypted.room[:received])
                    fruitless = True
        except OSError as error:
            if not at:
                raise
            error.__traceback__ = error.__context__ = None  # as in `_receive`, which may not ask again
            self._error = error
        return at


def open_source(transport: asyncio.Transport) -> Source | None:
    """Return the connection for threads; None = only the loop can receive from it."""
    if _IS_WINDOWS or not isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):
        return None  # on Windows a descriptor of our own does not share whether it waits
    over = transport.get_extra_info("socket")
    if over is None:
        return None
    own: socket.socket | None = None
    try:
        if transport.get_extra_info("sslcontext") is None:
            own = over.dup()
            return _Socket(own, transport)
        protocol = transport._ssl_protocol  # type: ignore[attr-defined]
        # A proxy that is asked over TLS: TLS within TLS, and the socket has the outer one.
        is_outermost = protocol._transport.get_extra_info("sslcontext") is None
        if isinstance(protocol, sslproto.SSLProtocol) and is_outermost:
            own = over.dup()
            return _Tls(own, protocol)
    except (AttributeError, OSError):
        if own is not None:
            own.close()
    return None


def is_quick(size_bytes: int, waited_s: float, piece_bytes: int) -> bool:
    """Tell whether a connection that has brought so much in so long is worth a thread."""
    return size_bytes >= piece_bytes and size_bytes >= waited_s * QUICK_BYTES_S


def receive_burst(
    source: Source, keep: Callable[[memoryview], object], held: memoryview, room: memoryview, most_bytes: int
) -> Burst:
    """Keep what is held already, and then what comes without a pause, up to `most_bytes`; for threads.

    Raises what `keep` raises.
    """
    if not source.begin():
        return Burst(0, is_over=True, has_ended=True)
    try:
        keep(held)
        return _receive(source, keep, room, most_bytes)
    finally:
        source.end()


def _receive(source: Source, keep: Callable[[memoryview], object], room: memoryview, most_bytes: int) -> Burst:
    received, until_s = 0, time.perf_counter() + MOST_S
    while received < most_bytes and time.perf_counter() < until_s and not source.is_closed:
        try:
            size = source.read(room[: most_bytes - received])
        except OSError as error:  # also of TLS
            error.__traceback__ = error.__context__ = None  # they lead to the buffers
            return Burst(received, is_over=True, has_ended=True, error=error)
        if size:
            keep(room[:size])
            received += size
        elif size == 0:
            return Burst(received, is_over=True, has_ended=True)
        elif source.is_silent():
            return Burst(received, is_over=True)
    return Burst(received, is_over=received < most_bytes and not is_quick(received, MOST_S, 1))


class Bursts:
    """Threads that receive, one more than there are processors; for one event loop."""

    def __init__(self) -> None:
        """Start no thread yet."""
        most = (os.cpu_count() or 2) + 1
        self._pool, self._free = DiskPool(most, "receive"), Semaphore(most)
        self._patience_s = TURN_S

    async def turn(self) -> bool:
        """Wait for one; True = `run` is to follow at once."""
        if self._free.value:  # nobody waits then, and none that is free is ever refused
            self._free.acquire_nowait()
            return True
        with move_on_after(self._patience_s):
            await self._free.acquire()
            return True
        self._patience_s = 0.0  # a thread hangs: it is not waited for again before one has come back
        return False

    async def run(self, threads: Threads, work: Callable[[], Burst]) -> Burst | None:
        """Have a thread do it; None = there is no thread, and nothing was done. Raises what `work` raises.

        The turn is given back when the thread comes back, also when nobody waits for it any more.
        """
        try:
            burst = threads.run(work, pool=self._pool, at_end=self._give_back)
        except OutOfResources:
            self._give_back()
            return None
        return await burst

    def _give_back(self) -> None:
        self._free.release()
        self._patience_s = TURN_S

    def close(self) -> None:
        """Let the threads end; never waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)
