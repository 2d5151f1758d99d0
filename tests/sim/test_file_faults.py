"""The file hosts: correct answers, and each recipe as a client sees it."""

from __future__ import annotations

import base64
import gzip
import socket
import ssl

import aiohttp
import anyio
import pytest
from yarl import URL

from landsat_async.sim import Archive, Script
from tests.sim.client import L1, L2, PRODUCT, SCENE, box, collect

STAGED = "LC80040532024203LGN00"
BAND = f"{PRODUCT}_SR_B3.TIF"
HALF = "bytes=50000-"


def true_bytes(sim, name=BAND):
    content = sim.archive.file(name)
    return content.read(0, content.size)


def served(sim, kind, times=1):
    assert sim.log.faults[kind] == times
    assert [entry.fault for entry in sim.log.entries if entry.fault] == [kind] * times


async def raw(url, **headers):
    """Send a GET and return every byte until the connection ends, and whether it ended by RST."""
    parts = URL(url)
    data, reset = b"", False
    async with await anyio.connect_tcp(parts.host, parts.port) as stream:
        lines = [
            f"GET {parts.raw_path_qs} HTTP/1.1",
            "Host: x",
            *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        ]
        await stream.send("\r\n".join([*lines, "", ""]).encode())
        with anyio.fail_after(30):
            try:
                while True:
                    data += await stream.receive()
            except anyio.EndOfStream:
                pass
            except anyio.BrokenResourceError as error:
                reset = isinstance(error.__cause__, ConnectionResetError)
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body, reset


async def test_a_healthy_answer():
    async with box() as (sim, client):
        status, headers, body = await client.get(await client.link())
        assert (status, body) == (200, true_bytes(sim))
        assert headers["Content-Type"] == "image/tiff"
        assert headers["Content-Disposition"] == f'attachment; filename="{BAND}"'
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["ETag"].startswith('"')
        assert sim.log.file_bytes[BAND] == len(body)
        assert (sim.log.files[BAND], sim.log.requests["landsatlook"]) == (1, 1)
        entry = sim.log.of(BAND)[0]
        assert (entry.status, entry.sent_bytes, entry.fault) == (200, len(body), None)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        (HALF, 50_000, None),
        ("bytes=-7", -7, None),
        ("bytes=9-999999999", 9, None),
    ],
)
async def test_ranges(asked, start, stop):
    async with box() as (sim, client):
        whole = true_bytes(sim)
        status, headers, body = await client.get(await client.link(), Range=asked)
        assert (status, body) == (206, whole[start:stop])
        first = start % len(whole)
        assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"


async def test_ranges_that_cannot_be_served_or_are_not_understood():
    async with box() as (sim, client):
        url, size = await client.link(), len(true_bytes(sim))
        status, headers, _ = await client.get(url, Range=f"bytes={size}-")
        assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
        for odd in ("bytes=1-2,5-6", "items=1-2", "bytes=-", "bytes=a-b"):
            assert (await client.get(url, Range=odd))[0] == 200
        sim.script.ranges = False
        status, headers, body = await client.get(url, Range=HALF)
        assert (status, len(body)) == (200, size)
        assert "Accept-Ranges" not in headers


async def test_bundles_by_range_and_browse_images():
    async with box() as (sim, client):
        made = await client.request(await client.want_bundle(L2, SCENE))
        _, _, body = await client.get(made["availableDownloads"][0]["url"], Range="bytes=100000-300000")
        assert body == true_bytes(sim, f"{PRODUCT}.tar")[100_000:300_001]
        rows = [r for r in await client.options(L1, SCENE) if r["downloadSystem"] == "ls_frb"]
        made = await client.request([{"entityId": SCENE, "productId": r["id"]} for r in rows])
        for row in made["availableDownloads"]:
            status, headers, body = await client.get(row["url"])
            assert status == 200
            assert body[:2] in (b"II", b"\xff\xd8")
            assert headers["Content-Disposition"].endswith(('.tif"', '.jpg"'))
        scene = (await client.call("scene-search", {"datasetName": L2, "maxResults": 1}))["results"][0]
        assert (await client.get(scene["browse"][0]["thumbnailPath"]))[2][:2] == b"\xff\xd8"


