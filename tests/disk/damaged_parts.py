"""Unfinished files with wrong bytes in them, and checkpoints that speak of other bytes, before a real transfer."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import fail_after

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.local_target import LocalTarget
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.transfer import transfer
from landsat_async.transfer.types import Done, MemoryStore, TransferHooks, TransferJob, TransferPolicy
from tests.disk.whole_files import PRODUCT, mtl, tar, tiff
from tests.support.raw_server import RawServer, ranged, whole

LONGEST_S = 10.0
ETAG = '"v1"'
FILES = {
    f"{PRODUCT}_SR_B3.TIF": tiff(side=330, tile=64),
    f"{PRODUCT}.tar": tar(
        {f"{PRODUCT}_SR_B3.TIF": tiff(side=330, tile=64), f"{PRODUCT}_MTL.txt": mtl(PRODUCT, (f"{PRODUCT}_SR_B3.TIF",))}
    ),
    f"{PRODUCT}_X.dat": random.Random(1).randbytes(150_000),  # nothing but its length can be proven
}


@dataclass
class Bench:
    servers: list[RawServer]
    """One with strong validators, one without any, one that knows no ranges; each serves all files."""
    net: TransferSession
    folder: Path


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    hosts = AllowedHosts.for_service("http://127.0.0.1:1/", ())
    target = LocalTarget(folder / "out", parts_dir=folder / "parts")

    async def strong(wire):
        await ranged(FILES[wire.request.target[1:]], etag=ETAG)(wire)

    async def weak(wire):
        await ranged(FILES[wire.request.target[1:]], etag=None)(wire)

    async def plain(wire):
        await whole(FILES[wire.request.target[1:]])(wire)

    async with (
        RawServer([strong]) as one, RawServer([weak]) as two, RawServer([plain]) as three,
        open_transfer_session(hosts=hosts, target=target, trust_env=False, uniform=lambda: 0.0) as net,
    ):  # fmt: skip
        yield Bench([one, two, three], net, folder)


def _flip(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 1, 5))):
        if data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _cut(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(len(data) + 1) :]


def _zero(dice: random.Random, data: bytearray) -> None:
    at = dice.choice((0, dice.randrange(len(data) + 1)))
    data[at:] = bytes(len(data) - at)  # what a power cut leaves: right size, no data


def _grow(dice: random.Random, data: bytearray) -> None:
    data += dice.choice((b"<html>error</html>", dice.randbytes(70_000), bytes(5000)))


def _other(dice: random.Random, data: bytearray) -> None:
    data[:] = dice.choice(list(FILES.values()))[: len(data)]


def _nothing(dice: random.Random, data: bytearray) -> None:
    pass


_DAMAGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip,
    _cut,
    _zero,
    _grow,
    _other,
    _grow,
    _nothing,
    _nothing,
)


def _checkpoint(dice: random.Random, true: bytes, *, strong: bool) -> bytes:
    """What the ledger holds of the part: mostly right, sometimes hurt, sometimes of another time."""
    durable = dice.choice((0, 1, 65_536, len(true) - 1, len(true), dice.randrange(len(true))))
    total = dice.choice((len(true), len(true), None))
    facts = Checkpoint(durable, hashlib.sha256(true[:durable]).hexdigest(), total, ETAG if strong else None)
    packed = bytearray(facts.pack())
    if dice.random() < 0.3:
        _DAMAGES[dice.randrange(4)](dice, packed)
    return bytes(packed)


async def one(bench: Bench, dice: random.Random) -> str:
    """Damage a part or its checkpoint and let a transfer go on from there."""
    name = dice.choice(list(FILES))
    true, which = FILES[name], dice.randrange(3)
    facts = Checkpoint.unpack(_checkpoint(dice, true, strong=which == 0))
    parts, final = bench.folder / "parts", bench.folder / "out" / name
    parts.mkdir(exist_ok=True)
    body = bytearray(true[: facts.durable if facts else dice.randrange(len(true))])
    dice.choice(_DAMAGES)(dice, body)
    (parts / "1.1.part").write_bytes(body)
    job = TransferJob(
        SecretUrl(bench.servers[which].url(f"/{name}")), name, "1.2.part", name, facts,
        TransferPolicy(min_free_bytes=0, block_bytes=65_536, checkpoint_bytes=100_000), part_was=("1.1.part",),
    )  # fmt: skip
    with fail_after(LONGEST_S):
        outcome = await transfer(job, bench.net, TransferHooks(lambda event: None, MemoryStore(facts)))
    assert isinstance(outcome, Done), outcome
    assert final.read_bytes() == true, f"N1: {name}"
    assert outcome.sha256 == hashlib.sha256(true).hexdigest(), "N3"
    os.unlink(final)
    (parts / "1.2.part").unlink()
    return "kept some" if outcome.bytes_received < len(true) else "fetched anew"
