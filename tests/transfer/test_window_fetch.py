"""A window of a remote file: few bytes where ranges are given, the same bytes where not, never wrong ones."""

from __future__ import annotations

import os
import threading

import anyio
import pytest

from landsat_async.disk import part
from landsat_async.disk.part import PartFile
from landsat_async.model import Identity, Proof
from landsat_async.raster.window import WindowMode
from landsat_async.rules.naming import window_name
from landsat_async.transfer import window_commit
from landsat_async.transfer.session import TransferSession
from landsat_async.transfer.sink import CUT_BYTES
from landsat_async.transfer.types import Done, FileFailed, NeedsLink, NoData
from tests.support.raw_server import RawServer, status, whole
from tests.support.tiffs import SHORT
from tests.support.window_lies import play
from tests.transfer.window_host import (
    DATE,
    ELSEWHERE,
    FILL,
    OTHER_SOURCE,
    SOURCE,
    BandHost,
    band_of,
    spec,
    window,
)  # fmt: skip

DATA = band_of()
RIGHT = window(DATA, spec())


@pytest.fixture
def bench(bench):
    bench.name = SOURCE
    want(bench, spec())
    bench.right = [RIGHT]
    return bench


@pytest.fixture
def on_disk(monkeypatch):
    """Ranges are written at once, as those of large windows are."""
    monkeypatch.setattr(part, "_GATHERED_BYTES", 0)


def want(bench, wanted):
    bench.job_options, bench.final_name = {"window": wanted}, window_name(SOURCE, wanted.key)


@pytest.mark.parametrize("mode", WindowMode)
async def test_a_window_takes_few_requests_and_few_bytes(bench, mode):
    host, wanted = BandHost(DATA), spec(mode)
    want(bench, wanted)
    bench.right = [window(DATA, wanted)]
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert (outcome.proof, outcome.size_bytes) == (Proof.WINDOW, len(bench.right[0]))
    assert bench.final_bytes() == bench.right[0]
    assert len(host.asked) == 3
    assert outcome.bytes_received == host.sent < len(DATA) / 5
    record = outcome.window
    assert (record.source, record.source_bytes, record.validator) == (SOURCE, len(DATA), '"v1"')
    assert (record.transport, record.whole_proof) == ("ranges", "")
    assert record.tiles > 0
    assert os.listdir(os.path.dirname(bench.part)) == []  # cut from memory


