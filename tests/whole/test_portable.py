"""Whole runs with the file system, event loops and processes of this machine: Windows too, see .ci/wine.

The same in volumes: `python -m benchmarks.wine`.
"""

from __future__ import annotations

import random
import ssl
import sys
from pathlib import Path

import pytest
import trustme

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.errors import FolderBusy
from landsat_async.run.opening import open_run
from landsat_async.sim import Archive, open_simulator
from landsat_async.whole_job import download
from tests.support import portable_lab
from tests.support.portable_lab import LOOPS, STATE, WINDOWS, Job, hold, scanner

REAL_TIME = True
pytestmark = [pytest.mark.portable, pytest.mark.timeout(360)]  # a busy machine, and Wine beside it, takes its time
only_windows = pytest.mark.skipif(not WINDOWS, reason="other programs shut nobody out here; see test_windows_like")
ONE = {"type": "band", "bands": ["SR_B3"]}
NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"


async def test_a_run_brings_every_file_and_the_next_one_finds_them(tmp_path):
    async with open_simulator(Archive.demo(pixels=64, tile=32)) as sim:
        config = Config.from_dict({
            "service": {"url": sim.service_url, "patience_s": 20.0},
            "search": {
                "dataset": "landsat_ot_c2_l2", "bbox": [-68.01, 9.99, -67.49, 10.34],
                "start": "2024-07-05", "end": "2024-08-06",
            },
            "select": {"type": "band", "bands": ["SR_B3", "MTL"]},
            "download": {
                "directory": str(tmp_path / "data"), "workers": 4, "poll_interval_s": 0.05, "min_free_bytes": "0 B",
                "layout": "{sensor}/{path}{row}",
            },
        })  # fmt: skip
        first = await download(config, credentials=Credentials(sim.username, sim.token), progress=None)
        assert (first.exit_code, first.failures) == (0, ())
        assert first.files_verified == first.files_total > 10
        again = await download(config, credentials=Credentials(sim.username, sim.token), progress=None)
        assert (again.exit_code, again.files_skipped) == (0, first.files_total)
        assert not list((tmp_path / "data" / ".landsat_async" / "parts").iterdir())


@pytest.fixture
async def sim():
    async with open_simulator(Archive.demo(pixels=64, tile=32)) as opened:
        yield opened


@pytest.mark.faults("W27")
async def test_W27_runs_that_are_terminated_leave_nothing_wrong_and_the_next_one_goes_on(sim, tmp_path):
    """50 times: `python -m benchmarks.wine kills`."""
    job, rng = Job(tmp_path / "job", sim), random.Random(1)
    sim.script.rate_bytes_s = 20_000
    for _ in range(2):
        ended = await job.run(kill_after_s=rng.uniform(0.1, 1.0))
        assert ended.code not in (0, 7)
        assert job.wrong() == []
    sim.script.rate_bytes_s = None
    ended = await job.run()
    assert (ended.code, job.wrong()) == (0, [])
    assert len(job.files()) == ended.of("finished")[0]["files_total"] == 27
    assert not list((job.data / STATE / "parts").iterdir())


@pytest.mark.faults("W01")
async def test_W01_a_second_run_on_a_folder_is_refused_in_this_and_in_another_process(sim, tmp_path):
    job = Job(tmp_path / "job", sim)
    config, account = Config.load(job.config, environ={}), Credentials(sim.username, sim.token)
    async with open_run(config, credentials=account) as first:
        other = await job.run()
        assert other.code == 8
        assert "Another run" in other.of("error")[0]["message"]
        with pytest.raises(FolderBusy, match="Another run"):
            await download(config, credentials=account, progress=None)
        async for _ in first.events():
            pass
        assert (await first.wait()).exit_code == 0
    assert job.wrong() == []


@pytest.mark.parametrize(
    ("loop", "scheme"), [(LOOPS[0], "http"), (LOOPS[0], "https"), *((loop, "http") for loop in LOOPS[1:])]
)
@pytest.mark.faults("W02", "W03")
async def test_W02_W03_a_body_of_many_buffers_comes_over_one_connection_on_each_loop(tmp_path, loop, scheme):
    """64 MiB: `python -m benchmarks.wine bodies`."""
    tls, service = None, {}
    if scheme == "https":
        authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        service = {"ca_bundle": str(tmp_path / "ca.pem")}
    archive = Archive.demo(band_bytes=9 * 2**20)
    async with open_simulator(archive, tls=tls, file_tls=tls) as sim:
        job = Job(tmp_path / "job", sim, select=ONE, service=service, search={"limit": 1})
        ended = await job.run(loop=loop)
        assert (ended.code, job.wrong(), len(job.files())) == (0, [], 1)
        assert ended.of("verified")[0]["sha256"] == job.right(*job.files())
        assert len(sim.log.files) == 1, "it was asked for again"


