"""Running a program of the user, without a shell, for what it prints: bounded in time and in size."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

_LOOK_EVERY_S = 0.05


class TooMuchOutput(Exception):
    """The program prints more than anybody asked for."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program has said, and how it ended."""

    status: int
    out: bytes
    err: bytes


def run_command(command: Sequence[str], env: Mapping[str, str], *, limit_s: float, most_bytes: int) -> Ended:
    """Run a program to its end; blocks.

    A process that it leaves behind in the background is not waited for, even where that holds the output open.

    Raises:
        TimeoutError: it did not end in time and was killed.
        TooMuchOutput: it printed more than `most_bytes` and was killed.
        OSError, ValueError: it could not be started.
    """
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=dict(env), bufsize=0
        ) as child,
        selectors.DefaultSelector() as selector,
    ):
        said: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        for name, stream in (("out", child.stdout), ("err", child.stderr)):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, said[name])
        try:
            _listen(child, selector, time.monotonic() + limit_s, most_bytes)
        except BaseException:
            child.kill()
            raise
        return Ended(child.returncode, bytes(said["out"]), bytes(said["err"]))


def _listen(child: subprocess.Popen[bytes], selector: selectors.BaseSelector, end_s: float, most_bytes: int) -> None:
    over = False
    while True:
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        ready = selector.select(0.0 if over else min(_LOOK_EVERY_S, left_s))
        for key, _ in ready:
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            piece = stream.read(65536)
            if piece:
                key.data.extend(piece)
                if len(key.data) > most_bytes:
                    raise TooMuchOutput
            elif piece is not None:
                selector.unregister(stream)
        if over and not ready:
            return
        over = child.poll() is not None  # and once more round, for what it said last
