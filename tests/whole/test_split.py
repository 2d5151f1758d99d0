"""The whole pipeline with `connections_per_file`, against the simulator and all that its file hosts can do wrong."""

from __future__ import annotations

import hashlib
from functools import partial

import pytest

from landsat_async.events import Transferred
from landsat_async.run import worker
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script
from landsat_async.transfer.types import TransferPolicy
from tests.whole.test_links import ENDS_WELL, PROXIED, RESUMED, SILENT, STAGED, one

LONG_WAITS = True
KIB = 1024
SPAN = 256 * KIB
SLOW = partial(pytest.param, marks=pytest.mark.slow)
SIZE = 2 * 1024 * KIB


@pytest.fixture(autouse=True)
def _short_spans(monkeypatch):
    """A file of 2 MiB is a large one here."""
    policy = partial(TransferPolicy, span_bytes=SPAN, block_bytes=64 * KIB, checkpoint_bytes=256 * KIB)
    monkeypatch.setattr(worker, "TransferPolicy", policy)


def large() -> Archive:
    """Bands of 2 MiB, stored as they are."""
    return Archive.demo(pixels=1024, tile=256, compress=False)


def split(world, scene=PROXIED, **download):
    world.workers_at_most = 8
    return world.config(**one(scene), download={"connections_per_file": 4} | download)


def ranges(world):
    return [e.headers["range"] for e in world.log.entries if e.host != "m2m" and "range" in e.headers]


@pytest.mark.parametrize("scene", [PROXIED, STAGED])
async def test_a_large_file_comes_over_several_connections(opened, scene):
    async with opened(archive=large(), script=Script(rate_bytes_s=500_000)) as world:
        result = await world.run(split(world, scene))

        (name,) = result.verified
        size = len(world.content(name))
        assert size > SIZE
        assert len(ranges(world)) >= size // SPAN
        assert max(world.log.peak_transfers.values()) >= 4
        spans = [one.removeprefix("bytes=").split("-") for one in ranges(world)]
        overlaps = 64 * KIB * sum(int(end) - int(start) >= 64 * KIB for start, end in spans)  # shorter ones compare
        assert size + overlaps <= result.summary.bytes_received <= size + overlaps + SPAN


@pytest.mark.faults("F01", "F02", "F03", "F04", "F05", "F06", "F13", "F18", "F19", "F24", "F25", "F26", "F27", "F31")
@pytest.mark.faults("F07", "F08", "F12", "F14", "F15", "F16")
@pytest.mark.parametrize("skip", [0, SLOW(2), 5, SLOW(8)])
@pytest.mark.parametrize("kind", [*ENDS_WELL, *RESUMED[:-2]])
async def test_a_range_that_goes_wrong_ends_in_the_right_bytes(opened, kind, skip):
    async with opened(archive=large()) as world:
        settings = ENDS_WELL.get(kind, {"bytes": 9999 if kind == "range-short" else 100})
        fault = world.script.fault_file("*_SR_B3.TIF", kind, ranged=True, skip=skip, **settings)
        proof = "content" if kind in SILENT else "structure"

        result = await world.run(split(world, proof=proof))

        assert fault.served == 1
        assert result.failed == {}
        assert result.summary.exit_code == 0
        assert len(result.verified) == 1


@pytest.mark.faults("F09")
@pytest.mark.parametrize("skip", [0, 2, 5, 8])
@pytest.mark.parametrize("if_range", ["honoured", "ignored", "never"])
async def test_F09_a_file_that_changes_at_the_service_is_never_a_mix(opened, skip, if_range):
    async with opened(archive=large(), script=Script(if_range=if_range)) as world:
        config = split(world)
        fault = world.script.fault_file("*_SR_B3.TIF", "new-version", ranged=True, skip=skip)
        name = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
        world.expected.add((name, hashlib.sha256(world.content(name)).hexdigest()))

        result = await world.run(config)  # checks that it is one of the two versions

        assert fault.served == (1 if if_range != "never" or skip < 3 else 0)
        assert result.summary.exit_code == 0


@pytest.mark.faults("F21")
@pytest.mark.parametrize("answer", ["403", "410", "login-page", "html", "json"])
async def test_F21_a_link_that_dies_in_the_middle_is_renewed(opened, answer):
    script = Script(rate_bytes_s=100_000, link_lifetime_s=6, expired_answer=answer)
    async with opened(archive=large(), script=script) as world:
        result = await world.run(split(world, poll_interval_s=1))

        assert result.summary.exit_code == 0
        assert len(ranges(world)) > 3


async def test_a_host_with_few_connections_gets_one_a_file(opened):
    async with opened(archive=large(), script=Script(max_connections=2, rate_bytes_s=1_000_000)) as world:
        config = world.config(
            search={"dataset": "landsat_ot_c2_l2", "scenes": [PROXIED, STAGED]},
            select={"type": "band", "bands": ["SR_B*"]},
            download={"connections_per_file": 4, "workers": 2},
        )
        result = await world.run(config)

        assert result.summary.exit_code == 0
        assert world.log.faults["max-connections"] >= 1
        assert len([r for r in ranges(world) if not r.endswith("-")]) <= 2 * 2 * 3  # hosts, workers
        assert any("over several connections" in text for text in world.spoken)


@pytest.mark.faults("L01", "L03")
@pytest.mark.parametrize("at", [300_000, 700_000, 1_500_000])
async def test_a_stopped_run_goes_on_with_several_connections(opened, at):
    async with opened(archive=large(), script=Script(rate_bytes_s=2_000_000)) as world:
        config = split(world)
        where = []

        def stop(run, event):
            if isinstance(event, Transferred) and event.position_bytes > at and not where:
                where.append(event.position_bytes)
                run.stop()

        first = await world.run(config, watch=stop)
        assert (first.summary.exit_code, len(where)) == (7, 1)
        second = await world.run(config)

        (name,) = second.verified
        assert all(offset >= where[0] for offset in second.offsets(name))  # none when all of it was there
        assert second.summary.exit_code == 0
