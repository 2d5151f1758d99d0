"""The plain course of a transfer."""

from __future__ import annotations

import asyncio
import os
import weakref

import pytest

from landsat_async.disk.fs import observe
from landsat_async.disk.local_target import LocalTarget
from landsat_async.disk.part import discard_part
from landsat_async.events import Retrying, Started, Transferred
from landsat_async.model import Proof
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.transfer import Transfer, transfer
from landsat_async.transfer.types import Done, MemoryStore, TransferHooks, TransferJob
from tests.support.raw_server import RawServer, ranged
from tests.transfer.bench import KIB, big_tiff_file, no_search_for_garbage, noise, of_done, sha

DATA = noise(700 * KIB + 13)


async def test_a_straight_transfer_ends_under_its_final_name_and_leaves_the_part_until_told(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
    assert of_done(outcome) == (len(DATA), sha(DATA), Proof.LENGTH, len(DATA))
    assert bench.final_bytes() == DATA
    assert os.path.samefile(bench.part, bench.final)
    discard_part(bench.fs, bench.part)
    assert not os.path.exists(bench.part)


def followed(bench):
    """Return a list that gets a weak reference to each transfer from now on."""
    left = []

    async def fetch(*given):
        one = Transfer(*given)
        left.append(weakref.ref(one))
        return await one.run()

    bench.fetch = fetch
    return left


@pytest.mark.faults("X131")
@pytest.mark.parametrize("size", [100 * KIB, len(DATA), 3000 * KIB])
async def test_nothing_of_a_transfer_stays_in_memory_until_garbage_is_looked_for(bench, size):
    """It holds what windows are cut from, up to a MiB, and some thousand files go by before gc looks."""
    bench.right, left = [data := noise(size)], followed(bench)
    with no_search_for_garbage():
        async with RawServer([ranged(data)]) as server, bench.net() as net:
            assert isinstance(await bench.run(server, net=net), Done)
            assert [one() for one in left] == [None]


@pytest.mark.faults("X142")
@pytest.mark.parametrize("how", ["drop", "fin", "rst"])
@pytest.mark.parametrize("size", [100 * KIB, len(DATA)])
async def test_nor_does_anything_of_one_whose_connection_breaks(bench, size, how):
    bench.right, left = [data := noise(size)], followed(bench)

    async def broken(wire):
        await wire.head(200, ("Content-Length", str(size)), ("ETag", '"v1"'), ("Accept-Ranges", "bytes"))
        await wire.send(data[: size // 2])
        await asyncio.sleep(0.01)
        getattr(wire, how)()

    with no_search_for_garbage():
        async with RawServer([broken, ranged(data)]) as server, bench.net() as net:
            assert isinstance(await bench.run(server, net=net), Done)
            assert [one() for one in left] == [None]


async def test_the_documented_way_to_use_it_alone(tmp_path):
    image = big_tiff_file()
    name = "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.TIF"
    target = LocalTarget(tmp_path)
    claim = target.prepare()
    async with (
        RawServer([ranged(image)]) as server,
        open_transfer_session(hosts=AllowedHosts((), loopback=True), target=target) as net,
    ):
        job = TransferJob(SecretUrl(server.url()), name, "1.part", f"2024/{name}")
        match await transfer(job, net, TransferHooks(lambda event: None, MemoryStore())):
            case Done(_, sha256, proof):
                target.discard([job.part_name])
    claim.release()
    assert (sha256, proof) == (sha(image), Proof.STRUCTURE)
    assert (tmp_path / "2024" / name).read_bytes() == image
    assert target.parts() == []


async def test_checkpoints_are_saved_on_the_way_and_never_beyond_what_is_there(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA)]) as server:
        await bench.run(server)
    assert bench.store.saved
    assert bench.store.saved == sorted(bench.store.saved)
    assert all(0 < durable <= len(DATA) for durable in bench.store.saved)


async def test_bytes_of_a_slow_server_are_made_durable_before_they_fill_a_buffer(bench):
    bench.right = [DATA]
    bench.tune(block_bytes=2048 * KIB, checkpoint_s=5.0, min_rate_bytes_s=0.0)

    async def slowly(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'), ("Accept-Ranges", "bytes"))
        for at in range(0, len(DATA), 10 * KIB):
            await asyncio.sleep(1.0)
            if at + 10 * KIB >= len(DATA):
                wire.mark("the last of 71 seconds")
            await wire.send(DATA[at : at + 10 * KIB])

    async with RawServer([slowly]) as server:
        await bench.run(server)
        assert server.marks == ["the last of 71 seconds"]
    steps = [after - before for before, after in zip([0, *bench.store.saved], bench.store.saved, strict=False)]
    assert len(steps) >= 5
    assert max(steps) <= 150 * KIB


async def test_a_small_file_needs_no_checkpoint_and_one_sync(bench):
    bench.right = [DATA[:5000]]
    calls = []
    observe(bench.fs, lambda operation, *_: calls.append(operation))
    async with RawServer([ranged(DATA[:5000])]) as server:
        await bench.run(server)
    assert bench.store.calls == []
    assert calls.count("fsync") == 1
    assert calls.index("fsync") < calls.index("link") < max(i for i, c in enumerate(calls) if c == "fsync_dir")


@pytest.mark.parametrize("kept", [0, 2000])
async def test_what_is_in_memory_whole_is_proven_there_and_anything_else_on_the_disk(bench, kept):
    reads, body = [], DATA[:5000]
    bench.right = [body]
    if kept:
        bench.keep(body[:kept], total=5000, etag='"v1"')
    observe(bench.fs, lambda operation, *how: reads.append(how[1]) if operation == "pread" else None)
    async with RawServer([ranged(body)]) as server:
        await bench.run(server)
    assert (5001 in reads) is bool(kept), "one more than there is: the file must have no more"
    assert kept or not reads


async def test_it_goes_on_from_what_a_broken_connection_left(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, stop=500 * KIB), ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks == [f"cut at {500 * KIB}"]
        assert server.requests[1].start == 500 * KIB - 64 * KIB
        assert server.requests[1].headers["if-range"] == '"v1"'
    assert of_done(outcome) == (len(DATA), sha(DATA), Proof.LENGTH, outcome.bytes_received)
    started, *_ = (event for event in bench.events if isinstance(event, Started))
    assert started == Started(bench.name, 0, len(DATA))
    assert [type(event) for event in bench.events].count(Started) == 1
    assert any(isinstance(event, Retrying) and event.attempt == 1 for event in bench.events)
    assert any(isinstance(event, Transferred) for event in bench.events)


async def test_another_run_goes_on_from_the_checkpoint(bench):
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')
    async with RawServer([ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start == 236 * KIB
        assert server.requests[1].headers["range"] == f"bytes=0-{236 * KIB - 1}"  # nothing in the file vouches for them
    assert outcome.sha256 == sha(DATA)
    assert bench.events[0] == Started(bench.name, 300 * KIB, len(DATA))


async def test_a_part_that_is_complete_needs_no_request_at_all(bench):
    bench.right = [DATA]
    bench.keep(DATA, total=len(DATA), etag='"v1"')
    async with RawServer([ranged(DATA)]) as server:
        assert of_done(await bench.run(server)) == (len(DATA), sha(DATA), Proof.LENGTH, 0)
        assert server.requests == []


async def test_events_carry_the_path_below_the_folder_when_there_is_one(bench):
    bench.right = [DATA]
    bench.below = "2024/"
    async with RawServer([ranged(DATA)]) as server:
        await bench.run(server)
    assert {event.file for event in bench.events} == {f"2024/{bench.name}"}


async def test_headers_of_a_request_are_few_and_honest(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA)]) as server:
        await bench.run(server)
        (request,) = server.requests
    assert request.method == "GET"
    assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert request.headers["accept-encoding"] == "identity"
    assert "landsat_async" in request.headers["user-agent"]


async def test_many_transfers_share_one_net(bench, tmp_path):
    files = [noise(100 * KIB + n, n) for n in range(12)]

    async def answer(wire):
        await ranged(files[int(wire.request.target[1:])])(wire)

    import anyio

    async with RawServer([answer]) as server, bench.net() as net:

        async def one(number: int) -> None:
            job = TransferJob(
                SecretUrl(server.url(f"/{number}")), "x.dat", f"{number}.part", f"{number}.dat", policy=bench.policy,
            )  # fmt: skip
            outcome = await transfer(job, net, TransferHooks(lambda event: None, MemoryStore()))
            assert getattr(outcome, "sha256", outcome) == sha(files[number])

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(one, number)
        assert net.bytes_received == sum(map(len, files))
