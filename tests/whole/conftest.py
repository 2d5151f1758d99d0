"""Worlds for tests of the whole pipeline; see world.py."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from landsat_async.run import runner, waits, worker
from landsat_async.sim import options
from tests.support.virtual_loop import VirtualLoop
from tests.whole.world import open_world


@pytest.fixture
def anyio_backend(request):
    """Nothing is waited for: the loop jumps from timer to timer.

    Except in a module with REAL_TIME = True, which has to do with programs in other processes: no clock jumps for them.
    """
    if getattr(request.module, "REAL_TIME", False):
        return "asyncio"
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture(autouse=True)
def _rare_progress(request, monkeypatch):
    """In a module with LONG_WAITS = True a line of progress a second, or a look at the rate, would be thousands."""
    if getattr(request.module, "LONG_WAITS", False):
        monkeypatch.setattr(runner, "PROGRESS_EVERY_S", 60.0)
        monkeypatch.setattr(worker, "SHORT_WINDOW_S", 60.0)
        monkeypatch.setattr(waits, "TICK_S", getattr(request.module, "TICK_S", 60.0))


@pytest.fixture
def opened(tmp_path):
    """`async with opened(archive=..., script=...) as world`."""
    return partial(open_world, tmp_path)


@pytest.fixture
def both_systems(monkeypatch):
    """Both bundle rows of a scene can be requested; as a rule one of them can."""
    true = options.offer_of_row

    def offer(service, product, row):
        found = true(service, product, row)
        return replace(found, available=True) if row.kind == "bundle" else found

    monkeypatch.setattr(options, "offer_of_row", offer)
