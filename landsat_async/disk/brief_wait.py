"""The thread of an event loop waits a moment for another thread, in place of going round for what it brings.

Two threads that both have something to do fight over the interpreter: each system call of one gives it to the other,
and on idle cores each change wakes one of them: some twenty times a small file. Work that is over within a moment
is done sooner, and for less, when nobody disturbs it; and its end needs no turn of the loop. So whoever hands such
work over waits for it, bounded: a disk that hangs holds the loop up for `AT_MOST_S`, and then not for a while, which
grows with each wait in vain.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

AT_MOST_S = 0.005
"""As long as the interpreter lets another thread have it in any case (`sys.getswitchinterval`)."""
WORTH_S = 0.001
"""Work that takes longer as a rule waits for the disk: the loop has better things to do."""
APART_S = 0.02
"""So long nobody waits after that, twice as long after the next time, and so on: a machine has its hiccups."""
APART_MOST_S = 1.0
_FORGIVEN = 0.97
"""What is left of that after each wait that was worth it: hardly anything after a hundred."""


class BriefWait:
    """For one loop and one other thread at a time."""

    def __init__(self) -> None:
        self._ended = threading.Lock()
        self._ended.acquire()
        self._is_waited_for = False
        self._took_s = 0.0
        """How long was waited, averaged over the last dozen."""
        self._apart_s = APART_S
        self._apart_until_s = 0.0

    def begin(self) -> bool:
        """Say that `wait` will follow, before the work is handed over; False = it is not worth it now."""
        self._is_waited_for = time.monotonic() >= self._apart_until_s
        return self._is_waited_for

    def wait(self, pieces: int = 1) -> None:
        """Wait until the other thread has told of an end, or the moment is over.

        `pieces`: for so many pieces of work; how long one takes decides whether to wait for the next.
        """
        began_s = time.perf_counter()
        self._ended.acquire(timeout=AT_MOST_S)
        self._is_waited_for = False
        took_s = (time.perf_counter() - began_s) / pieces
        self._took_s += (took_s - self._took_s) / 12
        if self._took_s >= WORTH_S or took_s >= AT_MOST_S:
            self._took_s = 0.0
            self._apart_until_s = time.monotonic() + self._apart_s
            self._apart_s = min(APART_MOST_S, 2 * self._apart_s)
        else:
            self._apart_s = max(APART_S, _FORGIVEN * self._apart_s)

    def end(self) -> bool:
        """Tell of an end, which must be there to be found; for the other thread. False = nobody waits for it.

        When the moment is over just now, nothing is lost: who waited looks for what has ended after that.
        """
        if not self._is_waited_for:
            return False
        with suppress(RuntimeError):  # told before, and not heard yet
            self._ended.release()
        return True
