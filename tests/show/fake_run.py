"""A run made of scripted events, for tests of the command line; also a program, for tests with signals.

python -m tests.show.fake_run SCENARIO <arguments of landsat_async>
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio

from landsat_async import events as e
from landsat_async.run_summary import RunSummary

SHA = "ab" * 32


def finished(exit_code=0, *, verified=0, skipped=0, failed=0, pending=0, received=0):
    total = verified + skipped + failed + pending
    return e.Finished(total, verified, skipped, failed, pending, received, 2.5, exit_code)


class FakeRun:
    """What `open_run` yields: events in order; an item that can be called is awaited with the run."""

    def __init__(self, script, error=None):
        self._script = script
        self._error = error
        self.stops = 0
        self.more = None
        self.bus = SimpleNamespace(not_read=())
        self._stopped = anyio.Event()
        self.last = None

    def stop(self):
        self.stops += 1
        self._stopped.set()

    async def wait_stopped(self):
        await self._stopped.wait()

    async def events(self):
        for item in self._script:
            if callable(item):
                await item(self)
                while self.more is not None:
                    yield self.more
                    await item(self)
            elif not isinstance(item, self.bus.not_read):
                self.last = item
                yield item

    async def wait(self):
        if self._error is not None:
            raise self._error
        return self.summary

    @property
    def summary(self):
        return RunSummary(exit_code=getattr(self.last, "exit_code", 0))


def opener(script, opened=None, error=None):
    """Return a stand-in for `landsat_async.run.open_run`; `opened` collects runs and arguments."""

    @asynccontextmanager
    async def open_run(config, **options):
        run = FakeRun(script, error)
        if opened is not None:
            opened.append((run, config, options))
        yield run
        if error is not None:
            raise error

    return open_run


async def _until_stopped(run):
    await run.wait_stopped()


async def _talking(run):
    """The script goes on with one line more again and again, until it is stopped."""
    run.more = e.Ready("a.tar")
    with anyio.move_on_after(0.05):
        await run.wait_stopped()
        run.more = None


async def _deaf(_run):
    await anyio.sleep(60)


async def _blocked(run):
    await run.wait_stopped()
    time.sleep(60)


async def _leave_a_thread_behind(run):
    await run.wait_stopped()
    threading.Thread(target=time.sleep, args=(60,)).start()


def _working(*last):
    name = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
    return (
        e.Planned(1, 2, 1 << 20),
        e.Started(name, 0, 1 << 20),
        e.Transferred(name, 1 << 19, 1 << 20),
        e.Progress(0, 2, 1 << 19, 1 << 20, 1e6),
        *last,
    )


SCENARIOS = {
    "until-stopped": _working(_until_stopped, finished(7, pending=2)),
    "talks-until-stopped": _working(_talking, finished(7, pending=2)),
    "deaf": _working(_deaf),
    "blocked": _working(_blocked),
    "hung-thread": _working(_leave_a_thread_behind, finished(7, pending=2)),
    "short": (*_working(), e.Verified("a.tar", 1 << 20, SHA, "structure"), finished(0, verified=1)),
    "many-lines": (*(e.Ready(f"{i}.tar") for i in range(20000)), finished(4, failed=1)),
}


def main():
    import landsat_async.run.opening
    from landsat_async.show import cli, signals

    signals.HARD_LIMIT_S = 0.5
    landsat_async.run.opening.open_run = opener(SCENARIOS[sys.argv[1]])
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
