"""Runs on call: one process that has imported the program once, and forks a run for each order (crash_child.py).

It is there for all the labs of a process, one after another; each lab hears only of its own runs, and leaves none.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

PROJECT = Path(__file__).parents[2]
GOODBYE_S = 20.0


class Nursery:
    """Children of one `tests.support.crash_child`, as long as a lab is open."""

    def __init__(self, orders: IO[bytes]) -> None:
        self._orders = orders
        self._number = 0
        self._begun: dict[int, asyncio.Future[int]] = {}
        self._ended: dict[int, asyncio.Future[int]] = {}

    async def listen(self, told: asyncio.StreamReader) -> None:
        async for line in told:
            message = json.loads(line)
            if "begun" in message:
                self._ended[message["pid"]] = asyncio.get_running_loop().create_future()
                self._begun.pop(message["begun"]).set_result(message["pid"])
            else:
                self._ended[message["ended"]].set_result(message["code"])

    async def begin(self, order: dict[str, Any]) -> int:
        """Fork a child; returns its process id."""
        self._number += 1
        begun = self._begun[self._number] = asyncio.get_running_loop().create_future()
        self._write(order | {"number": self._number})
        return await asyncio.shield(begun)

    async def send(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a child, unless it has ended."""
        self._write({"pid": pid, "signal": number})

    async def end(self, pid: int) -> int:
        """Wait for a child; returns its exit code, negative for a signal."""
        code = await asyncio.shield(self._ended[pid])
        del self._ended[pid]
        return code

    async def end_all(self) -> None:
        """Kill what a test has left running. Raises TimeoutError when that does not end."""
        async with asyncio.timeout(GOODBYE_S):
            while self._begun:
                await asyncio.sleep(0.002)
            for pid, ending in list(self._ended.items()):
                if not ending.done():
                    await self.send(pid, signal.SIGKILL)
                await asyncio.wait([ending])

    def _write(self, order: dict[str, Any]) -> None:
        self._orders.write(json.dumps(order).encode() + b"\n")


_processes: list[subprocess.Popen[bytes]] = []
"""The one that forks; empty before the first lab, and when it has been ended."""


def _process() -> subprocess.Popen[bytes]:
    """Return the process that forks; the first time it has to import the program."""
    if _processes and _processes[0].poll() is None:
        return _processes[0]
    _end_process()
    command = [sys.executable, "-m", "tests.support.crash_child"]
    process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    _processes.append(process)
    assert process.stdout is not None
    process.stdout.readline()  # its imports are done
    return process


@atexit.register
def _end_process() -> None:
    """End the process that forks, and with it all that it has forked."""
    while _processes:
        process = _processes.pop()
        with process:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(GOODBYE_S)
            except subprocess.TimeoutExpired:
                process.kill()


@asynccontextmanager
async def open_nursery() -> AsyncIterator[Nursery]:
    """Have runs on call; those that are left at the end are killed."""
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    nursery, told = Nursery(process.stdin), asyncio.StreamReader()
    pipe = os.fdopen(os.dup(process.stdout.fileno()), "rb", 0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), pipe)
    listening = asyncio.create_task(nursery.listen(told))
    try:
        yield nursery
    finally:
        try:
            await nursery.end_all()
        except BaseException:
            _end_process()  # what it still has to tell is not for the next lab
            raise
        finally:
            listening.cancel()
            transport.close()
