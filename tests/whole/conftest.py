"""Worlds for tests of the whole pipeline; see world.py."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from landsat_async.run.context import RunContext
from tests.support.virtual_loop import VirtualLoop
from tests.whole.world import open_world


@pytest.fixture
def anyio_backend(request):
    """A module with VIRTUAL = True waits for nothing: its loop jumps from timer to timer."""
    if getattr(request.module, "VIRTUAL", False):
        return ("asyncio", {"loop_factory": VirtualLoop})
    return "asyncio"


@pytest.fixture(autouse=True)
def _one_clock(request, monkeypatch):
    """Where the loop's time jumps, the wall clock of a run goes with it."""
    if getattr(request.module, "VIRTUAL", False):
        monkeypatch.setattr(RunContext, "now", lambda self: 1_720_000_000.0 + anyio.current_time())


@pytest.fixture
def opened(tmp_path):
    """`async with opened(archive=..., script=...) as world`."""
    return partial(open_world, tmp_path)
