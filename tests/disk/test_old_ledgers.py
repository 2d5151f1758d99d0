"""Ledgers of older versions, as runs of those versions left them (tests/recorded/ledger_format_*.sql), are taken over.

Their nine files were left in every state: F0 planned, F1 requested, F2 preparing, F3 ready, F4 active with a part, F5
done, F6 failed, F7 failed while it was being prepared, F8 given up once and to be asked for again.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.ledger import FinishedFile, Ledger
from landsat_async.disk.ledger_reader import LedgerReader
from landsat_async.disk.ledger_schema import VERSION
from landsat_async.model import Route, WantedFile
from landsat_async.rules.lifecycle import State
from tests.support.ledger_steps import request_log
from tests.support.lifecycle_law import hold_to_table

RECORDED = sorted((Path(__file__).parents[1] / "recorded").glob("ledger_format_*.sql"))
DONE = FinishedFile(6, "2024/F5.TIF", 100, "ab" * 32, "structure", 5)


def wanted(number):
    routes = (Route(f"E{number}", "P0", "ls_s3"), Route(f"E{number}", "P1", "dds"))
    return WantedFile(f"F{number}.TIF", "SCENE", "DISPLAY", "file", routes, 100, "2024")


@pytest.fixture(params=RECORDED, ids=lambda path: path.stem)
def folder(request, tmp_path):
    folder = OutputFolder(tmp_path)
    folder.ledger.parent.mkdir()
    with closing(sqlite3.connect(folder.ledger)) as connection:
        connection.executescript(request.param.read_text())
    return folder


def test_there_is_a_ledger_of_each_version_that_is_taken_over():
    assert [path.stem for path in RECORDED] == [f"ledger_format_{n}" for n in range(2, VERSION)]


async def test_an_old_ledger_is_read_as_it_is_and_not_changed(folder):
    before = folder.ledger.read_bytes()
    reader = LedgerReader(folder)
    status = await reader.status("data")
    assert status.counts == {
        "planned": 2, "requested": 1, "preparing": 1, "ready": 1, "active": 1, "done": 1, "failed": 2,
    }  # fmt: skip
    assert {file.file: file.durable_bytes for file in status.files if file.durable_bytes} == {"2024/F4.TIF": 65536}
    assert await reader.finished() == [DONE]
    assert [file.name for file in await reader.done_among(["2024/F5.TIF", "2024/F0.TIF"])] == ["F5.TIF"]
    assert await reader.names_of(["x"]) == {}
    assert await reader.replaced() == frozenset()
    assert folder.ledger.read_bytes() == before


async def test_an_old_ledger_is_taken_over_with_all_that_it_knows(folder):
    ledger = await Ledger.open(folder.ledger)
    await ledger.begin_run("run2", 3000.0)
    seen = await ledger.writer.call(hold_to_table)
    items = {item.name[1]: item for item in await ledger.items("run1", list(State))}
    assert (items["2"].download_id, items["2"].absent_polls, items["2"].requested_at) == (72, 2, 1002.0)
    assert (items["4"].generation, items["4"].label) == (1, "la-run1-0")
    again = items["8"]
    assert (again.superseded_ids, again.request_attempts, again.link_renewals, again.next_try) == ((78,), 1, 1, 2000.0)
    assert await ledger.files.finished("run1") == [DONE]
    assert await ledger.files.unreported() == [(6, 75, 100)]
    assert await ledger.files.load_part(items["4"].item_id) == b"facts"
    assert await request_log(ledger, 0.0) == [(1002.0, 8)]
    assert await ledger.scenes.lists() == ["la-list"]

    await ledger.select([wanted(number) for number in items], "run2", 3000.0)
    assert await ledger.reattach("run2", 3000.0) == 5
    states = {item.name[1]: item.state for item in await ledger.items("run2", list(State))}
    looked_up = dict.fromkeys("12347", State.REQUESTED)
    assert states == looked_up | dict.fromkeys("068", State.PLANNED) | {"5": State.DONE}
    assert seen == {
        ("failed", "planned"): 1, ("failed", "requested"): 1, ("preparing", "requested"): 1,
        ("ready", "requested"): 1, ("active", "requested"): 1,
    }  # fmt: skip
    await ledger.aclose()
    assert list(folder.ledger.parent.glob("*.bad-*")) == []
    with closing(sqlite3.connect(folder.ledger)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
