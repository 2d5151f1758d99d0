"""`[download] max_rate`: one limit for the whole run, whatever the files and the connections, seen in virtual time."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.sim.archive import Archive
from tests.whole.world import SUMMER

LONG_WAITS = True
SLOW = pytest.mark.slow
LOOK_S = 0.1
LARGE = {"type": "band", "bands": ["SR_B*"]}
SMALL = {"type": "band", "bands": ["ANG", "MTL.*", "SR_B3"]}


async def received_over_time(world, config):
    """Run; return the result and what had been received at each look."""
    looks: list[int] = []
    runs: list = []

    async with anyio.create_task_group() as tasks:

        async def look() -> None:
            while True:
                if runs:
                    looks.append(runs[-1].summary.bytes_received)
                await anyio.sleep(LOOK_S)

        tasks.start_soon(look)
        result = await world.run(config, watch=lambda run, _: runs.append(run) if not runs else None)
        tasks.cancel_scope.cancel()
    return result, looks


def most_within(looks: list[int], span_s: float) -> int:
    """Return the most that has come within any span."""
    steps = round(span_s / LOOK_S)
    padded = [0] * steps + looks
    return max(after - before for before, after in zip(padded, padded[steps:], strict=False))


@pytest.mark.faults("P30")
@pytest.mark.parametrize(
    ("rate", "connections"),
    [(1_000_000, 1), (1_000_000, 4), pytest.param(6_000_000, 1, marks=SLOW), pytest.param(6_000_000, 4, marks=SLOW)],
)
async def test_a_run_receives_no_more_than_it_may(opened, rate, connections):
    archive = Archive.demo(pixels=1024, tile=256, compress=False)
    async with opened(archive=archive) as world:
        world.workers_at_most = 16
        download = {"max_rate": rate, "workers": 4, "connections_per_file": connections}
        config = world.config(search=SUMMER | {"limit": 1 if rate < 2_000_000 else 3}, select=LARGE, download=download)
        result, looks = await received_over_time(world, config)

        assert result.summary.exit_code == 0
        total = result.summary.bytes_received
        flowing = [n for n in looks if 0 < n < total]
        assert len(flowing) * LOOK_S > 5
        assert most_within(looks, 10.0) <= 1.05 * 10 * rate
        assert most_within(looks, 1.0) <= 2 * rate
        assert total >= 0.9 * rate * len(flowing) * LOOK_S  # and the line is used


@pytest.mark.faults("P30")
async def test_small_files_share_the_rate_too(opened):
    async with opened() as world:
        world.workers_at_most = 8
        config = world.config(select=SMALL, download={"max_rate": "20 kB/s", "workers": 8})
        result, looks = await received_over_time(world, config)

        assert result.summary.exit_code == 0
        assert most_within(looks, 10.0) <= 1.05 * 10 * 20_000
        assert most_within(looks, 1.0) <= 2 * 20_000
