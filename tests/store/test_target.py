from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
from contextlib import contextmanager

import pytest

from landsat_async.config_store import StoreConfig
from landsat_async.disk.fs import NEW
from landsat_async.disk.target import NO_LIMIT_BYTES, Committed, InTheWay, Look, Place, Recorded, StoreFailed
from landsat_async.errors import FolderBusy, FolderUnwritable, ServiceDown
from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved, Stopped
from landsat_async.store import client as client_module
from landsat_async.store.client import SINGLE_PUT_BYTES
from landsat_async.store.target import StoreTarget

LARGE = os.urandom(2**20) * 17
assert len(LARGE) > SINGLE_PUT_BYTES


class Part:
    """A complete part, as a transfer hands it over."""

    def __init__(self, target, name, data):
        self.fs = target.fs
        self.path, self.length, self.sha256 = f"{target.parts_dir}/{name}", len(data), hashlib.sha256(data).hexdigest()
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.fd = self.fs.open(self.path, NEW)
        self.fs.pwrite_all(self.fd, memoryview(data), 0)

    def shut(self):
        self.fs.close(self.fd)


def make(tmp_path, url, s3, *, folder="a", strict=False):
    config = StoreConfig(endpoint=s3.endpoint, part_size=5 * 2**20, strict=strict)
    return StoreTarget(url, config, spool=tmp_path / folder / "spool", state_dir=tmp_path / folder / "state")


@contextmanager
def claimed(target):
    claim = target.prepare()
    try:
        yield target
    finally:
        claim.release()


@pytest.fixture
def target(tmp_path, url, s3):
    with claimed(make(tmp_path, url, s3)) as target:
        yield target


def commit(target, relpath, data=b"data", *, name="1.0.part", prove=None, overwrite=False, needed=Proof.LENGTH, **more):
    part = Part(target, name, data)
    proof = prove or (lambda: Proved(Proof.STRUCTURE))
    return target.commit(part, relpath, prove=proof, needed=needed, overwrite=overwrite, **more)


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_a_proven_part_gets_its_key_and_is_known_again(target, s3, url, data):
    result = commit(target, "LC08/x_B3.TIF", data)
    assert isinstance(result, Committed)
    body = s3.client.get_object(Bucket="lake", Key=url.key("LC08/x_B3.TIF"))["Body"].read()
    assert body == data
    assert target.look([Recorded("LC08/x_B3.TIF", len(data), result.mtime_ns)]) == [Look.SAME]
    assert target.look([Recorded("LC08/x_B3.TIF", len(data), result.mtime_ns + 1)]) == [Look.CHANGED]
    assert target.look([Recorded("LC08/y_B3.TIF", len(data), 1)]) == [Look.GONE]
    target.discard(["1.0.part"])
    assert target.parts() == []
    keys = {one["Key"] for one in s3.client.list_objects_v2(Bucket="lake")["Contents"]}
    assert keys == {url.key("LC08/x_B3.TIF"), url.key(".landsat_async/claim.json")}


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_what_is_not_proven_never_goes_up(target, s3, data):
    before = len(s3.requests)
    assert commit(target, "x.TIF", data, prove=lambda: Damaged("cut")) == Damaged("cut")
    assert commit(target, "x.TIF", data, needed=Proof.CONTENT) == Proved(Proof.STRUCTURE)
    assert len(s3.requests) == before


@pytest.mark.faults("V06")
@pytest.mark.parametrize("promises", [True, False], ids=["conditions", "no conditions"])
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_V06_an_object_of_somebody_else_is_never_replaced(tmp_path, url, s3, data, promises):
    s3.promises = promises
    target = make(tmp_path, url, s3)
    key = url.key("x.TIF")
    s3.client.put_object(Bucket="lake", Key=key, Body=b"of a stranger")
    with claimed(target):
        assert commit(target, "x.TIF", data) == InTheWay()
        assert s3.client.get_object(Bucket="lake", Key=key)["Body"].read() == b"of a stranger"
        assert isinstance(commit(target, "x.TIF", data, overwrite=True), Committed)
        assert s3.client.get_object(Bucket="lake", Key=key)["Body"].read() == data


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_what_an_earlier_run_has_named_and_could_not_record_is_ours(target, data):
    commit(target, "x.TIF", data)
    assert isinstance(commit(target, "x.TIF", data), Committed)
    assert target.places([("x.TIF", "1.0.part"), ("x.TIF", "7.0.part"), ("y.TIF", "1.0.part"), ("x.TIF", "")]) == [
        Place.OURS, Place.TAKEN, Place.FREE, Place.TAKEN,
    ]  # fmt: skip


def test_many_files_are_looked_at_with_one_list(target, s3):
    committed = {f"f{number}.TIF": commit(target, f"f{number}.TIF", b"%d" % number) for number in range(20)}
    target._objects._snapshot = None
    s3.requests.clear()
    recorded = [Recorded(name, len(name) - 5, result.mtime_ns) for name, result in committed.items()]
    assert target.look(recorded) == [Look.SAME] * 20
    assert [method for method, _ in s3.requests] == ["GET"]
    commit(target, "new.TIF")
    assert target.places([("new.TIF", "")]) == [Place.TAKEN], "what this run adds is known"


def test_files_are_read_back_and_changed_ones_put_aside(target, s3, url):
    commit(target, "d/x.TIF", b"0123456789")
    with target.read("d/x.TIF") as file:
        assert (file.size_bytes, file.read(4, 3)) == (10, b"3456")
    kept = target.put_aside("d/x.TIF")
    assert s3.client.get_object(Bucket="lake", Key=url.key(kept))["Body"].read() == b"0123456789"
    with pytest.raises(FileNotFoundError), target.read("d/x.TIF"):
        pass


