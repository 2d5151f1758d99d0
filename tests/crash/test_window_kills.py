"""Runs that cut windows are killed at any time: no wrong window has a name, and the next run ends the job."""

from __future__ import annotations

import pytest

from tests.support.window_kills import kill


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.faults("X05")
@pytest.mark.parametrize("ranges", [True, False])
async def test_X05_a_killed_run_leaves_no_wrong_window(tmp_path, ranges):
    assert (await kill(tmp_path, 3, 7, ranges=ranges)).kills >= 3
