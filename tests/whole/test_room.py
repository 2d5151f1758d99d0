"""What the disk has no room for is not requested."""

from __future__ import annotations

import pytest

from landsat_async.disk.local_target import LocalTarget
from landsat_async.errors import DiskFull

MIB = 1024**2


@pytest.mark.faults("P43")
async def test_P43_without_room_nothing_is_requested(opened, monkeypatch):
    monkeypatch.setattr(LocalTarget, "free_bytes", lambda self: 2 * MIB)
    async with opened() as world:
        result = await world.run(world.config(download={"min_free_bytes": "50 MiB"}))

        assert result.summary.exit_code == DiskFull.exit_code
        assert "2.0 MiB are free, and 50.0 MiB are kept free" in str(result.error)
        assert world.asked() == []
        assert result.summary.files_pending == result.summary.files_total > 0


@pytest.mark.faults("P43")
async def test_P43_with_little_room_little_is_requested_at_a_time_and_all_comes(opened, monkeypatch):
    monkeypatch.setattr(LocalTarget, "free_bytes", lambda self: 12 * MIB)
    async with opened() as world:
        result = await world.run(world.config())

        assert result.summary.exit_code == 0
        assert len(world.log.of("download-request")) > 1
