"""Early bytes that change between two answers, while every validator stays (K40)."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.events import Notice
from landsat_async.model import Proof
from landsat_async.proof.byte_view import ByteView
from landsat_async.proof.tiff import walk_tiff
from landsat_async.rules import joins
from landsat_async.transfer.types import Done
from tests.disk.whole_files import ANG, MTL_XML, PRODUCT, mtl, tar, tiff
from tests.support.raw_server import OLD_DATE, RawServer, ranged
from tests.transfer.bench import KIB, noise, sha

TIFF = tiff(side=600, tile=64, mask=0x3F)
STORED = tiff(side=400, tile=64)
"""Its tiles are noise, which deflate does not shorten: each is as long as any other."""
PLAIN = tiff(side=400, tile=64, compression=1)
CUT, LATE_CUT = 200 * KIB, 400 * KIB
BAND, TEXT = f"{PRODUCT}_SR_B3.TIF", f"{PRODUCT}_GCP.txt"
BY_DATE = (("Last-Modified", OLD_DATE), ("Date", "Tue, 14 Nov 2023 22:14:21 GMT"))
VALIDATORS = {"strong ETag": {"etag": '"v1"'}, "old date": {"etag": None}}


def lines(size: int) -> bytes:
    return b"".join(b"%09d\n" % number for number in range(size // 10))


def other_early_byte(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def bundle_with_texts_first() -> bytes:
    texts = {f"{PRODUCT}_MTL.txt": mtl(files=(BAND,)), f"{PRODUCT}_ANG.txt": ANG, f"{PRODUCT}_MTL.xml": MTL_XML}
    return tar({**texts, BAND: TIFF})


def host(data, validator, stop=None):
    return ranged(data, *(BY_DATE if validator == "old date" else ()), **VALIDATORS[validator], stop=stop)


@pytest.mark.faults("K40", "F09")
@pytest.mark.parametrize("validator", VALIDATORS)
@pytest.mark.parametrize(
    ("name", "data", "at", "proof"),
    [
        (BAND, TIFF, 20 * KIB, Proof.STRUCTURE),  # in a tile: its sum tells
        (BAND, TIFF, 24, Proof.STRUCTURE),  # in the first directory, which has no sum
        (BAND, PLAIN, 20 * KIB, Proof.STRUCTURE),  # plain pixels
        (BAND, STORED, 20 * KIB, Proof.STRUCTURE),
        (TEXT, lines(400_000), 1000, Proof.LENGTH),
        (f"{PRODUCT}_x.bin", noise(400_000), 100 * KIB, Proof.LENGTH),
    ],
)
async def test_K40_a_file_whose_early_bytes_change_under_the_same_validator_is_never_a_mix(
    bench, validator, name, data, at, proof
):
    bench.name, bench.right = name, [data]
    async with RawServer([host(other_early_byte(data, at), validator, CUT), host(data, validator)]) as server:
        outcome = await bench.run(server)
        assert server.requests[1].start == CUT - 64 * KIB
        assert server.requests[1].headers["if-range"] in ('"v1"', OLD_DATE)
    assert isinstance(outcome, Done)
    assert outcome.proof is proof  # fetched anew in one answer
    assert bench.final_bytes() == data


@pytest.mark.faults("K40")
async def test_K40_a_text_in_a_bundle_that_changes_under_the_same_etag_is_noticed(bench):
    name, data = f"{PRODUCT}.tar", bundle_with_texts_first()
    bench.name, bench.right = name, [data]
    at = data.index(b"COLLECTION_NUMBER") + 20
    async with RawServer([ranged(other_early_byte(data, at), stop=len(data) - 30 * KIB), ranged(data)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.requests[1].start
    assert bench.final_bytes() == data


def with_first_tiles_of(other: bytes, data: bytes) -> bytes:
    """Return the file with tiles of another version, each of which is right, in the same places."""
    index = walk_tiff(ByteView(lambda size, at: data[at : at + size], 0, len(data), lambda: False))
    assert len(other) == len(data)
    end = index.pages[0].offsets[20]
    assert 0 < end < LATE_CUT - 64 * KIB
    return other[:end] + data[end:]


@pytest.mark.faults("X143")
@pytest.mark.parametrize("validator", [{"etag": None}, {"etag": '"v1"'}], ids=["none", "strong ETag"])
async def test_X143_right_tiles_of_two_versions_are_never_one_file_where_the_index_fits_both(bench, validator):
    bench.name, bench.right = BAND, [STORED]
    mix = with_first_tiles_of(tiff(side=400, tile=64, seed=1), STORED)
    async with RawServer([ranged(mix, stop=LATE_CUT, **validator), ranged(STORED, **validator)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.requests[1].start == LATE_CUT - 64 * KIB
    assert bench.final_bytes() == STORED


@pytest.mark.faults("X143")
async def test_X143_a_file_joined_without_a_validator_is_fetched_anew_where_too_much_had_to_be_compared(
    bench, monkeypatch
):
    monkeypatch.setattr(joins, "MOST_COMPARED_BYTES", 100 * KIB)
    bench.name, bench.right = BAND, [STORED]
    mix = with_first_tiles_of(tiff(side=400, tile=64, seed=1), STORED)
    async with RawServer([ranged(mix, stop=LATE_CUT, etag=None), ranged(STORED, etag=None)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.requests[1].start
        assert "range" not in server.requests[2].headers
    assert bench.final_bytes() == STORED


@pytest.mark.faults("K40")
@pytest.mark.parametrize("data", [TIFF, PLAIN], ids=["deflated", "plain"])
async def test_K40_a_resumed_file_that_is_right_says_how_far_it_is_proven(bench, data):
    bench.name, bench.right = BAND, [data]
    async with RawServer([ranged(data, stop=CUT), ranged(data)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 3
    assert (outcome.sha256, outcome.proof) == (sha(data), Proof.CONTENT if data is TIFF else Proof.STRUCTURE)
    assert not [event for event in bench.events if isinstance(event, Notice)]


@pytest.mark.faults("K40")
async def test_K40_more_plain_bytes_than_are_compared_are_told_as_such(bench, monkeypatch):
    monkeypatch.setattr(joins, "MOST_COMPARED_BYTES", 100 * KIB)
    bench.name, bench.right = BAND, [PLAIN]
    async with RawServer([ranged(PLAIN, stop=CUT), ranged(PLAIN)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 2
    assert outcome.proof is Proof.STRUCTURE
    (notice,) = [event for event in bench.events if isinstance(event, Notice)]
    assert "several answers" in notice.text
    assert "structure" in notice.text


def within(data, stop=None):
    """A host that knows closed ranges too; cuts them after `stop` bytes."""

    async def answer(wire):
        start, end = wire.request.span(len(data))
        where = ("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        await wire.head(206, ("Content-Length", str(end - start)), where, ("ETag", '"v1"'))
        await wire.send(data[start:end][:stop])
        if stop is not None and stop < end - start:
            wire.mark("cut")
            wire.fin()

    return answer


@pytest.mark.parametrize("right", [True, False])
async def test_a_comparison_that_breaks_goes_on_where_it_was(bench, right):
    data = noise(700 * KIB)
    other = data if right else other_early_byte(data, 400 * KIB)
    bench.name, bench.right = "x.bin", [data]
    script = [ranged(other, stop=600 * KIB), within(data), within(data, 290 * KIB), within(data), ranged(data)]
    async with RawServer(script) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks[1:] == ["cut"]
        asked = [request.headers.get("range") for request in server.requests]
    assert asked[2] == f"bytes=0-{536 * KIB - 1}"
    assert int(asked[3].removeprefix("bytes=").partition("-")[0]) >= 200 * KIB
    assert len(asked) == (4 if right else 5)
    assert bench.final_bytes() == data


@pytest.mark.faults("X157")
async def test_X157_a_comparison_that_breaks_off_again_and_again_goes_on_as_long_as_it_gets_further(bench):
    data = noise(2000 * KIB)
    bench.name, bench.right = "x.bin", [data]
    script = [ranged(data, stop=1900 * KIB), within(data), within(data, 150 * KIB)]  # the last one repeats
    async with RawServer(script) as server:
        assert isinstance(await bench.run(server), Done)
        assert len(server.requests) - 2 > bench.policy.attempts
    assert bench.final_bytes() == data


@pytest.mark.faults("X157")
async def test_X157_one_that_gets_no_further_ends(bench):
    data = noise(2000 * KIB)
    bench.name, bench.right = "x.bin", []
    async with RawServer([ranged(data, stop=1900 * KIB), within(data), within(data, 0)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) - 2 == bench.policy.attempts
    assert "without progress" in outcome.reason


async def test_a_stop_during_the_comparison_keeps_the_file_and_compares_in_the_next_run(bench):
    data = noise(700 * KIB)
    bench.name, bench.right = "x.bin", [data]

    async def hang(wire):
        wire.mark("compared")
        await wire.server.release.wait()

    async with RawServer([ranged(data, stop=600 * KIB), within(data), hang]) as server:
        with anyio.move_on_after(3.0):
            await bench.run(server)
        assert server.marks[1:] == ["compared"]
    assert bench.store.facts.durable == len(data)
    assert bench.final_bytes() is None
    async with RawServer([within(data)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert [request.headers["range"] for request in server.requests] == [f"bytes=0-{536 * KIB - 1}"]


@pytest.mark.parametrize("end", [1, -1])
async def test_a_host_that_gives_other_ranges_than_asked_for_is_asked_for_the_whole(bench, end):
    data = noise(700 * KIB)
    bench.name, bench.right = "x.bin", [data]

    async def odd(wire):
        start, stop = wire.request.span(len(data))
        where = ("Content-Range", f"bytes {start + 1}-{stop - 1}/{len(data)}")
        await wire.head(206, ("Content-Length", str(stop - start - 1)), where)
        await wire.send(data[start + 1 : stop])

    async with RawServer([ranged(data, stop=600 * KIB), ranged(data), odd, ranged(data)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert "range" not in server.requests[-1].headers
        assert len(server.requests) == 4
