import os
import sqlite3
import stat
from collections import Counter
from contextlib import closing

import anyio
import pytest
from msgspec.structs import replace

from landsat_async.disk.ledger import FinishedFile, Ledger, Move, SavedPart
from landsat_async.disk.ledger_files import FINISHED, Unrecorded, finished_file
from landsat_async.disk.ledger_requests import AcceptedDownload
from landsat_async.disk.ledger_scenes import FOOTPRINT_CHARS, replaced_scenes
from landsat_async.disk.ledger_schema import VERSION, LedgerNewer, reading
from landsat_async.errors import LedgerError
from landsat_async.model import Route, Scene, WantedFile
from landsat_async.rules.lifecycle import State, Step
from tests.support.ledger_steps import request_log, take_step

RUN = "run1"


def wanted(n, system="ls_s3"):
    return WantedFile(f"F{n}.TIF", "SCENE", "DISPLAY", "file", (Route(f"E{n}", "P", system),), 100)


@pytest.fixture
async def ledger(tmp_path):
    made = await Ledger.open(tmp_path / "ledger.sqlite3")
    await made.begin_run(RUN, 1.0)
    yield made
    await made.aclose()


async def put(ledger, count, run=RUN):
    await ledger.select([wanted(n) for n in range(count)], run, 1.0)
    return await ledger.items(run, list(State))


async def finish(ledger, item, report=False):
    file = FinishedFile(item.item_id, item.relpath, 5, "ab", "structure", 9)
    return await ledger.files.finish([(file, report)], 3.0)


async def test_a_step_is_a_compare_and_set(ledger):
    (item,) = await put(ledger, 1)
    assert await take_step(ledger, item.item_id, Step.ASK, 2.0, ", label='l'") is State.PLANNED
    assert await take_step(ledger, item.item_id, Step.ASK, 2.0) is None
    assert await take_step(ledger, item.item_id, Step.LINK, 2.0) is State.REQUESTED
    assert await take_step(ledger, item.item_id, Step.LINK, 2.0) is None
    assert (await ledger.item(item.item_id)).label == "l"


async def test_selecting_again_keeps_states_and_renews_failures(ledger):
    items = await put(ledger, 3)
    await ledger.requests.intend("l", RUN, [items[0].item_id], 2.0)
    await ledger.requests.fail(items[1], "no", "", 2.0)
    await ledger.select([wanted(0, "dds"), wanted(1, "dds"), wanted(2, "dds")], "run2", 3.0)
    again = await ledger.items("run2", list(State))
    assert [item.state for item in again] == [State.REQUESTED, State.PLANNED, State.PLANNED]
    assert [item.system for item in again] == ["ls_s3", "dds", "dds"]


@pytest.mark.faults("E07")
async def test_E07_the_label_is_durable_before_the_call(ledger, tmp_path):
    items = await put(ledger, 2)
    moves = await ledger.requests.intend("label-1", RUN, [i.item_id for i in items], 2.0)
    assert moves == [Move([i.item_id for i in items], State.PLANNED, Step.ASK)]
    other = sqlite3.connect(f"file:{ledger.path}?mode=ro", uri=True)
    rows = other.execute("SELECT state, label FROM item").fetchall()
    other.close()
    assert rows == [("requested", "label-1")] * 2
    assert await request_log(ledger, 0.0) == [(2.0, 2)]


async def test_what_was_in_flight_is_reattached_and_what_has_no_label_is_planned(ledger):
    items = await put(ledger, 4)
    await ledger.requests.intend("l", RUN, [i.item_id for i in items[:3]], 2.0)
    await take_step(ledger, items[0].item_id, Step.LINK, 2.0)
    await take_step(ledger, items[1].item_id, Step.LINK, 2.0)
    await take_step(ledger, items[1].item_id, Step.CLAIM, 2.0)
    await take_step(ledger, items[2].item_id, Step.PREPARE, 2.0)
    assert await ledger.reattach(RUN, 3.0) == 3
    assert await ledger.count(RUN) == {State.REQUESTED: 3, State.PLANNED: 1}
    assert [label for label, _, _ in await ledger.requests.labels(RUN)] == ["l"]


