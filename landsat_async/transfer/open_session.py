"""Opens what the transfers of a run share, once for all of them."""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import random

import aiohttp
from anyio import CancelScope, move_on_after

from landsat_async.connections import checked
from landsat_async.disk.io_threads import DiskPool
from landsat_async.disk.target import Target
from landsat_async.proof.prove import Proving, prove
from landsat_async.rules.links import AllowedHosts
from landsat_async.rules.observed import Note
from landsat_async.transfer.brief_answer import Buffers
from landsat_async.transfer.connector import CheckingResolver, context_with, make_connector
from landsat_async.transfer.max_rate import MaxRate
from landsat_async.transfer.quick_get import QuickGets, is_possible
from landsat_async.transfer.session import BUFFERS_BYTES, TransferSession
from landsat_async.transfer.token_bucket import TokenBucket

MAX_HEADER_BYTES = 64 * 1024
USER_AGENT = "landsat_async (Landsat downloader; Python aiohttp)"
READ_AHEAD_BYTES = 256 * 1024
"""What the parser may hold of a body, as aiohttp has it."""


@asynccontextmanager
async def open_transfer_session(
    *,
    hosts: AllowedHosts,
    target: Target,
    workers: int = 5,
    ca_bundle: str | None = None,
    tls: ssl.SSLContext | None = None,
    connector: aiohttp.BaseConnector | None = None,
    trust_env: bool = True,
    proving: Proving = prove,
    uniform: Callable[[], float] = random,
    max_rate_bytes_s: int = 0,
    observe: Note | None = None,
) -> AsyncIterator[TransferSession]:
    """Open what transfers need, and close it again.

    Args:
        hosts: Where files may come from.
        target: Where they go; prepared, or with a folder of parts that can be made.
        workers: How many transfers will run at a time; sizes the thread pool and the blocks.
        ca_bundle: Certificates to trust besides the system's.
        tls: A context that has been made with them already; None = one is made.
        connector: The connections of a host program's session; used with its own resolver, and never closed.
        trust_env: Use the proxies of the environment. Nothing else is taken from there, no netrc in particular.
        proving: Proves a complete file, see `proof.prove`.
        uniform: Draws random numbers in [0, 1).
        max_rate_bytes_s: What all transfers together may receive in a second; 0 = no limit.
        observe: Hears what hosts have shown, see `rules.observed`; None = nobody asks.
    """
    proxies = urllib.request.getproxies_environment() if trust_env else {}
    resolver = CheckingResolver(hosts, proxies.values())
    pool, computing = DiskPool(workers + 2), DiskPool(min(workers, os.cpu_count() or 2), "cut")
    tls = context_with(ca_bundle) if tls is None and ca_bundle is not None else tls
    window = TokenBucket(max_rate_bytes_s).window_bytes if max_rate_bytes_s else None
    read_bufsize = READ_AHEAD_BYTES if window is None else window // 2
    session = aiohttp.ClientSession(
        connector=connector or make_connector(tls, resolver, window),
        connector_owner=connector is None,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
        auto_decompress=False,
        requote_redirect_url=False,
        trust_env=False,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        read_bufsize=read_bufsize,
        **checked(lent=connector is not None),
    )
    shared = TransferSession(session, pool, hosts, target, proving, uniform, proxies, block_bytes_for(workers))
    quick = None
    if connector is None and is_possible():
        buffers = Buffers(shared.take_buffer, shared.give_buffer)
        quick = QuickGets(session, read_bufsize, MAX_HEADER_BYTES, buffers, gathers=window is None)
    try:
        if max_rate_bytes_s:
            shared.max_rate = MaxRate(max_rate_bytes_s, shared.clock)
        shared.observe, shared.computing = observe, computing
        shared.quick = quick
        yield shared
    finally:
        with CancelScope(shield=True), move_on_after(2.0):
            if quick is not None:
                quick.close()
            await session.close()
            await resolver.close()
        for one in (pool, computing):
            one.shutdown(wait=False, cancel_futures=True)
        shared.bursts.close()


def block_bytes_for(transfers: int) -> int:
    """Return how large a block may be when so many transfers run at a time: a power of two, two of them in each."""
    fair = BUFFERS_BYTES // (2 * transfers)
    return 1 << (fair.bit_length() - 1)
