"""Runs that may be killed at any moment, and tell where they were.

`python -m tests.support.crash_child` reads one order per line (JSON) from stdin, forks a child for each, and prints
one line when a child begins and one when it has ended. All imports are done before the fork, so that a child is at
work within milliseconds. An order may also be a signal to a child. When stdin ends, the children are killed.

Nothing of the program is written for this: a child wraps the calls that it wants to count (`_Watch`).
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import faulthandler
import json
import mmap
import os
import select
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

import aiohttp.client_reqrep

from landsat_async import Config, Credentials, LandsatError, download
from landsat_async.disk import ledger, ledger_schema, local_target, open_part, posix_lock
from landsat_async.disk.fs import OBSERVED
from landsat_async.disk.fs_posix import PosixFs
from landsat_async.disk.fs_windows import WindowsFs
from landsat_async.run import runner, worker
from landsat_async.show import cli
from landsat_async.transfer import attempt, multi_range, quick_get, session, transfer
from landsat_async.transfer.types import TransferPolicy
from tests.support.lifecycle_law import hold_to_table
from tests.support.windows_like import Disk, LikeWin32

PHASES = (
    "start", "plan", "recovery", "request", "headers", "body", "write", "checkpoint", "file sync", "proof", "link",
    "dir sync", "commit", "discard", "end",
)  # fmt: skip
_CALL_PHASES = {
    "fsync": "file sync", "link": "link", "replace": "link", "rename_noreplace": "link", "rename": "link",
    "fsync_dir": "dir sync", "unlink": "discard", "pwrite": "write",
}  # fmt: skip
MARKS_BYTES = 4 * (len(PHASES) + 2)
"""The number of things under way for each phase, all calls, and the calls that were made to fail."""


class _Watch:
    """Counts what is going on, in memory that outlives the process; kills it, or fails a call, when told to."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._lock = threading.Lock()
        with open(order["marks"], "r+b") as file:
            self._marks = memoryview(mmap.mmap(file.fileno(), MARKS_BYTES)).cast("I")
        self._kill_at: int | None = order.get("kill_at")
        self._kill_at_names: list[str] = list(order.get("kill_at_names", ()))
        """Calls to be seen in this order; at the last one the process is killed."""
        self._kill_in: str | None = order.get("kill_in")
        """A phase; when it begins for the `nth` time, the process is killed."""
        self._nth: int = order.get("nth", 1)
        self._fail: dict[str, Any] | None = order.get("fail")
        self._failed = 0

    def add(self, phase: str, number: int) -> None:
        with self._lock:
            self._marks[PHASES.index(phase)] += number
            if number > 0 and phase == self._kill_in:
                self._nth -= 1
                if not self._nth:
                    os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def phase(self, name: str):
        self.add(name, 1)
        try:
            yield
        finally:
            self.add(name, -1)

    def call(self, name: str, *arguments: object) -> None:
        """A file call or a commit is about to begin."""
        with self._lock:
            self._marks[len(PHASES)] += 1
            number = self._marks[len(PHASES)]
            if self._kill_at_names[:1] == [name]:
                del self._kill_at_names[0]
                if not self._kill_at_names:
                    self._kill_at = number
        if number == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        fail = self._fail
        if fail is not None and fail["call"] == name and str(arguments[:1]).count(fail.get("at", "")):
            self._failed += 1
            if self._failed >= fail["nth"]:
                self._marks[len(PHASES) + 1] += 1
                if "hang_s" in fail:
                    time.sleep(fail["hang_s"])
                elif name == "commit":
                    full = sqlite3.OperationalError("database or disk is full, on purpose")
                    full.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise full
                else:
                    raise OSError(getattr(errno, fail["errno"]), "on purpose")

    # -- wrapping

    def around(self, owner: Any, name: str, phase: str) -> None:
        """Let a phase last as long as a call of this function."""
        inner = getattr(owner, name)
        if asyncio.iscoroutinefunction(inner):

            @wraps(inner)
            async def watched(*args: Any, **kwargs: Any) -> Any:
                with self.phase(phase):
                    return await inner(*args, **kwargs)
        else:

            @wraps(inner)
            def watched(*args: Any, **kwargs: Any) -> Any:
                with self.phase(phase):
                    return inner(*args, **kwargs)

        setattr(owner, name, watched)

    def told_of(self, operation: str, inner: Any) -> Callable[..., Any]:
        """Return a call of a file system that this is told of first."""

        def told(fs: Any, *arguments: Any) -> Any:
            self.call(operation, *arguments)
            return inner.__get__(fs, type(fs))(*arguments)

        return told

    def install(self) -> None:
        for door in (PosixFs, WindowsFs):
            for name in OBSERVED:
                setattr(door, name, self.told_of(name, vars(door)[name]))
            for name in ("fsync", "link", "replace", "rename_noreplace", "fsync_dir", "unlink", "pwrite"):
                self.around(door, name, _CALL_PHASES[name])
        self.add("start", 1)
        self.around(runner, "prepare", "plan")
        prepare = runner.prepare

        async def started(*args: Any) -> None:
            self.add("start", -1)
            await prepare(*args)

        runner.prepare = started
        self.around(runner, "take_stock", "recovery")
        self.around(open_part, "_open_file", "recovery")
        self.around(ledger_schema, "_prepare", "recovery")
        self.around(attempt, "receive", "body")
        self.around(attempt, "whole_body", "body")
        self.around(multi_range, "receive", "body")
        self.around(transfer.Transfer, "checkpoint", "checkpoint")
        self.around(local_target, "finalise", "proof")
        self.around(runner, "clean_up", "end")
        self._split_requests()
        connect = ledger.connect

        def watched(path: Any) -> WatchedConnection:
            connection = connect(path)
            hold_to_table(connection)
            return WatchedConnection(connection, self.commit)

        ledger.connect = watched

    def _split_requests(self) -> None:
        """A file request is `request` until it is sent, and `headers` until the head of the answer is here."""
        of_file: contextvars.ContextVar[bool] = contextvars.ContextVar("of_file", default=False)
        get, start = session.TransferSession._get_once, aiohttp.client_reqrep.ClientResponse.start
        quick = quick_get.QuickGets.get

        async def watched_get(*args: Any, **kwargs: Any) -> Any:
            token = of_file.set(True)
            with self.phase("request"):
                try:
                    return await get(*args, **kwargs)
                finally:
                    of_file.reset(token)

        async def watched_start(*args: Any, **kwargs: Any) -> Any:
            if not of_file.get():
                return await start(*args, **kwargs)
            self.add("request", -1)
            try:
                with self.phase("headers"):
                    return await start(*args, **kwargs)
            finally:
                self.add("request", 1)

        async def watched_quick(*args: Any, **kwargs: Any) -> Any:  # sent at once
            self.add("request", -1)
            try:
                with self.phase("headers"):
                    return await quick(*args, **kwargs)
            finally:
                self.add("request", 1)

        session.TransferSession._get_once = watched_get
        quick_get.QuickGets.get = watched_quick
        aiohttp.client_reqrep.ClientResponse.start = watched_start

    def commit(self, execute: Callable[[], Any]) -> Any:
        with self.phase("commit"):
            self.call("commit")
            result = execute()
            self.call("committed")
        return result


