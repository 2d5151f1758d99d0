"""A file host that gives ranges of its file properly, except where it was told otherwise."""

from __future__ import annotations

import re

from tests.support.raw_server import named
from tests.transfer.bench import KIB, noise

SPAN = 256 * KIB
"""As tests of several connections have it; each span brings 64 KiB less that is new."""
DATA = noise(2048 * KIB + 77)
OTHER = noise(2048 * KIB + 77, seed=2)
STARTS = list(range(0, len(DATA) - 64 * KIB, SPAN - 64 * KIB))
"""Where the spans begin."""


class Host:
    def __init__(self, data=DATA, etag='"v1"', accept=True, name=None):
        self.data, self.etag, self.accept = data, etag, accept
        self.names = [named(name)] if name else []
        self.faults = {}
        """First byte of a span -> what happens to the request for it, once."""
        self.asked = []
        """(first byte, end) of each request with a closed range."""
        self.compared = []
        """The same of those that begin at 0: they are for bytes that are compared once more."""
        self.plain = 0
        """Requests without such a range."""

    def fields(self, start, end, etag=None, total=None):
        size, total = end - start, len(self.data) if total is None else total
        where = ("Content-Range", f"bytes {start}-{end - 1}/{total}")
        return [("Content-Length", str(size)), where, ("ETag", etag or self.etag), *self.names]

    async def __call__(self, wire):
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", wire.request.headers.get("range", ""))
        if found and found[2]:
            await self.span(wire, int(found[1]), int(found[2]) + 1)
        else:
            self.plain += 1
            await self.rest(wire, int(found[1]) if found else None)

    async def span(self, wire, start, end):
        (self.asked if start else self.compared).append((start, end))
        fault = self.faults.pop(start, None)
        if fault is not None:
            wire.mark(f"fault at {start}")
            await fault(self, wire, start, end)
        elif wire.request.headers.get("if-range") not in (None, self.etag):
            await self.rest(wire, None)
        else:
            await wire.head(206, *self.fields(start, end))
            await wire.send(self.data[start:end])

    async def rest(self, wire, start):
        if wire.request.headers.get("if-range") not in (None, self.etag):
            start = None
        more = [*self.names, *([("Accept-Ranges", "bytes")] if self.accept else [])]
        if start is None:
            fields = [("Content-Length", str(len(self.data)))] + ([("ETag", self.etag)] if self.etag else [])
            await wire.head(200, *fields, *more)
        else:
            await wire.head(206, *self.fields(start, len(self.data)))
        await wire.send(self.data[start or 0 :])
