"""One thread that owns the SQLite connection, with group commit.

Every caller awaits its own operation; operations that arrive while a commit is running share the next one. An
awaited operation returns only after the commit that holds it, so durability order is as if each had its own
transaction, at a fraction of the fsyncs.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from landsat_async.errors import DiskFull, LandsatError, LedgerError

T = TypeVar("T")
_BATCH = 256
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_FSYNC}


def translate(error: sqlite3.Error, where: str) -> Exception:
    """Turn a SQLite error into ours: a full disk is a full disk, never a "damaged" ledger."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _FULL:
        return DiskFull(
            f"The disk that holds the ledger is full ({where}).",
            hint="Free some space and run the same command again; nothing finished is lost.",
        )
    return LedgerError(
        f"The ledger {where} cannot be used: {error}.",
        hint="If another program has it open, close it. Deleting the ledger loses history, never data.",
    )


class _Op:
    __slots__ = ("error", "function", "future", "loop", "result")

    def __init__(self, function: Callable[[sqlite3.Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():  # the caller was cancelled; the commit stands
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _settle(ops: list[_Op]) -> None:
    for op in ops:
        op.settle()


class LedgerThread:
    """Runs functions of a connection, in order, on one thread; see the module header."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        where: str,
        may_go_on: Callable[[sqlite3.Connection], None] = lambda connection: None,
    ) -> None:
        self._connect = connect
        self._where = where
        self._may_go_on = may_go_on  # asked at the beginning of each transaction; what it raises ends all operations
        self._queue: queue.SimpleQueue[_Op | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="landsat-ledger", daemon=True)
        self._opened = threading.Event()
        self._open_error: BaseException | None = None
        self._closed = False

    def start(self) -> None:
        """Open the database; blocks until that is done. Raises LedgerError or DiskFull."""
        self._thread.start()
        self._opened.wait()
        if self._open_error is not None:
            self._thread.join()
            raise self._open_error

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function(connection)` inside the next transaction; return its result after the commit.

        A cancelled caller does not undo the operation. It may be run twice, the first time undone, because of another
        one that fails: what it does, it does to the connection alone.
        """
        if self._closed:
            raise LedgerError("The ledger is already closed.")
        op = _Op(function, asyncio.get_running_loop())
        self._queue.put(op)
        result: T = await op.future
        return result

    def close(self) -> None:
        """Finish what is queued, close the database, end the thread. Blocks; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _main(self) -> None:
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            self._open_error = translate(error, self._where)
            self._opened.set()
            return
        except BaseException as error:  # handed to the caller of start()
            self._open_error = error
            self._opened.set()
            return
        self._opened.set()
        try:
            while (batch := self._take()) is not None:
                self._run(connection, batch)
        finally:
            connection.close()

    def _take(self) -> list[_Op] | None:
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < _BATCH:
            try:
                op = self._queue.get_nowait()
            except queue.Empty:
                break
            if op is None:
                self._queue.put(None)  # finish this batch, then end
                break
            batch.append(op)
        return batch

    def _run(self, connection: sqlite3.Connection, batch: list[_Op]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._may_go_on(connection)
            if not self._run_together(connection, batch):
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
                self._may_go_on(connection)
                for op in batch:
                    self._run_one(connection, op)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for op in batch:
                op.error = translate(error, self._where)
        except LandsatError as error:
            connection.execute("ROLLBACK")
            for op in batch:
                op.error = error
        for loop in {op.loop for op in batch}:
            mine = [op for op in batch if op.loop is loop]
            try:
                loop.call_soon_threadsafe(_settle, mine)
            except RuntimeError:  # that loop is closed: nobody waits any more
                pass

    def _run_together(self, connection: sqlite3.Connection, batch: list[_Op]) -> bool:
        """Hardly any operation fails, and each statement costs; False when one did: all have to run once more."""
        try:
            for op in batch:
                op.result = op.function(connection)
        except sqlite3.OperationalError:
            raise  # disk full, I/O: concerns the whole batch
        except Exception:
            return False
        return True

    def _run_one(self, connection: sqlite3.Connection, op: _Op) -> None:
        """Run an operation that alone is undone when it fails."""
        connection.execute("SAVEPOINT op")
        try:
            op.result = op.function(connection)
        except sqlite3.OperationalError:
            raise  # disk full, I/O: concerns the whole batch
        except Exception as error:  # belongs to its caller alone
            connection.execute("ROLLBACK TO op")
            op.error = error
        connection.execute("RELEASE op")