async def test_a_failure_that_keeps_its_label_is_looked_up_by_the_next_run(ledger):
    (item,) = await put(ledger, 1)
    await ledger.requests.intend("l", RUN, [item.item_id], 2.0)
    await take_step(ledger, item.item_id, Step.PREPARE, 2.0)
    await ledger.requests.fail(item, "still being prepared", "", 2.0, keep_label=True)
    await ledger.select([wanted(0)], "run2", 3.0)
    (again,) = await ledger.items("run2", list(State))
    assert (again.state, again.label) == (State.REQUESTED, "l")


async def test_a_finished_file_is_recorded_once_and_its_part_forgotten(ledger):
    (item,) = await put(ledger, 1)
    await ledger.files.save_part(item.item_id, "p", 3, b"{}")
    await ledger.requests.intend("l", RUN, [item.item_id], 2.0)
    await take_step(ledger, item.item_id, Step.LINK, 2.0, ", download_id=77")
    await take_step(ledger, item.item_id, Step.CLAIM, 2.0)
    assert await finish(ledger, item, report=True) == [Move([item.item_id], State.ACTIVE, Step.FINISH)]
    assert await finish(ledger, item) == []
    assert await ledger.files.load_part(item.item_id) is None
    assert await ledger.files.unreported() == [(item.item_id, 77, 5)]
    await ledger.files.reported([item.item_id])
    assert await ledger.files.unreported() == []
    await ledger.files.lose([item.item_id], 4.0)
    assert await ledger.files.finished(RUN) == []
    assert (await ledger.item(item.item_id)).state is State.PLANNED


async def test_portions_leave_out_what_is_paused_or_not_due_and_never_mix_groups(ledger):
    group = WantedFile("G.TIF", "S", "D", "file", (Route("EG", "P", "ls_s3"),), group_dataset="g")
    await ledger.select([wanted(0), wanted(1, "dds"), group], RUN, 1.0)
    assert [i.name for i in (await ledger.requests.batch(RUN, 10, 5.0))[0]] == ["F0.TIF", "F1.TIF"]
    assert [i.name for i in (await ledger.requests.batch(RUN, 10, 5.0, ["dds"]))[0]] == ["F0.TIF"]
    await ledger.requests.intend("l", RUN, [1], 5.0)
    await take_step(ledger, 1, Step.UNASK, 5.0, ", next_try=100.0")
    assert [i.name for i in (await ledger.requests.batch(RUN, 10, 5.0, ["dds"]))[0]] == ["G.TIF"]
    assert await ledger.requests.next_due(RUN) == 0.0
    log = await request_log(ledger, 5.0)
    assert [n for _, n in log] == [1]
    assert (await ledger.requests.batch(RUN, 10, 5.0, log_since=5.0))[1] == log
    assert (await ledger.requests.batch(RUN, 10, 5.0, log_since=5.1))[1] == []


async def test_callers_at_the_same_time_share_commits_and_errors_stay_with_their_caller(ledger):
    items = await put(ledger, 50)
    outcomes = []

    async def bad():
        with pytest.raises(ZeroDivisionError):
            await ledger.writer.call(lambda c: 1 // 0)
        outcomes.append("bad")

    async def good(item):
        outcomes.append(await take_step(ledger, item.item_id, Step.FAIL, 2.0))

    async with anyio.create_task_group() as group:
        for item in items:
            group.start_soon(good, item)
            group.start_soon(bad)
    assert outcomes.count(State.PLANNED) == 50
    assert outcomes.count("bad") == 50


async def test_a_cancelled_caller_does_not_undo_its_operation(ledger):
    (item,) = await put(ledger, 1)
    with anyio.move_on_after(0):
        await take_step(ledger, item.item_id, Step.FAIL, 2.0)
    await ledger.count(RUN)
    assert (await ledger.item(item.item_id)).state is State.FAILED


@pytest.mark.faults("K04")
async def test_K04_the_file_is_private(ledger):
    assert stat.S_IMODE(os.stat(ledger.path).st_mode) == 0o600


@pytest.mark.faults("H12")
@pytest.mark.parametrize("damage", [b"", b"not a database at all, but long enough to look at" * 40, None])
async def test_H12_a_damaged_ledger_is_set_aside_and_a_new_one_made(tmp_path, damage):
    path = tmp_path / "ledger.sqlite3"
    first = await Ledger.open(path)
    await first.begin_run(RUN, 1.0)
    await put(first, 300)
    await first.aclose()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + os.urandom(len(whole) - 8192) if damage is None else damage)
    second = await Ledger.open(path)
    assert await second.count(RUN) == {}
    await second.aclose()
    assert len(list(tmp_path.glob("*.bad-*"))) == (0 if damage == b"" else 1)


