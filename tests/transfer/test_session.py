"""What transfers share."""

from __future__ import annotations

import pytest

from landsat_async.transfer.open_session import block_bytes_for
from landsat_async.transfer.session import BUFFERS_BYTES
from landsat_async.transfer.types import MIB, Done, TransferPolicy
from tests.support.raw_server import RawServer, ranged
from tests.transfer.bench import KIB, noise


@pytest.mark.parametrize(("transfers", "block_bytes"), [(8, 4 * MIB), (9, 2 * MIB), (16, 2 * MIB), (64, MIB // 2)])
def test_blocks_get_smaller_as_more_transfers_run(transfers, block_bytes):
    assert block_bytes_for(transfers) == block_bytes
    assert 2 * transfers * block_bytes <= BUFFERS_BYTES


@pytest.mark.parametrize(("workers", "block_bytes"), [(1, 4 * MIB), (64, MIB // 2)])
async def test_a_transfer_takes_blocks_for_which_there_is_memory(bench, workers, block_bytes):
    data = noise(600 * KIB)
    bench.right, bench.net_options, bench.policy = [data], {"workers": workers}, TransferPolicy(min_free_bytes=0)
    async with RawServer([ranged(data)]) as server, bench.net() as net:
        assert isinstance(await bench.run(server, net=net), Done)
        assert set(net._buffers) == {block_bytes}


async def test_spare_blocks_have_a_bound(bench):
    async with bench.net() as net:
        for _ in range(20):
            net.give_buffer(memoryview(bytearray(8 * MIB)))
        assert len(net._buffers[8 * MIB]) == BUFFERS_BYTES // (8 * MIB)
