from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from landsat_async.config_store import StoreConfig
from landsat_async.disk.target import StoreFailed
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store import client as module
from landsat_async.store.client import StoreClient
from tests.support.moto_server import SECRET


def test_an_object_is_put_once_and_read_back(client):
    client.put_new("a/x.TIF", b"first")
    with pytest.raises(FileExistsError):
        client.put_new("a/x.TIF", b"second")
    assert client.read("a/x.TIF", 3, 1) == b"irs"
    found = client.head("a/x.TIF")
    assert (found.key, found.size_bytes) == ("a/x.TIF", 5)
    assert abs(found.changed_s - time.time()) < 120
    client.delete(["a/x.TIF", "a/none"])
    assert client.head("a/x.TIF") is None


def test_another_content_has_another_mark(client):
    client.put("m", b"one")
    one = client.head("m")
    client.put("m", b"two")
    assert client.head("m").mark != one.mark
    with pytest.raises(FileExistsError):
        client.put("m", b"three", instead_of=one)


def test_large_objects_go_up_in_parts_and_are_named_by_a_copy(client):
    body = bytes(range(256)) * 4096 * 11  # 11 MiB
    client.upload("tmp", lambda size, at: body[at : at + size], len(body), lambda: False)
    client.copy_new("tmp", "final")
    assert client.head("final").size_bytes == len(body)
    assert client.read("final", 100, 10 * 2**20) == body[10 * 2**20 :][:100]
    with pytest.raises(FileExistsError):
        client.copy_new("tmp", "final")


@pytest.mark.faults("V02")
def test_V02_an_upload_that_is_stopped_leaves_no_object(client):
    asked = iter([False] * 7 + [True] * 100)
    with pytest.raises(InterruptedError):
        client.upload("tmp", lambda size, at: bytes(size), 20 * 2**20, lambda: next(asked))
    assert client.head("tmp") is None


def test_a_list_has_all_objects_of_a_prefix_and_no_others(client):
    for key in ("p/1", "p/q/2", "px/3"):
        client.put(key, b"x")
    assert [one.key for one in client.list("p")] == ["p/1", "p/q/2"]


def test_a_store_that_keeps_its_word_is_recognised(client, s3):
    client.probe("probe")
    assert client.is_conditional
    assert client.head("probe") is None, "nothing is left behind"


@pytest.mark.faults("V03")
def test_V03_a_store_that_replaces_although_it_is_asked_not_to_is_asked_first(client, s3):
    s3.promises = False
    client.probe("probe")
    assert not client.is_conditional
    client.put("mine", b"of a stranger")
    with pytest.raises(FileExistsError):
        client.put_new("mine", b"ours")
    client.put("tmp", b"ours")
    with pytest.raises(FileExistsError):
        client.copy_new("tmp", "mine")
    assert client.read("mine", 99, 0) == b"of a stranger"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "_RETRY_S", 0)


@pytest.mark.faults("V04")
@pytest.mark.parametrize(
    ("status", "refused", "word"),
    [(403, True, "does not allow"), (500, False, "status 500"), (503, False, "status 503")],
)
def test_V04_what_a_store_answers_is_told_in_words_of_ours(quick, s3, url, status, refused, word):
    client = StoreClient(url, StoreConfig(endpoint=s3.endpoint))
    s3.fail = lambda method, path: status
    with pytest.raises(StoreFailed) as failed:
        client.put_new("k/x.TIF", b"1")
    assert failed.value.refused is refused
    assert word in failed.value.strerror
    assert "k/x.TIF" in failed.value.strerror
    assert s3.endpoint not in str(failed.value)
    assert SECRET not in repr(failed.value)


def test_a_store_that_cannot_be_reached(quick, s3, url):
    client = StoreClient(url, StoreConfig(endpoint="http://127.0.0.1:1"))
    with pytest.raises(StoreFailed, match="cannot be reached"):
        client.head("x")


def test_a_bucket_that_does_not_exist(s3):
    client = StoreClient(StoreUrl("s3", "nobodys", ""), StoreConfig(endpoint=s3.endpoint))
    with pytest.raises(FileNotFoundError):
        client.put_new("x", b"1")


def test_nothing_of_obstore_is_imported_without_a_store():
    import subprocess
    import sys

    code = "import sys, landsat_async.run.opening, landsat_async.show.commands; print('obstore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.faults("V43")
def test_V43_an_etag_is_the_same_with_and_without_its_quotes():
    facts = {"path": "x", "size": 1, "last_modified": datetime(2026, 11, 28, tzinfo=UTC), "version": None}
    listed, looked_at = (module._stored(facts | {"e_tag": etag}) for etag in ("0x8D", '"0x8D"'))
    assert listed.mark == looked_at.mark, "a second run into Azure read every object again"