async def test_if_range_with_all_kinds_of_validators():
    async with box() as (sim, client):
        url = await client.link()
        _, headers, _ = await client.get(url)
        etag, date = headers["ETag"], headers["Last-Modified"]
        for condition, status in ((etag, 206), (date, 206), ('"other"', 200), ("Sat, 01 Jan 2000 00:00:00 GMT", 200)):
            assert (await client.get(url, Range=HALF, If_Range=condition))[0] == status
        sim.script.if_range = "never"
        assert (await client.get(url, Range=HALF, If_Range=etag))[0] == 200
        assert (await client.get(url, Range=HALF, If_Range=date))[0] == 206
        sim.script.if_range = "ignored"
        assert (await client.get(url, Range=HALF, If_Range='"other"'))[0] == 206
        sim.script.if_range = "honoured"
        for kind, check in (
            ("weak", lambda tag: tag.startswith("W/")),
            ("none", lambda tag: tag is None),
            ("changing", lambda tag: tag != etag),
        ):
            sim.script.etag = kind
            _, headers, _ = await client.get(url)
            assert check(headers.get("ETag"))
            if kind == "weak":
                assert (await client.get(url, Range=HALF, If_Range=headers["ETag"]))[0] == 200
        sim.script.last_modified = "none"
        assert "Last-Modified" not in (await client.get(url))[1]


@pytest.mark.faults("F01", "F02", "F03")
@pytest.mark.parametrize("kind", ["cut", "cut-rst", "cut-chunked"])
async def test_F01_F02_F03_a_cut_body_is_told_by_the_framing(kind):
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", kind, fraction=0.5)
        got = bytearray()
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
            await collect(client.session, url, got)
        assert true_bytes(sim).startswith(got)
        served(sim, kind)
        assert sim.log.file_bytes[BAND] == len(true_bytes(sim)) // 2
        assert (await client.get(url, Range=f"bytes={len(got)}-"))[2] == true_bytes(sim)[len(got) :]


@pytest.mark.faults("F01", "F02")
@pytest.mark.parametrize(
    ("kind", "by_reset"), [("cut", False), ("cut-rst", True), ("cut-close", False), ("cut-close-rst", True)]
)
async def test_F01_F02_fin_and_rst_on_the_wire(kind, by_reset):
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", kind, fraction=0.25)
        head, body, reset = await raw(url)
        assert reset == by_reset
        assert body == true_bytes(sim)[: len(true_bytes(sim)) // 4]
        assert ("Content-Length" in head) == (not kind.startswith("cut-close"))
        served(sim, kind)


@pytest.mark.faults("F04")
@pytest.mark.parametrize(("kind", "whole"), [("cut-close", False), ("no-length", True)])
async def test_F04_a_close_delimited_body_looks_complete(kind, whole):
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", kind)
        status, headers, body = await client.get(url)
        assert status == 200
        assert "Content-Length" not in headers
        assert len(body) == len(true_bytes(sim)) // (1 if whole else 2)
        served(sim, kind)


async def test_complete_answers_in_other_framings():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "chunked")
        sim.script.fault_file("*", "then-close")
        for _ in range(2):
            assert (await client.get(url))[2] == true_bytes(sim)
        assert dict(sim.log.faults) == {"chunked": 1, "then-close": 1}


@pytest.mark.faults("F05", "F06", "F26")
@pytest.mark.parametrize(
    ("kind", "begins", "content_type"),
    [
        ("html", b"<!DOCTYPE", "text/html; charset=UTF-8"),
        ("json", b'{"errorCode"', "application/json"),
        ("xml", b"<?xml", "application/xml"),
        ("empty", b"", "application/octet-stream"),
    ],
)
async def test_F05_F06_F26_another_body_at_200(kind, begins, content_type):
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*_SR_B3.TIF", kind)
        status, headers, body = await client.get(url)
        assert (status, headers["Content-Type"]) == (200, content_type)
        assert body.startswith(begins)
        assert len(body) < 400
        served(sim, kind)


