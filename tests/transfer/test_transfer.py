"""The plain course of a transfer."""

from __future__ import annotations

import os

from landsat_async.disk.finalise import discard_part
from landsat_async.model import Proof
from landsat_async.transfer.outcome import Done
from tests.support.raw_server import RawServer, ranged
from tests.transfer.conftest import KIB, sha

DATA = os.urandom(700 * KIB + 13)


async def test_a_straight_transfer_ends_under_its_final_name_and_leaves_the_part_until_told(bench):
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
    assert outcome == Done(len(DATA), sha(DATA), Proof.LENGTH, len(DATA))
    assert bench.final_bytes() == DATA
    assert os.path.samefile(bench.part, bench.final)
    discard_part(bench.fs, bench.part)
    assert not os.path.exists(bench.part)


async def test_checkpoints_are_saved_on_the_way(bench):
    async with RawServer([ranged(DATA)]) as server:
        await bench.run(server)
    saved = [call[1] for call in bench.store.calls if call[0] == "save"]
    assert saved
    assert saved == sorted(saved)
    assert all(0 < durable <= len(DATA) for durable in saved)


async def test_a_second_run_goes_on_from_the_checkpoint(bench):
    async with RawServer([ranged(DATA, stop=500 * KIB), ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks == [f"cut at {500 * KIB}"]
        assert server.requests[1].start == 500 * KIB - 64 * KIB
        assert server.requests[1].headers["if-range"] == '"v1"'
    assert outcome == Done(len(DATA), sha(DATA), Proof.LENGTH, len(DATA) + 64 * KIB)
    assert bench.final_bytes() == DATA
