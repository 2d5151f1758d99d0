"""How transfers go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from landsat_async.sim.content import Content
from landsat_async.sim.reply import Reply
from landsat_async.sim.script import FileFault
from landsat_async.sim.wire import Request, Wire

Send = Callable[[Content, int, int, Wire], Awaitable[None]]


async def serve_faulty(fault: FileFault, reply: Reply, request: Request, wire: Wire, send: Send) -> bool:
    """Serve one answer as the recipe says; True keeps the connection."""
    raise NotImplementedError