@pytest.mark.faults("F20", "F22", "F24", "F25")
@pytest.mark.parametrize("status", [204, 400, 403, 404, 408, 410, 429, 500, 502, 503, 504, 520])
async def test_F20_F24_statuses_with_headers(status):
    async with box() as (sim, client):
        url = await client.link()
        kind = "no-content" if status == 204 else "status"
        sim.script.fault_file("*", kind, status=status, headers={"Retry-After": "3"})
        got, headers, body = await client.get(url)
        assert (got, headers["Retry-After"], body) == (status, "3", b"")
        assert (await client.get(url))[0] == 200


@pytest.mark.faults("F07")
async def test_F07_206_with_the_right_header_and_shifted_bytes():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "range-shifted", bytes=512)
        status, headers, body = await client.get(url, Range=HALF)
        expected = true_bytes(sim)[50_000:]
        assert status == 206
        assert headers["Content-Range"].startswith("bytes 50000-")
        assert body != expected
        assert body[:1000] == true_bytes(sim)[50_512:51_512]
        assert len(body) == len(expected)
        served(sim, "range-shifted")


@pytest.mark.faults("F08")
async def test_F08_a_range_is_ignored():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "ignore-range", ranged=True)
        assert (await client.get(url))[0] == 200
        assert sim.log.faults == {}
        status, _, body = await client.get(url, Range=HALF)
        assert (status, body) == (200, true_bytes(sim))
        served(sim, "ignore-range")


@pytest.mark.faults("F09")
async def test_F09_the_file_is_replaced_by_one_of_the_same_length():
    async with box(Archive.demo(compress=False)) as (sim, client):
        url = await client.link()
        _, before, old = await client.get(url)
        sim.script.fault_file("*_SR_B3.TIF", "new-version")
        status, after, body = await client.get(url, Range=HALF, If_Range=before["ETag"])
        assert status == 200
        assert (before["ETag"], old) != (after["ETag"], body)
        assert len(old) == len(body)
        assert (await client.get(url))[2] == body  # for good
        served(sim, "new-version")


@pytest.mark.faults("F12")
@pytest.mark.parametrize(
    ("kind", "claim"),
    [
        ("range-no-header", None),
        ("range-wrong-start", "bytes 50003-{last}/{size}"),
        ("range-wrong-end", "bytes 50000-{beyond}/{size}"),
        ("range-wrong-total", "bytes 50000-{last}/{bigger}"),
        ("range-wrong-unit", "items 50000-{last}/{size}"),
        ("range-star", "bytes 50000-{last}/*"),
        ("range-huge", "bytes 50000-99999999999999999999999/99999999999999999999999999"),
    ],
)
async def test_F12_wrong_content_range(kind, claim):
    async with box() as (sim, client):
        url, size = await client.link(), len(true_bytes(sim))
        sim.script.fault_file("*", kind, bytes=3)
        status, headers, body = await client.get(url, Range=HALF)
        assert status == 206
        expected = claim and claim.format(last=size - 1, size=size, beyond=size + 2, bigger=size + 3)
        assert headers.get("Content-Range") == expected
        assert body == true_bytes(sim)[50_000:]
        served(sim, kind)


@pytest.mark.faults("F13", "F14", "F15")
async def test_F13_F14_F15_other_kinds_of_206():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "range-unasked")
        status, headers, body = await client.get(url)
        assert (status, body) == (206, true_bytes(sim))
        sim.script.fault_file("*", "range-multipart")
        status, headers, body = await client.get(url, Range=HALF)
        assert (status, headers["Content-Type"]) == (206, "multipart/byteranges; boundary=SIM")
        assert true_bytes(sim)[50_000:] in body
        sim.script.fault_file("*", "range-short", bytes=1000)
        status, headers, body = await client.get(url, Range=HALF)
        assert (status, body) == (206, true_bytes(sim)[50_000:51_000])
        assert headers["Content-Range"].startswith("bytes 50000-50999/")
        assert sum(sim.log.faults.values()) == 3


