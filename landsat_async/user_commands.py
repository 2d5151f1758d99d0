"""Running a program of the user, without a shell, for what it prints: bounded in time and in size."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

import msgspec

_LOOK_EVERY_S = 0.05
_LAST_WORDS_S = 0.2
"""So long what was said last may be on its way after the end of the program (on Windows)."""


class TooMuchOutput(Exception):
    """The program prints more than anybody asked for."""


class Ended(msgspec.Struct, frozen=True):
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
    if sys.platform != "win32":
        return _run_with_selector(command, env, limit_s=limit_s, most_bytes=most_bytes)
    return run_with_threads(program_of(command, env), env, limit_s=limit_s, most_bytes=most_bytes)


def program_of(command: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return the command with the path of its program: Windows itself looks for .exe alone, not for `pass.cmd`."""
    path = env.get("PATH", env.get("Path"))
    return [shutil.which(command[0], path=path) or command[0], *command[1:]]


def run_with_threads(command: Sequence[str], env: Mapping[str, str], *, limit_s: float, most_bytes: int) -> Ended:
    """Do what `run_command` says where one cannot wait for pipes: with a thread for each stream.

    A thread whose stream is held open by a process left behind is left to it.
    """
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=dict(env), bufsize=0)
    said = bytearray(), bytearray()
    readers = [
        threading.Thread(target=_collect, args=(stream, heard, most_bytes), daemon=True)
        for stream, heard in zip((child.stdout, child.stderr), said, strict=True)
    ]
    end_s = time.monotonic() + limit_s
    try:
        for reader in readers:
            reader.start()
        while child.poll() is None:
            if max(map(len, said)) > most_bytes:
                raise TooMuchOutput
            if time.monotonic() > end_s:
                raise TimeoutError
            time.sleep(_LOOK_EVERY_S)
    except BaseException:
        child.kill()
        child.wait()
        raise
    for reader in readers:
        reader.join(_LAST_WORDS_S)
    if max(map(len, said)) > most_bytes:
        raise TooMuchOutput
    return Ended(child.returncode, bytes(said[0]), bytes(said[1]))


def _collect(stream: IO[bytes], heard: bytearray, most_bytes: int) -> None:
    """Read to the end, or until it is too much: then the program is killed by whoever looks."""
    with stream:
        while len(heard) <= most_bytes and (piece := stream.read(65536)):
            heard.extend(piece)


def _run_with_selector(command: Sequence[str], env: Mapping[str, str], *, limit_s: float, most_bytes: int) -> Ended:
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
            if sys.platform != "win32":
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
