"""Plain values of a transfer."""

from __future__ import annotations

import pytest

from landsat_async.transfer.outcome import BUFFERS_BYTES, MIB, block_bytes_for


@pytest.mark.parametrize(
    ("transfers", "block_bytes"), [(1, 4 * MIB), (8, 4 * MIB), (9, 2 * MIB), (16, 2 * MIB), (17, MIB), (64, MIB // 2)]
)
def test_blocks_get_smaller_as_more_transfers_run(transfers, block_bytes):
    assert block_bytes_for(transfers) == block_bytes
    assert 2 * transfers * block_bytes <= BUFFERS_BYTES
