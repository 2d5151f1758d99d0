"""Signals, and the loop that commands run in. The library itself never touches either.

First SIGINT, SIGTERM or SIGHUP: the command is asked to stop, and has ten seconds for it. Second: out at once,
which is safe because every step of a run survives a kill. On Windows Ctrl-C is SIGINT, Ctrl-Break SIGBREAK, and its
event loops take no signals: see `_listen`; what comes as an event of the console is in show/console.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import anyio

from landsat_async.errors import ConfigError, resources_lacking
from landsat_async.show.console import console_events
from landsat_async.show.output import Output

STOPPED = 7
STOPPED_AT_ONCE = 130
HARD_LIMIT_S = 9.5
"""A stop takes no longer, even when the service, the disk or a thread hangs; below the promised 10 s."""

_SHOW_CURSOR = b"\x1b[?25h"


class Stopper:
    """Turns signals into a request to stop; `call` says what stopping means at the moment."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._call: Callable[[], None] = lambda: None
        self.stop_text = "stopping: finishing what is being written; once more to leave at once"
        """What is said at the first signal."""
        self._exit = os._exit
        self.asked = False

    @contextlib.contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """Let a stop mean `call` for the time of the block."""
        before, self._call = self._call, call
        try:
            if self.asked:
                call()
            yield
        finally:
            self._call = before

    def on_reader_gone(self) -> None:
        """Nobody reads the JSON lines any more: as the first signal, but it must not be said to stdout."""
        self.stop_text = "stopping: nobody reads the JSON lines any more (stdout was closed)"
        self.on_signal()

    def on_signal(self) -> None:
        """Handle the first signal, inside the loop."""
        if self.asked:
            return
        self.asked = self._output.stopping = True
        self.arm()
        self._limit()
        self._call()  # before the talk, which a stopped terminal may hold up
        self._output.message(self.stop_text, urgent=True)

    def _limit(self) -> None:
        """Leave at the hard limit. It outlives the loop on purpose: it also bounds the joining of hung threads."""
        timer = threading.Timer(HARD_LIMIT_S, self._leave, (STOPPED,))
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread left; the alarm is as good while the interpreter still runs bytecode
            if sys.platform != "win32":  # there the second Ctrl-C is left
                signal.signal(signal.SIGALRM, lambda *_: self._leave(STOPPED))
                signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT_S)
                atexit.register(signal.setitimer, signal.ITIMER_REAL, 0.0)  # after the joining, before handlers go

    def arm(self) -> None:
        """Make every further signal leave at once, also when the loop hangs or is gone."""
        for number in _numbers():
            signal.signal(number, self.leave_at_once)

    def leave_at_once(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """End the process; for any thread."""
        self._leave(STOPPED_AT_ONCE)

    def _leave(self, code: int) -> None:
        restore_terminal(self._output)
        self._exit(code)


def run_async(output: Output, work: Callable[[Stopper], Awaitable[int]]) -> int:
    """Run `work` in a new event loop and return its exit code; 7 when a signal ended it first."""
    _refuse_a_running_loop()
    stopper = Stopper(output)
    code: list[int] = []

    async def main() -> None:
        with anyio.CancelScope() as scope, stopper.calling(scope.cancel), _listening(stopper):
            code.append(await work(stopper))
            return
        output.message("stopped; the same command does it again")
        code.append(STOPPED)

    try:
        with asyncio.Runner() as runner:  # a loop that cannot be made leaves no coroutine behind
            runner.run(main())
        return code[0]
    except RuntimeError as error:
        if code and resources_lacking(error) is not None:  # asyncio ends its threads in one more thread
            return code[0]
        raise
    finally:
        if stopper.asked:  # closing the loop took the handlers away, and a thread may still keep the process
            stopper.arm()


def restore_terminal(output: Output) -> None:
    """Give the cursor back. Straight to the descriptor: the display may be locked by the thread that hangs."""
    with contextlib.suppress(OSError, ValueError):
        if output.err.isatty():
            os.write(output.err.fileno(), _SHOW_CURSOR + b"\r\n")


@contextlib.contextmanager
def _listening(stopper: Stopper) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = _numbers() if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in numbers}
    with contextlib.ExitStack() as held:
        taken = [_listen(loop, number, stopper.on_signal) for number in numbers]
        if not all(taken):
            held.enter_context(_waking(loop))
            held.enter_context(console_events(stopper, loop))
        try:
            yield
        finally:
            if not stopper.asked:
                for number, handler in before.items():
                    with contextlib.suppress(NotImplementedError):
                        loop.remove_signal_handler(number)
                    signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _listen(loop: asyncio.AbstractEventLoop, number: signal.Signals, call: Callable[[], None]) -> bool:
    """Have the loop call `call` for a signal; False when it takes no signals by itself, as the loops of Windows."""

    def pass_on(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(call)

    try:
        loop.add_signal_handler(number, call)
    except NotImplementedError:
        signal.signal(number, pass_on)
        return False
    return True


@contextlib.contextmanager
def _waking(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let signals end the wait of the loop for sockets; Python runs no handler before that.

    The Proactor loop sees to that itself, the selector loop (Jupyter's choice) does not.
    """
    ours, others = socket.socketpair()
    with ours, others:
        ours.setblocking(False)
        others.setblocking(False)
        before = signal.set_wakeup_fd(others.fileno(), warn_on_full_buffer=False)
        if before == -1:
            loop.add_reader(ours, ours.recv, 4096)
        else:
            signal.set_wakeup_fd(before)
        try:
            yield
        finally:
            if before == -1:
                signal.set_wakeup_fd(-1)
                loop.remove_reader(ours)


def _numbers() -> tuple[signal.Signals, ...]:
    """Return the signals that stop a run. SIGHUP only where nobody (nohup) said that it is to be ignored."""
    if sys.platform == "win32":
        return signal.SIGINT, signal.SIGTERM, signal.SIGBREAK
    numbers: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers += (signal.SIGHUP,)
    return numbers


def _refuse_a_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigError(
        "an event loop is running already (a notebook, a web service)",
        hint="there, use the library: summary = await landsat_async.download(Config.load('config.toml'))",
        reference="running-loop",
    )
