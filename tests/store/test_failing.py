"""A store that fails while a command looks: the code of the contract and what to do, and no file is taken for lost."""

from __future__ import annotations

import time

import anyio
import pytest

from landsat_async import Config, Credentials, download, plan
from landsat_async.config_store import StoreConfig
from landsat_async.disk.target import Recorded, StoreFailed
from landsat_async.errors import FolderUnwritable, LandsatError, ServiceDown
from landsat_async.run.verify import verify
from landsat_async.sim.server import open_simulator
from landsat_async.store import client as module
from landsat_async.store.answers import failure
from landsat_async.store.client import StoreClient
from tests.store.test_runs import held, tables
from tests.store.test_target import claimed, commit, make

NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_ANG.txt"
LOOKS = {
    "look": lambda target: target.look([Recorded(NAME, 4, 1)]),
    "look at many": lambda target: target.look([Recorded(f"{one}.TIF", 4, 1) for one in range(9)]),
    "places": lambda target: target.places([(NAME, "")]),
    "read": lambda target: target.read(NAME).__enter__(),
    "put_aside": lambda target: target.put_aside(NAME),
    "is_same_file": lambda target: target.is_same_file(NAME, "b"),
    "foresee": lambda target: _raise(target.foresee()),
}


def _raise(error):
    if error is not None:
        raise error


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_RETRY_S", 0)


@pytest.mark.faults("V20")
@pytest.mark.parametrize(("status", "kind"), [(403, FolderUnwritable), (503, ServiceDown)])
def test_V20_every_look_ends_with_the_code_of_the_contract(s3, url, tmp_path, status, kind):
    with claimed(make(tmp_path, url, s3)) as target:
        commit(target, NAME)
        for name, look in LOOKS.items():
            s3.fail = lambda method, path: status  # it was "damaged", a bug of ours, or a fault of this machine
            with pytest.raises(LandsatError) as failed:
                look(make(tmp_path, url, s3, folder="b") if name == "foresee" else target)
            assert type(failed.value) is kind, name
            assert failed.value.hint
            assert s3.endpoint not in f"{failed.value} {failed.value.hint}"
        s3.fail = lambda method, path: None


@pytest.mark.faults("V21")
def test_V21_of_a_bucket_that_is_not_there_no_file_is_said_to_be_gone(s3, url, tmp_path):
    nobodys = type(url)("s3", "nobodys", url.prefix)
    for name in ("look", "look at many", "places", "read", "foresee"):
        with pytest.raises(FolderUnwritable, match="no bucket nobodys"):
            LOOKS[name](make(tmp_path, nobodys, s3))


@pytest.mark.faults("V20")
async def test_V20_verify_and_run_take_no_file_for_damaged_because_a_store_fails(s3, url, tmp_path):
    async with open_simulator() as sim:
        credentials = Credentials(sim.username, sim.token)
        values = tables(sim, s3, url)
        values["service"]["patience_s"] = 0  # what is waited for is tried in test_down
        config = Config.from_dict(values, base_dir=tmp_path)
        await download(config, credentials=credentials)
        before = await anyio.to_thread.run_sync(held, s3, url)
        for fail, kind in ((403, FolderUnwritable), (503, ServiceDown)):
            s3.fail = lambda method, path, fail=fail: fail if method == "HEAD" and "SR_B3" in path else None
            with pytest.raises(kind):
                [event async for event in verify(config)]
            with pytest.raises(kind):
                await plan(config, credentials=credentials)
            with pytest.raises(kind):
                await download(config, credentials=credentials)
        s3.fail = lambda method, path: None
        again = await download(config, credentials=credentials)
        assert (again.exit_code, again.bytes_received) == (0, 0)
        assert await anyio.to_thread.run_sync(held, s3, url) == before, "nothing was put aside"


@pytest.mark.faults("V22")
def test_V22_a_store_that_does_not_answer_is_given_up_after_the_time_of_an_answer(s3, url, monkeypatch):
    monkeypatch.setattr(module, "_ANSWER_S", 0.2)  # five minutes of silence, as for a file that travels
    release = time.monotonic() + 3.0
    s3.fail = lambda method, path: time.sleep(max(0.0, min(3.0, release - time.monotonic())))
    with pytest.raises(StoreFailed, match="does not answer"):
        StoreClient(url, StoreConfig(endpoint=s3.endpoint)).head("x")


@pytest.mark.faults("V23")
@pytest.mark.parametrize("machine", ["Error performing PUT http://169.254.169.254/latest/api/token in 6 ms"])
def test_V23_a_store_without_credentials_names_the_variables(machine):
    failed = failure("look at x", RuntimeError(machine))  # it was "cannot be reached", and the network blamed
    assert isinstance(failed, StoreFailed)
    assert failed.refused
    assert "no credentials" in failed.strerror
    assert "AWS_ACCESS_KEY_ID" in failed.hint
