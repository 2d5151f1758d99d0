"""Runs that end before they have really begun."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import anyio
import pytest

from landsat_async import Config, Credentials, download
from landsat_async.disk.folder import OutputFolder


def _config(folder):
    return Config.from_dict(
        {
            "service": {"url": "http://127.0.0.1:9/api/", "patience_s": 0},
            "search": {"dataset": "landsat_ot_c2_l2", "bbox": [0, 0, 1, 1]},
            "download": {"directory": str(folder), "min_free_bytes": "0 B"},
        }
    )


def _ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("landsat")]


def _open_below(folder):
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return [target for link in links if os.path.islink(link) and (target := os.readlink(link)).startswith(str(folder))]


async def _all_ended():
    with anyio.fail_after(10):
        while _ours():
            await anyio.sleep(0.002)


@pytest.mark.faults("L31", "L03")
@pytest.mark.parametrize("way", ["cancel", "timeout"])
async def test_L31_a_run_that_is_cancelled_in_its_first_milliseconds_gives_its_folder_back(tmp_path, way, monkeypatch):
    folder = tmp_path / "data"
    slow = OutputFolder.claim

    def claim(self):
        time.sleep(0.002)  # as a network file system does
        return slow(self)

    monkeypatch.setattr(OutputFolder, "claim", claim)
    for step in range(30):
        run = download(_config(folder), credentials=Credentials("ana", "t" * 40))
        if way == "cancel":
            task = asyncio.ensure_future(run)
            await asyncio.sleep(step * 0.0007)
            task.cancel()
            with pytest.raises((asyncio.CancelledError, Exception)):
                await task
        else:
            with pytest.raises((TimeoutError, Exception)):
                async with asyncio.timeout(step * 0.0007):
                    await run
        OutputFolder(folder).claim().release()  # FolderBusy: the lock is still held
        await _all_ended()
    assert _open_below(folder) == []