async def test_a_host_without_ranges_sends_the_file_once_and_the_window_is_the_same(bench):
    async with RawServer([whole(DATA, ("ETag", '"v1"'))]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert bench.final_bytes() == RIGHT
    assert len(server.requests) == 1
    assert (outcome.proof, outcome.window.transport, outcome.window.whole_proof) == (Proof.WINDOW, "whole", "structure")


@pytest.mark.faults("K74")
async def test_what_a_window_is_cut_from_comes_through_small_buffers(bench, monkeypatch):
    sizes, take = [], TransferSession.take_buffer

    def taken(self, size):
        sizes.append(size)
        return take(self, size)

    monkeypatch.setattr(TransferSession, "take_buffer", taken)
    bench.tune(block_bytes=4 << 20)
    async with RawServer([whole(DATA, ("ETag", '"v1"'))]) as server:
        assert isinstance(await bench.run(server), Done)
    assert len(sizes) > len(DATA) // CUT_BYTES  # they are still here while the window is cut
    assert max(sizes) == CUT_BYTES


async def test_once_a_host_has_ignored_a_range_it_is_asked_for_whole_files(bench):
    async with RawServer([whole(DATA)]) as server, bench.net() as net:
        await bench.run(server, net=net)
        bench.forget()
        await bench.run(server, net=net)
    assert "range" not in server.requests[1].headers
    assert bench.final_bytes() == RIGHT


@pytest.mark.parametrize(("etag", "date"), [(None, DATE), ('W/"v1"', DATE)])
async def test_without_a_strong_validator_the_index_is_compared_at_the_end(bench, etag, date):
    host = BandHost(DATA, etag=etag, date=date)
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert bench.final_bytes() == RIGHT
    assert outcome.window.transport == "ranges, weakly tied"
    head, *_, index = host.asked
    assert head[0] < index[0] < index[1] < head[1]
    assert len(host.asked) == 4


async def test_with_neither_the_whole_file_is_fetched(bench):
    host = BandHost(DATA, etag=None)
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert bench.final_bytes() == RIGHT
    assert outcome.window.transport == "whole"
    assert host.asked[1:] == [None]


async def test_a_published_sum_is_one_of_the_whole_file(bench):
    import hashlib

    bench.tune(proof=Proof.PUBLISHED)
    bench.job_options |= {"published": {SOURCE: hashlib.sha512(DATA).hexdigest()}}
    host = BandHost(DATA)
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert host.asked == [None]
    assert (outcome.window.whole_proof, bench.final_bytes()) == ("published", RIGHT)


@pytest.mark.parametrize("how", [{"index_at_end": True}, {"big": True}, {"order": ">"}, {"framed": True}], ids=str)
async def test_every_shape_of_a_file_comes_by_ranges(bench, how):
    data = band_of(**how)
    bench.right = [window(data, spec())]
    host = BandHost(data)
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert bench.final_bytes() == bench.right[0]
    assert outcome.window.transport == "ranges"
    assert len(host.asked) <= 7


@pytest.mark.parametrize(
    ("area", "reason"),
    [(ELSEWHERE, "the area lies outside of it"), (FILL, "nothing but fill in the area")],
    ids=["outside", "fill"],
)
@pytest.mark.parametrize("ranges", [True, False])
async def test_a_window_of_fill_alone_is_no_file(bench, area, reason, ranges):
    want(bench, spec(area=area))
    async with RawServer([BandHost(DATA) if ranges else whole(DATA)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, NoData)
    assert outcome.reason == reason
    assert outcome.window.source == SOURCE
    assert bench.final_bytes() is None


async def test_what_no_window_can_be_cut_from_is_refused_with_the_way_out(bench):
    data = band_of(changes=((259, (SHORT, (5,))),))
    async with RawServer([BandHost(data)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert (
        outcome.reason == "no window can be cut from it: its pixels are compressed with LZW; Landsat bands are deflated"
    )
    assert outcome.hint == 'Files of this kind come whole with window = "off".'


async def cut_body(host, wire, start, end):
    await wire.head(206, *host.fields(start, end))
    await wire.send(host.data[start : start + (end - start) // 2])
    wire.rst()


async def test_a_range_that_breaks_off_goes_on_in_its_middle(bench):
    host = BandHost(DATA)
    host.faults[1] = cut_body
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert bench.final_bytes() == RIGHT
    assert server.marks == ["fault 1"]
    broken, next_one = host.asked[1], host.asked[2]
    assert next_one == ((broken[0] + broken[1]) // 2, broken[1])
    assert outcome.window.transport == "ranges"


async def refuse(host, wire, start, end):
    await status(403)(wire)


async def test_a_link_that_expires_between_two_ranges_takes_nothing_from_what_is_here(bench):
    host = BandHost(DATA, name=SOURCE)
    host.faults[1] = host.faults[2] = (
        refuse  # an answer without the name is asked for again over a connection of its own
    )
    async with RawServer([host]) as server:
        first = await bench.run(server)
        assert isinstance(first, NeedsLink)
        assert bench.store.facts.source_bytes == len(DATA)
        before = list(host.asked)
        second = await bench.run(server)
    assert isinstance(second, Done)
    assert bench.final_bytes() == RIGHT
    assert host.asked[3] == before[1]
    assert second.identity is Identity.NAMED


async def test_a_window_whose_ranges_are_all_here_takes_no_request(bench, on_disk):
    host = BandHost(DATA)
    async with RawServer([host]) as server:
        await bench.run(server)
        asked = len(host.asked)
        os.unlink(bench.final)
        bench.keep(bench.part_bytes(), source_bytes=len(DATA), etag='"v1"')
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert (len(host.asked), bench.final_bytes()) == (asked, RIGHT)


async def test_a_stop_keeps_the_ranges_that_are_here(bench):
    host = BandHost(DATA)

    async def hang(host, wire, start, end):
        await wire.head(206, *host.fields(start, end))
        await wire.send(host.data[start : start + 1000])
        await wire.server.release.wait()

    host.faults[1] = hang
    async with RawServer([host]) as server:
        with anyio.move_on_after(1.0):
            await bench.run(server)
        assert bench.store.facts.source_bytes == len(DATA)
        assert bench.final_bytes() is None
        kept = bench.store.facts.durable
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert bench.final_bytes() == RIGHT
    assert outcome.bytes_received == len(bench.part_bytes()) - kept


@pytest.mark.faults("X110")
@pytest.mark.parametrize("of_request", [1, 2])
async def test_X110_ranges_in_memory_are_on_disk_before_a_window_waits_for_another_link(bench, of_request):
    host = BandHost(DATA)

    async def refuse(host, wire, start, end):
        await wire.head(403)

    host.faults[of_request] = refuse
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), NeedsLink)
        kept = bench.store.facts.durable
        assert len(bench.part_bytes()) == kept > 0
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert bench.final_bytes() == RIGHT
    assert len(host.asked) == 4  # what was here is not asked for again


async def test_a_file_that_changes_between_two_ranges_is_begun_anew(bench):
    host, other = BandHost(DATA), band_of(3)

    async def change(host, wire, start, end):
        host.data, host.etag = other, '"v2"'
        await host.whole(wire)  # as If-Range demands

    host.faults[1] = change
    bench.right = [window(other, spec())]
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert bench.final_bytes() == bench.right[0]
    assert outcome.window.validator == '"v2"'


async def spoil(host, wire, start, end):
    body = bytearray(host.data[start:end])
    body[len(body) // 2] ^= 1
    await wire.head(206, *host.fields(start, end))
    await wire.send(bytes(body))


async def test_a_tile_that_does_not_prove_ends_with_the_whole_file(bench):
    host = BandHost(DATA)
    host.faults[1] = spoil
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert bench.final_bytes() == RIGHT
    assert (outcome.window.transport, host.asked[-1]) == ("whole", None)


@pytest.mark.faults("X96")
async def test_X96_a_window_whose_bytes_are_here_needs_no_slot_but_one_that_is_damaged_takes_it_again(bench):
    host, seen = BandHost(DATA), []

    class Watched:
        has_left = False

        def leave(self) -> None:
            self.has_left = True
            seen.append(("leaves", len(host.asked)))

        async def rejoin(self) -> None:
            self.has_left = False
            seen.append(("rejoins", len(host.asked)))

    bench.slot = Watched()
    host.faults[1] = spoil
    async with RawServer([host]) as server:
        assert isinstance(await bench.run(server), Done)
    assert seen == [("leaves", 3), ("rejoins", 3), ("leaves", 4)]


async def test_a_window_that_takes_most_of_the_file_is_cut_from_the_whole(bench):
    import shapely

    wanted = spec(area=shapely.box(-75.2, 10.2, -74.8, 10.5))
    want(bench, wanted)
    bench.right = [window(DATA, wanted)]
    host = BandHost(DATA)
    async with RawServer([host]) as server:
        outcome = await bench.run(server)
    assert bench.final_bytes() == bench.right[0]
    assert outcome.window.transport == "whole"
    assert len(host.asked) == 2


async def test_a_window_is_cut_in_threads_that_the_disk_does_not_need(bench, on_disk, monkeypatch):
    threads = {}

    def noted(owner, name):
        inner = getattr(owner, name)

        def call(*given):
            threads.setdefault(name, threading.current_thread().name.rpartition("-")[0])
            return inner(*given)

        monkeypatch.setattr(owner, name, call)

    noted(window_commit, "cut_window")
    noted(PartFile, "put")
    async with RawServer([BandHost(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
    assert threads == {"put": "landsat-disk", "cut_window": "landsat-cut"}


@pytest.mark.parametrize(
    ("sizes", "written"),
    [([], []), ([0], [0]), ([10, 20], [30]), ([300_000, 5], [300_000, 5]), ([5, 300_000, 1, 2], [300_005, 3])],
)
def test_short_blocks_are_written_together(sizes, written):
    blocks = [bytes([number]) * size for number, size in enumerate(sizes)]
    found = list(window_commit.joined(iter(blocks)))
    assert [len(one) for one in found] == written
    assert b"".join(found) == b"".join(blocks)


async def test_another_file_is_not_the_source(bench):
    async with RawServer([BandHost(DATA, name=OTHER_SOURCE)]) as server:
        outcome = await bench.run(server)
    assert not isinstance(outcome, Done)
    assert bench.final_bytes() is None


async def test_something_in_the_way_is_left_alone(bench):
    os.makedirs(os.path.dirname(bench.final))
    with open(bench.final, "wb") as file:
        file.write(b"mine")
    bench.right = [b"mine"]
    async with RawServer([BandHost(DATA)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert bench.final_bytes() == b"mine"


@pytest.mark.faults("X01", "X02", "X03")
@pytest.mark.parametrize("seed", range(25))
async def test_X01_a_host_that_lies_about_ranges_never_gets_a_wrong_window_named(seed):
    assert "WRONG" not in await play(seed)
