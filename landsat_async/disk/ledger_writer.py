"""One thread that owns the SQLite connection, with group commit.

Every caller awaits its own operation; operations that arrive while a commit is running share the next one. An
awaited operation returns only after the commit that holds it, so durability order is as if each had its own
transaction, at a fraction of the fsyncs.
"""

from __future__ import annotations

import asyncio
import operator
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from landsat_async.disk.acquire import wait_for_thread
from landsat_async.disk.thread_call import BriefWait, ThreadCall
from landsat_async.errors import DiskFull, FolderBusy, LandsatError, LedgerError, resources_lacking

T = TypeVar("T")
_BATCH = 256
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_FSYNC}


BUSY_REPORTED_S = 3.0
"""Another program that holds the ledger for so long is reported (`on_busy`)."""
BUSY_LIMIT_S = 30.0
"""After so long the run ends: exit code 8."""
BUSY_STEP_S = 0.5
"""SQLite waits so long at a time; in between it is seen whether anybody still wants to wait."""
_TRIES_WITHOUT_MEMORY = 100
_FILES_OF_SQLITE = 5
"""A database, its journals and folder; what failed has been closed already, so as many must be free."""
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another program holds the database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def translate(error: sqlite3.Error, where: str) -> Exception:
    """Turn a SQLite error into ours: a full disk is a full disk, never a "damaged" ledger."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _FULL:
        return DiskFull(
            f"The disk that holds the database of the folder is full ({where}).",
            hint="Free some space and run the same command again; nothing finished is lost.",
        )
    if is_busy(error):
        return FolderBusy(
            f"Another program holds the database {where}.",
            hint="Close it (a database browser, a backup, a sqlite3 shell) and run the same command again.",
            reference="ledger-busy",
        )
    return LedgerError(
        f"The database {where} cannot be used: {error}.",
        hint="If another program has it open, close it. Deleting it loses history, never data.",
    )


def error_of(error: BaseException, where: str) -> BaseException:
    """Return what is raised to a caller: an error of ours where there is one for it."""
    if isinstance(error, sqlite3.Error):
        return (_is_unopened(error) and _descriptors_lacking()) or translate(error, where)
    return resources_lacking(error) or error


def _is_unopened(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN


def _descriptors_lacking() -> LandsatError | None:
    """See whether it is for want of descriptors that SQLite cannot open a file, which its error does not say."""
    opened: list[int] = []
    try:
        while len(opened) < _FILES_OF_SQLITE:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return resources_lacking(error)
    finally:
        for fd in opened:
            os.close(fd)
    return None


class _Op(ThreadCall, eq=False):
    function: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop


_LOOP_OF = operator.attrgetter("loop")


def _tell_all(ops: Iterable[_Op]) -> None:
    for op in ops:
        op.tell()  # where the caller was cancelled, the commit stands


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Have a loop give results to those who wait for them."""
    for _ in range(_TRIES_WITHOUT_MEMORY):
        try:
            loop.call_soon_threadsafe(call, *arguments)
            return
        except RuntimeError:  # that loop is closed: nobody waits any more
            return
        except MemoryError:  # they would wait for ever
            time.sleep(0.05)


