"""While a window is cut, the next one is asked for; no more connections than workers, and a stop is clean."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from landsat_async.events import Started
from landsat_async.run.link_stream import ClaimsAhead
from landsat_async.run.recorder import Recorder
from landsat_async.run.worker import WorkerPool
from landsat_async.sim.file_hosts import FileHost
from landsat_async.transfer import window_commit
from tests.whole.test_windows import SEARCH, archive, rasters
from tests.whole.world import open_world

SELECT = {"bands": ["SR_B3", "SR_B4", "QA_PIXEL"], "window": "pixels"}
LONGEST_S = 60.0
"""Only a run that does not do what it should waits so long."""


class Watched:
    """What the file host is asked for while the first window is cut."""

    def __init__(self, monkeypatch) -> None:
        self.open = self.most_open = 0
        self.asked: list[str] = []
        self.another, self.is_cutting = threading.Event(), threading.Event()
        self.go_on = self.another
        """The first window is cut to its end once this is set."""
        self.waited: list[bool] = []
        serve, cut = FileHost._limited, window_commit.cut_window

        async def limited(host, request, wire, entry, *given):
            self.open += 1
            self.most_open = max(self.open, self.most_open)
            self.asked.append(entry.what)
            if len({*self.asked}) > 1:
                self.another.set()
            try:
                return await serve(host, request, wire, entry, *given)
            finally:
                self.open -= 1

        def cut_window(transfer, whole):
            if not self.is_cutting.is_set():
                self.is_cutting.set()
                self.waited.append(self.go_on.wait(LONGEST_S))
            return cut(transfer, whole)

        monkeypatch.setattr(FileHost, "_limited", limited)
        monkeypatch.setattr(window_commit, "cut_window", cut_window)


@pytest.fixture
def watched(monkeypatch) -> Iterator[Watched]:
    return Watched(monkeypatch)


@pytest.mark.faults("X97")
async def test_X97_the_next_window_is_asked_for_while_one_is_cut_over_the_one_connection(tmp_path, watched):
    async with open_world(tmp_path, archive()) as world:
        world.workers_at_most = 1
        wanted = world.config(search=SEARCH, select=SELECT, download={"workers": 1})
        result = await world.run(wanted)
    assert result.summary.exit_code == 0
    assert len(rasters(result.verified)) >= 3
    assert watched.waited == [True], "it was cut, and nothing was asked for meanwhile"
    assert watched.most_open == 1


@pytest.mark.faults("X98")
async def test_X98_the_next_file_is_claimed_with_the_record_of_a_window_too(tmp_path, monkeypatch):
    put, take, wait_for_next = Recorder.put, ClaimsAhead.take, WorkerPool._next
    just_put, taken = [], []

    async def noted_put(recorder, file):
        await put(recorder, file)
        just_put.append(file)

    def noted_take(claims, stream):
        ahead = take(claims, stream)
        if just_put:
            taken.append((just_put.pop().done.window is not None, ahead is not None))
        return ahead

    async def without_taking_ahead(workers, stream):
        just_put.clear()
        return await wait_for_next(workers, stream)

    monkeypatch.setattr(Recorder, "put", noted_put)
    monkeypatch.setattr(ClaimsAhead, "take", noted_take)
    monkeypatch.setattr(WorkerPool, "_next", without_taking_ahead)
    async with open_world(tmp_path, archive()) as world:
        bands = {"bands": [f"SR_B{number}" for number in range(1, 8)]}
        wanted = world.config(search=SEARCH, select=SELECT | bands, download={"workers": 1})
        assert (await world.run(wanted)).summary.exit_code == 0
    assert (True, True) in taken


@pytest.mark.faults("X97")
async def test_X97_a_stop_with_one_window_on_its_way_and_one_that_is_cut_is_gone_on_from(tmp_path, watched):
    watched.go_on = threading.Event()

    def stop(run, event):
        if isinstance(event, Started) and watched.is_cutting.is_set():
            run.stop()
            watched.go_on.set()

    async with open_world(tmp_path, archive()) as world:
        wanted = world.config(search=SEARCH, select=SELECT, download={"workers": 1})
        assert (await world.run(wanted, watch=stop)).summary.exit_code == 7
        result = await world.run(wanted)
        assert result.summary.exit_code == 0
        assert len(rasters([*result.verified, *result.skipped])) >= 3
    assert watched.waited == [True]
