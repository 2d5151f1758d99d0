"""A transfer against a scripted server, and what it leaves behind."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace

import pytest

from landsat_async.disk.fsops import Fs
from landsat_async.model import SecretUrl
from landsat_async.transfer.links import AllowedHosts
from landsat_async.transfer.net import open_net
from landsat_async.transfer.outcome import MemoryStore, TransferJob, TransferPolicy
from landsat_async.transfer.transfer import transfer
from tests.support.virtual_loop import VirtualLoop

KIB = 1024


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": VirtualLoop})


class WatchedStore(MemoryStore):
    """Remembers every call."""

    def __init__(self, facts=None):
        super().__init__(facts)
        self.calls = []

    async def save(self, facts):
        self.calls.append(("save", facts.durable))
        await super().save(facts)

    async def lower(self, durable):
        self.calls.append(("lower", durable))
        await super().lower(durable)

    async def clear(self):
        self.calls.append(("clear",))
        await super().clear()


@dataclass
class Bench:
    """Everything that a transfer needs, and what came of it."""

    folder: str
    name: str = "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.dat"
    policy: TransferPolicy = field(
        default_factory=lambda: TransferPolicy(
            min_free_bytes=0, block_bytes=64 * KIB, checkpoint_bytes=256 * KIB, grace_s=2.0
        )
    )
    fs: Fs = field(default_factory=Fs)
    store: WatchedStore = field(default_factory=WatchedStore)
    events: list = field(default_factory=list)
    health: list = field(default_factory=list)
    service: str = "http://127.0.0.1:1/"
    open_net: dict = field(default_factory=dict)
    job: dict = field(default_factory=dict)

    @property
    def final(self) -> str:
        return os.path.join(self.folder, "out", self.name)

    @property
    def part(self) -> str:
        return os.path.join(self.folder, "parts", "1.1.part")

    def make_job(self, url: str) -> TransferJob:
        return TransferJob(
            SecretUrl(url),
            self.name,
            os.path.dirname(self.part),
            os.path.basename(self.part),
            self.final,
            self.store.facts,
            self.policy,
            **self.job,
        )

    def net(self):
        hosts = AllowedHosts.for_service(self.service, ("*.usgs.gov",))
        return open_net(hosts=hosts, fs=self.fs, trust_env=False, uniform=lambda: 0.5, **self.open_net)

    async def run(self, server, path="/f", net=None):
        url = server if isinstance(server, str) else server.url(path)
        if net is None:
            async with self.net() as own:
                return await self.run(server, path, own)
        return await transfer(
            self.make_job(url),
            net,
            notify=self.events.append,
            store=self.store,
            health=lambda *said: self.health.append(said),
        )

    def tune(self, **changes):
        self.policy = replace(self.policy, **changes)

    def final_bytes(self) -> bytes | None:
        try:
            with open(self.final, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def bench(tmp_path):
    return Bench(str(tmp_path))
