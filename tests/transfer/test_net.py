"""What transfers share."""

from __future__ import annotations

import pytest

from landsat_async.transfer.net import BUFFERS_BYTES, block_bytes_for
from landsat_async.transfer.outcome import MIB, TransferPolicy


@pytest.mark.parametrize(("transfers", "block_bytes"), [(8, 4 * MIB), (9, 2 * MIB), (16, 2 * MIB), (64, MIB // 2)])
def test_blocks_get_smaller_as_more_transfers_run(transfers, block_bytes):
    assert block_bytes_for(transfers) == block_bytes
    assert 2 * transfers * block_bytes <= BUFFERS_BYTES


def test_few_transfers_take_no_more_than_they_can_use():
    assert block_bytes_for(1) > TransferPolicy().block_bytes
