"""Uploads that a run leaves open, and prefixes that change hands while it sleeps."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from landsat_async.config_store import StoreConfig
from landsat_async.disk.target import Committed, InTheWay, StoreFailed
from landsat_async.proof.prove import Stopped
from landsat_async.stac.ours import is_ours
from landsat_async.stac.scene_table import GEOJSON_HEAD
from landsat_async.store import claim as claim_module
from landsat_async.store import client as client_module
from landsat_async.store import patience as patience_module
from landsat_async.store.cut_off import CutOff
from landsat_async.store.target import StoreTarget
from tests.store.test_killed import _gives_up, _sends, killed, move, uploads, write_file, write_table
from tests.store.test_runs import held
from tests.store.test_target import LARGE, claimed, commit, make

__all__ = ["killed"]
CLAIM = ".landsat_async/claim.json"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(client_module, "_RETRY_S", 0)
    monkeypatch.setattr(patience_module, "PAUSES_S", (0.01,))


def patient(tmp_path, url, s3):
    config = StoreConfig(endpoint=s3.endpoint, part_size=5 * 2**20)
    return StoreTarget(url, config, spool=tmp_path / "a/spool", state_dir=tmp_path / "a/state", patience_s=60.0)


def works(method, path):
    return None


@pytest.mark.faults("X160")
@pytest.mark.parametrize("make_one", [write_table, write_file])
def test_X160_an_upload_that_was_cut_off_goes_though_the_next_try_succeeds(tmp_path, url, s3, make_one):
    target, failed = patient(tmp_path, url, s3), []
    claim = target.prepare()

    def fail(method, path):
        if (failed or _sends(method, path)) and ("HEAD", url.key(CLAIM)) not in failed and len(failed) < 5:
            failed.append(
                (method, path.removeprefix("/lake/"))
            )  # down until a whole request to give up has failed, too
            return 503
        return None

    s3.fail = fail
    make_one(target)
    assert any(_gives_up(*one) for one in failed)
    assert len(uploads(s3, url)) == 1
    claim.release()
    assert uploads(s3, url) == set()
    assert CLAIM not in held(s3, url)


@pytest.mark.faults("X160")
@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("end", ["fails", "is taken", "moves"])
def test_X160_a_copy_that_was_cut_off_is_given_up_or_the_claim_stays(tmp_path, url, s3, client, end, is_listed):
    target = make(tmp_path, url, s3)
    claim = target.prepare()
    if end == "is taken":
        client.put(url.key("x.TIF"), b"of a stranger")

    def fail(method, path):
        is_copy = "x.TIF" in path and ((_sends(method, path) and end != "is taken") or _gives_up(method, path))
        return 503 if is_copy else None

    s3.fail = fail
    if end == "is taken":
        assert commit(target, "x.TIF", LARGE) == InTheWay()
    else:
        with pytest.raises(StoreFailed):
            move(target, "x.TIF") if end == "moves" else write_file(target)
    assert uploads(s3, url) == {"x.TIF"}
    s3.fail = lambda method, path: 403 if not is_listed and method == "GET" and "uploads" in path else None
    claim.release()
    s3.fail = works
    assert bool(uploads(s3, url)) is (CLAIM in held(s3, url)) is not is_listed


@pytest.mark.faults("X160")
def test_X160_what_a_killed_run_had_begun_is_tried_again_when_it_could_not_be_given_up(killed, tmp_path, url, s3):
    target, failed = make(tmp_path, url, s3), []
    claim = target.prepare()

    def fail(method, path):
        if _gives_up(method, path) and "x.TIF" in path and not failed:
            failed.append(path)
            return 503
        return None

    s3.fail = fail
    write_file(target)
    claim.release()
    assert failed
    assert uploads(s3, url) == {"y.TIF"}


def test_a_store_that_refuses_to_copy_in_parts_each_time_is_not_asked_for_uploads(tmp_path, url, s3):
    s3.fail = lambda method, path: 501 if method == "POST" and "uploads" in path and "probe" in path else None
    with claimed(make(tmp_path, url, s3)):
        pass
    assert not [path for method, path in s3.requests if method == "GET" and "uploads" in path]
    assert held(s3, url) == {}


@pytest.mark.faults("X161")
@pytest.mark.parametrize("what", ["file", "table"])
def test_X161_an_upload_that_hangs_when_the_run_is_stopped_keeps_the_claim(tmp_path, url, s3, what):
    target = make(tmp_path, url, s3)
    claim = target.prepare()
    stop, goes_on = threading.Event(), threading.Event()

    def hang(method, path):
        if _sends(method, path):
            stop.set()
            goes_on.wait(60.0)

    def write_stopped_table():
        with target.outputs(is_ours, stop.is_set).writing("scenes.geojson") as file:
            file.write(GEOJSON_HEAD)
            file.write(LARGE)

    def run():
        with suppress(Stopped, OSError):
            write_stopped_table() if what == "table" else commit(target, "x.TIF", LARGE, stop=stop.is_set)

    s3.fail = hang
    thread = threading.Thread(target=run)
    thread.start()
    stop.wait(60.0)
    claim.release()
    assert CLAIM in held(s3, url), "the next run looks"
    goes_on.set()
    thread.join()
    s3.fail = works
    with claimed(make(tmp_path, url, s3)):
        pass
    assert not {*uploads(s3, url)} - {"scenes.geojson"}
    assert CLAIM not in held(s3, url)


def test_a_stop_that_was_clean_leaves_nothing_to_look_for(tmp_path, url, s3):
    target, asked = make(tmp_path, url, s3), []
    claim = target.prepare()

    def stop():
        asked.append(True)
        return len(asked) > 12

    with pytest.raises(Stopped):
        commit(target, "x.TIF", LARGE, stop=stop)
    assert any(_sends(*one) for one in s3.requests)
    claim.release()
    assert not [path for method, path in s3.requests if method == "GET" and "uploads" in path]
    assert held(s3, url).keys() | uploads(s3, url) == set()


def test_what_was_cut_off_is_noted_and_what_is_under_way():
    cut_off = CutOff()
    with cut_off.watched("a"):
        assert cut_off.keys() == {"a"}
        cut_off.forget(["a"])
        assert cut_off.keys() == {"a"}, "its thread may never end"
    assert cut_off.keys() == set()
    with suppress(StoreFailed), cut_off.watched("a"):
        raise StoreFailed("down")
    with cut_off.watched("a"):
        pass
    assert cut_off.keys() == {"a"}
    cut_off.forget(["a"])
    assert cut_off.keys() == set()


@pytest.fixture
def sleeper(tmp_path, url, s3, monkeypatch):
    """A machine that has slept for so long that another one may take the prefix over."""
    target = make(tmp_path, url, s3, folder="a")
    target.its_claim = target.prepare()
    monkeypatch.setattr(claim_module, "EXPIRES_S", -1.0)
    yield target
    target.its_claim.release()


@pytest.mark.faults("X162")
def test_X162_bytes_of_another_machine_never_get_our_key(sleeper, tmp_path, url, s3):
    other, copy = make(tmp_path, url, s3, folder="b"), sleeper._client.copy_new

    def sleep(source, key):  # between upload and copy
        other.prepare()
        other._client.copy_new = lambda source, key: None
        with suppress(StoreFailed):
            commit(other, "y.TIF", LARGE[::-1])
        copy(source, key)

    sleeper._client.copy_new = sleep
    with pytest.raises(StoreFailed, match="has removed"):
        commit(sleeper, "x.TIF", LARGE)
    assert "x.TIF" not in held(s3, url), "it held what the other machine had brought up for y.TIF"
    other._claim.release()


@pytest.mark.faults("X163")
def test_X163_who_has_slept_gives_back_and_removes_nothing_of_another_run(sleeper, tmp_path, url, s3):
    assert isinstance(commit(sleeper, "x.TIF", LARGE), Committed)
    other = make(tmp_path, url, s3, folder="b")
    claim = other.prepare()
    begun = url.key(".landsat_async/parts/begun")
    s3.client.create_multipart_upload(Bucket="lake", Key=begun)
    sleeper._client.cut_off.add(url.key("x.TIF"))
    sleeper.its_claim.release()
    assert CLAIM in held(s3, url)
    assert uploads(s3, url) == {".landsat_async/parts/begun"}
    claim.release()
