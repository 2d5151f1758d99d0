"""The ledger's thread: nobody waits for ever, whatever becomes of it or of the database."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from landsat_async.disk import ledger_schema, ledger_writer, thread_call
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.ledger_writer import LedgerWriter
from landsat_async.errors import FolderBusy, LedgerError, OutOfResources
from tests.disk.test_thread_call import interrupted


async def _gone(name):
    with anyio.fail_after(10):
        while any(thread.name == name for thread in threading.enumerate()):
            await anyio.sleep(0.002)


def _no_memory(*_):
    raise MemoryError


class _Connection:
    """A connection whose statements fail as in a process without memory, from the moment that it is told to."""

    def __init__(self):
        self._real = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.fails_at = ""
        self.rollback_fails = False

    @property
    def in_transaction(self):
        return self._real.in_transaction

    def execute(self, sql, *values):
        if (self.fails_at and sql.startswith(self.fails_at)) or (self.rollback_fails and sql.startswith("ROLLBACK")):
            raise MemoryError
        return self._real.execute(sql, *values)

    def close(self):
        self._real.close()


@pytest.mark.faults("L37")
@pytest.mark.parametrize("fails_at", ["BEGIN", "COMMIT", "SELECT 1"])
async def test_L37_memory_that_ends_in_a_statement_is_told_to_all_of_the_batch_and_the_thread_goes_on(fails_at):
    connection = _Connection()
    thread = LedgerWriter(lambda: connection, Path("ledger"))
    thread.start()
    connection.fails_at = fails_at
    with anyio.fail_after(30):
        calls = [asyncio.ensure_future(thread.call(lambda c: c.execute("SELECT 1").fetchone())) for _ in range(5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} == {OutOfResources}
        connection.fails_at = ""
        assert await thread.call(lambda c: c.execute("SELECT 1").fetchone()) == (1,)
        await thread.aclose()


@pytest.mark.faults("L37")
@pytest.mark.parametrize("when", ["while the loop waits for it", "later"])
async def test_L37_a_thread_that_dies_leaves_nobody_waiting(when):
    connection, go = _Connection(), threading.Event()
    thread = LedgerWriter(lambda: connection, Path("ledger"))
    thread.start()
    connection.fails_at, connection.rollback_fails = "SELECT 1", True

    def ask(c):
        go.wait(30)
        return c.execute("SELECT 1")

    if when != "later":
        go.set()
    with anyio.fail_after(30):
        calls = [thread.call(ask) for _ in range(300)]
        await asyncio.sleep(0)  # they are handed over, and this loop has waited as long as it does
        go.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} == {OutOfResources}
        with pytest.raises(OutOfResources, match="memory"):
            await thread.call(lambda c: None)
        await thread.aclose()
        with pytest.raises(LedgerError, match="closed"):
            await thread.call(lambda c: None)
    await _gone("landsat-ledger")


@pytest.mark.faults("L35")
def test_L35_a_ledger_that_gets_no_thread_says_so(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(OutOfResources):
        LedgerWriter(lambda: sqlite3.connect(":memory:"), Path("ledger")).start()


@pytest.mark.faults("L31")
async def test_L31_a_ledger_whose_opening_is_cancelled_is_closed_again(tmp_path, monkeypatch):
    real = ledger_schema.connect

    def slow(path):
        time.sleep(0.05)
        return real(path)

    monkeypatch.setattr("landsat_async.disk.ledger.connect", slow)
    for way in ("plain", "scope"):
        if way == "plain":
            task = asyncio.ensure_future(Ledger.open(tmp_path / "ledger"))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with anyio.move_on_after(0.02):
                await Ledger.open(tmp_path / "ledger")
        await _gone("landsat-ledger")


@pytest.mark.faults("L38", "J03")
async def test_L38_a_ledger_that_another_program_holds_is_told_and_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_schema, "BUSY_OPENING_S", 0.2)
    path = tmp_path / "ledger"
    await (await Ledger.open(path)).aclose()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FolderBusy, match="Another program holds the database") as busy:
            await Ledger.open(path)
        assert (busy.value.exit_code, busy.value.reference) == (8, "ledger-busy")


@pytest.mark.faults("L38")
async def test_L38_a_lock_in_mid_run_is_told_waited_for_and_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_schema, "BUSY_STEP_S", 0.02)
    monkeypatch.setattr(ledger_writer, "BUSY_REPORTED_S", 0.05)
    path, told = tmp_path / "ledger", []
    ledger = await Ledger.open(path)
    ledger.on_busy(told.append)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as group:

            async def let_go():
                while not told:
                    await anyio.sleep(0.01)
                other.execute("COMMIT")

            group.start_soon(let_go)
            with anyio.fail_after(10):
                await ledger.begin_run("a", 1.0)
        assert told
        assert 29 < told[0] < 30
        monkeypatch.setattr(ledger_writer, "BUSY_LIMIT_S", 0.2)
        other.execute("BEGIN IMMEDIATE")
        with anyio.fail_after(10), pytest.raises(FolderBusy):
            await ledger.begin_run("b", 1.0)
        monkeypatch.setattr(ledger_writer, "BUSY_LIMIT_S", 600.0)
        call = asyncio.ensure_future(ledger.begin_run("b", 1.0))
        await anyio.sleep(0.1)
        with anyio.fail_after(10):
            await ledger.aclose()  # a stop does not wait for the other program
        with pytest.raises(FolderBusy):
            await call


@pytest.mark.faults("W92")
async def test_what_stands_in_the_place_of_a_ledger_is_the_users_to_mend_and_no_bug(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name in ("folder", "link"):
        with pytest.raises(LedgerError) as caught:
            await Ledger.open(tmp_path / name)
        assert caught.value.exit_code == 2


@pytest.mark.faults("X121")
async def test_X121_results_are_given_in_the_loop_that_called_whichever_loop_has_handed_them_over(monkeypatch):
    """From another thread a loop would have them, and sleep on."""
    monkeypatch.setattr(thread_call, "AT_MOST_S", 30.0)
    told: list[bool] = []
    real = ledger_writer._Op.tell

    def tell(op):
        told.append(asyncio.get_running_loop() is op.loop)
        real(op)

    monkeypatch.setattr(ledger_writer._Op, "tell", tell)
    connection = partial(sqlite3.connect, ":memory:", isolation_level=None, check_same_thread=False)
    writer, go = LedgerWriter(connection, Path("ledger")), threading.Event()
    writer.start()

    async def call():
        await writer.call(lambda _: None)

    first = writer.call(lambda _: go.wait(30))
    other = threading.Thread(target=asyncio.run, args=(call(),))
    other.start()
    while writer._gathered:  # this loop has not had its turn when the other one hands over what both want
        time.sleep(0.001)
    go.set()
    with anyio.fail_after(30):
        assert await first is True
        while other.is_alive():
            await anyio.sleep(0.001)
        await writer.aclose()
    assert told == [True, True]


@pytest.mark.faults("X122")
async def test_X122_a_wait_that_is_interrupted_leaves_no_result_behind(monkeypatch):
    connection = partial(sqlite3.connect, ":memory:", isolation_level=None, check_same_thread=False)
    writer = LedgerWriter(connection, Path("ledger"))
    writer.start()
    future = writer.call(lambda _: 7)
    with monkeypatch.context() as patched:
        patched.setattr(writer._wait, "hand_over", partial(interrupted, writer._wait))
        with pytest.raises(KeyboardInterrupt):
            writer._pass_on(asyncio.get_running_loop())
    assert future.result() == 7
    await writer.aclose()


async def test_the_wait_for_a_commit_counts_what_is_in_it(monkeypatch):
    """Sixteen files in one commit take a millisecond: that is no slow disk."""
    connection = partial(sqlite3.connect, ":memory:", isolation_level=None, check_same_thread=False)
    writer = LedgerWriter(connection, Path("ledger"))
    writer.start()
    counted: list[int] = []
    real = writer._wait.hand_over
    monkeypatch.setattr(writer._wait, "hand_over", lambda put, ops, pieces: (counted.append(pieces), real(put, ops)))
    calls = [writer.call(lambda _: 7) for _ in range(16)]
    assert [await call for call in calls] == [7] * 16
    assert counted == [16]
    await writer.aclose()