def test_versions_are_moved_away_over_nothing(target, s3):
    commit(target, "x.TIF", b"old")
    target.move("x.TIF", "superseded/x.TIF")
    assert target.places([("x.TIF", ""), ("superseded/x.TIF", "")]) == [Place.FREE, Place.TAKEN]
    commit(target, "x.TIF", b"old", name="2.0.part")
    assert target.is_same_file("x.TIF", "superseded/x.TIF"), "as after a move that was killed half-way"
    target.move("x.TIF", "superseded/x.TIF")
    commit(target, "x.TIF", b"new", name="3.0.part")
    with pytest.raises(FileExistsError):
        target.move("x.TIF", "superseded/x.TIF")
    target.remove("x.TIF")
    target.remove("x.TIF")
    assert not target.is_same_file("x.TIF", "superseded/x.TIF")
    with pytest.raises(FileNotFoundError):
        target.move("x.TIF", "y.TIF")


@pytest.mark.parametrize("relpath", ["../x", "/x", "a/../../x", "a//b", "."])
def test_nothing_leads_out_of_the_prefix(target, relpath):
    with pytest.raises(OSError, match="leads out"):
        commit(target, relpath)


def test_an_upload_can_be_stopped(target, s3, url):
    asked = iter([False] * 3 + [True] * 99)
    with pytest.raises(Stopped):
        commit(target, "x.TIF", LARGE, stop=lambda: next(asked))
    assert s3.client.list_objects_v2(Bucket="lake", Prefix=url.key("x.TIF"))["KeyCount"] == 0


@pytest.mark.faults("V07")
def test_V07_a_store_that_has_kept_less_than_it_got_is_not_believed(target, monkeypatch):
    true = target._client.head

    def shorter(key):
        found = true(key)
        return found and dataclasses.replace(found, size_bytes=found.size_bytes - 1)

    monkeypatch.setattr(target._client, "head", shorter)
    with pytest.raises(StoreFailed, match="the store holds 3 bytes of 4 bytes"):
        commit(target, "x.TIF")


@pytest.mark.faults("V42")
def test_V42_who_has_lost_the_prefix_names_nothing_more(target):
    target._claim.lost = True
    with pytest.raises(FolderBusy, match="Another run has taken the prefix over"):  # each file was tried eight times
        commit(target, "x.TIF")
    target._claim.lost = False


# -- before a run ------------------------------------------------------------------------------------------------------


def test_two_machines_on_one_prefix(tmp_path, url, s3):
    with claimed(make(tmp_path, url, s3)), pytest.raises(FolderBusy):
        make(tmp_path, url, s3, folder="b").prepare()
    with claimed(make(tmp_path, url, s3, folder="b")):
        pass


def test_a_store_that_promises_too_little_is_told_or_refused(tmp_path, url, s3):
    s3.promises = False
    with pytest.raises(FolderUnwritable, match="may replace what is there"):
        make(tmp_path, url, s3, strict=True).prepare()
    claim = make(tmp_path, url, s3).prepare()
    assert any("may replace" in warning for warning in claim.warnings)
    claim.release()


@pytest.mark.faults("V08")
@pytest.mark.parametrize(
    ("status", "error", "code"), [(403, FolderUnwritable, 2), (404, FolderUnwritable, 2), (503, ServiceDown, 6)]
)
def test_V08_a_store_that_cannot_be_used_is_told_before_anything_is_asked_of_usgs(
    tmp_path, url, s3, monkeypatch, status, error, code
):
    monkeypatch.setattr(client_module, "_RETRY_S", 0)
    s3.fail = lambda method, path: status if method == "PUT" else None
    target = make(tmp_path, url, s3)
    with pytest.raises(error) as refused:
        target.prepare()
    assert refused.value.exit_code == code
    assert url.bucket in str(refused.value)
    s3.fail = lambda method, path: None
    with claimed(target):
        pass  # the local folder is free again


@pytest.mark.faults("X81")
def test_a_lock_that_cannot_be_made_is_told_of_the_folder_that_it_is_in(tmp_path, url, s3, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr("landsat_async.disk.folder.FolderLock", refuse)
    target = make(tmp_path, url, s3)
    with pytest.raises(FolderUnwritable) as told:
        target.prepare()
    assert str(target.folder.state) in str(told.value)
    assert "[download] state_dir " in told.value.hint


def test_a_glance_before_a_run_changes_nothing(tmp_path, url, s3, monkeypatch):
    monkeypatch.setattr(client_module, "_RETRY_S", 0)
    target = make(tmp_path, url, s3)
    assert target.foresee() is None
    s3.fail = lambda method, path: 403
    assert isinstance(make(tmp_path, url, s3).foresee(), FolderUnwritable)
    assert {method for method, _ in s3.requests} == {"HEAD", "GET"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "key"), [("spool", "spool"), ("state", "state_dir")])
def test_a_spool_or_state_that_cannot_be_made_is_named_with_its_key(tmp_path, url, s3, name, key):
    target = make(tmp_path, url, s3)
    place = target.folder.parts if name == "spool" else target.folder.state
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("no folder")
    with pytest.raises(FolderUnwritable) as told:
        target.prepare()
    assert str(place) in str(told.value)
    assert "a file stands in its place" in str(told.value)
    assert f"[download] {key} " in told.value.hint
    assert s3.requests == []


def test_no_limit_is_known(target):
    assert target.free_bytes() == NO_LIMIT_BYTES
