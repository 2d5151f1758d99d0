"""Bodies that are cut, shifted, replaced, too long, or not the file (fault catalogue, group F)."""

from __future__ import annotations

import asyncio
import gzip
import os

import anyio
import pytest

from landsat_async.disk.fs import observe
from landsat_async.events import Retrying
from landsat_async.model import Proof
from landsat_async.transfer.types import Done, FileFailed, HostDown, NeedsLink, NotReady
from tests.support.raw_server import OLD_DATE, RawServer, named, ranged, status, whole
from tests.transfer.bench import CANARY, KIB, big_tiff_file, noise, of_done, sha

DATA = noise(500 * KIB + 7)
OTHER = noise(500 * KIB + 7, seed=2)
TIFF = big_tiff_file()
TIFF_NAME = "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.TIF"
OVERLAP = 64 * KIB
LENGTH = ("Content-Length", str(len(DATA)))


def range_fields(start: int, total: int | str = len(DATA), end: int | None = None) -> tuple[str, str]:
    return "Content-Range", f"bytes {start}-{len(DATA) - 1 if end is None else end}/{total}"


def cut(data: bytes, at: int, how: str, chunked: bool = False, length: bool = True):
    """The head of a whole file, its first `at` bytes, and then the end of the connection."""

    async def answer(wire):
        framing = [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", str(len(data)))] * length
        await wire.head(200, *framing, ("ETag", '"v1"'))
        await wire.send(b"%x\r\n%b\r\n" % (at, data[:at]) if chunked and at else data[:at])
        wire.mark(f"{how} at {at}")
        getattr(wire, how)()

    return answer


@pytest.mark.parametrize("at", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 200 * KIB, len(DATA) - 1])
async def test_F01_a_body_cut_before_its_length_is_gone_on_with(bench, at):
    bench.right = [DATA]
    async with RawServer([cut(DATA, at, "fin"), ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks == [f"fin at {at}"]
        assert len(server.requests) == 2 + (at > OVERLAP)  # what was joined is compared once more
        assert (server.requests[1].start or 0) == max(0, at - OVERLAP)  # every byte before the cut was kept
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(DATA)


async def test_F02_a_reset_in_the_middle_is_gone_on_with(bench):
    bench.right = [DATA]
    async with RawServer([cut(DATA, 300 * KIB, "rst"), ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks == ["rst at 307200"]
    assert isinstance(outcome, Done)


async def test_F03_a_chunked_body_without_its_last_chunk_is_a_cut(bench):
    bench.right = [DATA]
    async with RawServer([cut(DATA, 300 * KIB, "fin", chunked=True), ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.requests[1].start == 300 * KIB - OVERLAP
    assert isinstance(outcome, Done)


async def test_a_chunked_body_with_its_last_chunk_is_complete(bench):
    bench.right = [DATA]

    async def answer(wire):
        await wire.head(200, ("Transfer-Encoding", "chunked"))
        await wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(DATA), DATA))

    async with RawServer([answer]) as server:
        assert of_done(await bench.run(server)) == (len(DATA), sha(DATA), Proof.LENGTH, len(DATA))


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_F04_a_cut_body_without_length_never_becomes_a_file(bench, how):
    bench.name = TIFF_NAME
    async with RawServer([cut(TIFF, len(TIFF) - 9, how, length=False)]) as server:
        outcome = await bench.run(server)
        assert len(server.marks) == len(server.requests) == 3 or how == "rst"
    assert isinstance(outcome, FileFailed)
    assert how == "rst" or "no length" in outcome.reason
    assert bench.final_bytes() is None


async def test_F04_a_body_without_length_is_taken_when_its_structure_proves_it(bench):
    bench.name, bench.right = TIFF_NAME, [TIFF]
    async with RawServer([cut(TIFF, len(TIFF) - 9, "fin", length=False), whole(TIFF, length=False)]) as server:
        outcome = await bench.run(server)
        assert server.marks == [f"fin at {len(TIFF) - 9}"]
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.STRUCTURE


async def test_F04_a_body_without_length_is_refused_when_nothing_can_prove_it(bench):
    async with RawServer([whole(DATA, length=False)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert "no length" in outcome.reason


LOGIN = b"<!DOCTYPE html><html><head><title>EROS Registration System</title></head><body>Sign In<form>"
MAINTENANCE = b"<html><head><title>USGS - Scheduled Maintenance</title></head><body>back soon</body></html>"
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
XML = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>We failed</Message></Error>'
JSON = b'{"error": {"message": "download is not available"}}'


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (LOGIN, "text/html", NeedsLink),
        (LOGIN, "application/octet-stream", NeedsLink),
        (MAINTENANCE, "text/html; charset=utf-8", HostDown),
        (BAD_GATEWAY, "text/html", FileFailed),
        (XML, "application/xml", FileFailed),
        (JSON, "application/json", FileFailed),
        (b'{"message": "Invalid signature"}', "application/json", NeedsLink),
        (b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", "text/xml", NeedsLink),
        (JSON, "image/tiff", FileFailed),
    ],
)
@pytest.mark.faults("F05", "F06")
async def test_F05_F06_a_page_in_place_of_the_file_touches_nothing(bench, body, kind, expected):
    bench.name = TIFF_NAME
    bench.keep(TIFF[: 200 * KIB], total=len(TIFF))
    async with RawServer([whole(body, ("Content-Type", kind))]) as server:
        outcome = await bench.run(server)
        assert server.requests
    assert isinstance(outcome, expected)
    assert outcome.bytes_received >= len(body)
    assert bench.part_bytes() == TIFF[: 200 * KIB]
    assert bench.store.facts.durable == 200 * KIB


async def test_F05_the_page_is_quoted_and_the_file_fetched_once_it_is_gone(bench):
    bench.name, bench.right = TIFF_NAME, [TIFF]
    async with RawServer([whole(BAD_GATEWAY, ("Content-Type", "text/html")), whole(TIFF)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 2
    assert isinstance(outcome, Done)
    assert any("502 Bad Gateway" in getattr(event, "reason", "") for event in bench.events)


async def test_F05_a_maintenance_page_with_status_503_concerns_the_host(bench):
    async with RawServer([status(503, ("Content-Type", "text/html"), body=MAINTENANCE)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, HostDown)
    assert outcome.kind == "maintenance"
    assert outcome.wait_s >= 60


@pytest.mark.faults("F07")
async def test_F07_a_range_with_shifted_bytes_is_noticed(bench):
    bench.right = [DATA]

    async def shifted(wire):
        start = wire.request.start
        body = DATA[start + 1 :] + b"x"
        await wire.head(206, ("Content-Length", str(len(body))), range_fields(start), ("ETag", '"v1"'))
        await wire.send(body)
        wire.mark("shifted")

    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')
    async with RawServer([shifted, ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks[0] == "shifted"
        assert all(request.start is None for request in server.requests[1:])  # 300 KiB < 1 MiB: cut back to nothing
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(DATA)


@pytest.mark.faults("F07")
async def test_F07_after_two_wrong_ranges_a_host_is_not_asked_for_ranges_any_more(bench):
    async def lie(wire):
        start = wire.request.start
        await wire.head(206, ("Content-Length", str(len(DATA) - start)), range_fields(start))
        await wire.send(OTHER[start:])

    async with bench.net() as net, RawServer([lie, ranged(DATA)]) as server:
        bench.right = [DATA]
        for part in ("1.part", "2.part"):
            bench.store.facts = None
            bench.keep(DATA[: 300 * KIB], total=len(DATA))
            server.script, server.requests = [lie, ranged(DATA)], []
            assert isinstance(await bench.run(server, net=net), Done)
            assert server.requests[0].start, part

            os.unlink(bench.part)
            os.unlink(bench.final)
        bench.keep(DATA[: 300 * KIB], total=len(DATA))
        server.script, server.requests = [ranged(DATA)], []
        assert isinstance(await bench.run(server, net=net), Done)
        assert server.requests[0].start is None


@pytest.mark.faults("F08")
async def test_F08_an_ignored_range_costs_traffic_and_nothing_else(bench):
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=len(DATA))
    writes = []
    observe(bench.fs, lambda operation, *rest: writes.append(rest[2]) if operation == "pwrite" else None)
    async with RawServer([whole(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start == 236 * KIB
    assert isinstance(outcome, Done)
    assert min(writes) == 300 * KIB  # what was equal has not been written again


@pytest.mark.faults("F08")
async def test_F08_an_ignored_range_with_another_file_overwrites_after_lowering_the_ledger(bench):
    bench.right = [OTHER]
    bench.keep(DATA[: 300 * KIB], total=len(DATA))
    order = []
    observe(bench.fs, lambda operation, *_: order.append(operation))
    lower = bench.store.lower

    async def watched(durable):
        order.append("lower")
        await lower(durable)

    bench.store.lower = watched
    async with RawServer([whole(OTHER)]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(OTHER)
    assert order.index("lower") < order.index("pwrite")
    cuts = [i for i, operation in enumerate(order) if operation == "ftruncate"]
    assert order.index("lower") < cuts[1]  # the first is the one at opening


async def test_F08_a_shorter_new_file_leaves_no_tail_of_the_old_one(bench):
    new = DATA[: 100 * KIB]
    bench.right = [new]
    bench.keep(DATA[: 300 * KIB], total=len(DATA))
    async with RawServer([whole(new)]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(new)


@pytest.mark.faults("F09")
async def test_F09_a_replaced_file_is_fetched_as_it_is_now(bench):
    bench.right = [OTHER]
    async with RawServer([ranged(DATA, stop=300 * KIB), ranged(OTHER, etag='"v2"')]) as server:
        outcome = await bench.run(server)
        assert server.marks
        assert server.requests[1].headers["if-range"] == '"v1"'
        assert len(server.requests) == 2  # the 200 was taken at once
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(OTHER)


@pytest.mark.faults("F09")
async def test_F09_a_replaced_file_at_a_server_that_ignores_if_range(bench):
    bench.right = [OTHER]

    async def careless(wire):
        wire.request.headers.pop("if-range", None)
        await ranged(OTHER, etag='"v2"')(wire)

    async with RawServer([ranged(DATA, stop=300 * KIB), careless]) as server:
        outcome = await bench.run(server)
        assert server.requests[1].start
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(OTHER)


@pytest.mark.faults("F10")
async def test_F10_an_etag_that_changes_with_every_answer_does_not_restart_for_ever(bench):
    bench.name, bench.right = TIFF_NAME, [TIFF]

    async def fickle(wire):
        count = len(wire.server.requests)
        stop = 100 * KIB * count if count < 4 else None
        await ranged(TIFF, etag=f'"v{count}"', stop=stop)(wire)

    async with RawServer([fickle]) as server:
        outcome = await bench.run(server)
        assert len(server.marks) == 3
        assert len(server.requests) <= 5
        assert "if-range" not in server.requests[-1].headers
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CONTENT  # joined without a validator: the pixels had to be proven


@pytest.mark.faults("F11")
@pytest.mark.parametrize("fields", [[("ETag", 'W/"v1"')], [("Last-Modified", OLD_DATE), ("Date", OLD_DATE)], []])
async def test_F11_without_a_strong_validator_the_content_must_be_proven(bench, fields):
    bench.name, bench.right = TIFF_NAME, [TIFF]
    script = [ranged(TIFF, *fields, etag=None, stop=200 * KIB), ranged(TIFF, *fields, etag=None)]
    async with RawServer(script) as server:
        outcome = await bench.run(server)
        assert server.requests[1].start
        assert "if-range" not in server.requests[1].headers
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CONTENT


@pytest.mark.faults("F11")
async def test_F11_a_date_that_is_old_enough_is_a_validator(bench):
    bench.name, bench.right = TIFF_NAME, [TIFF]
    fields = [("Last-Modified", OLD_DATE), ("Date", "Tue, 14 Nov 2023 22:14:21 GMT")]  # 61 s later
    async with RawServer(
        [ranged(TIFF, *fields, etag=None, stop=200 * KIB), ranged(TIFF, *fields, etag=None)]
    ) as server:
        outcome = await bench.run(server)
        assert server.requests[1].headers["if-range"] == OLD_DATE
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CONTENT


@pytest.mark.faults("F11")
async def test_F11_a_file_whose_content_cannot_be_proven_is_fetched_again_in_one_piece(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, etag=None, stop=200 * KIB), ranged(DATA, etag=None)]) as server:
        outcome = await bench.run(server)
        assert [request.start for request in server.requests] == [None, 200 * KIB - OVERLAP, None]
    assert isinstance(outcome, Done)


@pytest.mark.faults("F12")
@pytest.mark.parametrize(
    "bad",
    [
        [],
        [range_fields(0)],
        [range_fields(236 * KIB - 1)],
        [range_fields(236 * KIB, total=len(DATA) + 1)],
        [range_fields(236 * KIB, total=len(DATA) - 1)],
        [range_fields(236 * KIB, end=236 * KIB - 1)],
        [("Content-Range", f"items {236 * KIB}-{len(DATA) - 1}/{len(DATA)}")],
        [("Content-Range", f"bytes {236 * KIB}-{'9' * 30}/{'9' * 30}")],
        [("Content-Range", f"bytes -{236 * KIB}-{len(DATA) - 1}/{len(DATA)}")],
        [range_fields(236 * KIB), range_fields(0)],
    ],
)
async def test_F12_a_partial_answer_with_a_wrong_content_range_is_never_appended(bench, bad):
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')

    async def wrong(wire):
        await wire.head(206, ("Content-Length", str(len(DATA) - 236 * KIB)), ("ETag", '"v1"'), *bad)
        await wire.send(OTHER[236 * KIB :])
        wire.mark("wrong range")

    async with RawServer([wrong, ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks == ["wrong range"]
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(DATA)


@pytest.mark.faults("F13")
async def test_F13_a_partial_answer_that_nobody_asked_for_is_refused(bench):
    bench.right = [DATA]

    async def unasked(wire):
        assert wire.request.start is None
        await wire.head(206, ("Content-Length", str(len(DATA) - 100)), range_fields(100))
        await wire.send(DATA[100:])
        wire.mark("unasked")

    async with RawServer([unasked, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["unasked"]
        assert len(server.requests) == 2


@pytest.mark.faults("N05")
async def test_N05_a_partial_answer_that_is_all_of_the_file_is_taken(bench):
    """Some caches answer so whatever they are asked; they were given up after three tries."""
    bench.right = [DATA]

    async def whole_as_part(wire):
        await wire.head(206, LENGTH, range_fields(0))
        await wire.send(DATA)

    async with RawServer([whole_as_part]) as server:
        assert isinstance(await bench.run(server), Done)
        assert len(server.requests) == 1


@pytest.mark.faults("F14")
async def test_F14_several_ranges_in_one_answer_are_refused(bench):
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')
    multipart = whole(b"--x\r\n", ("Content-Type", "multipart/byteranges; boundary=x"), status=206)
    async with RawServer([multipart, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert [request.start for request in server.requests] == [236 * KIB, None]


@pytest.mark.faults("F15")
async def test_F15_a_server_that_sends_less_than_was_asked_for_is_gone_on_with_at_once(bench):
    bench.right = [DATA]
    bench.keep(DATA[: 100 * KIB], total=len(DATA), etag='"v1"')

    async def slices(wire):
        start, end = wire.request.span(len(DATA))
        end = min(start + 200 * KIB, end)
        fields = [("Content-Length", str(end - start)), range_fields(start, end=end - 1), ("ETag", '"v1"')]
        await wire.head(206, *fields)
        await wire.send(DATA[start:end])

    async with RawServer([slices]) as server:
        assert isinstance(await bench.run(server), Done)
        assert len(server.requests) == 3 + 2  # two more to compare what was joined
    assert not any(hasattr(event, "wait_s") for event in bench.events)


@pytest.mark.faults("F15")
async def test_F15_slices_that_never_get_beyond_the_overlap_end(bench):
    bench.keep(DATA[: 100 * KIB], total=len(DATA), etag='"v1"')

    async def slices(wire):
        start = wire.request.start
        fields = [("Content-Length", str(KIB)), range_fields(start, end=start + KIB - 1), ("ETag", '"v1"')]
        await wire.head(206, *fields)
        await wire.send(DATA[start : start + KIB])

    async with RawServer([slices]) as server:
        assert isinstance(await bench.run(server), FileFailed)
        assert len(server.requests) == bench.policy.attempts


@pytest.mark.faults("F16", "F17")
@pytest.mark.parametrize("said", [300 * KIB, 299 * KIB, 301 * KIB, None])
async def test_F16_F17_a_refused_range(bench, said):
    """416: with our own size the file is complete; with any other, the part is of another file."""
    kept = DATA[: 300 * KIB]
    bench.right = [kept if said == 300 * KIB else DATA]
    bench.keep(kept, etag='"v1"')  # the total was never told
    fields = [("Content-Range", f"bytes */{said}")] if said else []
    async with RawServer([status(416, *fields), ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(bench.right[0])


@pytest.mark.faults("F17")
async def test_F17_a_part_longer_than_its_file_is_thrown_away(bench):
    bench.right = [DATA]
    bench.keep(DATA + b"tail", total=len(DATA), etag='"v1"')
    async with RawServer([ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)


@pytest.mark.faults("F18")
@pytest.mark.parametrize(
    "fields",
    [
        [LENGTH, ("Content-Length", "5")],
        [("Content-Length", "-5")],
        [("Content-Length", "5x")],
        [LENGTH, ("Transfer-Encoding", "chunked")],
    ],
)
async def test_F18_contradicting_lengths_are_refused(bench, fields):
    bench.right = [DATA]

    async def contradict(wire):
        await wire.head(200, *fields)
        await wire.send(OTHER)
        wire.mark("contradiction")
        wire.fin()

    async with RawServer([contradict, ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks == ["contradiction"]
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(DATA)


@pytest.mark.faults("F18")
async def test_F18_more_bytes_than_announced_are_not_kept(bench):
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')

    async def too_many(wire):
        body = DATA[236 * KIB :] + b"more"
        await wire.head(206, range_fields(236 * KIB), ("ETag", '"v1"'), ("Transfer-Encoding", "chunked"))
        await wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        wire.mark("too many")

    async with RawServer([too_many, ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert server.marks == ["too many"]
        assert server.requests[1].start == 236 * KIB
    assert isinstance(outcome, Done)


@pytest.mark.faults("F19")
async def test_F19_an_encoded_body_is_refused_never_decoded(bench):
    packed = gzip.compress(DATA)
    async with RawServer([whole(packed, ("Content-Encoding", "gzip"))]) as server:
        outcome = await bench.run(server)
        encodings = [request.headers["accept-encoding"] for request in server.requests]
    assert isinstance(outcome, FileFailed)
    assert encodings == ["identity", "identity;q=1, *;q=0"]
    assert bench.part_bytes() == b""


@pytest.mark.faults("F20", "F22")
@pytest.mark.parametrize(("code", "expired"), [(400, True), (401, True), (403, True), (410, True), (404, False)])
async def test_F20_F22_a_refused_link_wants_a_fresh_one_and_keeps_the_part(bench, code, expired):
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')
    async with RawServer([status(code)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 1 + (code == 400)  # that may be meant for the range
    assert isinstance(outcome, NeedsLink)
    assert outcome.expired is expired
    assert bench.part_bytes() == DATA[: 300 * KIB]
    assert bench.store.facts.durable == 300 * KIB


@pytest.mark.faults("F21")
async def test_F21_a_link_that_expires_in_the_middle_keeps_its_bytes_for_the_next(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, stop=300 * KIB), status(403), ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), NeedsLink)
        assert isinstance(await bench.run(server, path="/fresh"), Done)
        assert server.requests[2].start == 300 * KIB - OVERLAP


@pytest.mark.faults("F23")
async def test_F23_head_is_never_used(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, stop=300 * KIB), ranged(DATA)]) as server:
        await bench.run(server)
        assert {request.method for request in server.requests} == {"GET"}


@pytest.mark.faults("F24")
@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 520, 527])
async def test_F24_a_busy_server_is_asked_again(bench, code):
    bench.right = [DATA]
    async with RawServer([status(code), status(code, ("Retry-After", "7")), ranged(DATA)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 3
    assert isinstance(outcome, Done)
    waits = [event.wait_s for event in bench.events if hasattr(event, "wait_s")]
    assert waits[0] <= 1.0
    assert 7.0 <= waits[1] <= 9.0
    assert {kind for _, kind, _ in bench.health} == {"server", "ok"}


@pytest.mark.faults("F24")
async def test_F24_a_long_retry_after_is_handed_to_the_run(bench):
    async with RawServer([status(503, ("Retry-After", "600"))]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 1
    assert isinstance(outcome, HostDown)
    assert (outcome.wait_s, outcome.kind) == (600.0, "server")


@pytest.mark.faults("F24")
async def test_F24_a_server_that_stays_busy_ends_the_budget(bench):
    async with RawServer([status(500)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == bench.policy.attempts
    assert isinstance(outcome, FileFailed)
    assert outcome.kind == "busy"


@pytest.mark.faults("F25")
@pytest.mark.parametrize("code", [202, 203, 204, 304, 300, 418])
async def test_F25_other_statuses_are_no_file(bench, code):
    async with RawServer([status(code)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 3
    assert isinstance(outcome, NeedsLink)
    assert not outcome.expired


@pytest.mark.faults("F26")
async def test_F26_an_empty_body_is_no_file(bench):
    async with RawServer([whole(b"")]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 4
    assert isinstance(outcome, FileFailed)
    assert "empty" in outcome.reason


@pytest.mark.faults("F26")
async def test_F26_an_empty_body_without_length_is_no_file_either(bench):
    async with RawServer([whole(b"", length=False)]) as server:
        assert isinstance(await bench.run(server), FileFailed)


@pytest.mark.faults("F30")
async def test_F30_one_byte_and_a_reset_for_ever_comes_to_an_end(bench):
    async def grudging(wire):
        start = wire.request.start or 0
        count = len(wire.server.requests)
        fields = [range_fields(start)] if start else []
        await wire.head(206 if start else 200, ("Content-Length", str(len(DATA) - start)), ("ETag", '"v1"'), *fields)
        await wire.send(DATA[start : (100 * KIB if count == 1 else 100 * KIB + count)])
        wire.mark("reset")
        wire.fin()

    async with RawServer([grudging]) as server:
        outcome = await bench.run(server)
        assert len(server.marks) == bench.policy.attempts  # 100 KiB at first, then nothing that counts
    assert isinstance(outcome, FileFailed)
    assert "without progress" in outcome.reason


@pytest.mark.faults("F31")
async def test_F31_an_error_text_in_the_body_is_cut_out_again(bench):
    data = noise(1400 * KIB)
    bench.right = [data]

    async def injected(wire):
        await wire.head(200, ("Content-Length", str(len(data))), ("ETag", '"v1"'))
        await wire.send(data[: 1300 * KIB] + b"<html><body>upstream timed out</body></html>")
        wire.mark("injected")
        wire.fin()

    async with RawServer([injected, ranged(data)]) as server:
        outcome = await bench.run(server)
        assert server.marks == ["injected"]
        starts = [request.start for request in server.requests]
        assert starts[1] == 1300 * KIB + 44 - OVERLAP
        assert starts[2] == 1300 * KIB + 44 - 1024 * KIB - OVERLAP  # a MiB was given up, not everything
    assert isinstance(outcome, Done)
    assert outcome.sha256 == sha(data)


@pytest.mark.faults("F32")
async def test_F32_a_file_that_is_damaged_at_the_source_is_fetched_twice_and_no_more(bench):
    bench.name = TIFF_NAME
    broken = TIFF[:-500]
    async with RawServer([whole(broken)]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 2
    assert isinstance(outcome, FileFailed)
    assert "copy at USGS itself looks damaged" in outcome.reason


@pytest.mark.faults("F32", "F33")
async def test_F32_F33_a_file_damaged_on_the_way_is_fetched_again_in_one_piece(bench):
    bench.name, bench.right = TIFF_NAME, [TIFF]
    bench.keep(noise(200 * KIB), total=len(TIFF), etag='"v1"')  # a part that no proof will pass

    async def no_overlap_possible(wire):
        start = wire.request.start
        assert start is not None
        body = noise(200 * KIB)[start:] + TIFF[200 * KIB :]
        where = ("Content-Range", f"bytes {start}-{len(TIFF) - 1}/{len(TIFF)}")
        await wire.head(206, ("Content-Length", str(len(body))), where, ("ETag", '"v1"'))
        await wire.send(body)
        wire.mark("spliced")

    async with RawServer([no_overlap_possible, ranged(TIFF)]) as server:
        outcome = await bench.run(server)
        assert server.marks == ["spliced"]
        assert server.requests[1].start is None
    assert isinstance(outcome, Done)


@pytest.mark.faults("F36")
async def test_F36_long_header_lines_are_read_and_endless_ones_are_not(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, ("X-Long", "y" * 40_000))]) as server:
        assert isinstance(await bench.run(server), Done)
    bench.store.facts = None

    os.unlink(bench.final)
    async with RawServer([ranged(DATA, ("X-Long", "y" * 400_000))]) as server:
        assert isinstance(await bench.run(server), FileFailed)
        assert len(server.requests) == 3


@pytest.mark.faults("F37")
@pytest.mark.parametrize(
    "disposition",
    [
        "attachment; filename=other.tar",
        'attachment; filename="../../etc/passwd"',
        "attachment; filename*=UTF-8''%00%2e",
        ";;",
    ],
)
async def test_F37_the_name_comes_from_the_plan_whatever_the_header_says(bench, tmp_path, disposition):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, ("Content-Disposition", disposition))]) as server:
        assert isinstance(await bench.run(server), Done)

    assert sorted(os.listdir(tmp_path)) == ["out", "parts"]
    assert os.listdir(tmp_path / "out") == [bench.name]


@pytest.mark.faults("F38")
async def test_F38_a_kept_connection_that_the_server_has_closed_costs_no_attempt(bench):
    bench.right = [DATA]

    async def answer_and_close_later(wire):
        await ranged(DATA[: 10 * KIB], named(bench.name))(wire)

    async def close_when_asked(wire):
        wire.mark(f"closed connection {wire.request.connection}")
        wire.fin()

    async with bench.net() as net, RawServer([answer_and_close_later, close_when_asked, ranged(DATA)]) as server:
        bench.right.append(DATA[: 10 * KIB])
        assert isinstance(await bench.run(server, net=net), Done)

        os.unlink(bench.final)
        os.unlink(bench.part)
        assert isinstance(await bench.run(server, net=net), Done)
        assert server.marks == ["closed connection 0"]
    assert not any(hasattr(event, "wait_s") for event in bench.events)


@pytest.mark.faults("Y112")
@pytest.mark.parametrize("broken", [b"zz\r\n", b"5\r\n%bXX\r\n" % DATA[300 * KIB : 300 * KIB + 5]])
async def test_Y112_chunks_that_break_later_are_not_waited_for_without_end(bench, broken):
    """aiohttp closes the connection then, and says nothing to who waits for the body (3.14.5)."""
    bench.right = [DATA]

    async def breaks(wire):
        await wire.head(200, ("Transfer-Encoding", "chunked"), ("ETag", '"v1"'))
        await wire.send(b"%x\r\n%b\r\n" % (300 * KIB, DATA[: 300 * KIB]))
        await asyncio.sleep(1.0)
        await wire.send(broken)
        await wire.server.release.wait()

    async with RawServer([breaks, ranged(DATA)]) as server:
        with anyio.fail_after(600.0):
            assert isinstance(await bench.run(server), Done)
        assert server.requests[1].start - 236 * KIB in (0, 5)  # what came before is kept
    told = [event.reason for event in bench.events if isinstance(event, Retrying)]
    assert told == ["127.0.0.1 sends nothing", "127.0.0.1 stopped sending"]


@pytest.mark.faults("F39")
async def test_F39_an_error_behind_the_last_byte_is_no_error(bench):
    """A chunked body that breaks exactly where Content-Range said that it ends."""
    bench.right = [DATA]
    bench.keep(DATA[: 300 * KIB], total=len(DATA), etag='"v1"')

    async def breaks_at_the_end(wire):
        body = DATA[236 * KIB :]
        await wire.head(206, range_fields(236 * KIB), ("ETag", '"v1"'), ("Transfer-Encoding", "chunked"))
        await wire.send(b"%x\r\n%b\r\n" % (len(body), body))
        wire.mark("no last chunk")
        wire.fin()

    async with RawServer([breaks_at_the_end, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["no last chunk"]
        assert len(server.requests) == 2  # the second one compares


@pytest.mark.faults("F40")
async def test_F40_early_answers_are_passed_over_and_endless_headers_refused(bench):
    bench.right = [DATA]

    async def early(wire):
        for _ in range(3):
            await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        await ranged(DATA)(wire)

    async with RawServer([early]) as server:
        assert isinstance(await bench.run(server), Done)

    os.unlink(bench.final)
    bench.store.facts = None
    async with RawServer([ranged(DATA, *(("X", "y") for _ in range(50_000)))]) as server:
        assert isinstance(await bench.run(server), FileFailed)


@pytest.mark.faults("F41")
async def test_F41_a_range_whose_total_is_not_told_needs_the_structure(bench):
    bench.name, bench.right = TIFF_NAME, [TIFF]
    bench.keep(TIFF[: 200 * KIB], etag='"v1"')  # first answer had no length either

    async def starred(wire):
        start, end = wire.request.span(len(TIFF))
        body = TIFF[start:end]
        where = ("Content-Range", f"bytes {start}-{end - 1}/*")
        await wire.head(206, ("Content-Length", str(len(body))), where, ("ETag", '"v1"'))
        await wire.send(body)

    async with RawServer([starred]) as server:
        outcome = await bench.run(server)
        assert server.requests[0].start
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CONTENT


@pytest.mark.parametrize(
    "answer",
    [
        status(404),
        status(503),
        whole(BAD_GATEWAY, ("Content-Type", "text/html")),
        whole(b"\0" * 5000, length=False),
    ],
)
async def test_E04_a_staging_link_without_a_file_is_not_ready(bench, answer):
    async with RawServer([answer]) as server:
        outcome = await bench.run(server, path=f"/download-staging/{CANARY}")
        assert len(server.requests) == 1
    assert isinstance(outcome, NotReady)
    assert bench.final_bytes() is None


async def test_a_staging_link_with_a_file_is_fetched(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, ("Content-Disposition", f'attachment; filename="{bench.name}"'))]) as server:
        assert isinstance(await bench.run(server, path=f"/download-staging/{CANARY}"), Done)