class LedgerWriter:
    """Runs functions of a connection, in order, on one thread; see the module header."""

    run_id: str | None = None
    """The run that this process goes on with; None before it begins and after its end."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], path: Path) -> None:
        self.path = path
        self._connect = connect
        self._where = path.name
        self._queue: queue.SimpleQueue[list[_Op] | None] = queue.SimpleQueue()
        self._gathered: list[_Op] = []
        """Called for in this turn of the loop, and not in the queue yet."""
        self._lock = threading.Lock()
        """For `_gathered`: there may be callers in several loops."""
        self._thread = threading.Thread(target=self._main, name="landsat-ledger", daemon=True)
        self._opened = threading.Event()
        self._open_error: BaseException | None = None
        self._wait = BriefWait()
        self._loop: asyncio.AbstractEventLoop | None = None
        """Of the first caller. Its thread alone waits for commits: futures of a loop belong to its own thread."""
        self._ended: deque[_Op] = deque()
        """What that loop is to deliver."""
        self._closed = False
        self._batch: Sequence[_Op] = ()
        """Taken from the queue and not answered yet."""
        self._died_of: BaseException | None = None
        self._over = False
        self._on_end: list[Callable[[], object]] = []
        self.on_busy: Callable[[float], None] | None = None
        """Called in the loop of a caller when another program holds the ledger, with the seconds that are left."""

    def start(self) -> None:
        """Open the database; blocks until that is done. Raises LedgerError, DiskFull, FolderBusy, OutOfResources."""
        try:
            self._thread.start()
        except RuntimeError as error:
            raise resources_lacking(error) or error from None
        self._opened.wait()
        if self._open_error is not None:
            self._thread.join()
            raise self._open_error

    def call(self, function: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `function(connection)` inside the next transaction; the result comes after the commit.

        A cancelled caller does not undo the operation. It may be run twice, the first time undone, because of another
        one that fails: what it does, it does to the connection alone. Raises FolderBusy when a later run has begun on
        this folder, which only a lock that lies allows: from then on that one alone decides, so that the two cannot
        undo each other's steps.
        """
        future = self.begin(function).future
        assert future is not None
        return future

    def begin(self, function: Callable[[sqlite3.Connection], Any]) -> ThreadCall:
        """Do the same, for `thread_call.to_its_end`: no cancel scope keeps the caller from its result."""
        if self._closed:
            raise LedgerError("The database of the folder is already closed.")
        loop = asyncio.get_running_loop()
        op = _Op(function, loop, future=loop.create_future())
        with self._lock:
            self._loop = self._loop or loop
            if not self._gathered or self._gathered[-1].loop is not loop:  # that loop may be over by then
                loop.call_soon(self._pass_on, loop)
            self._gathered.append(op)
        return op

    def _pass_on(self, here: asyncio.AbstractEventLoop | None = None) -> None:
        """Hand over what was called for in one turn of a loop: each thread that is woken costs as much as its work.

        `here`: the loop that calls this; None where it may be anybody.
        """
        with self._lock:
            ops, self._gathered = self._gathered, []
        if ops and here is self._loop:
            try:
                self._wait.hand_over(self._queue.put, ops, len(ops))
            finally:  # also when a Ctrl-C ends the wait: what has ended by then is told in no other way
                self._collect()
        elif ops:
            self._queue.put(ops)
        if self._died_of is not None:  # asked after the put: either the thread has seen it, or we see that it died
            self._answer_all(self._died_of)

    def _collect(self) -> None:
        """Give the results that the thread has left for the loop of the first caller to those who wait there."""
        while self._ended:
            self._ended.popleft().tell()

    def write(self, sql: str, *arguments: object) -> Awaitable[None]:
        """Execute one statement inside the next transaction."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(sql, arguments)

        return self.call(write)

    def leave(self) -> None:
        """Let the thread finish what is queued, close the database and end. Does not wait; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._pass_on()
            self._queue.put(None)

    async def aclose(self) -> None:
        """Do the same and wait for the end; needs no other thread, for there may be none left."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        self._on_end.append(lambda: loop.call_soon_threadsafe(end))
        self.leave()
        if not self._over:
            await wait_for_thread(ended)

    def _main(self) -> None:
        try:
            connection = self._connect()
        except BaseException as error:  # handed to the caller of start()
            self._open_error = error_of(error, self._where)
            return
        finally:
            self._opened.set()
        try:
            while self._take():
                self._run(connection, self._batch)
                self._batch = ()
        except BaseException as error:  # no memory, as a rule: nobody may wait for a thread that is no more
            self._died_of = error_of(error, self._where)
        finally:
            with suppress(sqlite3.Error, MemoryError):
                connection.close()
            self._answer_all(self._died_of or LedgerError("The database of the folder is already closed."))
            self._over = True
            for call in self._on_end:
                with suppress(RuntimeError):  # that loop is closed: nobody waits any more
                    call()

    def _answer_all(self, error: BaseException) -> None:
        """Let everybody who still waits have an error; in the thread that ends, or in a loop that finds it ended."""
        ops, self._batch = [*self._batch], ()
        with suppress(queue.Empty):
            while True:
                ops += self._queue.get_nowait() or ()
        for op in ops:
            op.error = error
            _call_in(op.loop, _tell_all, [op])

    def _take(self) -> bool:
        """Wait for operations and put them into `_batch`; False when there will be none."""
        first = self._queue.get()
        if first is None:
            return False
        self._batch = batch = [*first]
        while len(batch) < _BATCH:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)  # finish this batch, then end
                break
            batch += more
        return True

    def _run(self, connection: sqlite3.Connection, batch: Sequence[_Op]) -> None:
        try:
            self._begin(connection, batch)
            if not self._run_together(connection, batch):
                connection.execute("ROLLBACK")
                self._begin(connection, batch)
                for op in batch:
                    self._run_one(connection, op)
            self._patiently(connection, "COMMIT", batch)
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            ours = error_of(error, self._where)
            for op in batch:
                op.error = ours
        loops: set[asyncio.AbstractEventLoop] = set(map(_LOOP_OF, batch))
        for loop in loops:
            ops = batch if len(loops) == 1 else [op for op in batch if op.loop is loop]
            if loop is not self._loop:
                _call_in(loop, _tell_all, ops)
                continue
            self._ended += ops  # first: a loop that stops waiting just now looks for them after that
            if self._wait.is_waited_for:
                self._wait.wake(None)
            else:
                _call_in(loop, self._collect)

    def _begin(self, connection: sqlite3.Connection, batch: Sequence[_Op]) -> None:
        """Begin a transaction, if no later run has begun."""
        self._patiently(connection, "BEGIN IMMEDIATE", batch)
        if self.run_id is None:
            return
        (newest,) = connection.execute("SELECT run_id FROM run ORDER BY rowid DESC LIMIT 1").fetchone()
        if newest != self.run_id:
            raise FolderBusy(
                f"Another run has begun on {self.path.parent.parent} and goes on with it.",
                hint="Nothing is lost. This file system does not keep two runs apart: start one only.",
            )

    def _patiently(self, connection: sqlite3.Connection, sql: str, batch: Sequence[_Op]) -> None:
        """Wait while another program holds the database, but not for ever, and not when the run is over."""
        began_s, reported = time.monotonic(), False
        while True:
            try:
                connection.execute(sql)
                return
            except sqlite3.OperationalError as error:
                waited_s = time.monotonic() - began_s
                if not is_busy(error) or self._closed or waited_s >= BUSY_LIMIT_S:
                    raise
            if not reported and waited_s >= BUSY_REPORTED_S and self.on_busy is not None:
                reported = True
                with suppress(RuntimeError):
                    batch[0].loop.call_soon_threadsafe(self.on_busy, BUSY_LIMIT_S - waited_s)

    def _run_together(self, connection: sqlite3.Connection, batch: Sequence[_Op]) -> bool:
        """Hardly any operation fails, and each statement costs; False when one did: all have to run once more."""
        try:
            for op in batch:
                op.result = op.function(connection)
        except (sqlite3.OperationalError, MemoryError):
            raise  # disk full, I/O: concerns the whole batch
        except Exception:
            return False
        return True

    def _run_one(self, connection: sqlite3.Connection, op: _Op) -> None:
        """Run an operation that alone is undone when it fails."""
        connection.execute("SAVEPOINT op")
        try:
            op.result = op.function(connection)
        except (sqlite3.OperationalError, MemoryError):
            raise  # disk full, I/O: concerns the whole batch
        except Exception as error:  # belongs to its caller alone
            connection.execute("ROLLBACK TO op")
            op.error = error
        connection.execute("RELEASE op")
