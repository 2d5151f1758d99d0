"""The benchmarks of planning, memory and lag measure what they say; their figures are not tested here."""

from __future__ import annotations

import re
import time

import anyio
import pytest

from benchmarks import lag, memory, nginx, planning
from benchmarks.probe import peak_rss_bytes, probing, rss_bytes


async def test_a_loop_that_computes_is_late_by_its_own_doing():
    async with probing() as probe:
        await anyio.sleep(0.02)
        until_s = time.process_time() + 0.05
        while time.process_time() < until_s:
            pass
        await anyio.sleep(0.02)
    assert max(probe.own_s) > 0.04
    assert probe.cpu_s > 0.04


async def test_a_loop_that_only_waits_is_late_but_computes_nothing():
    async with probing() as probe:
        await anyio.sleep(0.02)
        time.sleep(0.1)
        await anyio.sleep(0.02)
    assert max(probe.late_s) > 0.08
    assert max(probe.own_s) < 0.05


def test_memory_is_that_of_this_process():
    before_bytes = rss_bytes()
    much = bytes(64 << 20).replace(b"\0", b"x")
    assert rss_bytes() - before_bytes > len(much) // 2
    assert peak_rss_bytes() >= rss_bytes() - (1 << 20)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("decode", r"decode: 100 scenes, 0 MiB: "),
        ("coverage", r"coverage: 100 footprints, \d+ of them in the area: "),
        ("plan", r"plan: 40 scenes, 120 files: .* peak RSS \d+ MiB, loop late by p50 "),
        ("finished", r"finished: 42 files of 14 scenes: .* wall"),
    ],
)
def test_each_part_of_planning_is_measured(part, said, tmp_path, capsys):
    planning.show(part, 0.002, tmp_path)
    assert re.match(said, capsys.readouterr().out)


async def test_a_queue_is_planned_and_the_run_stopped(tmp_path):
    planned, planned_bytes, peak_bytes, text = await memory._queue(300, 5, None, tmp_path)
    assert planned == 300
    assert 0 < planned_bytes <= peak_bytes
    assert 5 <= int(text.split()[0]) < 300


@pytest.mark.skipif(not nginx.is_there(), reason="needs nginx and openssl")
def test_the_lag_of_a_run_is_measured_beside_an_idle_loop(tmp_path, capsys):
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:4]:
        if folder.name.startswith(("pytest", "popen")):  # not those of the system: all others write there, too
            folder.chmod(0o755)
    lag._show("5000x100KiB", 0.002, tmp_path)
    said = capsys.readouterr().out
    assert re.search(r"5000x100KiB: 20 files, 16 workers: .* by its own doing", said)
    assert "an idle loop beside it" in said
