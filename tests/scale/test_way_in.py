"""Whole runs that a cluster lets in, or does not: schedulers and workers of this process, on loopback."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytest.importorskip("trustme", reason="makes the certificates")

import dask
import trustme
from distributed import Scheduler, Worker
from distributed.utils import _offload_executor

from landsat_async.errors import ConfigError
from landsat_async.events import Notice, Retrying
from landsat_async.m2m.caller import ApiWait
from landsat_async.scale import DaskPool, agent, join
from landsat_async.scale.parcel import version
from landsat_async.show.doctor_cluster import check_cluster
from tests.whole.world import open_world

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def threads_that_stay():
    """Those of a worker are threads of this process here."""
    _offload_executor.submit(int).result()
    agent._agent()


def scheduler(**options) -> Scheduler:
    return Scheduler(port=0, host="127.0.0.1", dashboard_address=None, **options)


def certificates(folder, name: str) -> dict[str, object]:
    """Make a CA and a certificate of it; return what dask calls them."""
    authority = trustme.CA()
    ca_file, own = folder / f"{name}-ca.pem", folder / f"{name}.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
    ends = {f"{end}.{what}": str(own) for end in ("client", "scheduler", "worker") for what in ("cert", "key")}
    return {f"distributed.comm.tls.{key}": value for key, value in {"ca-file": str(ca_file), **ends}.items()}


@pytest.mark.faults("X71")
async def test_a_run_over_tls_works_with_certificates_of_one_authority_and_no_other(tmp_path):
    async with open_world(tmp_path) as world:
        with dask.config.set(certificates(tmp_path, "my-own")):
            async with scheduler(protocol="tls") as made, Worker(made.address, nthreads=2):
                assert made.address.startswith("tls://")
                good = await world.run(pool=DaskPool(made.address), check=False)
                assert good.summary.exit_code == 0, good.error
                assert good.summary.files_verified
                assert not [event for event in good.of(Notice) if "not encrypted" in event.text]
                calls = len(world.log.calls)
                plain = await world.run(pool=DaskPool(made.address.replace("tls", "tcp")), check=False)
                with dask.config.set(certificates(tmp_path, "my-other")):
                    other = await world.run(pool=DaskPool(made.address), check=False)
        without = await world.run(pool=DaskPool(made.address), check=False)
        assert len(world.log.calls) == calls, "nothing was asked of the service"
        assert [one.summary.exit_code for one in (plain, other, without)] == [6, 6, 2]
        assert "its certificate is not trusted" in str(other.error)
        assert "tls://" in plain.error.hint
        assert without.error.reference == "cluster-address"


@pytest.mark.faults("X72")
async def test_a_scheduler_or_workers_that_are_not_there_are_told_while_they_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(join, "CONNECT_S", 3.0)
    monkeypatch.setattr(join, "JOIN_S", 3.0)
    monkeypatch.setattr(join, "QUIET_S", 1.0)
    async with open_world(tmp_path) as world:
        nobody = await world.run(pool=DaskPool("tcp://127.0.0.1:9"), check=False)
        async with scheduler() as made:
            empty = await world.run(pool=DaskPool(made.address), check=False)
        assert not world.log.calls
    for result, reference in ((nobody, "scheduler-gone"), (empty, "no-workers")):
        assert (result.summary.exit_code, result.error.reference) == (6, reference)
        waits = result.of(Retrying)
        assert waits
        assert all("stop the run" in wait.reason and 0 < wait.wait_s < 10 for wait in waits)
        assert result.error.hint


@pytest.mark.faults("X73")
@pytest.mark.parametrize(
    "lack", [{"version": "0.0.9/1"}, {"python": "3.9"}, {"refusal": "does not see the folder under this path"}]
)
async def test_a_worker_that_does_not_fit_ends_the_run_before_the_service_is_asked(tmp_path, monkeypatch, lack):
    look = agent.look_at_folder

    def other(*given):
        seen = look(*given)
        return agent.ProcessSeen(**{name: getattr(seen, name) for name in seen.__slots__} | lack)

    monkeypatch.setattr(agent, "look_at_folder", other)
    async with open_world(tmp_path) as world, scheduler() as made, Worker(made.address, nthreads=1):
        result = await world.run(pool=DaskPool(made.address), check=False)
        assert (result.summary.exit_code, result.error.reference) == (2, "cluster-unfit")
        assert made.workers, "the worker is named"
        assert next(iter(made.workers)) in str(result.error)
        assert not world.log.calls
        assert os.listdir(world.root / ".landsat_async" / "parts") == [], "no trace of the look"


@pytest.mark.faults("X73")
async def test_a_scheduler_of_another_version_ends_the_run_before_the_service_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(agent, "look_at_scheduler", lambda: ("0.0.9/1", "3.11"))
    async with open_world(tmp_path) as world, scheduler() as made, Worker(made.address, nthreads=1):
        result = await world.run(pool=DaskPool(made.address), check=False)
        assert (result.summary.exit_code, type(result.error)) == (2, ConfigError)
        assert f"the scheduler has version 0.0.9/1, and this is {version()}" in str(result.error)
        assert not world.log.calls


async def test_the_doctor_says_what_a_run_over_the_cluster_would_meet(tmp_path):
    async def check(address: str, **download):
        config = world.config(download=download, scale={"scheduler": address})
        found = await check_cluster(config, str(tmp_path), waits.append)
        return found.name, found.state, found.exit_code, f"{found.message} {found.hint}"

    waits: list[ApiWait] = []
    async with open_world(tmp_path) as world, scheduler() as made, Worker(made.address, nthreads=4):
        before = sorted(os.listdir(tmp_path))
        assert await check(made.address) == (
            "cluster", "ok", 0, f"{made.address}: 1 worker, all of this version, all can write in {tmp_path} "
        )  # fmt: skip
        name, state, code, text = await check(made.address, workers=8)
        assert (name, state, code) == ("cluster", "warn", 0)
        assert "4 files at a time" in text
        assert sorted(os.listdir(tmp_path)) == before
        assert (await check(made.address.replace("tcp", "tls")))[1:3] == ("fail", 2)
        assert not waits
        assert not world.log.calls
