"""Figures in the ledger, and scenes that wait for theirs."""

from __future__ import annotations

import pytest

from landsat_async.disk.ledger import Ledger
from landsat_async.disk.ledger_measures import HELD
from landsat_async.disk.ledger_requests import AcceptedDownload
from landsat_async.model import MEASURE, Route, WantedFile
from landsat_async.rules.clouds import QA_FOLDER, CloudCount
from landsat_async.rules.lifecycle import State

RUN, NOW = "r1", 1_000.0
SCENE = "LC08_L2SP_004053_20240705_20240714_02_T1"
COUNT = CloudCount(100, 80, 20, 5, None)
FIGURE = ("area", "cloud,shadow", COUNT)


def wanted(suffix, scene=SCENE, kind="file", folder=""):
    return WantedFile(f"{scene}_{suffix}", "E", scene, kind, (Route(f"e_{suffix}", "p", "ls_s3"),), 1000, folder)


@pytest.fixture
async def ledger(tmp_path):
    opened = await Ledger.open(tmp_path / "ledger.sqlite3")
    await opened.begin_run(RUN, NOW)
    yield opened
    await opened.aclose()


async def held(ledger):
    """A scene of two files that wait, and its QA_PIXEL in the run."""
    await ledger.measures.hold([wanted("SR_B3.TIF"), wanted("SR_B4.TIF")], NOW)
    await ledger.select([wanted("QA_PIXEL.TIF", kind=MEASURE, folder=QA_FOLDER)], RUN, NOW)
    (item,) = await ledger.items(RUN, list(State))
    return item


async def conclude(ledger, item, keep, figure=FIGURE, **more):
    return await ledger.measures.conclude(item, RUN, NOW, figure=figure, keep=keep, **more)


async def test_what_waits_is_in_no_run_and_is_listed_as_left(ledger):
    await held(ledger)
    assert await ledger.count(RUN) == {State.PLANNED: 1}
    assert await ledger.files.nominal_left(RUN, lambda: 7) == (2000, 7)  # the figure itself is no file of the user


async def test_a_scene_that_passes_comes_into_the_run_and_its_figure_is_kept(ledger):
    item = await held(ledger)
    done = await conclude(ledger, item, True)
    assert (done.before, done.states, done.held, done.bytes_nominal) == (State.PLANNED, [State.PLANNED] * 2, 2, 2000)
    assert await ledger.count(RUN) == {State.PLANNED: 2}
    assert await ledger.measures.known("area", "cloud,shadow") == {SCENE: COUNT}
    assert await ledger.measures.known("area", "cloud") == {}
    assert await ledger.measures.known("other", "cloud,shadow") == {}


async def test_a_scene_that_is_left_out_leaves_nothing_in_the_run(ledger):
    done = await conclude(ledger, await held(ledger), False)
    assert done.states == []
    assert await ledger.count(RUN) == await ledger.count(HELD) == {}
    assert await ledger.measures.known("area", "cloud,shadow") == {SCENE: COUNT}


async def test_where_only_figures_are_wanted_the_files_go_on_waiting(ledger):
    await conclude(ledger, await held(ledger), None)
    assert await ledger.count(HELD) == {State.PLANNED: 2}
    await ledger.begin_run("r2", NOW)
    assert await ledger.count(HELD) == {}


async def test_it_is_concluded_once(ledger):
    item = await held(ledger)
    assert await conclude(ledger, item, True) is not None
    assert await conclude(ledger, item, False) is None
    assert await ledger.count(RUN) == {State.PLANNED: 2}


async def test_the_next_run_holds_nothing_back_that_it_does_not_measure(ledger):
    await held(ledger)
    await ledger.begin_run("r2", NOW)
    assert await ledger.count(HELD) == {}


async def test_without_a_figure_nothing_is_kept_but_the_files_come(ledger):
    await conclude(ledger, await held(ledger), True, figure=None)
    assert await ledger.measures.known("area", "cloud,shadow") == {}
    assert await ledger.count(RUN) == {State.PLANNED: 2}


async def test_what_was_in_flight_when_a_run_died_is_looked_up_when_its_scene_passes(ledger):
    await ledger.select([wanted("SR_B3.TIF")], "r0", NOW)
    (item,) = await ledger.items("r0", [State.PLANNED])
    await ledger.requests.intend("label", "r0", [item.item_id], NOW)
    done = await conclude(ledger, await held(ledger), True)
    assert sorted(done.states) == [State.PLANNED, State.REQUESTED]


async def test_the_service_is_told_of_what_was_received(ledger):
    item = await held(ledger)
    await ledger.requests.intend("label", RUN, [item.item_id], NOW)
    await ledger.requests.link([AcceptedDownload(77, "label", item.item_id)], NOW)
    await ledger.files.claim([item], NOW)
    done = await conclude(ledger, item, True, size_bytes=123)
    assert done.before is State.ACTIVE
    assert await ledger.files.unreported() == [(item.item_id, 77, 123)]
