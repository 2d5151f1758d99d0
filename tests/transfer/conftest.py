"""A transfer against a scripted server; see bench.py.

What it takes is imported by the tests that ask for it: those of pure functions stand in this folder too, and begin
without aiohttp.
"""

from __future__ import annotations

import gc
import threading

import pytest


@pytest.fixture
def anyio_backend():
    from tests.support.virtual_loop import VirtualLoop

    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture
def bench(tmp_path, caplog):
    """A bench whose nevers are checked at the end: no wrong final, no leak, no secret in any text."""
    from tests.transfer.bench import CANARY, Bench, open_files_below

    caplog.set_level("DEBUG")
    bench = Bench(str(tmp_path))
    yield bench
    assert bench.final_bytes() in (None, *bench.right), "N1: a wrong file under its final name"
    gc.collect()
    assert open_files_below(bench.folder) == [], "N5: a file is still open"
    ours = ("landsat-disk", "landsat-receive")
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith(ours)]:
        thread.join(2.0)
        assert not thread.is_alive(), "N5: a disk thread is still there"
    said = repr((bench.outcomes, bench.events, bench.health, caplog.text, bench.store.facts))
    assert CANARY not in said, "N4: the link has leaked"