@pytest.mark.faults("F16")
@pytest.mark.parametrize(
    ("text", "share"), [("equal", 1), ("smaller", 0.5), ("bigger", 2), ("absent", None), ("bytes */7", 7)]
)
async def test_F16_variants_of_416(text, share):
    async with box() as (sim, client):
        url, size = await client.link(), len(true_bytes(sim))
        sim.script.fault_file("*", "416", text=text)
        status, headers, _ = await client.get(url, Range=HALF)
        assert status == 416
        told = headers.get("Content-Range")
        expected = {"equal": f"bytes */{size}", "smaller": f"bytes */{size // 2}", "bigger": f"bytes */{size + 512}"}
        assert told == expected.get(text, None if share is None else text)
        served(sim, "416")


@pytest.mark.faults("F18")
async def test_F18_more_bytes_than_announced_and_contradicting_lengths():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "too-long", bytes=100)
        head, body, _ = await raw(url)
        assert body == true_bytes(sim) + b"\xff" * 100
        assert f"Content-Length: {len(body) - 100}" in head
        for kind in ("two-lengths", "length-and-chunked"):
            sim.script.fault_file("*", kind)
            head, _, _ = await raw(url)
            assert head.count("Content-Length") + head.count("Transfer-Encoding") == 2
            sim.script.fault_file("*", kind)
        with pytest.raises(aiohttp.ClientError):
            await client.get(url)


@pytest.mark.faults("F19")
async def test_F19_gzip_although_identity_was_asked():
    async with box() as (sim, client):
        url = await client.link()
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            for kind in ("gzip", "cut-gzip"):
                sim.script.fault_file("*", kind)
                async with session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
                    assert answer.headers["Content-Encoding"] == "gzip"
                    body = await answer.read()
                if kind == "gzip":
                    assert gzip.decompress(body) == true_bytes(sim)
                else:
                    with pytest.raises(EOFError):
                        gzip.decompress(body)
        assert dict(sim.log.faults) == {"gzip": 1, "cut-gzip": 1}


@pytest.mark.faults("F10", "F37")
async def test_F10_F37_recipes_for_headers():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "etag", text='W/"x"')
        sim.script.fault_file("*", "etag")
        sim.script.fault_file("*", "wrong-name", text="../../etc/passwd")
        sim.script.fault_file("*", "wrong-name")
        sim.script.fault_file("*", "headers", headers={"X-Long": "a" * 20_000})
        assert (await client.get(url))[1]["ETag"] == 'W/"x"'
        assert "ETag" not in (await client.get(url))[1]
        assert "../../etc/passwd" in (await client.get(url))[1]["Content-Disposition"]
        assert "Content-Disposition" not in (await client.get(url))[1]
        async with aiohttp.ClientSession(max_field_size=65_536) as session, session.get(url) as answer:
            assert len(answer.headers["X-Long"]) == 20_000


@pytest.mark.faults("F27", "F28")
async def test_F27_F28_stall_and_drip():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "stall", fraction=0.5, seconds=60)
        sim.script.fault_file("*", "drip", fraction=0.9999, seconds=0.01, bytes=2)
        got = bytearray()
        with pytest.raises(TimeoutError):
            await collect(client.session, url, got, timeout=aiohttp.ClientTimeout(sock_read=0.2))
        assert got == true_bytes(sim)[: len(got)]
        assert len(got) == len(true_bytes(sim)) // 2
        begun = anyio.current_time()
        assert (await client.get(url))[2] == true_bytes(sim)
        assert anyio.current_time() - begun > 0.03
        assert dict(sim.log.faults) == {"stall": 1, "drip": 1}


