"""A band of some 2 MB at a file host, a small area of it, and the window that has to come out."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import shapely

from landsat_async.raster.range_plan import window_on
from landsat_async.raster.spec import WindowSpec
from landsat_async.raster.window import Origin, WindowMode, cut, layout_of
from landsat_async.rules.naming import fill_of
from tests.support.raw_server import named
from tests.support.tiffs import band

SOURCE = "LC08_L2SP_008053_20240705_20240714_02_T1_SR_B3.TIF"
OTHER_SOURCE = "LC08_L2SP_008053_20240721_20240731_02_T1_SR_B3.TIF"
AREA = shapely.box(-75.03, 10.32, -74.99, 10.36)
ELSEWHERE = shapely.box(-73.0, 10.0, -72.99, 10.01)
FILL = shapely.box(-74.93, 10.33, -74.90, 10.36)
"""Where the band has nothing but fill."""
DATE = "Mon, 01 Jul 2024 00:00:00 GMT"


@cache
def band_of(seed: int = 1, changes=(), **how) -> bytes:
    """Return a band of 1,050 x 1,000 pixels around 75° west, 10.36° north; the seed decides about its pixels."""
    numbers = np.random.default_rng(seed)
    pixels = numbers.integers(1, 20_000, (1000, 1050), np.uint16)
    pixels[:, 700:] = 0
    return band(dict(changes), pixels=pixels, side=128, **how)


@cache
def spec(mode: WindowMode = WindowMode.PIXELS, area=AREA) -> WindowSpec:
    return WindowSpec.of(area, mode)


def window(data: bytes, wanted: WindowSpec, name: str = SOURCE) -> bytes:
    """Return the window of a band, cut out of the whole."""

    def read(size: int, at: int) -> bytes:
        return data[at : at + size]

    layout = layout_of(read, len(data))
    origin = Origin(name, len(data), wanted.key)
    return b"".join(cut(layout, window_on(layout, wanted.ground, wanted.mode), read, origin, fill=fill_of(name)))


class BandHost:
    """Gives ranges of a band properly, except where it was told otherwise."""

    def __init__(self, data: bytes, *, etag: str | None = '"v1"', date: str | None = None, name: str | None = None):
        self.data, self.etag, self.date = data, etag, date
        self.names = [named(name)] if name else []
        self.faults: dict[int, object] = {}
        """Number of a request (from 0) -> what answers it in place of this host."""
        self.asked: list[tuple[int, int] | None] = []
        """Range of each request; None = the whole file."""
        self.sent = 0
        """Body bytes."""

    def fields(self, start: int, end: int, total: int | None = None) -> list[tuple[str, str]]:
        total = len(self.data) if total is None else total
        where = ("Content-Range", f"bytes {start}-{end - 1}/{total}")
        return [("Content-Length", str(end - start)), where, *self.validators, *self.names]

    @property
    def validators(self) -> list[tuple[str, str]]:
        found = [("ETag", self.etag)] if self.etag else []
        return found + ([("Last-Modified", self.date)] if self.date else [])

    async def __call__(self, wire) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", wire.request.headers.get("range", ""))
        start, end = 0, len(self.data)
        if found:
            start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else end, end)
        number = len(self.asked)
        self.asked.append((start, end) if found else None)
        if number in self.faults:
            wire.mark(f"fault {number}")
            await self.faults[number](self, wire, start, end)
        elif not found or wire.request.headers.get("if-range") not in (None, self.etag, self.date):
            await self.whole(wire)
        else:
            await self.range(wire, start, end)

    async def whole(self, wire) -> None:
        await wire.head(200, ("Content-Length", str(len(self.data))), *self.validators, *self.names)
        self.sent += len(self.data)
        await wire.send(self.data)

    async def range(self, wire, start: int, end: int) -> None:
        await wire.head(206, *self.fields(start, end))
        self.sent += end - start
        await wire.send(self.data[start:end])
