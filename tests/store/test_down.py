"""A store that is down, silent, or refuses while a run goes on: told, waited out, and ended with the right code."""

from __future__ import annotations

import threading
import traceback

import pytest

from landsat_async import Config, Credentials, download, open_run
from landsat_async.disk.target import StoreFailed
from landsat_async.errors import FolderUnwritable, ServiceDown
from landsat_async.events import Retrying, Verified
from landsat_async.run import waits
from landsat_async.sim.server import open_simulator
from landsat_async.store import answers
from landsat_async.store import client as client_module
from landsat_async.store import patience as patience_module
from landsat_async.store.answers import failure
from tests.store.test_runs import tables
from tests.store.test_target import claimed, commit, make
from tests.support.moto_server import KEY, SECRET


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(client_module, "_RETRY_S", 0)
    monkeypatch.setattr(patience_module, "PAUSES_S", (0.05,))
    monkeypatch.setattr(waits, "TICK_S", 0.02)
    monkeypatch.setattr(waits, "QUIET_S", 0.05)


def configured(sim, s3, url, tmp_path, *, patience_s, **download_table):
    values = tables(sim, s3, url, **download_table)
    values["service"]["patience_s"] = patience_s
    return Config.from_dict(values, base_dir=tmp_path), Credentials(sim.username, sim.token)


@pytest.mark.faults("V35")
async def test_V35_a_store_that_is_silent_before_a_run_is_told(s3, url, tmp_path):
    heard = threading.Event()
    s3.fail = lambda method, path: None if heard.wait(60.0) else 500
    told = []

    def on_wait(wait):
        told.append(wait)
        heard.set()

    async with open_simulator() as sim:
        config, credentials = configured(sim, s3, url, tmp_path, patience_s=60)
        async with open_run(config, credentials=credentials, on_wait=on_wait) as run:
            summary = await run.wait()
    assert summary.exit_code == 0
    assert "the store has not answered yet; it was asked to write a trial object" in told[0].reason
    assert told[0].wait_s > 0


@pytest.mark.faults("V36")
async def test_V36_a_store_that_goes_down_in_a_run_is_told_and_waited_for(s3, url, tmp_path):
    down = []

    def fail(method, path):
        if method == "PUT" and path.endswith("SR_B3.TIF") and not down:
            down.append(True)
        return 503 if down == [True] else None

    async with open_simulator() as sim:
        config, credentials = configured(sim, s3, url, tmp_path, patience_s=600)
        s3.fail = fail
        async with open_run(config, credentials=credentials) as run:
            told = []
            async for event in run.events():
                if isinstance(event, Retrying) and "status 503" in event.reason:
                    told.append(event)
                    down.append(False)
            summary = run.summary
    assert summary.exit_code == 0
    assert told
    assert summary.files_failed == 0


@pytest.mark.faults("V37")
@pytest.mark.parametrize(("status", "kind"), [(503, ServiceDown), (403, FolderUnwritable)])
async def test_V37_what_no_file_can_get_by_ends_the_run_and_keeps_what_is_complete(s3, url, tmp_path, status, kind):
    down = []

    def fail(method, path):
        if method == "PUT" and path.endswith("SR_B3.TIF"):
            down.append(True)
        return status if down else None

    async with open_simulator() as sim:
        config, credentials = configured(sim, s3, url, tmp_path, patience_s=0, workers=1)
        s3.fail = fail
        with pytest.raises(kind):  # each file was tried eight times, and all of them told as failed
            await download(config, credentials=credentials)
        s3.fail = lambda method, path: None
        async with open_run(config, credentials=credentials) as run:
            events = [event async for event in run.events()]
    assert run.summary.exit_code == 0
    assert any(isinstance(event, Verified) for event in events)


@pytest.mark.faults("V38")
def test_V38_a_conflict_where_nothing_is_shown_is_tried_again(tmp_path, url, s3):
    with claimed(make(tmp_path, url, s3)) as target:
        s3.fail = lambda method, path: 409 if method == "PUT" and path.endswith("x.TIF") else None
        with pytest.raises(StoreFailed, match="shows nothing there"):  # it was "something is in the way"
            commit(target, "x.TIF")


@pytest.mark.faults("V39")
@pytest.mark.parametrize("code", [code for code, (meaning, _) in answers._KNOWN.items() if meaning])
def test_V39_a_store_that_says_why_it_refuses_is_understood(code):
    text = (
        f"Server returned non-2xx status code: 400 Bad Request: <Error><Code>{code}</Code><Message>{SECRET}</Message>"
    )
    failed = failure("write x", RuntimeError(f"{text} http://127.0.0.1:9/?X-Amz-Signature={SECRET}"))
    assert isinstance(failed, StoreFailed)
    assert failed.refused
    assert failed.hint
    assert SECRET not in f"{failed!r} {failed.hint}"


@pytest.mark.faults("V40")
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 412, 429, 500, 501, 503])
def test_V40_no_error_of_any_request_holds_a_secret_or_an_address(status, client, s3, url, caplog):
    caplog.set_level("DEBUG")
    s3.fail = lambda method, path: status
    requests = {
        "head": lambda: client.head("x"),
        "put_new": lambda: client.put_new("x", b"1"),
        "put": lambda: client.put("x", bytes(5000)),
        "upload": lambda: client.upload("x", lambda size, at: bytes(size), 6 * 2**20, lambda: False),
        "copy_new": lambda: client.copy_new("x", "y"),
        "copy": lambda: client.copy("x", "y"),
        "read": lambda: client.read("x", 5, 0),
        "delete": lambda: client.delete(["x"]),
        "list": lambda: client.list("x"),
        "probe": lambda: client.probe("x"),
    }
    for name, request in requests.items():
        try:
            request()
        except OSError as error:
            told = "".join(traceback.format_exception(error)) + repr(error)
            for secret in (KEY, SECRET, s3.endpoint.rpartition("/")[2], "uploadId", "Signature"):
                assert secret not in told, name
        else:
            assert (name, status) == ("head", 404)
    assert SECRET not in caplog.text
