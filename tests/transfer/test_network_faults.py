"""Connections that fail, stall or lead elsewhere (groups F, G and K)."""

from __future__ import annotations

import asyncio
import datetime
import os
import socket
import ssl
import threading

import aiohttp
import anyio
import pytest
from yarl import URL

from landsat_async.disk.fs_posix import PosixFs
from landsat_async.events import Retrying
from landsat_async.model import Proof
from landsat_async.rules.links import SecretUrl
from landsat_async.transfer import fast_path, open_session
from landsat_async.transfer.file_errors import fault_of_client
from landsat_async.transfer.retry import RULES, Fault, FaultKind
from landsat_async.transfer.transfer import Transfer
from landsat_async.transfer.types import Done, FileFailed, HostDown, NeedsLink
from tests.support.authority import Authority
from tests.support.raw_server import RawServer, named, ranged, reset, silent, status, whole
from tests.transfer.bench import CANARY, KIB, PATH, big_tiff_file, noise, sha

DATA = noise(300 * KIB + 7)
TIFF = big_tiff_file()
TIFF_NAME = "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.TIF"


# -- stalls and slow lines -------------------------------------------------------------------------------------------


@pytest.mark.faults("F27")
async def test_F27_a_stall_is_a_fault_after_its_time_and_keeps_the_bytes(bench):
    bench.right = [DATA]

    async def stall(wire):
        await wire.head(200, ("Content-Length", str(len(DATA))), ("ETag", '"v1"'))
        await wire.send(DATA[: 200 * KIB])
        wire.mark("stall")
        await wire.server.release.wait()

    async with RawServer([stall, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["stall"]
        assert server.requests[1].start == 136 * KIB
    told = [event.reason for event in bench.events if isinstance(event, Retrying)]
    assert told == ["127.0.0.1 sends nothing", "127.0.0.1 stopped sending"]


def dripping(data: bytes, size: int, every_s: float):
    async def drip(wire):
        start = wire.request.start or 0
        fields = [("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")] if start else []
        await wire.head(206 if start else 200, ("Content-Length", str(len(data) - start)), ("ETag", '"v1"'), *fields)
        wire.mark("drip")
        for at in range(start, len(data), size):
            await wire.send(data[at : min(at + size, len(data))])
            await anyio.sleep(every_s)

    return drip


@pytest.mark.faults("F28")
async def test_F28_a_drip_is_given_up_for_a_new_connection(bench):
    bench.right = [DATA]
    async with RawServer([dripping(DATA, 1, 10.0), ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["drip"]
        assert len(server.requests) == 2
    assert any("slowly" in getattr(event, "reason", "") for event in bench.events)


@pytest.mark.faults("F28")
async def test_F28_a_line_that_is_always_slow_is_accepted_after_three_tries(bench):
    bench.right = [DATA]
    bench.tune(min_rate_window_s=4.0, attempts=4)
    async with RawServer([dripping(DATA, 2 * KIB, 0.5)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert len(server.marks) == 4


@pytest.mark.faults("F29")
async def test_F29_a_body_may_take_longer_than_five_minutes(bench):
    bench.right = [DATA]
    bench.tune(min_rate_bytes_s=0.0)
    begun_s = anyio.current_time()
    async with RawServer([dripping(DATA, 10 * KIB, 12.0)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert len(server.requests) == 1
    assert anyio.current_time() - begun_s > 310


@pytest.mark.faults("G08", "K08")
async def test_G08_a_server_that_accepts_and_never_answers_is_given_up(bench):
    bench.right = [DATA]
    begun_s = anyio.current_time()
    async with RawServer([silent, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["silent"]
    assert 55 <= anyio.current_time() - begun_s <= 100


@pytest.mark.faults("G08", "K08")
async def test_G08_a_head_that_drips_for_ever_is_given_up(bench):
    bench.right = [DATA]

    async def drip_head(wire):
        await wire.send(b"HTTP/1.1 200 OK\r\n")
        wire.mark("drip")
        while True:
            await wire.send(b"X: y\r\n")
            await anyio.sleep(20)

    async with RawServer([drip_head, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == ["drip"]


# -- no connection ---------------------------------------------------------------------------------------------------


@pytest.mark.faults("G06")
async def test_G06_a_refused_connection_is_tried_a_few_times_and_then_concerns_the_host(bench):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{sock.getsockname()[1]}"
        url = f"http://{host}{PATH}"
    outcome = await bench.run(url)
    assert isinstance(outcome, HostDown)
    assert outcome.kind == "network"
    assert "refused" in outcome.reason
    assert bench.health == [(host, "network", "cannot reach 127.0.0.1: connection refused")] * 4


@pytest.mark.faults("G06")
async def test_G06_the_bytes_are_kept_while_the_network_is_away(bench):
    bench.right = [DATA]
    async with RawServer([ranged(DATA, stop=200 * KIB), reset, reset, ranged(DATA)]) as server:
        assert isinstance(await bench.run(server), Done)
        assert server.marks == [f"cut at {200 * KIB}", "reset", "reset"]
        assert server.requests[-2].start == 136 * KIB


class Resolver(aiohttp.abc.AbstractResolver):
    """Knows every name as this machine, after failing `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.asked = failures, 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        if self.asked <= self.failures:
            raise OSError(None, "no such name")
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self):
        pass


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.mark.faults("G04")
async def test_G04_a_name_that_cannot_be_resolved_is_a_fault_of_the_network(bench):
    resolver = Resolver(failures=99)
    connector = aiohttp.TCPConnector(resolver=resolver)
    bench.net_options = {"connector": connector}
    outcome = await bench.run(f"https://dds.cr.usgs.gov{PATH}")
    await connector.close()
    assert resolver.asked == 4
    assert isinstance(outcome, HostDown)
    assert outcome.reason == "cannot resolve dds.cr.usgs.gov"


@pytest.mark.faults("G04")
async def test_G04_a_name_that_fails_for_a_while_is_no_loss(bench, authority):
    bench.right = [DATA]
    resolver = Resolver(failures=2)
    async with RawServer([ranged(DATA)], ssl=authority.server("dds.cr.usgs.gov")) as server:
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=authority.client())
        bench.net_options = {"connector": connector}
        outcome = await bench.run(f"https://dds.cr.usgs.gov:{server.port}{PATH}")
        await connector.close()
    assert resolver.asked == 3
    assert isinstance(outcome, Done)


@pytest.mark.faults("G05")
async def test_G05_stalled_writes_do_not_keep_names_from_being_resolved(bench, monkeypatch):
    """The loop's default executor, which resolves names, is not used for files at all."""

    monkeypatch.setattr(fast_path, "open_source", lambda transport: None)  # a thread that receives needs no executor
    bench.right = [DATA]
    loop = asyncio.get_running_loop()
    used = []
    real = loop.run_in_executor

    def watched(executor, work, *arguments):
        used.append(executor)
        return real(executor, work, *arguments)

    loop.run_in_executor = watched
    try:
        async with RawServer([ranged(DATA)]) as server:
            assert isinstance(await bench.run(server), Done)
    finally:
        del loop.run_in_executor
    assert used
    assert None not in used


# -- TLS -------------------------------------------------------------------------------------------------------------

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.faults("G01")
@pytest.mark.parametrize("fault", ["expired", "self-signed", "wrong host"])
async def test_G01_an_untrusted_certificate_stops_the_host_at_once(bench, authority, fault):
    dates = {"not_before": NOW - 9 * DAY, "not_after": NOW - DAY} if fault == "expired" else {}
    host = "example.org" if fault == "wrong host" else "127.0.0.1"
    trusted = trustme_client = authority.client()
    if fault == "self-signed":
        trusted = Authority().client()
    async with RawServer([ranged(DATA)], ssl=authority.server(host, **dates)) as server:
        connector = aiohttp.TCPConnector(ssl=trusted)
        bench.net_options = {"connector": connector}
        outcome = await bench.run(server)
        await connector.close()
        assert server.requests == []
        assert server.connections <= 1
    assert trustme_client is not None
    assert isinstance(outcome, HostDown)
    assert (outcome.host, outcome.kind) == (f"127.0.0.1:{server.port}", "certificate")
    assert outcome.wait_s >= 1800
    assert "certificate of 127.0.0.1 is not trusted" in outcome.reason
    assert bench.health[0][:2] == (f"127.0.0.1:{server.port}", "certificate")


async def test_a_handshake_that_breaks_is_tried_again_before_the_host_is_left_alone(bench):

    connections = []

    async def no_tls(reader, writer):
        connections.append(await reader.read(1))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    outcome = await bench.run(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/f")
    server.close()
    await server.wait_closed()
    assert len(connections) == 3
    assert isinstance(outcome, HostDown)
    assert outcome.kind == "network", "that may pass, unlike a certificate"


async def test_an_extra_ca_is_trusted_beside_the_systems(bench, authority, tmp_path):
    bench.right = [DATA]
    bundle = tmp_path / "corp.pem"
    authority._ca.cert_pem.write_to_path(bundle)
    bench.net_options = {"ca_bundle": str(bundle)}
    async with RawServer([ranged(DATA)], ssl=authority.server()) as server:
        assert isinstance(await bench.run(server), Done)


async def test_brief_and_long_answers_follow_each_other_on_one_connection_over_tls(bench, authority):
    bench.net_options = {"tls": authority.client()}
    bodies = [noise(9 * KIB), noise(100 * KIB), noise(600 * KIB), noise(200 * KIB), noise(KIB)]
    script = [whole(body, named(bench.name)) for body in bodies]
    async with RawServer(script, ssl=authority.server()) as server, bench.net() as net:
        for number, body in enumerate(bodies):
            answer = (await net.get(URL(server.url()), {}, bench.policy, bench.name)).response
            assert await answer.content.read() == body
            assert (answer.whole is not None) is (number in (1, 3, 4))  # not where aiohttp has made a pattern of it
            answer.close()
        assert server.connections == 1


@pytest.mark.faults("G12", "F04")
async def test_G12_tls_cut_without_close_notify_and_without_length_never_becomes_a_file(bench, authority):
    bench.name = TIFF_NAME

    async def cut(wire):
        await wire.head(200)
        await wire.send(TIFF[:-9])
        wire.mark("cut without close_notify")
        wire.drop()

    connector = aiohttp.TCPConnector(ssl=authority.client())
    bench.net_options = {"connector": connector}
    async with RawServer([cut], ssl=authority.server()) as server:
        outcome = await bench.run(server)
        await connector.close()
        assert server.marks
    assert isinstance(outcome, FileFailed)


@pytest.mark.faults("G13")
async def test_G13_a_redirect_from_https_to_http_is_refused(bench, authority):
    async with RawServer([ranged(DATA)]) as plain:
        move = status(302, ("Location", f"http://dds.cr.usgs.gov:{plain.port}/f?{CANARY}"))
        async with RawServer([move], ssl=authority.server("dds.cr.usgs.gov")) as server:
            connector = aiohttp.TCPConnector(resolver=Resolver(), ssl=authority.client())
            bench.net_options = {"connector": connector}
            outcome = await bench.run(f"https://dds.cr.usgs.gov:{server.port}{PATH}")
            await connector.close()
            assert len(server.requests) == 1
        assert plain.connections == 0
    assert isinstance(outcome, NeedsLink)
    assert not outcome.expired
    assert "insecure" in outcome.reason


# -- redirects and links ---------------------------------------------------------------------------------------------


@pytest.mark.faults("F34")
async def test_F34_redirects_are_followed_with_range_and_validator(bench):
    bench.right = [DATA]
    bench.keep(DATA[: 200 * KIB], total=len(DATA), etag='"v1"')
    async with RawServer([ranged(DATA)]) as other:
        script = [status(301, ("Location", "/second?a=%2F")), status(307, ("Location", other.url("/third")))]
        async with RawServer(script) as server:
            assert isinstance(await bench.run(server), Done)
            targets = [request.target for request in server.requests]
            assert targets == [PATH, "/second?a=%2F", PATH]  # the last one compares what was joined
        last, _ = other.requests
        assert last.start == 136 * KIB
        assert last.headers["if-range"] == '"v1"'
        assert not {"cookie", "authorization", "x-auth-token", "referer"} & set(last.headers)


@pytest.mark.faults("F34")
@pytest.mark.parametrize(
    "target",
    ["/loop", "https://example.org/f", "file:///etc/passwd", "http://169.254.169.254/latest", "//example.org/f",
     "http://user:pw@127.0.0.1/f", "http:///f", "/with space", "ftp://127.0.0.1/f"],
)  # fmt: skip
async def test_F34_K05_a_redirect_to_nowhere_good_is_refused(bench, target):
    async with RawServer([status(302, ("Location", target))]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == (6 if target == "/loop" else 1)
    assert isinstance(outcome, NeedsLink)
    assert not outcome.expired


@pytest.mark.faults("F25")
async def test_F25_a_redirect_without_target_is_no_answer(bench):
    async with RawServer([status(302)]) as server:
        assert isinstance(await bench.run(server), FileFailed)
        assert len(server.requests) == 3


@pytest.mark.faults("F35")
@pytest.mark.parametrize("target", ["/a%2Fb%20c?sig=%2F+%7E~==&x=a%2bb", "/%7Euser/x?y='(!*)", "/a//b/c?q=a/b?c"])
async def test_F35_a_signed_link_is_sent_byte_for_byte(bench, target):
    bench.right = [DATA]
    async with RawServer([status(302, ("Location", target)), ranged(DATA)]) as server:
        assert isinstance(await bench.run(server, path=target), Done)
        assert [request.target for request in server.requests] == [target, target]


@pytest.mark.faults("K05")
async def test_K05_a_refused_link_is_not_asked_and_fails_the_file(bench):
    async with RawServer([ranged(DATA)]) as server:
        bench.service = "https://m2m.cr.usgs.gov/"
        outcome = await bench.run(server)
        assert server.connections == 0
    assert isinstance(outcome, FileFailed)
    assert "refused" in outcome.reason


@pytest.mark.faults("K06")
async def test_K06_an_absurd_length_is_refused_before_a_byte_is_taken(bench):
    async with RawServer([status(200, ("Content-Length", str(10**15)), ("X", "y"))]) as server:

        async def huge(wire):
            await wire.head(200, ("Content-Length", str(10**15)))
            await wire.send(b"x" * KIB)

        server.script = [huge]
        outcome = await bench.run(server)
        assert len(server.requests) == 1
    assert isinstance(outcome, FileFailed)
    assert outcome.kind == "too-big"
    assert bench.part_bytes() == b""


@pytest.mark.faults("K06")
async def test_K06_an_endless_body_is_given_up_at_the_bound(bench, monkeypatch):
    monkeypatch.setattr("landsat_async.transfer.transfer.LARGEST_BYTES", 2000 * KIB)

    async def endless(wire):
        await wire.head(200)
        while True:
            await wire.send(DATA)

    async with RawServer([endless]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert outcome.kind == "too-big"
    assert outcome.bytes_received < 4000 * KIB


# -- what never goes out ---------------------------------------------------------------------------------------------


@pytest.mark.faults("G11", "K15")
@pytest.mark.parametrize("is_quick", [False, True])
async def test_G11_K15_neither_netrc_nor_cookies_reach_a_file_host(bench, tmp_path, monkeypatch, is_quick):
    """The second request is one of the kind that aiohttp itself gives cookies, and one that follows its pattern."""
    monkeypatch.setattr(open_session, "is_possible", lambda: is_quick)
    bench.right = [DATA]
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login ana password {CANARY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    bench.net_options = {"trust_env": True}
    cookie = ("Set-Cookie", "session=1; Path=/")
    async with RawServer([status(503, cookie), ranged(DATA, cookie)]) as server:
        url = server.url().replace("127.0.0.1", "localhost")  # bare addresses never get a cookie
        assert isinstance(await bench.run(url), Done)
        assert len(server.requests) == 2
        for request in server.requests:
            assert not {"authorization", "cookie"} & set(request.headers)


@pytest.mark.faults("L07")
async def test_L07_a_host_programs_session_lends_its_connections_and_nothing_else(bench):
    bench.right = [DATA]
    async with aiohttp.ClientSession(headers={"Authorization": CANARY}, cookies={"a": CANARY}) as session:
        bench.net_options = {"connector": session.connector}
        async with RawServer([ranged(DATA)]) as server:
            assert isinstance(await bench.run(server), Done)
            assert CANARY not in str(server.requests[0].headers)
        assert not session.closed
        assert not session.connector.closed


@pytest.mark.faults("G10")
async def test_G10_a_proxy_from_the_environment_is_used_and_its_login_demand_is_told(bench, monkeypatch):
    bench.right = [DATA]
    bench.net_options = {"trust_env": True}
    async with RawServer([ranged(DATA), status(407)]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "")
        assert isinstance(await bench.run("http://127.0.0.1:1/f"), Done)
        assert proxy.requests[0].target == "http://127.0.0.1:1/f"
        os.unlink(bench.final)
        bench.store.facts = None
        outcome = await bench.run("http://127.0.0.1:1/f")
        assert isinstance(outcome, HostDown)
        assert "proxy wants a login" in outcome.reason
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        outcome = await bench.run("http://127.0.0.1:1/f")
        assert outcome.reason == "cannot reach 127.0.0.1: connection refused"
        assert len(proxy.requests) == 2


# -- every exception has a verdict -----------------------------------------------------------------------------------


def all_client_errors(base=aiohttp.ClientError):
    for kind in base.__subclasses__():
        yield kind
        yield from all_client_errors(kind)


def make(kind):
    """An exception of that class whose texts hold the canary."""
    from unittest.mock import MagicMock

    if issubclass(kind, aiohttp.ClientResponseError):
        return kind(MagicMock(real_url=CANARY), (), status=400, message=CANARY)
    if issubclass(kind, aiohttp.ClientConnectorCertificateError):
        return kind(MagicMock(host=CANARY), ssl.SSLCertVerificationError(CANARY))
    if kind.__name__ == "UnixClientConnectorError":
        return kind(CANARY, MagicMock(), OSError(2, CANARY))
    if issubclass(kind, aiohttp.ClientConnectorError):
        return kind(MagicMock(host=CANARY), OSError(111, CANARY))
    if issubclass(kind, aiohttp.ServerFingerprintMismatch):
        return kind(b"a", b"b", CANARY, 443)
    return kind(CANARY)


@pytest.mark.parametrize("kind", sorted(set(all_client_errors()), key=lambda kind: kind.__name__))
@pytest.mark.faults("K03")
def test_K03_every_exception_of_the_client_has_a_verdict_without_its_text(kind):
    fault = fault_of_client(make(kind), "dds.cr.usgs.gov")
    assert isinstance(fault, Fault)
    assert fault.kind in RULES
    assert CANARY not in fault.reason


def test_a_number_of_openssl_is_not_taken_for_one_of_the_system():
    for error in (ssl.SSLError(1, CANARY), ssl.SSLEOFError(8, CANARY)):
        fault = fault_of_client(error, "dds.cr.usgs.gov")
        assert fault.kind is FaultKind.NETWORK
        assert fault.reason == "connection to dds.cr.usgs.gov lost: what came over TLS is broken, or cut off"


@pytest.mark.faults("K03")
def test_K03_a_job_does_not_show_its_link(bench):
    job = bench.job(f"https://dds.cr.usgs.gov/x?{CANARY}")
    assert CANARY not in repr(job) + str(job)
    assert job.url == SecretUrl(f"https://dds.cr.usgs.gov/x?{CANARY}")


@pytest.mark.faults("K03")
def test_K03_what_holds_the_bare_link_does_not_show_it():
    assert Transfer.__repr__ is object.__repr__  # it has the link as it is


async def test_a_file_over_tls_is_fetched_and_gone_on_with(bench, authority):
    bench.name, bench.right = TIFF_NAME, [TIFF]
    connector = aiohttp.TCPConnector(ssl=authority.client())
    bench.net_options = {"connector": connector}
    async with RawServer([ranged(TIFF, stop=200 * KIB), ranged(TIFF)], ssl=authority.server()) as server:
        outcome = await bench.run(server)
        await connector.close()
    assert isinstance(outcome, Done)
    assert (outcome.sha256, outcome.proof) == (sha(TIFF), Proof.CONTENT)


@pytest.mark.faults("F02")
async def test_F02_a_tls_connection_that_is_lost_while_its_first_bytes_are_written_is_a_fault_of_the_network(
    bench, authority
):
    """With TLS a connection is lost even while nobody reads from it."""
    bench.right = [data := noise(600 * KIB)]
    bench.tune(block_bytes=16 * KIB)
    bench.fs = fs = WaitingDisk()

    async def lost(wire):
        await wire.head(200, ("Content-Length", str(len(data))), ("ETag", '"v1"'))
        await wire.send(data[: 100 * KIB])
        while not fs.writing.is_set():
            await anyio.sleep(0.01)
        wire.mark("lost")
        asyncio.get_running_loop().call_later(0.05, fs.go_on.set)
        wire.rst()

    connector = aiohttp.TCPConnector(ssl=authority.client())
    bench.net_options = {"connector": connector}
    async with RawServer([lost, ranged(data)], ssl=authority.server()) as server:
        outcome = await bench.run(server)
        await connector.close()
        assert server.marks
        assert len(server.requests) in (2, 3)  # where more than the overlap was kept, that is compared once more
    assert isinstance(outcome, Done)


class WaitingDisk(PosixFs):
    """The first write waits for `go_on`."""

    def __init__(self):
        super().__init__()
        self.writing, self.go_on = threading.Event(), threading.Event()

    def pwrite_all(self, fd, data, offset):
        self.writing.set()
        self.go_on.wait(5)
        super().pwrite_all(fd, data, offset)


async def test_a_maintained_host_is_not_asked_again_when_the_breaker_is_open(bench):
    down = HostDown("127.0.0.1", "maintenance", 300.0, "maintenance")
    from landsat_async.transfer.transfer import transfer
    from landsat_async.transfer.types import MemoryStore, TransferHooks

    asked = []

    def check_host(host):
        asked.append(host)
        return down

    async with RawServer([whole(DATA)]) as server, bench.net() as net:
        job = bench.job(server.url())
        assert await transfer(job, net, TransferHooks(lambda event: None, MemoryStore(), check_host)) == down
        assert server.requests == []
    assert asked == [f"127.0.0.1:{server.port}"]
