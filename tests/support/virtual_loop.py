"""An event loop whose clock jumps to the next timer when nothing else is ready.

Use it through the anyio plugin: a test module that wants virtual time defines

    @pytest.fixture
    def anyio_backend():
        return ("asyncio", {"loop_factory": VirtualLoop})

`anyio.sleep`, timeouts and aiohttp's timers all follow `loop.time()`. What the loop computes takes no time at all, so a
busy machine changes nothing that a test can see. Work in threads needs real time: while a call in an executor, in a
worker thread of anyio, in the thread of a ledger or in the threads for disks is under way, or a program that was
started here runs, nothing jumps. Bytes between two sockets of the loop are with their receiver when the call that sent
them has returned, and the kernel is asked whether that is so; only where it still has some under way, GRACE_S of real
silence comes first, and where a connection is being made. (No such question can be put about a socket that has been
closed: its last bytes get CLOSING_S.)
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import wraps

from anyio._backends._asyncio import AsyncIOBackend

from landsat_async.disk import acquire
from landsat_async.disk.io_threads import DiskPool
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.disk.thread_call import ThreadCall

if sys.platform == "linux":
    import termios
    from fcntl import ioctl

GRACE_S = 0.004
CLOSING_S = 0.0003
_SYN_SENT = 2
_SIOCOUTQNSD = 0x894B
_NONE = bytes(4)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = time.monotonic()
        self.busy_threads = 0
        self._closing = False

    def unregister(self, fileobj):
        self._closing = True
        return super().unregister(fileobj)

    def select(self, timeout=None):
        if timeout is None or timeout <= 0 or self.busy_threads:
            return self._really(timeout)
        ready = super().select(0)
        if not ready and self._closing:
            self._closing = False
            time.sleep(CLOSING_S)
            ready = super().select(0)
        if not ready and self._bytes_under_way():
            ready = super().select(min(timeout, GRACE_S))
        if not ready:
            self.now_s += timeout
        return ready

    def _really(self, timeout):
        """Wait for a thread: that takes real time."""
        began_s = time.monotonic()
        ready = super().select(timeout)
        self.now_s += time.monotonic() - began_s
        return ready

    def _bytes_under_way(self) -> bool:
        """Tell whether something that was sent is not with its receiver yet."""
        # A busy kernel carries packets, also between two sockets of one machine, when it has time.
        if any(key.events & selectors.EVENT_WRITE and _connects(key.fd) for key in self.get_map().values()):
            return True
        senders = [key.fd for key in self.get_map().values() if _in_flight(key.fd)]
        if not senders:
            return False
        for key in list(self.get_map().values()):  # a receiver may have it, and put off saying so
            _acknowledge(key.fd)
        return any(map(_in_flight, senders))


def _in_flight(fd: int) -> bool:
    """Tell whether bytes have left this socket whose receipt the other end has not acknowledged, as far as known."""
    if sys.platform != "linux":
        return True
    try:
        unacknowledged = ioctl(fd, termios.TIOCOUTQ, _NONE)
        return unacknowledged != _NONE and unacknowledged != ioctl(fd, _SIOCOUTQNSD, _NONE)
    except OSError:  # it listens, or is a pipe
        return False


def _connects(fd: int) -> bool:
    """Tell whether a socket waits for the first answer of the other end."""
    if sys.platform != "linux":
        return True
    with suppress(OSError):  # no socket, or not of TCP
        same = socket.socket(fileno=os.dup(fd))
        with same:
            return same.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _SYN_SENT
    return False


def _acknowledge(fd: int) -> None:
    """Let a socket acknowledge at once what it has received."""
    if sys.platform != "linux":
        return
    with suppress(OSError), socket.socket(fileno=os.dup(fd)) as same:  # no socket, or not of TCP
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def run_in_executor(self, executor, func, *args):
        return self.waits_for_thread(super().run_in_executor(executor, func, *args))

    def waits_for_thread(self, future):
        """The clock stands still until this has its result."""
        self._jumping.busy_threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    @contextmanager
    def waiting_for_thread(self) -> Iterator[None]:
        """The clock stands still inside."""
        self._jumping.busy_threads += 1
        try:
            yield
        finally:
            self._jumping.busy_threads -= 1

    def _thread_ended(self, future) -> None:
        self._jumping.busy_threads -= 1

    async def _make_subprocess_transport(self, *arguments, **options):
        """The clock does not jump while a program runs."""
        self._jumping.busy_threads += 1
        try:
            return await super()._make_subprocess_transport(*arguments, **options)
        except BaseException:
            self._jumping.busy_threads -= 1
            raise

    def _child_watcher_callback(self, *arguments) -> None:
        self._jumping.busy_threads -= 1
        super()._child_watcher_callback(*arguments)

    def time(self) -> float:
        return self._jumping.now_s


def _seen(begin):
    @wraps(begin)
    def seen(*arguments, **how):
        begun = begin(*arguments, **how)
        future = begun.future if isinstance(begun, ThreadCall) else begun
        if isinstance(future.get_loop(), VirtualLoop):
            future.get_loop().waits_for_thread(future)
        return begun

    return seen


def _seen_wait(function):
    @wraps(function)
    async def seen(*arguments, **named):
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            return await function(*arguments, **named)
        with loop.waiting_for_thread():
            return await function(*arguments, **named)

    return seen


DiskPool.begin = _seen(DiskPool.begin)
ThreadCall.again = _seen(ThreadCall.again)
acquire.wait_for_thread = _seen_wait(acquire.wait_for_thread)
LedgerWriter.begin = _seen(LedgerWriter.begin)
LedgerWriter.aclose = _seen_wait(LedgerWriter.aclose)
AsyncIOBackend.run_sync_in_worker_thread = _seen_wait(AsyncIOBackend.run_sync_in_worker_thread)
