"""The pool of this machine: transfers over one session, which belongs to those who opened it."""

from __future__ import annotations

import inspect

from landsat_async.transfer.pool import LocalPool, TransferPool
from landsat_async.transfer.types import Done, TransferHooks
from tests.support.raw_server import RawServer, ranged
from tests.transfer.bench import KIB, PATH, noise


async def test_a_pool_takes_a_job_and_hooks_and_gives_an_outcome(bench):
    bench.right = [data := noise(100 * KIB)]
    async with RawServer([ranged(data)]) as server, bench.net() as session:
        pool = LocalPool(session, 3)
        hooks = TransferHooks(bench.events.append, bench.store)
        assert isinstance(await pool.fetch(bench.job(server.url(PATH)), hooks), Done)
        await pool.aclose()
        bench.forget()
        assert isinstance(await pool.fetch(bench.job(server.url(PATH)), hooks), Done), "the session is still open"
    assert pool.slots == 3


def test_the_pool_of_this_machine_has_all_that_a_run_asks_of_a_pool():
    wanted = {name for name, _ in inspect.getmembers(TransferPool) if not name.startswith("_")}
    assert wanted == {"slots", "fetch", "cancel_soon", "aclose"}
    assert all(hasattr(LocalPool, name) for name in wanted - {"slots"})