async def test_the_notebooks_case_runs_with_its_credentials_file_at_a_path_of_this_system(sim, tmp_path):
    """Lago de Valencia, 5 July to 6 August 2024, cloud 0 to 10; the file with the lines `username:` and `token:`."""
    secret = tmp_path / "Work space" / "credentials.txt"
    secret.parent.mkdir()
    secret.write_text(f"username:{sim.username}\ntoken:{sim.token}\n", encoding="utf-16")
    job = Job(
        tmp_path / "job", sim, select={"type": "band", "bands": ["SR_B3", "SR_B5", "ANG"]},
        search={"cloud_cover": [0, 10]}, service={"credentials_file": str(secret)},
        download={"directory": str(tmp_path / "Landsat scenes")},
    )  # fmt: skip
    job.data = tmp_path / "Landsat scenes"
    ended = await job.run()
    assert (ended.code, job.wrong()) == (0, []), ended.said
    total = ended.of("finished")[0]["files_total"]
    assert len(job.files()) == total > 5
    assert (await job.run()).of("finished")[0]["files_skipped"] == total
    ended = await job.run("doctor")
    assert ended.code == 0, ended


async def test_a_command_that_does_not_end_is_told_as_that_and_not_by_the_exit_code_of_its_kill(
    sim, tmp_path, monkeypatch
):
    """On Windows it is 1, which was once taken for a fault that doctor had found."""
    monkeypatch.setattr(portable_lab, "HANGS_S", 0.01)
    with pytest.raises(AssertionError, match="doctor had not ended"):
        await Job(tmp_path / "job", sim).run("doctor")


@only_windows
@pytest.mark.faults("W04")
async def test_W04_a_scanner_that_holds_every_new_file_for_a_moment_costs_only_time(sim, tmp_path):
    job = Job(tmp_path / "job", sim)
    with scanner(job.base, 0.3) as held:
        ended = await job.run()
    assert (ended.code, job.wrong(), len(job.files())) == (0, [], 27)
    assert len(held) >= 27


@only_windows
@pytest.mark.faults("W05")
async def test_W05_a_file_that_stays_open_fails_alone_and_its_part_is_kept(sim, tmp_path):
    job = Job(tmp_path / "job", sim, select=ONE)
    path = job.data / NAME
    path.parent.mkdir()
    path.write_bytes(b"somebody's notes")
    with hold(path):
        ended = await job.run("run", "--overwrite")
    assert ended.code == 4
    (failed,) = ended.of("failed")
    assert failed["file"] == NAME
    assert f"{NAME} is open in another program" in failed["reason"]
    assert path.read_bytes() == b"somebody's notes"
    assert len(list((job.data / STATE / "parts").iterdir())) == 1
    asked = len(sim.log.files)
    ended = await job.run("run", "--overwrite")
    assert (ended.code, job.wrong()) == (0, [])
    assert len(sim.log.files) <= asked + 1, "more than the end of one file was asked for"


@pytest.mark.faults("W14")
async def test_W14_a_junction_in_the_layout_is_never_followed(sim, tmp_path):
    job = Job(tmp_path / "job", sim, select=ONE, download={"layout": "{sensor}"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    job.data.mkdir()
    lead(job.data / "LC08", elsewhere)
    ended = await job.run()
    assert ended.code == 4
    assert list(elsewhere.iterdir()) == []
    assert job.wrong() == []


@pytest.mark.faults("W15")
async def test_W15_a_junction_in_the_place_of_the_parts_is_refused(sim, tmp_path):
    job = Job(tmp_path / "job", sim, select=ONE)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (job.data / STATE).mkdir(parents=True)
    lead(job.data / STATE / "parts", elsewhere)
    assert (await job.run()).code == 2
    assert list(elsewhere.iterdir()) == []


def lead(name: Path, target: Path) -> None:
    """Make a junction, or the link that comes nearest."""
    if sys.platform == "win32":
        import _winapi

        try:
            _winapi.CreateJunction(str(target), str(name))
        except OSError as error:
            pytest.skip(f"no junctions here: {error}")
    else:
        name.symlink_to(target, target_is_directory=True)