class WatchedConnection:
    """A connection whose commits are seen."""

    def __init__(self, inner: sqlite3.Connection, commit: Callable[[Callable[[], Any]], Any]) -> None:
        self._inner, self._commit = inner, commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def execute(self, sql: str, *arguments: Any) -> Any:
        if sql == "COMMIT":
            return self._commit(partial(self._inner.execute, sql))
        return self._inner.execute(sql, *arguments)


def _tell_where(*_: object) -> None:
    """Print what all tasks and threads wait for."""
    with suppress(RuntimeError):
        for task in asyncio.all_tasks(asyncio.get_running_loop()):
            print(f"{task.get_name()}:", file=sys.stderr)
            waits = task.get_coro()
            while (frame := getattr(waits, "cr_frame", None)) is not None:
                print(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}", file=sys.stderr)
                waits = waits.cr_await
    faulthandler.dump_traceback()


def _child(order: dict[str, Any]) -> int:
    signal.signal(signal.SIGUSR1, _tell_where)
    watch = _Watch(order)
    watch.install()
    if "policy" in order:
        worker.TransferPolicy = partial(TransferPolicy, **order["policy"])
    if "windows_like" in order:
        disk = Disk(Path(order["config"]["download"]["directory"]).parent, **order["windows_like"])
        local_target.local_fs = partial(WindowsFs, api=LikeWin32(disk))
    if order.get("lying_lock"):
        posix_lock.fcntl = _LyingLocks()
    if "argv" in order:
        os.environ |= {"USGS_USERNAME": order["username"], "USGS_TOKEN": order["token"]} | order.get("environ", {})
        return cli.main(order["argv"])
    config = Config.from_dict(order["config"])
    credentials = Credentials(order["username"], order["token"])
    time.sleep(order.get("delay_s", 0.0))
    try:
        return asyncio.run(download(config, credentials=credentials, overwrite=order.get("overwrite", False))).exit_code
    except LandsatError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code


class _LyingLocks:
    """fcntl, on a file system that grants every lock to everybody."""

    def __getattr__(self, name: str) -> Any:
        import fcntl

        if name == "lockf":
            return lambda *_: None
        return self._fcntl if name == "fcntl" else getattr(fcntl, name)

    @staticmethod
    def _fcntl(fd: int, command: int, *arguments: Any) -> Any:
        import fcntl

        return b"" if command == fcntl.F_OFD_SETLK else fcntl.fcntl(fd, command, *arguments)


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for fd in (1, 2):
            os.dup2(said, fd)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        code = _child(order)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve orders until stdin ends."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    children: set[int] = set()
    pending = b""
    _say(ready=os.getpid())
    try:
        while True:
            ready, _, _ = select.select([0, read], [], [])
            if read in ready:
                os.read(read, 4096)
                _reap(children)
            if 0 in ready:
                data = os.read(0, 1 << 16)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    order = json.loads(line)
                    if "signal" in order:
                        if order["pid"] in children:  # else it has ended, and the number may be somebody else's
                            os.kill(order["pid"], order["signal"])
                        continue
                    pid = _fork(order)
                    children.add(pid)
                    _say(begun=order["number"], pid=pid)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def _reap(children: set[int]) -> None:
    for pid in list(children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            children.discard(pid)
            _say(ended=pid, code=os.waitstatus_to_exitcode(status))


def _say(**message: int) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