@pytest.mark.faults("H12")
async def test_H12_a_ledger_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerNewer, match="newer version"):
        await Ledger.open(path)
    assert path.read_bytes() == before


async def test_a_ledger_of_the_version_before_is_taken_over_with_all_that_it_knows(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    first = await Ledger.open(path)
    await first.begin_run(RUN, 1.0)
    (item,) = await put(first, 1)
    await first.requests.intend("l", RUN, [item.item_id], 2.0)
    await first.aclose()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE replaced; DROP TABLE evidence; PRAGMA user_version=1;")

    with reading(path) as connection:
        assert replaced_scenes(connection) == frozenset()
    second = await Ledger.open(path)
    (again,) = await second.items(RUN, list(State))
    assert (again.state, again.label) == (State.REQUESTED, "l")
    assert await second.scenes.replaced() == frozenset()
    await second.aclose()
    assert [found.name for found in tmp_path.glob("*.bad-*")] == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


@pytest.mark.faults("K22")
async def test_K22_files_of_a_ledger_of_version_2_are_taken_over_without_identity(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    first = await Ledger.open(path)
    await first.begin_run(RUN, 1.0)
    fetched, found = await put(first, 2)
    for item, download_id in ((fetched, 7), (found, None)):
        await take_step(first, item.item_id, Step.ASK, 2.0, f", download_id={download_id or 'NULL'}")
        file = FinishedFile(item.item_id, item.relpath, 5, "ab" * 32, "structure", 9, "content")
        await first.files.finish([(file, False)], 3.0)
    await first.aclose()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE evidence; DROP TABLE stranger; PRAGMA user_version=2;")

    known = [("none", False), ("none", True)]  # what was never asked for was found on disk
    with reading(path) as connection:
        rows = [finished_file(row) for row in connection.execute(f"{FINISHED} ORDER BY file.item_id")]
        assert [(file.identity, file.adopted) for file in rows] == known
    second = await Ledger.open(path)
    page = await second.files.finished(RUN)
    assert [(file.identity, file.adopted) for file in page] == known
    await second.files.proven_anew(replace(page[0], identity="content", proof="content", mtime_ns=11))
    assert (await second.files.finished(RUN))[0] == replace(page[0], identity="content", proof="content", mtime_ns=11)
    await second.aclose()
    assert [found.name for found in tmp_path.glob("*.bad-*")] == []


async def test_files_that_are_not_here_are_read_in_pages_with_whether_their_places_were_taken(ledger):
    items = await put(ledger, 4)
    await ledger.files.note_stranger(items[1].relpath.upper(), 1.0)  # the same place where file systems fold case
    page = await ledger.files.unrecorded(RUN, after=0, limit=2, scene=None)
    told = [Unrecorded(item.item_id, item.relpath, item.name, item.generation, 0) for item in items]
    assert page == [told[0], replace(told[1], was_taken=1)]
    rest = await ledger.files.unrecorded(RUN, after=items[1].item_id, limit=50, scene=None)
    assert rest == told[2:]
    of_scene = await ledger.files.unrecorded(RUN, after=0, limit=50, scene=items[0].scene_display_id)
    its_own = [item.item_id for item in items if item.scene_display_id == items[0].scene_display_id]
    assert [file.item_id for file in of_scene] == its_own
    await ledger.files.forget_stranger(items[1].relpath.lower())
    assert await ledger.files.unrecorded(RUN, after=0, limit=50, scene=None) == told


async def test_a_ledger_of_this_version_that_lacks_a_table_is_damaged(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    await (await Ledger.open(path)).aclose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE replaced")
    with pytest.raises(LedgerError, match="damaged"), reading(path):
        pass
    await (await Ledger.open(path)).aclose()
    assert len(list(tmp_path.glob("*.bad-*"))) == 1


async def test_what_an_earlier_process_left_of_single_files_is_looked_up_when_a_bundle_is_replaced(ledger):
    items = await put(ledger, 4, run="earlier")
    await ledger.requests.intend("l", "earlier", [item.item_id for item in items[:3]], 2.0)
    await take_step(ledger, items[0].item_id, Step.LINK, 2.0)
    for item in items[1:3]:
        await take_step(ledger, item.item_id, Step.LINK, 2.0)
        await take_step(ledger, item.item_id, Step.CLAIM, 2.0)
    await finish(ledger, items[2])
    bundle = WantedFile("DISPLAY.tar", "SCENE", "DISPLAY", "bundle", (Route("SCENE", "P", "ls_zip"),), 100)
    await ledger.select([bundle], RUN, 3.0)
    (asked,) = await ledger.items(RUN, list(State))

    done = await ledger.replace_bundle(asked.item_id, [wanted(n) for n in range(5)], RUN, 4.0)

    assert done is not None
    assert (done[0], Counter(done[1])) == (
        State.PLANNED,
        {State.REQUESTED: 2, State.DONE: 1, State.PLANNED: 2},
    )
    assert await ledger.count(RUN) == Counter(done[1])
    assert [label for label, _, _ in await ledger.requests.labels(RUN)] == ["l"]
    assert await ledger.scenes.replaced() == {"DISPLAY"}


@pytest.mark.faults("J03")
async def test_J03_a_ledger_that_two_runs_make_at_the_same_moment_is_waited_for(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(sqlite3.connect(path, timeout=30)) as probe, pytest.raises(sqlite3.OperationalError) as busy:
            probe.execute("PRAGMA journal_mode=WAL")
        assert busy.value.sqlite_errorcode == sqlite3.SQLITE_BUSY
        ledger = None
        async with anyio.create_task_group() as group:

            async def open_it():
                nonlocal ledger
                ledger = await Ledger.open(path)

            group.start_soon(open_it)
            await anyio.sleep(0.2)
            assert ledger is None
            other.execute("COMMIT")
    await ledger.begin_run("r", 1.0)
    await ledger.aclose()


async def test_the_footprint_of_a_scene_is_kept_also_when_a_later_answer_has_none(ledger):
    seen = Scene("E", "D", footprint='{"type":"Polygon","coordinates":[]}')
    await ledger.scenes.remember([seen, Scene("E2", "D2", footprint="x" * (FOOTPRINT_CHARS + 1))], 1.0)
    await ledger.scenes.remember([Scene("E", "D")], 2.0)
    rows = await ledger.writer.call(lambda c: c.execute("SELECT display_id, geometry FROM footprint").fetchall())
    assert [tuple(row) for row in rows] == [("D", seen.footprint)]


@pytest.mark.faults("V76")
async def test_V76_a_file_that_an_answer_names_twice_moves_once_and_one_that_may_not_move_stays(ledger):
    items = await put(ledger, 3)
    ids = [item.item_id for item in items]
    await ledger.requests.intend("la-1", RUN, ids[:2], 1.0)
    answers = [
        AcceptedDownload(number, "la-1", item_id) for number, item_id in enumerate((*ids, ids[0], 999), start=70)
    ]
    moves = await ledger.requests.link(answers, 2.0)
    assert moves == [Move(ids[:2], State.REQUESTED, Step.LINK)]
    found = [await ledger.item(item_id) for item_id in ids]
    assert [(item.state, item.download_id) for item in found] == [
        *((State.READY, number) for number in (70, 71)),
        (State.PLANNED, None),
    ]


async def test_a_claimed_file_is_as_the_ledger_has_it_whenever_it_was_read(ledger):
    planned, polled = await put(ledger, 2)
    ids = [planned.item_id, polled.item_id]
    await ledger.requests.intend("la-1", RUN, ids, 1.0)
    await ledger.requests.prepare([AcceptedDownload(71, "la-1", polled.item_id)], 2.0)
    await ledger.requests.note_absent(polled.item_id, 3)
    polled = await ledger.item(polled.item_id)
    await ledger.requests.link([AcceptedDownload(70 + n, "la-2", item_id) for n, item_id in enumerate(ids)], 3.0)
    await ledger.files.save_part(polled.item_id, "part", 5, b"facts")
    claimed = await ledger.files.claim([planned, polled], 4.0)
    assert claimed == {
        planned.item_id: (await ledger.item(planned.item_id), None),
        polled.item_id: (await ledger.item(polled.item_id), SavedPart("part", b"facts")),
    }
    assert await ledger.files.claim([planned], 5.0) == {}
