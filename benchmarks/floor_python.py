"""The least that a Python program can do: receive into one buffer, write, and what is asked for beyond that.

No library, no loop, one thread and one kept connection each, or one thread for all (`--one-thread`, plain only). With
the hash: SHA-256 of what is written. With `--safe`: also what a run promises of each file and keeps of it (part, sync,
name, sync of the folder, a row in SQLite, sixteen in one transaction), and nothing around it. Nothing is checked; it is
no downloader but the line that ours is held against: what it needs, no program in this language goes below.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import selectors
import socket
import sqlite3
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from benchmarks.arguments import Errand, read_errand

BUFFER_BYTES = 1024 * 1024
GATHERED_BYTES = 256 * 1024
"""TLS gives 16 KiB at a time: so much of it is written at once."""
ROWS_TOGETHER = 16
LIBRARIES = ("aiohttp", "aiofiles", "anyio", "msgspec")
"""What ours stands on; where that is imported first (`--libraries`), it shows what is left for ours to do better."""


class Rows:
    """What is kept of finished files."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._rows: list[tuple[str, int, str]] = []
        for old in folder.glob("rows.sqlite*"):
            old.unlink()
        self._connection = sqlite3.connect(folder / "rows.sqlite", check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("CREATE TABLE file(name TEXT PRIMARY KEY, size INT, sha256 TEXT)")

    def add(self, name: str, size: int, sha256: str) -> None:
        """Keep a file, and write down what has gathered."""
        with self._lock:
            self._rows.append((name, size, sha256))
            if len(self._rows) >= ROWS_TOGETHER:
                self.flush()

    def flush(self) -> None:
        """Write down what has gathered."""
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO file VALUES(?,?,?)", self._rows)
        self._connection.execute("COMMIT")
        self._rows.clear()


class Body:
    """One file that is coming."""

    def __init__(self, errand: Errand, url: str, folder_fd: int, rows: Rows | None) -> None:
        self._errand, self._folder_fd, self._rows = errand, folder_fd, rows
        self._final = errand.path_of(url)
        self._path = self._final.with_suffix(".part") if errand.safe else self._final
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._digest = hashlib.sha256() if errand.hash else None
        self._at = 0
        self.total = sys.maxsize

    @property
    def missing(self) -> int:
        """How many bytes are still to come."""
        return self.total - self._at

    def write(self, block: memoryview) -> bool:
        """Take what has come; True = that was the end."""
        self._at += os.pwrite(self._fd, block, self._at)
        if self._digest is not None:
            self._digest.update(block)
        if self._at < self.total:
            return False
        if self._rows is not None and self._digest is not None:
            os.fsync(self._fd)
            os.link(self._path, self._final)
            os.fsync(self._folder_fd)
            self._rows.add(self._final.name, self._at, self._digest.hexdigest())
            os.unlink(self._path)
        os.close(self._fd)
        return True


class Connection:
    """One kept connection, and the file that comes over it."""

    def __init__(self, address: SplitResult, tls: ssl.SSLContext | None, buffer: memoryview) -> None:
        host = str(address.hostname)
        self.socket = socket.create_connection((host, address.port))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self._host, self._buffer = host, buffer
        self._body: Body | None = None
        self._in_head = True

    def ask(self, url: str, body: Body) -> None:
        """Ask for a file."""
        self._body, self._in_head = body, True
        self.socket.sendall(f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def receive(self) -> bool:
        """Take what is there; True = the file is complete. Raises BlockingIOError."""
        assert self._body is not None
        size = self.socket.recv_into(self._buffer)
        if not size:
            sys.exit("the connection has ended")
        if not self._in_head:
            missing = self._body.missing
            while size < min(missing, GATHERED_BYTES) and isinstance(self.socket, ssl.SSLSocket):
                size += self.socket.recv_into(self._buffer[size:]) or sys.exit("the connection has ended")
            return self._body.write(self._buffer[:size])
        head, _, _ = bytes(self._buffer[: min(size, 8192)]).partition(b"\r\n\r\n")
        self._body.total = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        self._in_head = False
        return self._body.write(self._buffer[len(head) + 4 : size])


def main() -> None:
    """Fetch all."""
    errand = read_errand()
    for name in LIBRARIES if errand.libraries else ():
        importlib.import_module(name)
    address = urlsplit(errand.urls[0])
    tls = ssl.create_default_context(cafile=errand.ca_bundle) if address.scheme == "https" else None
    folder_fd = os.open(errand.out, os.O_RDONLY)
    rows = Rows(errand.out.parent) if errand.safe else None
    urls, taking = iter(errand.urls), threading.Lock()

    def ask_next(connection: Connection) -> bool:
        with taking:
            url = next(urls, None)
        if url is None:
            return False
        connection.ask(url, Body(errand, url, folder_fd, rows))
        return True

    def serve() -> None:
        connection = Connection(address, tls, memoryview(bytearray(BUFFER_BYTES)))
        while ask_next(connection):
            while not connection.receive():
                pass

    if errand.one_thread:
        _in_one_thread([Connection(address, None, buffer) for buffer in _one_buffer(errand.connections)], ask_next)
    else:
        threads = [threading.Thread(target=serve) for _ in range(errand.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if rows is not None:
        rows.flush()


def _one_buffer(times: int) -> list[memoryview]:
    return [memoryview(bytearray(BUFFER_BYTES))] * times


def _in_one_thread(connections: list[Connection], ask_next: Callable[[Connection], bool]) -> None:
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            connection.socket.setblocking(False)
            if ask_next(connection):
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            for key, _ in selector.select():
                with suppress(BlockingIOError):
                    if key.data.receive() and not ask_next(key.data):
                        selector.unregister(key.fileobj)


if __name__ == "__main__":
    main()
