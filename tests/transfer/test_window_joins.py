"""A window whose ranges are of two versions of its file, where neither validators nor the index tell them apart."""

from __future__ import annotations

import pytest
import shapely

from landsat_async.raster.measure import measure_clouds
from landsat_async.raster.window import WindowMode, layout_of
from landsat_async.rules.clouds import Flag, MeasureSpec
from landsat_async.rules.joins import SAMPLE_BYTES
from landsat_async.rules.naming import window_name
from landsat_async.transfer.types import Done, NeedsLink
from tests.support.raw_server import RawServer, ranged
from tests.support.tiffs import ASCII, DOUBLE
from tests.transfer.bench import KIB
from tests.transfer.window_host import AREA, DATE, SOURCE, BandHost, band_of, spec, window

QA = SOURCE.replace("SR_B3", "QA_PIXEL")

VALIDATORS = {"date": {"etag": None, "date": DATE}, "weak ETag": {"etag": 'W/"v1"', "date": DATE}, "strong ETag": {}}
MOVED = ((33922, (DOUBLE, (0.0, 0.0, 0.0, 484_725.0, 1_160_655.0, 0.0))),)
"""Two pixels further south-west: where the image lies is in the index alone."""


class Versions(BandHost):
    """Answers each request from the next version, and from then on from the last; whole answers are always the last."""

    def __init__(self, *versions: bytes, **how) -> None:
        super().__init__(versions[0], **how)
        self.versions = list(versions)

    async def range(self, wire, start, end):
        number = min(len(self.asked), len(self.versions)) - 1
        self.data = self.versions[number]
        await super().range(wire, start, end)

    async def whole(self, wire):
        self.data = self.versions[-1]
        await super().whole(wire)


@pytest.fixture
def bench(bench):
    bench.name = SOURCE
    return bench


def want(bench, *versions: bytes, mode: WindowMode = WindowMode.PIXELS) -> None:
    wanted = spec(mode)
    bench.job_options, bench.final_name = {"window": wanted}, window_name(SOURCE, wanted.key)
    bench.right = [window(one, wanted) for one in versions]


@pytest.mark.faults("X144")
@pytest.mark.parametrize("mode", WindowMode)
@pytest.mark.parametrize("validator", VALIDATORS)
@pytest.mark.parametrize("order", ["AAB", "ABB", "ABA", "ABAB"])
async def test_X144_tiles_of_two_versions_that_are_all_as_long_are_never_one_window(bench, order, validator, mode):
    versions = {"A": band_of(1, level=0), "B": band_of(2, MOVED, level=0)}
    want(bench, *versions.values(), mode=mode)
    async with RawServer([Versions(*(versions[one] for one in order), **VALIDATORS[validator])]) as server:
        assert isinstance(await bench.run(server), Done)
    assert bench.final_bytes() in bench.right


@pytest.mark.faults("X144")
@pytest.mark.parametrize("validator", VALIDATORS)
async def test_X144_nor_are_they_when_the_second_version_comes_with_another_run(bench, validator):
    first, second = band_of(1, level=0), band_of(2, level=0)
    want(bench, first, second)

    async def refuse(host, wire, start, end):
        await wire.head(403)

    for before in (1, 2):
        host = BandHost(first, **VALIDATORS[validator])
        host.faults = {before: refuse, before + 1: refuse}
        async with RawServer([host]) as server:
            ended = await bench.run(server)
        if not isinstance(ended, Done):
            assert isinstance(ended, NeedsLink)
            async with RawServer([BandHost(second, **VALIDATORS[validator])]) as server:
                assert isinstance(await bench.run(server), Done)
        assert bench.final_bytes() in bench.right
        bench.forget()


@pytest.mark.faults("X144")
async def test_X144_a_window_of_stored_tiles_whose_host_keeps_its_word_is_compared_but_for_what_came_last(bench):
    data = band_of(1, level=0)
    want(bench, data)
    async with RawServer([host := BandHost(data)]) as server:
        outcome = await bench.run(server)
    assert (outcome.window.transport, bench.final_bytes()) == ("ranges", bench.right[0])
    head, first, last, index, sample = host.asked
    assert head[0] < index[0] < index[1] < head[1]
    assert first[0] <= sample[0] == sample[1] - SAMPLE_BYTES < first[1] < last[0]


@pytest.mark.faults("X144")
async def test_X144_a_window_is_compared_over_as_many_links_as_it_takes(bench):
    data = band_of(1, level=0)
    want(bench, data)

    class OnceOnly(BandHost):
        async def __call__(self, wire):
            if wire.request.target in seen:
                await wire.head(403)
            else:
                seen.add(wire.request.target)
                await super().__call__(wire)

    seen, host = set(), OnceOnly(data)
    async with RawServer([host]) as server:
        for number in range(5):
            outcome = await bench.run(server, path=f"/{number}")
    assert isinstance(outcome, Done)
    assert bench.final_bytes() == bench.right[0]
    assert len(set(host.asked)) == len(host.asked) == 5


