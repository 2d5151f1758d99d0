"""A relay on loopback that makes a server look far away: bytes come out half a round trip after they went in.

`python -m benchmarks.relay PORT ROUND_TRIP_MS` relays to that port, prints its own, and ends when its standard input
does. Each way keeps the order of its bytes, and the first bytes of a connection wait for the round trip that its
handshake would have taken. Slow start, loss and a narrow line are not imitated.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections import deque


class _End(asyncio.Protocol):
    """One end of a connection; what it receives goes to the other end, later."""

    def __init__(self, each_way_s: float, handshake_s: float) -> None:
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._each_way_s, self._handshake_s = each_way_s, handshake_s
        self._loop = asyncio.get_running_loop()
        self._not_before_s = 0.0
        self._under_way: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._not_before_s = self._loop.time() + self._handshake_s + self._each_way_s
        if self.other is not None:
            self.other._wait()  # what it has received so far had nowhere to go

    def data_received(self, data: bytes) -> None:
        self._send_later(data)

    def eof_received(self) -> bool:
        self._send_later(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._send_later(None)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def _send_later(self, data: bytes | None) -> None:
        due_s = max(self._loop.time() + self._each_way_s, self._not_before_s)
        self._under_way.append((due_s, data))
        self._wait()

    def _wait(self) -> None:
        open_there = self.other is not None and self.other.transport is not None
        if self._timer is None and self._under_way and open_there:
            self._timer = self._loop.call_at(self._under_way[0][0], self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        assert self.other is not None
        target = self.other.transport
        assert target is not None
        while self._under_way and self._under_way[0][0] <= self._loop.time():
            _, data = self._under_way.popleft()
            if data is None:
                target.close()
            else:
                target.write(data)
        self._wait()


class _ClientEnd(_End):
    """The end that clients connect to; opens the one at the server."""

    def __init__(self, port: int, round_trip_s: float) -> None:
        super().__init__(round_trip_s / 2, round_trip_s)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        other = _End(self._each_way_s, 0.0)
        other.other, self.other = self, other
        await self._loop.create_connection(lambda: other, "127.0.0.1", self._port)


async def relay(port: int, round_trip_s: float) -> None:
    """Relay until nobody holds our standard input any more."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _ClientEnd(port, round_trip_s), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def _exact_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that waits to the microsecond; epoll waits for whole milliseconds, rounded up, on each way."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_exact_loop) as runner:
        runner.run(relay(int(sys.argv[1]), float(sys.argv[2]) / 1000))
