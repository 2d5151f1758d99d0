"""What lies in a folder besides the selection, asked of ledgers of any size."""

from __future__ import annotations

import pytest

from landsat_async.disk import ledger_leftovers
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.ledger_leftovers import leftovers_of_plan
from landsat_async.model import Route, WantedFile

OLD, NEW = "LC08_L1TP_{:03d}{:03d}_20240705_20240705_02_RT", "LC08_L1TP_{:03d}{:03d}_20240705_20240712_02_T1"
ROW = (
    "INSERT INTO item(relpath, name, kind, scene_entity_id, scene_display_id, entity_id, product_id, system, routes,"
    " state, run_id, updated) VALUES(?,?,'file',?,?,'e','p','s','[]','done',?,1.0)"
)


def rows(pattern, count, run, folder=""):
    for number in range(count):
        scene = pattern.format(1 + number // 200, 1 + number % 200)
        yield f"{folder}{scene}_B1.TIF", f"{scene}_B1.TIF", f"E{number}", scene, run


@pytest.mark.faults("M36")
async def test_M36_the_work_grows_with_the_number_of_files_and_not_with_its_square(tmp_path):
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3")
    steps = []

    async def look(count):
        steps.append(0)

        def count_steps():
            steps[-1] += 1

        await ledger.writer.call(
            lambda c: c.execute("DELETE FROM item").connection.executemany(ROW, rows(OLD, count, "r1"))
        )
        await ledger.writer.call(lambda c: c.executemany(ROW, rows(NEW, count, "r2")) and None)
        await ledger.writer.call(lambda c: c.set_progress_handler(count_steps, 1000))
        assert (await ledger.files.leftovers("r2", tmp_path)).older == []
        await ledger.writer.call(lambda c: c.set_progress_handler(None, 0))

    await look(1000)
    await look(8000)
    await ledger.aclose()
    assert steps[1] < 12 * steps[0]


@pytest.mark.faults("M36")
async def test_M36_beyond_a_bound_more_than_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_leftovers, "ROWS_MAX", 2)
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3")
    for pattern, run, folder in ((OLD, "r1", ""), (NEW, "r1", "a/"), (NEW, "r2", "")):
        for relpath, *more in rows(pattern, 5, run, folder):
            (tmp_path / relpath).parent.mkdir(exist_ok=True)
            (tmp_path / relpath).touch()
            await ledger.writer.call(lambda c, row=(relpath, *more): c.execute(ROW, row) and None)
    for _ in range(2):
        found = await ledger.files.leftovers("r2", tmp_path)
        assert (len(found.older), len(found.elsewhere), found.cut) == (2, 2, True)
        assert [text.startswith("more than 2 files") for text in found.told()] == [True, True]
    files = [WantedFile(name, e, d, "file", (Route("e", "p", "s"),)) for _, name, e, d, _ in rows(NEW, 5, "")]
    planned = await ledger.writer.call(lambda c: leftovers_of_plan(c, files, tmp_path))
    assert (planned.older, planned.elsewhere) == (found.older, found.elsewhere)
    await ledger.aclose()
