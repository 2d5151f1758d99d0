"""What a run that was killed leaves in a store, and what the next one makes of it; in volume: `benchmarks.stores`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import anyio
import pytest

from landsat_async import Config, Credentials, download
from landsat_async.disk.target import Committed, InTheWay, StoreFailed
from landsat_async.errors import LandsatError, ServiceDown
from landsat_async.sim.archive import Archive
from landsat_async.sim.server import open_simulator
from landsat_async.stac.ours import is_ours
from landsat_async.stac.scene_table import GEOJSON_HEAD
from tests.store.test_runs import held, tables
from tests.store.test_target import LARGE, claimed, commit, make


@pytest.mark.faults("V30")
async def test_V30_what_goes_up_is_in_the_ledger_before(s3, url, tmp_path):
    durable = []

    def look(method, path):
        if method == "PUT" and path.endswith("SR_B3.TIF"):
            with closing(sqlite3.connect(tmp_path / ".landsat_async/ledger.sqlite3")) as ledger:
                durable.append(ledger.execute("SELECT max(durable) FROM part").fetchone()[0])

    async with open_simulator(Archive.seeded(1, pixels=16, tile=16, band_bytes=2**20)) as sim:
        values = tables(sim, s3, url) | {"search": {"dataset": "landsat_ot_c2_l2"}, "select": {"bands": ["SR_B3"]}}
        s3.fail = look
        result = await download(Config.from_dict(values, base_dir=tmp_path), credentials=Credentials("demo", sim.token))
    assert result.exit_code == 0
    assert durable == [result.bytes_received], "a run that is killed now has only to bring it up"
    assert len(await anyio.to_thread.run_sync(held, s3, url)) == 1


@pytest.fixture
def killed(tmp_path, url, s3, client):
    """A prefix that a killed run of this folder has left: a claim, a temporary object, uploads that were under way."""
    with claimed(make(tmp_path, url, s3)):
        pass
    owner = (tmp_path / "a/state/store_owner").read_text()
    client.put(url.key(".landsat_async/claim.json"), json.dumps({"owner": owner}).encode())
    client.put(url.key(".landsat_async/parts/1.0.part"), b"brought up and not named")
    for key in (".landsat_async/parts/2.0.part", "x.TIF", "x.TIF", "y.TIF"):
        s3.client.create_multipart_upload(Bucket="lake", Key=url.key(key))


def uploads(s3, url):
    found = s3.client.list_multipart_uploads(Bucket="lake").get("Uploads", ())
    return {one["Key"].removeprefix(url.key("")) for one in found}


def write_table(target, relpath="scenes.geojson"):
    """Write a table that is too large for one request."""
    with target.outputs(is_ours).writing(relpath) as file:
        file.write(GEOJSON_HEAD)
        file.write(LARGE)


def write_file(target):
    commit(target, "x.TIF", LARGE)


def move(target, relpath):
    commit(target, "z.TIF")
    target.move("z.TIF", relpath)


@pytest.mark.faults("V31")
def test_V31_nothing_unfinished_of_a_killed_run_is_left_by_the_next(killed, tmp_path, url, s3):
    with claimed(make(tmp_path, url, s3)) as target:
        assert uploads(s3, url) == {"x.TIF", "y.TIF"}, "under final keys it may be a stranger's"
        assert isinstance(commit(target, "x.TIF", LARGE), Committed)
        assert uploads(s3, url) == {"y.TIF"}
        target.discard(["1.0.part"])
    assert set(held(s3, url)) == {"x.TIF"}


@pytest.mark.faults("V31")
@pytest.mark.parametrize("make_one", [write_table, move])
def test_V31_what_was_begun_under_a_key_goes_when_that_key_is_made(killed, tmp_path, url, s3, make_one):
    with claimed(make(tmp_path, url, s3)) as target:
        make_one(target, "x.TIF")
        assert uploads(s3, url) == {"y.TIF"}


@pytest.mark.faults("V31")
def test_V31_a_store_that_fails_before_it_is_tidy_is_looked_at_by_the_next_run(killed, tmp_path, url, s3, monkeypatch):
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    s3.fail = lambda method, path: 503 if method == "GET" and "list-type" in path else None
    with pytest.raises(ServiceDown):
        make(tmp_path, url, s3).prepare()
    s3.fail = lambda method, path: None
    with claimed(make(tmp_path, url, s3)):
        assert set(held(s3, url)) == {".landsat_async/claim.json"}


@pytest.mark.faults("V31")
@pytest.mark.parametrize("is_asked", [True, False])
def test_V31_a_store_that_tells_nothing_of_uploads_is_no_reason_to_end(
    killed, tmp_path, url, s3, monkeypatch, is_asked
):
    s3.fail = lambda method, path: 403 if "uploads" in path and method == "GET" else None
    if not is_asked:
        monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false")  # there we ask for nothing ourselves
    claim = make(tmp_path, url, s3).prepare()
    claim.release()
    assert any("lifecycle rule" in warning for warning in claim.warnings)
    assert any("uploads" in path for method, path in s3.requests if method == "GET") is is_asked


def test_after_a_clean_end_nothing_is_asked_about_leftovers(tmp_path, url, s3):
    with claimed(make(tmp_path, url, s3)):
        pass
    assert not [path for method, path in s3.requests if method == "GET" and ("list-type" in path or "uploads" in path)]


@pytest.mark.faults("V32")
@pytest.mark.parametrize("fails", [False, True])
def test_V32_what_was_brought_up_and_got_no_name_goes_or_the_claim_stays(tmp_path, url, s3, client, monkeypatch, fails):
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    client.put(url.key("x.TIF"), b"of a stranger")
    target = make(tmp_path, url, s3)
    claim = target.prepare()
    assert commit(target, "x.TIF", LARGE) == InTheWay()
    s3.fail = lambda method, path: 503 if fails and "delete" in path else None
    claim.release()
    s3.fail = lambda method, path: None
    state = {key for key in held(s3, url) if key.startswith(".landsat_async/")}
    assert bool(state) is fails
    with claimed(make(tmp_path, url, s3)):
        pass
    assert set(held(s3, url)) == {"x.TIF"}


@pytest.mark.faults("V32")
@pytest.mark.parametrize("times", [1, 2])
def test_V32_a_temporary_key_that_could_not_be_removed_goes_later_or_keeps_the_claim(
    tmp_path, url, s3, monkeypatch, times
):
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    target, failed = make(tmp_path, url, s3), []
    claim = target.prepare()
    assert isinstance(commit(target, "x.TIF", LARGE), Committed)

    def fail(method, path):
        if "delete" not in path or len(failed) == times:
            return None
        failed.append(path)
        return 503

    s3.fail = fail
    target.discard(["1.0.part"])
    claim.release()
    assert len(failed) == times
    left = {target._naming._key("1.0.part"), url.key(".landsat_async/claim.json")} if times == 2 else set()
    assert {url.key(key) for key in held(s3, url)} == {url.key("x.TIF"), *left}
    with claimed(make(tmp_path, url, s3)):
        pass
    assert set(held(s3, url)) == {"x.TIF"}


@pytest.mark.faults("V33")
def test_V33_a_temporary_object_that_has_gone_is_a_fault_of_the_store(tmp_path, url, s3, monkeypatch):
    with claimed(make(tmp_path, url, s3)) as target:
        monkeypatch.setattr(target._client, "upload", lambda *ignored: None)
        with pytest.raises(StoreFailed, match="has removed"):  # it was "cannot write in the spool"
            commit(target, "x.TIF", LARGE)


@pytest.mark.faults("V34")
def test_V34_a_store_that_gives_no_ranges_is_read_all_the_same(tmp_path, url, s3):
    s3.ranges = False
    with claimed(make(tmp_path, url, s3)) as target:
        commit(target, "x.TIF", LARGE)
        assert isinstance(commit(target, "x.TIF", LARGE), Committed), "compared with what is there"
        with target.read("x.TIF") as file:
            assert file.read(10, 2**20 * 3 - 5) == LARGE[2**20 * 3 - 5 :][:10]


def _sends(method, path):
    return method == "PUT" and "partNumber" in path


def _gives_up(method, path):
    return method == "DELETE" and "uploadId" in path


def _lists(method, path):
    return method == "GET" and "uploads" in path


@pytest.mark.faults("X147")
@pytest.mark.parametrize("fails_at_the_end", [None, _lists, _gives_up])
@pytest.mark.parametrize("make_one", [write_table, write_file])
def test_X147_an_upload_that_the_store_has_cut_off_is_given_up_or_the_claim_stays(
    tmp_path, url, s3, monkeypatch, make_one, fails_at_the_end
):
    monkeypatch.setattr("landsat_async.store.client._RETRY_S", 0)
    target = make(tmp_path, url, s3)
    claim = target.prepare()
    s3.fail = lambda method, path: 503 if _sends(method, path) or _gives_up(method, path) else None
    with pytest.raises((StoreFailed, LandsatError)):
        make_one(target)
    assert len(uploads(s3, url)) == 1
    s3.fail = lambda method, path: 503 if fails_at_the_end and fails_at_the_end(method, path) else None
    claim.release()
    s3.fail = lambda method, path: None
    assert bool(uploads(s3, url)) is bool(held(s3, url)) is bool(fails_at_the_end)
    with claimed(make(tmp_path, url, s3)) as after:
        make_one(after)
        assert uploads(s3, url) == set()
