"""Ctrl-C, Ctrl-Break and a closed console as Windows tells them: in a thread of its own, whatever Python does.

Python makes SIGINT and SIGBREAK of them, and that is enough for the first. But it runs handlers of signals in its main
thread alone, and there not while that waits for a lock: the second Ctrl-C has to leave even then. And of a console that
is closed (or a user who logs off), a program hears only as long as the call that tells it has not returned.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Protocol

CTRL_C, CTRL_BREAK, CLOSED, LOGGED_OFF, SHUT_DOWN = 0, 1, 2, 5, 6
HOLD_S = 4.5
"""Windows ends a program 5 s after its console was closed, or at once when it has answered before."""


class ConsoleAnswer(Enum):
    """What is done about an event of the console."""

    SIGNAL = "leave it to Python, which makes a signal of it"
    LEAVE = "end the process at once"
    STOP = "ask for a stop, and keep Windows waiting for it"


class Stopping(Protocol):
    """What is asked of the `Stopper`."""

    asked: bool

    def on_signal(self) -> None:
        """Ask for a stop; inside the loop."""

    def leave_at_once(self) -> None:
        """End the process."""


def answer_to(event: int, *, asked: bool) -> ConsoleAnswer:
    """Return what to do about an event; `asked`: a stop was asked for already."""
    if event in (CLOSED, LOGGED_OFF, SHUT_DOWN):
        return ConsoleAnswer.STOP
    return ConsoleAnswer.LEAVE if asked else ConsoleAnswer.SIGNAL


def handler_of(stopper: Stopping, loop: asyncio.AbstractEventLoop, hold_s: float = HOLD_S) -> Callable[[int], bool]:
    """Return what Windows may call, in any thread: it tells whether the event needs nobody else any more."""

    def on_event(event: int) -> bool:
        match answer_to(event, asked=stopper.asked):
            case ConsoleAnswer.SIGNAL:
                return False
            case ConsoleAnswer.LEAVE:
                stopper.leave_at_once()
            case ConsoleAnswer.STOP:
                with contextlib.suppress(RuntimeError):  # the loop is closed: the command is about to end
                    loop.call_soon_threadsafe(stopper.on_signal)
                time.sleep(hold_s)  # the end of the process ends this thread
        return True

    return on_event


_kept: list[Any] = []
"""What Windows may still call must not be collected."""


@contextlib.contextmanager
def console_events(stopper: Stopping, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Look after the events of the console; after a stop was asked for until the end of the process."""
    if sys.platform == "win32":
        import ctypes

        kernel32 = ctypes.WinDLL("kernel32")
        handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(handler_of(stopper, loop))
        _kept.append(handler)
        kernel32.SetConsoleCtrlHandler(handler, True)  # refused without a console: then there are no such events
        try:
            yield
        finally:
            if not stopper.asked:
                kernel32.SetConsoleCtrlHandler(handler, False)
                _kept.remove(handler)
    else:
        yield
