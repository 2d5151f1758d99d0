"""The benchmarks measure what they say; the figures themselves are not tested here."""

from __future__ import annotations

import sys

import pytest

from benchmarks import nginx
from benchmarks.bench_transfer import bench
from benchmarks.measure import Broken, Run
from benchmarks.peers import PEERS, Peer
from benchmarks.table import render
from benchmarks.workload import Served, Workload, make_files, wrong_files

TINY = Workload("tiny", scenes=2, bands=2, connections=2, band_bytes=None)


def test_a_missing_or_changed_file_is_seen(tmp_path):
    served = make_files(TINY, tmp_path)
    assert len(served.sums) == 4
    assert wrong_files(tmp_path / "tiny", served.sums) == []
    changed, missing = sorted(served.sums)[:2]
    with (tmp_path / "tiny" / changed).open("r+b") as file:
        file.seek(5000)
        file.write(b"!")
    (tmp_path / "tiny" / missing).unlink()
    assert sorted(wrong_files(tmp_path / "tiny", served.sums)) == [changed, missing]


def test_ratios_are_those_of_the_medians():
    served = Served(TINY, {"a": "", "b": ""}, 2**30)
    table = render(
        served,
        {
            "aria2c": [Run(2.0, 1.0, 2**20), Run(9.0, 9.0, 2**20), Run(2.0, 1.0, 2**20)],
            "ours": [Run(1.0, 0.25, 2**20)] * 3,
            "liar": [Broken("1 of 2 files missing or wrong, exit 0")],
        },
    )
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()}
    assert rows["ours"] == ["1.00", "1.00-1.00", "1024", "0.25", "125000", "1", "0.50", "0.25", "-", "-", "-", "-"]
    assert rows["liar"] == ["failed"]
    assert "liar: 1 of 2 files missing or wrong, exit 0" in table


@pytest.mark.skipif(not nginx.is_there(), reason="needs nginx and openssl")
@pytest.mark.parametrize("tls", [False, True])
def test_our_transfers_are_measured_and_a_program_that_fetches_nothing_is_found_out(tmp_path, tls):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:4]:
        if parent.name.startswith(("pytest", "popen")):  # the workers of xdist have a folder each
            parent.chmod(0o755)
    idle = Peer("idle", lambda: "1", lambda task: [sys.executable, "-c", ""])
    ours = [peer for peer in PEERS if peer.name == "ours bare"]
    results = bench(make_files(TINY, tmp_path / "served"), [idle, *ours], 1, tmp_path, tls=tls)
    assert results["idle"] == [Broken("4 of 4 files missing or wrong, exit 0")]
    (run,) = results["ours bare"]
    assert isinstance(run, Run)
    assert run.cpu_s > 0