@pytest.mark.faults("F31", "F32")
async def test_F31_F32_error_text_in_the_body_and_a_wrong_bit():
    async with box() as (sim, client):
        url, whole = await client.link(), true_bytes(sim)
        sim.script.fault_file("*", "error-text", fraction=0.5)
        _, body, _ = await raw(url)
        assert body[: len(whole) // 2] == whole[: len(whole) // 2]
        assert body[len(whole) // 2 :].startswith(b"<html>")
        assert len(body) < len(whole)
        sim.script.fault_file("*", "error-text-full", fraction=0.5)
        _, _, body = await client.get(url)
        assert (len(body), body[len(whole) // 2 :].startswith(b"<html>")) == (len(whole), True)
        sim.script.fault_file("*", "flip", fraction=0.5)
        _, _, body = await client.get(url)
        wrong = [i for i, (a, b) in enumerate(zip(whole, body, strict=True)) if a != b]
        assert wrong == [len(whole) // 2]
        sim.script.fault_file("*", "flip", fraction=0)
        _, _, body = await client.get(url, Range=HALF)
        assert body[0] == whole[50_000] ^ 1
        assert body[1:] == whole[50_001:]


@pytest.mark.faults("F34")
async def test_F34_redirects():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "redirect", times=2)
        async with client.session.get(url) as answer:
            assert len(answer.history) == 2
            assert await answer.read() == true_bytes(sim)
        sim.script.fault_file("*", "redirect", text="none", status=307)
        status, headers, _ = await client.get(url)
        assert status == 307
        assert "Location" not in headers
        other_host = sim.hosts["dds"] + "{target}"
        sim.script.fault_file("*", "redirect", text=other_host, host="landsatlook")
        async with client.session.get(url) as answer:
            assert str(answer.url).startswith(sim.hosts["dds"])
            assert await answer.read() == true_bytes(sim)
        sim.script.fault_file("*", "redirect", times=None)
        with pytest.raises(aiohttp.TooManyRedirects):
            async with client.session.get(url):
                pass


@pytest.mark.faults("F35")
async def test_F35_links_may_have_to_be_byte_for_byte():
    async with box() as (sim, client):
        url = await client.link()
        assert "%3D" in url
        changed = url.replace("%3D", "=")
        assert (await client.get(URL(changed, encoded=True)))[0] == 200
        sim.script.exact_links = True
        assert (await client.get(URL(url, encoded=True)))[0] == 200
        assert (await client.get(URL(changed, encoded=True)))[0] == 403


@pytest.mark.faults("F01", "F30")
@pytest.mark.parametrize("place", [0, 1, 65_535, 65_537, -1])
async def test_F01_F30_a_body_can_be_cut_at_any_byte(place):
    async with box() as (sim, client):
        url, whole = await client.link(), true_bytes(sim)
        place %= len(whole)
        sim.script.fault_file("*", "cut", at_bytes=place)
        assert (await raw(url))[1] == whole[:place]
        sim.script.fault_file("*", "cut", at_bytes=10)
        assert (await raw(url, Range=HALF))[1] == whole[50_000:50_010]


@pytest.mark.faults("F33")
async def test_F33_a_bundle_made_on_the_fly_differs_each_time():
    async with box(script=Script(etag="none", last_modified="none")) as (sim, client):
        url = (await client.request(await client.want_bundle(L2, SCENE)))["availableDownloads"][0]["url"]
        sim.script.fault_file("*.tar", "new-version", times=None)
        bodies = [(await client.get(url))[2] for _ in range(2)]
        assert len(bodies[0]) == len(bodies[1])
        assert bodies[0] != bodies[1]


@pytest.mark.faults("F40")
async def test_F40_interim_answers_come_first():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "interim", bytes=50)
        assert (await client.get(url))[2] == true_bytes(sim)
        served(sim, "interim")


@pytest.mark.faults("F38", "G08")
async def test_F38_connections_that_end_or_stay_silent():
    async with box() as (sim, client):
        url = await client.link()
        sim.script.fault_file("*", "close")
        sim.script.fault_file("*", "rst")
        assert await raw(url) == ("", b"", False)
        assert await raw(url) == ("", b"", True)
        sim.script.fault_file("*", "hang", seconds=60)
        with pytest.raises(TimeoutError):
            async with client.session.get(url, timeout=aiohttp.ClientTimeout(total=0.1)):
                pass
        sim.script.fault_file("*", "raw", text="HTTP/1.0 200 fine\nContent-Length: 1\n\n\xe9")
        head, body, _ = await raw(url)
        assert head + body.decode("latin-1") == "HTTP/1.0 200 fine\nContent-Length: 1\n\n\xe9"


@pytest.mark.faults("F20", "F21")
@pytest.mark.parametrize(
    ("answer", "status"),
    [("403", 403), ("401", 401), ("410", 410), ("login-page", 302), ("html", 200), ("json", 200)],
)
async def test_F20_F21_links_expire_and_are_renewed_by_retrieve(answer, status):
    async with box(script=Script(link_lifetime_s=0.15, expired_answer=answer)) as (_, client):
        url = await client.link()
        assert (await client.get(url, Range=HALF))[0] == 206
        await anyio.sleep(0.2)
        got, headers, body = await client.get(url)
        assert got == status
        assert headers.get("Location") == ("/login" if answer == "login-page" else None)
        assert not body.startswith(b"II")
        fresh = (await client.call("download-retrieve", {"label": "a-label"}))["requested"][0]["url"]
        assert fresh != url
        assert (await client.get(fresh))[0] == 200


async def test_a_login_page_comes_at_200_after_the_redirect():
    async with box(script=Script(link_uses=0, expired_answer="login-page")) as (_, client):
        page = bytearray()
        await collect(client.session, await client.link(), page)
        assert b"EROS Registration" in page


async def test_links_for_one_use_on_both_hosts():
    async with box(script=Script(link_uses=1, staging_polls=0)) as (sim, client):
        for scene in (SCENE, STAGED):
            url = await client.link(scene=scene)
            assert [(await client.get(url))[0] for _ in range(2)] == [200, 403]
        assert sim.log.requests["dds"] == 2


async def test_made_up_links_lead_nowhere():
    async with box() as (sim, client):
        url = await client.link()
        other = url.replace("SR_B3", "SR_B4")
        assert (await client.get(other))[0] == 403
        forged = base64.b64encode(b'{"id":1}').decode()
        assert (await client.get(f"{sim.hosts['dds']}/download/{forged}"))[0] == 404
        assert (await client.get(f"{sim.hosts['landsatlook']}/gen-bundle?landsat_product_id={PRODUCT}"))[0] == 403
        async with client.session.head(url) as answer:
            assert answer.status == 400


@pytest.mark.faults("G14")
async def test_G14_a_limit_of_connections():
    async with box(script=Script(max_connections=2, rate_bytes_s=400_000)) as (sim, client):
        url, statuses = await client.link(), []

        async def one():
            statuses.append((await client.get(url))[0])

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(one)
        assert sorted(statuses) == [200, 200, 503, 503]
        assert sim.log.peak_transfers["landsatlook"] == 2
        assert sim.log.faults["max-connections"] == 2


async def test_a_limit_of_speed():
    async with box(script=Script(rate_bytes_s=400_000)) as (sim, client):
        url, size = await client.link(), len(true_bytes(sim))
        begun = anyio.current_time()
        assert len((await client.get(url))[2]) == size
        assert anyio.current_time() - begun > size / 400_000 / 2


@pytest.mark.faults("G06", "E20")
async def test_G06_a_host_goes_down_and_comes_back_on_the_same_port():
    async with box() as (sim, client):
        url, other = await client.link(), await client.link(scene=STAGED)
        sim.take_down("landsatlook")
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(url)
        assert (await client.get(other))[0] == 404  # dds goes on
        assert await client.call("permissions")
        await sim.bring_up("landsatlook")
        assert (await client.get(url))[0] == 200
        sim.script.busy = {"landsatlook": 502}
        assert (await client.get(url))[0] == 502
        sim.script.busy = {"m2m": 503}
        async with client.session.post(sim.service_url + "permissions") as answer:
            assert answer.status == 503


def bind(place):
    with socket.socket() as other:
        other.bind((place.host, place.port))


async def test_the_port_of_a_host_that_is_down_is_given_to_nobody_else():
    """Tests run beside each other: another one's service would answer there, or the host could not come back."""
    async with box() as (sim, _):
        place = URL(sim.hosts["landsatlook"])
        sim.take_down("landsatlook")
        with pytest.raises(OSError, match="in use"):
            bind(place)
    bind(place)


@pytest.mark.faults("G06")
async def test_a_host_that_goes_down_resets_its_transfers():
    async with box(script=Script(rate_bytes_s=50_000)) as (sim, client):
        url = await client.link()
        async with client.session.get(url) as answer:
            await answer.content.readany()
            sim.take_down("landsatlook")
            with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
                await answer.read()


async def test_stalled_and_hanging_clients_do_not_hold_up_the_end():
    async with aiohttp.ClientSession() as session:
        async with box() as (sim, client):
            url = await client.link()
            sim.script.fault_file("*", "stall", seconds=3600, times=None)
            answer = await session.get(url)
            await answer.content.readany()
        answer.close()
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            socket.create_connection(("127.0.0.1", URL(url).port), timeout=1)


async def test_an_exception_in_the_block_comes_out_as_it_is():
    with pytest.raises(ZeroDivisionError):
        async with box():
            _ = 1 / 0


async def test_the_file_hosts_may_speak_tls(tmp_path):
    context, trusted = certificates(tmp_path)
    async with box(file_tls=context) as (sim, client):
        url = await client.link()
        assert url.startswith("https://")
        async with client.session.get(url, ssl=trusted) as answer:
            assert await answer.read() == true_bytes(sim)
        sim.script.fault_file("*", "cut-close-rst")
        async with client.session.get(url, ssl=trusted) as answer:  # no close_notify: silently short
            assert len(await answer.read()) == len(true_bytes(sim)) // 2


def certificates(folder):
    """Make a throw-away certificate for 127.0.0.1; returns (server context, client context)."""
    import subprocess

    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-keyout", key, "-out", cert, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=cert)


async def _read_at_least(stream, size):
    data = b""
    with anyio.fail_after(30):
        while len(data) < size:
            data += await stream.receive()
    return data


async def test_an_answer_comes_twice_after_a_while():
    async with box() as (sim, client):
        url = URL(await client.link())
        sim.script.fault_file("*", "doubled", seconds=0.05)
        async with await anyio.connect_tcp(url.host, url.port) as stream:
            await stream.send(f"GET {url.raw_path_qs} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            first = await _read_at_least(stream, len(true_bytes(sim)) + 100)
            began_s = anyio.current_time()
            assert await _read_at_least(stream, len(first)) == first
            assert anyio.current_time() - began_s > 0.03
        served(sim, "doubled")


async def test_a_late_copy_comes_before_the_next_answer():
    async with box() as (sim, client):
        url = URL(await client.link())
        sim.script.fault_file("*", "late")
        request = f"GET {url.raw_path_qs} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        async with await anyio.connect_tcp(url.host, url.port) as stream:
            await stream.send(request)
            first = await _read_at_least(stream, len(true_bytes(sim)) + 100)
            await stream.send(request)
            assert (await _read_at_least(stream, 2 * len(first))).startswith(first)
        served(sim, "late")


async def test_an_answer_is_that_to_a_request_for_another_file():
    async with box() as (sim, client):
        sim.script.fault_file("*", "swapped", text=f"{PRODUCT}_SR_B5.TIF")
        status, headers, body = await client.get(await client.link())
        assert (status, body) == (200, true_bytes(sim, f"{PRODUCT}_SR_B5.TIF"))
        assert "SR_B5" in headers["Content-Disposition"]
        served(sim, "swapped")


async def test_early_bytes_of_another_version_come_under_the_same_etag():
    async with box() as (sim, client):
        url, true = await client.link(), true_bytes(sim)
        sim.script.fault_file("*", "cut-other", bytes=300, fraction=0.5)
        head, body, _ = await raw(url)
        assert f"Content-Length: {len(true)}" in head
        assert len(body) == len(true) // 2
        assert [at for at in range(len(body)) if body[at] != true[at]] == [300]
        _, headers, _ = await client.get(url)
        assert f"ETag: {headers['ETag']}" in head


async def test_the_rest_of_a_file_may_come_with_status_200():
    async with box() as (sim, client):
        url, true = await client.link(), true_bytes(sim)
        sim.script.fault_file("*", "range-rest", times=None)
        for _ in range(2):
            status, headers, body = await client.get(url, Range=HALF)
            assert (status, body) == (200, true[50_000:])
            assert headers["Content-Range"] == f"bytes 50000-{len(true) - 1}/{len(true)}"
        assert (await client.get(url))[2] == true
        served(sim, "range-rest", 3)
