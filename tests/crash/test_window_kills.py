"""Runs that cut windows are killed at any time: no wrong window has a name, and the next run ends the job."""

from __future__ import annotations

import pytest

from tests.support.window_kills import kill


@pytest.fixture
def anyio_backend():
    return "asyncio"


_BUNDLES = pytest.param({"bundles": True}, marks=pytest.mark.slow)


@pytest.mark.faults("X05")
@pytest.mark.parametrize("how", [{"ranges": True}, {"ranges": False}, _BUNDLES], ids=["ranges", "whole", "bundles"])
async def test_X05_a_killed_run_leaves_no_wrong_window(tmp_path, how):
    assert (await kill(tmp_path, 3, 7, **how)).kills >= 3
