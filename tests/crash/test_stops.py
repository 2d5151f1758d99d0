"""Signals while four transfers run. The long version: python -m benchmarks.stops --count 300"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.kill_lab import KIB, MIB, MemoryArchive, Script, open_lab, under_way
from tests.support.nursery import PROJECT

FILES = {"bands": ["SR_B3", "SR_B5", "SR_B6", "ANG"], "limit": 2}
SMALL = {"policy": {"block_bytes": 128 * KIB, "checkpoint_bytes": 256 * KIB, "backoff_cap_s": 0.1}}
STOPPED, STOPPED_AT_ONCE = 7, 130


@pytest.fixture
async def lab(tmp_path):
    async with open_lab(tmp_path, MemoryArchive.demo(band_bytes=2 * MIB), Script(rate_bytes_s=2 * MIB)) as lab:
        yield lab


@pytest.mark.faults("I04", "I06")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_I04_I06_a_signal_stops_four_transfers_and_the_next_run_goes_on(lab, number):
    place = lab.place(**FILES)
    code, seconds = await lab.stop(place, number, **SMALL)
    assert code == STOPPED, place.said
    assert seconds < 20  # it takes 0.04 s; a hang is what this would find
    assert len(place.finals()) < 8, "it has waited for the transfers"
    place.check()
    kept = place.kept_bytes
    assert kept > 0, "what the transfers had is lost"
    lab.sim.script.rate_bytes_s = None
    death = await lab.run(place, **SMALL)
    assert death.code == 0, place.said
    place.check_finished(8)
    needed = sum(path.stat().st_size for path in place.finals().values())
    assert death.served_bytes <= needed - kept + 5 * 64 * KIB, "bytes that were kept were fetched again"


@pytest.mark.faults("I05")
async def test_I05_a_second_signal_leaves_at_once_with_130(lab):
    place = lab.place(**FILES)
    hanging = {"call": "fsync", "hang_s": 30.0, "nth": 1}
    signals = signal.SIGINT, signal.SIGINT
    code, seconds = await lab.stop(place, *signals, gap_s=0.3, transfers=3, fail=hanging, **SMALL)
    assert code == STOPPED_AT_ONCE, place.said
    assert seconds < 20, "it has waited for the disk, which hangs for 30 s"
    place.check()


@pytest.mark.faults("H16", "I11")
@pytest.mark.slow
async def test_H16_I11_a_disk_that_hangs_does_not_hold_up_the_exit_beyond_ten_seconds(lab):
    place = lab.place(**FILES)
    code, seconds = await lab.stop(place, signal.SIGTERM, fail={"call": "pwrite", "hang_s": 60.0, "nth": 6}, **SMALL)
    assert (code, seconds < 10) == (STOPPED, True), place.said
    place.check()
    lab.sim.script.rate_bytes_s = None
    assert (await lab.run(place, **SMALL)).code == 0, place.said
    place.check_finished(8)


@pytest.mark.faults("I08")
@pytest.mark.faults("W35")
async def test_I08_a_run_that_is_suspended_longer_than_a_stall_goes_on_without_a_storm(lab):
    place = lab.place(**FILES, stall_timeout_s=1)
    pid, marks = await lab.begin(place, **SMALL)
    ending = asyncio.ensure_future(lab.nursery.end(pid))
    while under_way(marks)["body"] < 4:
        await asyncio.sleep(0.002)
    await lab.nursery.send(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        await asyncio.sleep(0.002)
    requests = sum(lab.sim.log.requests.values())
    await asyncio.sleep(1.5)  # the fault itself: longer than the stall
    assert not ending.done()
    assert sum(lab.sim.log.requests.values()) == requests
    lab.sim.script.rate_bytes_s = None
    await lab.nursery.send(pid, signal.SIGCONT)
    assert await asyncio.wait_for(ending, 30) == 0, place.said
    place.check_finished(8)
    assert lab.sim.log.overlaps == 0
    assert max(Counter(entry.target for entry in lab.sim.log.entries if entry.host != "m2m").values()) <= 3


@pytest.mark.faults("I06")
async def test_I06_the_installed_program_too(lab):
    place = lab.place(**FILES)
    env = os.environ | {"USGS_USERNAME": lab.sim.username, "USGS_TOKEN": lab.sim.token}
    command = [sys.executable, "-m", "landsat_async", "run", "--quiet", str(place.toml())]
    with subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        try:
            while not any(place.root.glob(".landsat_async/parts/*.part")):
                assert program.poll() is None, program.stderr.read()
                await _let_the_simulator_work()
            program.send_signal(signal.SIGTERM)
            while program.poll() is None:
                await _let_the_simulator_work()
        finally:
            program.kill()
    assert program.returncode == STOPPED
    place.check()


async def _let_the_simulator_work() -> None:
    await asyncio.sleep(0.01)
