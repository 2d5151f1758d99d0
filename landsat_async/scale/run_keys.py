"""The keys of runs in a worker of a cluster: each is asked for when the first parcel of its run comes.

So one that was started in mid-run, or that found back to another scheduler, gets them as the first ones did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from landsat_async.scale.leaving import LEAVES_EVERY_S
from landsat_async.scale.seal import ProcessKey, RunKey, SealBroken

ASKS_EVERY_S = 2.0
"""What was asked may have been lost with a connection."""
ASKS_FOR_S = 20.0
"""Then the run is there no more, or does not hear this process."""
KEPT = 64
"""Keys that are kept; of older runs one is asked for again."""


class RunKeys:
    """The keys that a worker has; all of it belongs to the loop of the worker."""

    def __init__(self) -> None:
        """Begin without any."""
        self._own = ProcessKey()
        self._keys: dict[str, RunKey | None] = {}
        """Run -> its key; None = it is over, and nobody would give it."""
        self._again_s: dict[str, float] = {}
        """Run -> time of the loop at which its key is asked for again."""
        self._news = asyncio.Event()

    async def key_of(self, run: str, ask: Callable[[bytes], None], works: Callable[[], bool]) -> RunKey | None:
        """Return the key of a run; None = it is over, does not answer, or this worker is to end.

        `ask` is called with what the key is to be closed for: by one for all that wait.
        """
        now_s = asyncio.get_running_loop().time
        end_s = now_s() + ASKS_FOR_S
        while run not in self._keys and now_s() < end_s and works():
            if now_s() >= self._again_s.get(run, 0.0):
                self._again_s[run] = now_s() + ASKS_EVERY_S
                with suppress(Exception):  # the connection to the scheduler is lost: once more, later
                    ask(self._own.public)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LEAVES_EVERY_S)
        self._again_s.pop(run, None)
        return self._keys.get(run)

    def take(self, run: str, sealed: bytes) -> None:
        """Take the key of a run; one that is not closed for this worker is none."""
        with suppress(SealBroken):
            self._put(run, self._own.open(sealed, run))

    def end(self, run: str) -> None:
        """Forget a key for good, and ask for it no more."""
        self._put(run, None)

    def _put(self, run: str, key: RunKey | None) -> None:
        if run in self._keys and self._keys[run] is None:
            return  # over is over
        self._keys[run] = key
        while len(self._keys) > KEPT:
            del self._keys[next(iter(self._keys))]
        self._news.set()
        self._news = asyncio.Event()


_ALL: WeakKeyDictionary[Any, RunKeys] = WeakKeyDictionary()


def keys_of(worker: Any) -> RunKeys:
    """Return the keys of a worker of dask; a process may have several."""
    if worker not in _ALL:
        _ALL[worker] = RunKeys()
    return _ALL[worker]


def take_key(run: str, sealed: bytes, dask_worker: Any) -> None:
    """Called by dask in a worker that has asked for the key of a run."""
    keys_of(dask_worker).take(run, sealed)