@pytest.mark.faults("X144")
async def test_X144_a_comparison_that_breaks_does_not_begin_anew(bench):
    data = band_of(1, level=0)
    want(bench, data)
    host = BandHost(data)

    async def cut(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await wire.send(host.data[start : start + (end - start) // 2])
        wire.fin()

    host.faults[4] = cut
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
    assert bench.final_bytes() == bench.right[0]
    (start, end), (again, same) = host.asked[4:]
    assert (again, same) == (start + (end - start) // 2, end)


@pytest.mark.faults("X154")
async def test_X154_nor_where_a_range_breaks_off_between_two_tiles(bench):
    """Its first half is of the first version, all that comes later of the second."""
    first, second = band_of(1, level=0), band_of(2, level=0)
    want(bench, first, second)

    async def cut(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await wire.send(first[start : (start + end) // 2])  # two tiles, all as long
        wire.fin()

    host = Versions(first, first, second)
    host.faults[1] = cut
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
    (_, end), (start, same) = host.asked[1:3]
    assert start > host.asked[1][0]
    assert end == same
    assert bench.final_bytes() == bench.right[1]


FAR = {
    "directory behind the head": ({"gap": 60 * KIB}, "ABB"),
    "arrays before a directory at the end": ({"gap": 80 * KIB, "index_at_end": True}, "AABB"),
    "directory across the end of the head": ({"gap": 15_500}, "ABB"),
}
"""Shapes of an index that takes several answers, and the versions that these are of."""


def indexed(fill: int, changes, **how) -> bytes:
    """Return a band that differs in its index alone: its place stands in an array, its fill in the directory."""
    return band_of(1, ((42113, (ASCII, b"%d\0" % fill)), *changes), **how)


@pytest.mark.faults("X145")
@pytest.mark.parametrize("validator", VALIDATORS)
@pytest.mark.parametrize("shape", FAR)
async def test_X145_an_index_that_comes_in_several_answers_is_of_one_version(bench, shape, validator):
    how, order = FAR[shape]
    versions = {"A": indexed(0, (), **how), "B": indexed(7, MOVED, **how)}
    want(bench, *versions.values())
    async with RawServer([Versions(*(versions[one] for one in order), **VALIDATORS[validator])]) as server:
        assert isinstance(await bench.run(server), Done)
    assert bench.final_bytes() in bench.right


@pytest.mark.faults("X145")
async def test_X145_what_another_answer_brings_once_more_is_not_asked_for_a_third_time(bench):
    data = band_of(**FAR["directory across the end of the head"][0])
    want(bench, data)
    async with RawServer([host := BandHost(data)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert [start for start, _ in host.asked[:2]] == [0, 0]
    assert len(host.asked) == 4


@pytest.mark.faults("X145")
@pytest.mark.parametrize("validator", VALIDATORS)
async def test_X145_a_head_that_breaks_off_comes_again_in_one_answer(bench, validator):
    first, second = indexed(0, (), gap=100), indexed(7, MOVED, gap=100)
    want(bench, first, second)

    async def cut(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await wire.send(first[: int.from_bytes(first[4:8], "little")])  # the arrays, without the directory
        wire.rst()

    host = BandHost(second, **VALIDATORS[validator])
    host.faults[0] = cut
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
    assert bench.final_bytes() in bench.right


def measuring(*versions: bytes):
    """Return what to ask for, and the right figures."""
    wanted = MeasureSpec(shapely.to_wkb(AREA), "LC08", (Flag.CLOUD,))
    counts = []
    for data in versions:

        def read(size, at, data=data):
            return data[at : at + size]

        counts.append(measure_clouds(read, layout_of(read, len(data)), wanted))
    assert len(set(counts)) == len(counts)
    return {"window": spec(), "measure": wanted}, counts


@pytest.mark.faults("X146")
@pytest.mark.parametrize("validator", VALIDATORS)
@pytest.mark.parametrize("order", ["AAB", "ABA"])
async def test_X146_clouds_are_not_counted_in_ranges_of_two_versions(bench, order, validator):
    versions = {"A": band_of(1, level=0), "B": band_of(2, level=0)}
    bench.name = QA
    bench.job_options, right = measuring(*versions.values())
    async with RawServer([Versions(*(versions[one] for one in order), **VALIDATORS[validator])]) as server:
        outcome = await bench.run(server)
    assert outcome.count in right


@pytest.mark.faults("X146")
@pytest.mark.parametrize("facts", [{"etag": '"v1"'}, {"joined_weakly": True}], ids=["strong ETag", "none"])
@pytest.mark.parametrize("how", [{"level": 0}, {"plain": True}], ids=["stored", "plain"])
async def test_X146_nor_in_a_whole_file_that_was_resumed_in_another_version(bench, how, facts):
    first, second = band_of(1, **how), band_of(2, **how)
    bench.name = QA
    bench.job_options, right = measuring(first, second)
    at, middle = 1_400_000, 1_400_000 + 64 * KIB  # between two rows of tiles; what comes again is the same
    bench.keep(first[:at] + second[at:middle], total=len(first), **facts)
    async with RawServer([ranged(second, etag=facts.get("etag"))]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start == at
    assert outcome.count == right[1]
