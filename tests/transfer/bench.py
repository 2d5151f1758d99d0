"""A transfer against a scripted server, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import math
import os
import random
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.local_target import LocalTarget
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.session import Wait
from landsat_async.transfer.speed import Window
from landsat_async.transfer.transfer import transfer
from landsat_async.transfer.types import (
    KEPT,
    ConnectionSlot,
    Done,
    MemoryStore,
    TransferHooks,
    TransferJob,
    TransferPolicy,
)
from tests.disk.whole_files import tiff

KIB = 1024
CANARY = "CaNaRy-7b1f"
PATH = f"/files/x.bin?requestSignature={CANARY}%2F%2B%7E"


class WatchedStore(MemoryStore):
    """Remembers every call, and looks at the part as it is at that moment."""

    def __init__(self, part: str):
        super().__init__()
        self.calls: list[tuple] = []
        self._part = part

    async def save(self, facts):
        self.calls.append(("save", facts.durable))
        if os.path.exists(self._part):  # some tests delete it
            with open(self._part, "rb") as part:
                assert sha(part.read(facts.durable)) == facts.sha256, "a checkpoint speaks of bytes that are not there"
        await super().save(facts)

    async def lower(self, durable):
        self.calls.append(("lower", durable))
        await super().lower(durable)

    async def clear(self):
        self.calls.append(("clear",))
        await super().clear()

    @property
    def saved(self) -> list[int]:
        return [call[1] for call in self.calls if call[0] == "save"]


def idle_transfer(count) -> SimpleNamespace:
    """What `receive` asks of a transfer: any speed will do, and `count` is told what comes."""
    policy = TransferPolicy(min_rate_bytes_s=0.0)
    return SimpleNamespace(
        job=SimpleNamespace(policy=policy),
        max_bytes=1 << 30,
        session=SimpleNamespace(clock=asyncio.get_running_loop().time, max_rate=None),
        floor=Window(0.0, math.inf),
        any_speed=True,
        count=count,
        wait=Wait(),
    )


@dataclass
class Bench:
    """Everything that a transfer needs, and what came of it."""

    folder: str
    right: list[bytes] = field(default_factory=list)
    """Contents that may have the final name; checked at the end of each test."""
    name: str = "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.dat"
    policy: TransferPolicy = field(
        default_factory=lambda: TransferPolicy(
            min_free_bytes=0, block_bytes=64 * KIB, checkpoint_bytes=256 * KIB, grace_s=2.0
        )
    )
    fs: PosixFs = field(default_factory=PosixFs)
    below: str = ""
    """Folder of the file below the target, with a slash."""
    final_name: str = ""
    """Of what is made out of the file, where that is another one."""
    events: list = field(default_factory=list)
    health: list = field(default_factory=list)
    service: str = "http://127.0.0.1:1/"
    net_options: dict = field(default_factory=dict)
    job_options: dict = field(default_factory=dict)
    outcomes: list = field(default_factory=list)
    fetch: object = transfer
    slot: ConnectionSlot = KEPT

    def __post_init__(self):
        self.store = WatchedStore(self.part)

    @property
    def final(self) -> str:
        return os.path.join(self.folder, "out", self.relpath)

    @property
    def relpath(self) -> str:
        return self.below + (self.final_name or self.name)

    def target(self):
        """Where the files go; made anew for each session, with the file calls that the bench has then."""
        root = Path(self.final.removesuffix(self.relpath))
        return LocalTarget(root, lambda: self.fs, parts_dir=Path(self.part).parent)

    @property
    def part(self) -> str:
        return os.path.join(self.folder, "parts", "1.1.part")

    def job(self, url: str) -> TransferJob:
        return TransferJob(
            SecretUrl(url),
            self.name,
            os.path.basename(self.part),
            self.relpath,
            self.store.facts,
            self.policy,
            **self.job_options,
        )

    def net(self):
        hosts = AllowedHosts.for_service(self.service, ("*.usgs.gov",))
        return open_transfer_session(
            hosts=hosts, target=self.target(), uniform=lambda: 0.5, **({"trust_env": False} | self.net_options)
        )

    async def run(self, server, path=PATH, net=None):
        url = server if isinstance(server, str) else server.url(path)
        if net is None:
            async with self.net() as own:
                return await self.run(server, path, own)
        if net.target.parts_dir != os.path.dirname(self.part):  # a session that was opened for other files
            net.target = self.target()
        outcome = await self.fetch(
            self.job(url),
            net,
            TransferHooks(
                self.events.append, self.store, health=lambda *said: self.health.append(said), slot=self.slot
            ),
        )
        self.outcomes.append(outcome)
        return outcome

    def forget(self) -> None:
        """Begin anew: no final file, no part, no events."""
        for path in (self.final, self.part):
            if os.path.exists(path):
                os.unlink(path)
        self.store.facts, self.events[:] = None, []

    def tune(self, **changes):
        self.policy = replace(self.policy, **changes)

    def keep(self, data: bytes, **facts) -> None:
        """Leave a part behind, as an earlier run would have."""
        from landsat_async.disk.checkpoint import Checkpoint

        os.makedirs(os.path.dirname(self.part), exist_ok=True)
        with open(self.part, "wb") as part:
            part.write(data)
        self.store.facts = Checkpoint(len(data), sha(data), **facts)

    def final_bytes(self) -> bytes | None:
        try:
            with open(self.final, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def part_bytes(self) -> bytes:
        """What is kept; a part is made with its first byte."""
        try:
            with open(self.part, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""


def of_done(outcome: Done) -> tuple[object, ...]:
    """Return what every Done says; the rest depends on the disk and on what the answers carried."""
    assert isinstance(outcome, Done), outcome
    return outcome.size_bytes, outcome.sha256, outcome.proof, outcome.bytes_received


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not compress and look like nothing."""
    return b"\0\1" + random.Random(seed).randbytes(size - 2)


def big_tiff_file() -> bytes:
    """A proper TIFF of some 400 KiB whose tiles do not compress."""
    return tiff(side=400, tile=64)


def open_files_below(folder: str) -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if target.startswith(folder):
            found.append(target)
    return found


@contextmanager
def no_search_for_garbage():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
