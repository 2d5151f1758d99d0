"""Windows over links that are good for one request each."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from landsat_async.rules.naming import window_name
from tests.support.raw_server import RawServer
from tests.support.tiffs import band
from tests.transfer.bench import KIB
from tests.transfer.window_host import DATE, SOURCE, BandHost, band_of, spec, window

MOST = spec(area=shapely.box(-75.2, 10.2, -74.8, 10.5))
WHOLE = {
    "most of the band": ({}, {}, MOST),
    "plain tiles": ({"plain": True}, {}, spec()),
    "tiles that nothing ties": ({"level": 0}, {"etag": None, "date": DATE}, spec()),
    "no validators": ({}, {"etag": None}, spec()),
}
"""What is cut from the whole band: how that is written, what its host says of it, and what is wanted."""


def want(bench, written, wanted, **how) -> bytes:
    data = band(side=16, **how) if how else band_of(**written)
    bench.name, bench.job_options, bench.final_name = SOURCE, {"window": wanted}, window_name(SOURCE, wanted.key)
    bench.right = [window(data, wanted)]
    return data


class OnceOnly(BandHost):
    """Refuses a link that has been used."""

    def __init__(self, data: bytes, **how) -> None:
        super().__init__(data, **how)
        self.used: set[str] = set()

    async def __call__(self, wire) -> None:
        if wire.request.target in self.used:
            await wire.head(403)
        else:
            self.used.add(wire.request.target)
            await super().__call__(wire)


@pytest.mark.faults("X156")
@pytest.mark.parametrize("case", WHOLE)
async def test_X156_a_window_that_takes_the_whole_band_asks_for_that_with_the_next_link(bench, case):
    written, how, wanted = WHOLE[case]
    data = want(bench, written, wanted)
    async with RawServer([host := OnceOnly(data, **how)]) as server:
        for number in range(2):
            outcome = await bench.run(server, path=f"/{number}")
    assert outcome.window.transport == "whole"
    assert bench.final_bytes() == bench.right[0]
    assert host.asked == [(0, 16 * KIB), None]


@pytest.mark.faults("X156")
@pytest.mark.parametrize("case", [name for name in WHOLE if name != "no validators"])
async def test_X156_also_where_a_checkpoint_of_an_earlier_run_speaks_of_ranges(bench, case):
    written, how, wanted = WHOLE[case]
    data = want(bench, written, wanted)
    host = OnceOnly(data, **how)
    host.used.add("/0")
    bench.keep(
        data[: 20 * KIB], source_bytes=len(data), etag=host.etag, last_modified=DATE, joined_weakly=not host.etag
    )
    async with RawServer([host]) as server:
        for number in range(2):
            outcome = await bench.run(server, path=f"/{number}")
    assert outcome.window.transport == "whole"
    assert bench.final_bytes() == bench.right[0]
    assert host.asked == [None]


async def test_a_band_that_is_shorter_than_the_first_range_is_here_with_that(bench):
    data = want(bench, {}, MOST, plain=True, pixels=np.full((40, 42), 7, np.uint16))
    async with RawServer([host := OnceOnly(data)]) as server:
        outcome = await bench.run(server)
    assert outcome.window.transport == "whole"
    assert host.asked == [(0, len(data))]
