"""A scene is settled only while every row of it stands as it was written."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from landsat_async.disk.ledger import FinishedFile, Ledger
from landsat_async.model import Route, WantedFile

RUN, CHOICE = "run", "choice"
NAMES = ["a_B1.TIF", "a_B2.TIF"]


async def settled(ledger, **times):
    found = await ledger.scenes.cached(["a", "b"], CHOICE, **({"since": 0.0, "until": 100.0} | times))
    return {scene: sorted(one.file.name for one in files) for scene, files in found.items()}


async def write(ledger, done=NAMES):
    files = [WantedFile(name, "entity", "a", "file", (Route("e", "p", "s"),), 5, "folder") for name in NAMES]
    await ledger.begin_run(RUN, 1.0)
    await ledger.select(files, RUN, 50.0, complete={"a"}, choice=CHOICE)
    for item in await ledger.items(RUN, ["planned"]):
        if item.name in done:
            file = FinishedFile(item.item_id, item.relpath, 5, "0" * 64, "structure", 7)
            await ledger.files.finish([(file, False)], 2.0)
    return files


async def test_a_scene_with_all_its_files_done_is_settled_for_a_time(tmp_path):
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3")
    files = await write(ledger)
    assert await settled(ledger) == {"a": NAMES}
    found = await ledger.scenes.cached(["a"], CHOICE, since=0.0, until=100.0)
    assert [(one.file, one.size_bytes, one.mtime_ns) for one in found["a"]] == [(file, 5, 7) for file in files]
    assert await settled(ledger, since=51.0) == await settled(ledger, until=49.0) == {}
    assert await ledger.scenes.cached(["a"], "other", since=0.0, until=100.0) == {}
    await ledger.aclose()


async def test_a_scene_with_a_file_to_come_is_not_settled(tmp_path):
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3")
    await write(ledger, done=NAMES[:1])
    assert await settled(ledger) == {}
    await ledger.aclose()


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM settled WHERE item_id=1",
        "UPDATE settled SET display_id='b' WHERE item_id=1",
        "UPDATE settled SET choice='x' WHERE item_id=1",
        "UPDATE settled SET item_id=9 WHERE item_id=1",
        "UPDATE settled SET files=3 WHERE item_id=2",
        "UPDATE item SET scene_display_id='b' WHERE item_id=1",
        "DELETE FROM settled; INSERT INTO settled VALUES('b', 1, 'choice', 1, 50.0)",
    ],
)
async def test_a_row_that_is_lost_or_wrong_unsettles_its_scene(tmp_path, harm):
    path = tmp_path / "ledger.sqlite3"
    ledger = await Ledger.open(path)
    await write(ledger)
    await ledger.aclose()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(harm)
    ledger = await Ledger.open(path)
    assert await settled(ledger) == {}
    await ledger.aclose()
