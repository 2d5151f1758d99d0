"""Connections that hand bytes over as those of the Proactor loop do, which is the usual loop on Windows.

There a plain connection receives into a buffer of its own, of 64 KiB, and then puts that into the protocol's buffers,
asking for as many of them as it takes: also after the protocol has paused it. The loops of POSIX receive straight into
the protocol's buffer, once. (TLS does so on every loop: what is decrypted goes there, piece by piece, as it is read.)

    with proactor_like():
        ... connections of selector loops made inside behave like that ...
"""

from __future__ import annotations

import asyncio
from asyncio import protocols, selector_events
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

BUFFER_BYTES = 64 * 1024


def _read_ready(transport) -> None:
    """Stand in for _SelectorSocketTransport._read_ready__get_buffer, with the manners of _ProactorReadPipeTransport."""
    if transport._conn_lost:
        return
    try:
        data = transport._sock.recv(BUFFER_BYTES)
    except (BlockingIOError, InterruptedError):
        return
    except OSError as error:
        transport._fatal_error(error, "Fatal read error on socket transport")
        return
    if not data:
        transport._read_ready__on_eof()
        return
    try:
        protocols._feed_data_to_buffered_proto(transport._protocol, data)
    except Exception as error:
        transport._fatal_error(error, "Fatal error: protocol.buffer_updated() call failed.")


@contextmanager
def proactor_like() -> Iterator[None]:
    """Have it so for all connections of selector loops inside the block."""
    assert issubclass(selector_events._SelectorSocketTransport, asyncio.Transport)
    with mock.patch.object(selector_events._SelectorSocketTransport, "_read_ready__get_buffer", _read_ready):
        yield
