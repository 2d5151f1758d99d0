"""`python -m landsat_async`, and the console script.

Signals are looked after before anything else is imported: that takes a good part of a second, and a Ctrl-C in it would
end in a traceback out of somebody's module.
"""

import _signal as signal  # type: ignore[import-not-found]  # `signal` imports enum: milliseconds with a traceback
import atexit
import gc
import os

INTERRUPTED = b"interrupted; the same command continues\n"
COLLECT_AFTER_OBJECTS = 150_000
"""A run has made 76,000 when it begins to fetch; to look for garbage among them would take 25 ms of its start."""
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""No system has all of them."""


class EarlySignals:
    """Before a command runs its loop, and after that, a signal ends the process at once: nothing is under way."""

    def __init__(self) -> None:
        self.code: int | None = None
        """What the command has ended with; None before."""
        self.ends_process = False
        """Nothing is left to do when the command has ended and what was registered for the end is done."""

    def install(self) -> None:
        """Take the signals that stop a run, but none that somebody (nohup) has ignored."""
        for name in STOP_SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.leave)

    def forget(self) -> None:
        """Ignore signals from here on.

        The interpreter is about to take the handlers away: a signal would then end it in place of its exit code.
        """
        for name in STOP_SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not None:
                signal.signal(number, signal.SIG_IGN)

    def end(self) -> None:
        """Ignore signals; end the process, where it is this command and no more.

        To take down 500 modules takes a twentieth of a start, and nothing comes of it.
        """
        self.forget()
        if self.code is None or not self.ends_process:
            return
        import sys

        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (AttributeError, OSError, ValueError):  # closed, or never there: the interpreter knows what to say then
            return
        os._exit(self.code)

    def leave(self, *_: object) -> None:
        """End the process; a KeyboardInterrupt would be lost, or shown as a traceback, inside of imports."""
        if self.code is not None:
            os._exit(self.code)
        try:
            os.write(2, INTERRUPTED)
        finally:
            os._exit(7)


def main(*, ends_process: bool = False) -> int:
    """Run one command and return its exit code; `ends_process`: the caller does nothing more but end with it."""
    early = EarlySignals()
    early.install()
    registered = getattr(atexit, "_ncallbacks", None)  # by others, before us: that has its turn after us
    early.ends_process = ends_process and registered is not None and not registered()
    atexit.register(early.end)  # before all others, so that it comes last
    gc.set_threshold(COLLECT_AFTER_OBJECTS)  # what is imported is no garbage, and looking for it there takes 5 %
    from landsat_async.show.cli import main as command_line

    early.code = code = command_line()
    gc.freeze()  # the interpreter looks for garbage once more as it ends, in all that was imported: a fifth of a start
    return code


def program() -> None:
    """Be the console script."""
    raise SystemExit(main(ends_process=True))


if __name__ == "__main__":
    program()
