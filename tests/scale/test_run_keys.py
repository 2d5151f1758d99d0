"""Keys of runs: a worker gets them closed for it alone, also one that comes late, or that was not heard at first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import anyio
import pytest

from landsat_async.scale import run_keys as module
from landsat_async.scale.run_keys import RunKeys, keys_of, take_key
from landsat_async.scale.seal import ProcessKey, RunKey, SealBroken
from tests.support.virtual_loop import VirtualLoop

pytest.importorskip("cryptography", reason="the extra dask is not installed")


class FakeWorker(SimpleNamespace):
    __hash__ = object.__hash__


def in_virtual_time(work):
    return anyio.run(work, backend_options={"loop_factory": VirtualLoop})


def works() -> bool:
    return True


@pytest.mark.faults("W50")
def test_a_key_is_opened_by_the_process_that_it_was_closed_for_and_shows_itself_to_no_other():
    key, process, other = RunKey.new(), ProcessKey(), ProcessKey()
    sealed = key.sealed_for(process.public, "run")
    assert key._raw not in sealed
    assert process.open(sealed, "run").open(key.seal(b"link", "1.part"), "1.part") == b"link"
    for opener, run, what in ((other, "run", sealed), (process, "other", sealed), (process, "run", sealed[:40])):
        with pytest.raises(SealBroken):
            opener.open(what, run)
    for public in (b"", b"\0" * 32, process.public[:31]):
        with pytest.raises(SealBroken):
            key.sealed_for(public, "run")


@pytest.mark.faults("W51")
def test_one_asks_for_all_that_wait_and_once_more_when_nobody_has_answered():
    key, worker, asked = RunKey.new(), FakeWorker(), []

    def ask(public: bytes) -> None:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            raise OSError("the connection is lost")
        loop = asyncio.get_running_loop()
        loop.call_later(
            0.5, take_key, "run", RunKey.new().sealed_for(ProcessKey().public, "run"), worker
        )  # for another
        loop.call_later(1.0, take_key, "run", key.sealed_for(public, "run"), worker)

    async def work():
        keys = keys_of(worker)
        found = await asyncio.gather(*(keys.key_of("run", ask, works) for _ in range(4)))
        found.append(await keys.key_of("run", ask, works))
        return [one._raw for one in found]

    assert in_virtual_time(work) == [key._raw] * 5
    assert [round(asked_s - asked[0], 1) for asked_s in asked] == [0.0, module.ASKS_EVERY_S]


@pytest.mark.faults("W51")
def test_who_gets_no_key_does_not_wait_for_ever_and_none_is_given_to_a_run_that_is_over():
    async def work():
        keys, begun_s, took_s = RunKeys(), asyncio.get_running_loop().time(), []
        leaves = iter([True, True, False])
        ends = [
            (lambda: None, works),
            (lambda: None, lambda: next(leaves)),
            (lambda: keys.end("run"), works),
            (lambda: keys.take("run", RunKey.new().sealed_for(keys._own.public, "run")), works),
        ]
        for then, still in ends:
            asyncio.get_running_loop().call_later(1.0, then)
            begun_s = asyncio.get_running_loop().time()
            assert await keys.key_of("run", lambda public: None, still) is None
            took_s.append(round(asyncio.get_running_loop().time() - begun_s, 1))
        return took_s

    assert in_virtual_time(work) == [module.ASKS_FOR_S, 0.2, 1.0, 0.0]


def test_keys_of_runs_that_nobody_speaks_of_any_more_are_dropped():
    keys = RunKeys()
    for number in range(2 * module.KEPT):
        keys.take(f"{number}", RunKey.new().sealed_for(keys._own.public, f"{number}"))
    assert len(keys._keys) == module.KEPT
