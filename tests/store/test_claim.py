from __future__ import annotations

import threading

import pytest

from landsat_async.errors import FolderBusy
from landsat_async.store import claim as module
from landsat_async.store.claim import PrefixClaim


def wait_until(condition):
    pause = threading.Event()
    assert any(condition() or pause.wait(0.01) for _ in range(2000))


def test_one_at_a_time_and_free_again_afterwards(client, url):
    key = url.key("claim")
    first = PrefixClaim(client, key, "a")
    with pytest.raises(FolderBusy, match="last sign of life"):
        PrefixClaim(client, key, "b")
    first.release()
    first.release()
    second = PrefixClaim(client, key, "b")
    second.release()
    assert client.head(key) is None
    assert "store-claim" not in {thread.name for thread in threading.enumerate()}


def test_what_a_killed_run_of_this_folder_has_left_is_ours(client, url):
    key = url.key("claim")
    client.put(key, b'{"owner": "a", "host": "here", "pid": 1}')
    PrefixClaim(client, key, "a").release()


@pytest.mark.parametrize("left", [b"", b"no json", b"[1]", b'{"owner": "b"}', b'{"owner":"b","host":"\\n","pid":[]}'])
def test_a_claim_that_has_expired_is_taken_over(client, url, monkeypatch, left):
    key = url.key("claim")
    client.put(key, left)
    with pytest.raises(FolderBusy):
        PrefixClaim(client, key, "a")
    monkeypatch.setattr(module, "EXPIRES_S", -100.0)
    PrefixClaim(client, key, "a").release()


def test_a_claim_is_renewed(client, url):
    key = url.key("claim")
    mine = PrefixClaim(client, key, "a", beat_s=0.02)
    before = client.head(key)
    wait_until(lambda: client.head(key).changed_s > before.changed_s)
    assert not mine.lost
    mine.release()


@pytest.mark.faults("V05")
def test_V05_who_was_believed_dead_notices_and_takes_nothing_away(client, url):
    key = url.key("claim")
    mine = PrefixClaim(client, key, "a", beat_s=0.02)
    client.put(key, b'{"owner": "b"}')
    wait_until(lambda: mine.lost)
    mine.release()
    assert client.read(key, 99, 0) == b'{"owner": "b"}'


@pytest.mark.faults("X163")
def test_X163_a_claim_that_somebody_has_removed_is_made_anew(client, url):
    key = url.key("claim")
    mine = PrefixClaim(client, key, "a", beat_s=0.02)
    client.delete([key])
    wait_until(lambda: client.head(key) is not None or mine.lost)
    assert not mine.lost
    mine.release()
    assert client.head(key) is None
