"""One program of the user, run to its end beside the downloads: no shell, bounded in time, ended with its children."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio.abc import ByteReceiveStream, Process

KEPT_BYTES = 4096
"""So much of what it says last is kept, for the reason of a failure."""
TERM_S = 2.0
"""So long it may clean up when it is asked to end."""
_LAST_WORDS_S = 0.2


async def run_program(
    command: Sequence[str], env: Mapping[str, str], cwd: str, limit_s: float
) -> tuple[int | None, str]:
    """Return how it ended (None: not in time) and the end of what it said. When cancelled, it and its children end.

    Raises:
        OSError: it could not be started.
    """
    said: deque[bytes] = deque()
    process = await anyio.open_process(
        list(command), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, cwd=cwd, env=dict(env),
        start_new_session=sys.platform != "win32",
    )  # fmt: skip
    rc: int | None = None
    try:
        async with anyio.create_task_group() as group:
            heard = anyio.Event()
            group.start_soon(_listen, process.stdout, said, heard)
            with anyio.move_on_after(limit_s):
                rc = await process.wait()
            with anyio.move_on_after(_LAST_WORDS_S):  # what it has left behind may hold the pipe open for ever
                await heard.wait()
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                await _end(process)
            await process.aclose()
    return rc, b"".join(said).decode("utf-8", "replace")


async def _listen(stream: ByteReceiveStream | None, said: deque[bytes], heard: anyio.Event) -> None:
    """Take what it says, so that it never waits for us; the last of it is kept."""
    assert stream is not None
    async for piece in stream:
        said.append(piece[-KEPT_BYTES:])
        while len(said) > 1 and sum(map(len, said)) - len(said[0]) >= KEPT_BYTES:
            said.popleft()
    heard.set()


async def _end(process: Process) -> None:
    """End it and what it has started: first asked, then not."""
    _signal(process, force=False)
    with anyio.move_on_after(TERM_S):
        await process.wait()
    _signal(process, force=True)
    await process.wait()


def _signal(process: Process, *, force: bool) -> None:
    try:
        if sys.platform == "win32":
            process.kill() if force else process.terminate()
        else:
            os.killpg(process.pid, signal.SIGKILL if force else signal.SIGTERM)
    except ProcessLookupError:
        pass
