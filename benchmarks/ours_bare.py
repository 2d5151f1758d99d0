"""Our transfer over a list of URLs, without the M2M API and the ledger.

Bare: no checkpoints while a file comes in, as little proof as there is. `--safe`: as in a run, with checkpoints.
Both compute the SHA-256, sync each file before it gets its name, and check what other clients do not.
"""

from __future__ import annotations

import gc
import math
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import anyio

from benchmarks import as_run  # noqa: F401  (first: it sees to how aiohttp is imported)
from benchmarks.arguments import Errand, read_errand
from landsat_async.disk import part
from landsat_async.disk.local_target import LocalTarget
from landsat_async.model import Proof
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.pool import LocalPool
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.types import Done, MemoryStore, Outcome, TransferHooks, TransferJob, TransferPolicy

BARE = TransferPolicy(proof=Proof.LENGTH, checkpoint_bytes=2**62, checkpoint_s=math.inf, min_free_bytes=0)
SAFE = TransferPolicy(min_free_bytes=0)
DISCARD_TOGETHER = 32


async def fetch_all(errand: Errand) -> list[Outcome]:
    """Fetch everything and return what became of what did not arrive."""
    waiting = iter(errand.urls)
    bad: list[Outcome] = []
    landed: list[str] = []
    policy = replace(SAFE if errand.safe else BARE, connections=errand.splits)

    async def discard(session: TransferSession) -> None:
        done = landed.copy()
        landed.clear()
        await session.pool.start(session.target.discard, done)

    async def work(session: TransferSession, pool: LocalPool) -> None:
        for url in waiting:  # one iterator for all workers: each URL is taken once
            job = _job(policy, url)
            outcome = await pool.fetch(job, TransferHooks(lambda event: None, MemoryStore()))
            if isinstance(outcome, Done):
                landed.append(job.part_name)
                if len(landed) >= DISCARD_TOGETHER:
                    await discard(session)
            else:
                bad.append(outcome)

    hosts = AllowedHosts((), loopback=True)
    target = LocalTarget(Path(errand.out), parts_dir=Path(errand.out) / ".parts")
    async with open_transfer_session(
        hosts=hosts, target=target, workers=errand.connections, ca_bundle=errand.ca_bundle, trust_env=False
    ) as session:
        pool = LocalPool(session, errand.connections)
        async with anyio.create_task_group() as tasks:
            for _ in range(errand.connections):
                tasks.start_soon(work, session, pool)
        await discard(session)
    return bad


def _job(policy: TransferPolicy, url: str) -> TransferJob:
    name = url.rpartition("/")[2]
    return TransferJob(
        url=SecretUrl(url),
        name=name,
        part_name=f"{name}.part",
        relpath=name,
        policy=policy,
    )


class NoHash:
    """What SHA-256 would cost, this does not; no switch of the product."""

    def update(self, data: object) -> None:
        pass

    def hexdigest(self) -> str:
        return "0" * 64


if __name__ == "__main__":
    errand = read_errand()
    if not errand.hash:
        part.hashlib = SimpleNamespace(sha256=NoHash)  # type: ignore[assignment]
    gc.freeze()  # as `run` does, see show/run_command: what is imported is no garbage, also when the process ends
    gc.set_threshold(10_000)
    failures = anyio.run(partial(fetch_all, errand))
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.stderr.flush()
    os._exit(1 if failures else 0)  # as the program ends, see landsat_async/__main__
