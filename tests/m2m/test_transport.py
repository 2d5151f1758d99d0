"""Connections: certificates, proxies, sessions of the host program, size and time limits, redirects."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ssl

import aiohttp
import anyio
import pytest
import trustme

from landsat_async.errors import BadReply, CertificateUntrusted, ConfigError, ServiceDown, ServiceError
from landsat_async.m2m import payloads
from landsat_async.m2m.client import M2MClient
from tests.m2m.server import ACCOUNT, KEY, TOKEN, Answer, bare, ok, scripted_service

UTC = dt.UTC
NOW = dt.datetime.now(UTC)
DAY = dt.timedelta(days=1)
AUTHORITY = trustme.CA()


def server_context(name="127.0.0.1", authority=AUTHORITY, **dates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **dates).configure_cert(context)
    return context


@pytest.fixture
def ca_bundle(tmp_path):
    path = tmp_path / "corp.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    return str(path)


# -- certificates


async def test_a_ca_bundle_is_trusted_beside_the_systems(ca_bundle):
    async with (
        scripted_service(server_context()) as service,
        M2MClient(service.url, ACCOUNT, ca_bundle=ca_bundle) as m2m,
    ):
        assert await m2m.permissions()


@pytest.mark.parametrize(
    ("context", "trusted", "text"),
    [
        (lambda: server_context(), False, "not trusted"),
        (lambda: server_context(not_before=NOW - 9 * DAY, not_after=NOW - DAY), True, "has expired"),
        (lambda: server_context(not_before=NOW + DAY, not_after=NOW + 9 * DAY), True, "clock of this machine says 20"),
        (lambda: server_context("landsat.example"), True, "not for 127.0.0.1"),
    ],
)
@pytest.mark.faults("G01", "G02", "G03", "K14")
async def test_G01_a_certificate_that_is_not_trusted_ends_the_call_at_once(context, trusted, text, ca_bundle):
    waits = []
    bundle = ca_bundle if trusted else None
    async with (
        scripted_service(context()) as service,
        M2MClient(service.url, ACCOUNT, ca_bundle=bundle, patience_s=86400, on_wait=waits.append) as m2m,
    ):
        with pytest.raises(CertificateUntrusted) as caught:
            await m2m.permissions()
        assert text in str(caught.value)
        assert "127.0.0.1" in str(caught.value)
        assert service.requests == []
        assert waits == []
    assert trusted or "ca_bundle" in caught.value.hint


@pytest.mark.faults("G01")
async def test_G01_a_self_signed_certificate_is_called_so(tmp_path):
    lonely = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = tmp_path / "self.pem"
    pem.write_bytes(lonely.private_key_pem.bytes() + lonely.cert_pem.bytes())
    context.load_cert_chain(pem)
    async with scripted_service(context) as service, M2MClient(service.url, ACCOUNT) as m2m:
        with pytest.raises(CertificateUntrusted, match="self-signed"):
            await m2m.permissions()


@pytest.mark.parametrize("content", [None, b"", b"no pem at all", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
async def test_a_ca_bundle_that_cannot_be_read_is_a_config_error(tmp_path, content):
    path = tmp_path / "corp.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="ca_bundle"):
        async with M2MClient("https://127.0.0.1/", ACCOUNT, ca_bundle=str(path)):
            pass


# -- connections


@pytest.mark.faults("G04")
async def test_G04_a_name_that_cannot_be_resolved(connect):
    m2m = await connect(url="https://m2m.invalid/api/")
    with pytest.raises(ServiceDown, match=r"m2m\.invalid: the name cannot be resolved"):
        await m2m.permissions()
    assert len(m2m.waits) == 2


@pytest.mark.faults("G06")
async def test_G06_a_service_that_is_not_there_yet_is_waited_for(connect):
    async with scripted_service() as first:
        port = first.port
    m2m = await connect(url=f"http://127.0.0.1:{port}/", patience_s=86400)
    async with anyio.create_task_group() as group:
        answers = []

        async def ask():
            answers.append(await m2m.permissions())

        group.start_soon(ask)
        await anyio.sleep(600)
        assert not answers
        server = await asyncio.start_server(first.handle, "127.0.0.1", port)
        await anyio.sleep(75)
        assert answers
    await m2m.__aexit__(None, None, None)
    server.close()
    await server.wait_closed()


@pytest.mark.faults("G08", "A20")
async def test_G08_a_service_that_never_answers_is_left_after_the_time_limit(service, connect):
    service.always["scene-search"] = ok({}, after_s=10_000)
    service.always["download-search"] = ok([], after_s=10_000)
    m2m = await connect()
    for ask, limit_s in (
        (m2m.scene_search("d").__anext__, 300),
        (m2m.scene_search("d", time_limit_s=7).__anext__, 7),
        (m2m.download_search, 120),
    ):
        await m2m.permissions()
        before = len(m2m.waits)
        with pytest.raises(ServiceError, match=f"within {limit_s} s"):
            await ask()
        assert len(m2m.waits) - before == 2
        await anyio.sleep(100)


@pytest.mark.faults("A20")
async def test_A20_an_answer_that_drips_is_cut_off_and_blamed_on_the_input(service, connect):
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
        try:
            while True:
                await writer.drain()
                await asyncio.sleep(10)
                drips.append(1)
                writer.write(b" ")
        except ConnectionError:
            pass
        finally:
            writer.close()

    drips = []
    m2m = await connect(patience_s=86400)
    await m2m.permissions()
    dripping = await asyncio.start_server(drip, "127.0.0.1", 0)
    host = f"http://127.0.0.1:{dripping.sockets[0].getsockname()[1]}/"
    slow = await connect(url=host, patience_s=0)
    with pytest.raises(ServiceDown, match="within 120 s"):
        await slow.permissions()
    assert len(drips) >= 30
    dripping.close()
    await dripping.wait_closed()


@pytest.mark.faults("A20")
async def test_A20_a_search_that_always_takes_too_long_is_refused_so_that_it_can_be_halved(service, connect):
    service.always["scene-search"] = ok({}, after_s=10_000)
    m2m = await connect(patience_s=86400)
    with pytest.raises(ServiceError, match="fails each time for this input") as caught:
        await m2m.scene_search("d").__anext__()
    assert caught.value.reference == "fails-each-time"
    assert len(service.calls("scene-search")) == 3


# -- sizes


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.faults("A13")
async def test_A13_an_answer_beyond_the_cap_is_refused_once(service, connect, monkeypatch, announced):
    call = payloads.Call("permissions", None, lambda data, _: len(bytes(data)), max_bytes=2**20)
    monkeypatch.setattr(payloads, "permissions", lambda: call)
    service.always["permissions"] = Answer(ok("x" * (2**20 + 1)).body, length=announced)
    m2m = await connect(patience_s=86400)
    with pytest.raises(BadReply, match="larger than 1 MiB"):
        await m2m.permissions()
    assert len(service.calls("permissions")) == 1
    service.always["permissions"] = ok("x" * 2**19)
    assert await m2m.permissions() == 2**19 + 2


def test_caps_and_time_limits_are_the_documented_ones():
    search = payloads.scene_search("d", None, start=1, page_size=1, metadata_type=None, limit_s=None)
    assert (search.max_bytes, search.limit_s) == (256 * 2**20, 300)
    retrieve = payloads.download_retrieve("l", None)
    assert (retrieve.max_bytes, retrieve.limit_s) == (64 * 2**20, 120)


@pytest.mark.faults("K07")
async def test_K07_the_cap_counts_inflated_bytes(service, connect, monkeypatch):
    call = payloads.Call("permissions", None, lambda data, _: 0, max_bytes=2**20)
    monkeypatch.setattr(payloads, "permissions", lambda: call)
    bomb = gzip.compress(b" " * (64 * 2**20))
    assert len(bomb) < 2**17
    service.always["permissions"] = Answer(bomb, headers={"Content-Encoding": "gzip"})
    m2m = await connect()
    with pytest.raises(BadReply, match="larger than 1 MiB"):
        await m2m.permissions()
    service.always["permissions"] = Answer(gzip.compress(ok(None).body), headers={"Content-Encoding": "gzip"})
    assert await m2m.permissions() == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 80_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
@pytest.mark.faults("K08", "F18", "F42")
async def test_K08_broken_http_is_no_answer(service, connect, raw):
    class Bytes(Answer):
        def bytes(self):
            return raw

    service.always["permissions"] = Bytes(cut=1)
    m2m = await connect()
    with pytest.raises(ServiceError):
        await m2m.permissions()
    assert len(service.calls("permissions")) == 3


# -- nothing leaves for elsewhere


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.faults("A19", "G13", "K02")
async def test_A19_redirects_are_not_followed(service, connect, status):
    async with scripted_service() as elsewhere:
        target = f"{elsewhere.url}permissions"
        service.always["permissions"] = bare(status, Location=target)
        m2m = await connect()
        with pytest.raises(ServiceDown, match="redirects permissions") as caught:
            await m2m.permissions()
        assert len(service.calls("permissions")) == 3
        assert elsewhere.requests == []
        assert caught.value.exit_code == 6


@pytest.mark.faults("G11")
async def test_G11_netrc_is_never_used(service, connect, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with aiohttp.ClientSession(trust_env=True) as naive, naive.post(service.url + "permissions") as reply:
        await reply.read()
    assert "authorization" in service.requests[-1].headers  # the trap is set
    m2m = await connect(trust_env=True)
    await m2m.permissions()
    assert all("authorization" not in request.headers for request in service.requests[1:])


@pytest.mark.parametrize("trust_env", [True, False])
@pytest.mark.faults("G10")
async def test_G10_the_proxy_of_the_environment_is_used_when_trusted(connect, monkeypatch, trust_env):
    async with scripted_service() as proxy:
        monkeypatch.setenv("http_proxy", f"http://us:canary-pw@127.0.0.1:{proxy.port}")
        m2m = await connect(url="http://m2m.invalid/json/", trust_env=trust_env)
        if trust_env:
            await m2m.permissions()
            assert b"POST http://m2m.invalid/json/permissions" in b"".join(proxy.raw)
            assert b"Proxy-Authorization: Basic" in b"".join(proxy.raw)
        else:
            with pytest.raises(ServiceDown, match="resolved"):
                await m2m.permissions()
        await m2m.__aexit__(None, None, None)


@pytest.mark.faults("G10", "K03")
async def test_G10_a_proxy_that_wants_a_login(connect, monkeypatch, ca_bundle):
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://us:canary-pw@127.0.0.1:{port}")
    m2m = await connect(url="https://m2m.invalid/json/", patience_s=86400)
    with pytest.raises(ServiceError, match="proxy asks for a login") as caught:
        await m2m.permissions()
    assert "canary-pw" not in repr(vars(caught.value)) + str(caught.value)
    server.close()
    await server.wait_closed()


@pytest.mark.faults("G10")
async def test_G10_no_proxy_and_unknown_kinds_of_proxies(service, connect, monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    m2m = await connect()
    await m2m.permissions()
    monkeypatch.delenv("no_proxy")
    with pytest.raises(ConfigError, match="socks5"):
        await connect()


# -- sessions of the host program


@pytest.mark.faults("L07", "K15")
async def test_L07_a_given_session_lends_its_connector_and_nothing_else(service):
    jar = aiohttp.CookieJar(unsafe=True)
    service.always["permissions"] = Answer(ok([]).body, headers={"Set-Cookie": "a=b"})
    async with aiohttp.ClientSession(
        cookie_jar=jar, cookies={"host": "canary"}, headers={"Authorization": "canary"}, auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=0.001), raise_for_status=True,
    ) as host:  # fmt: skip
        async with M2MClient(service.url, ACCOUNT, session=host) as m2m:
            await m2m.permissions()
            await m2m.permissions()
        assert not host.closed
        assert not host.connector.closed
        assert len(jar) == 1
    sent = b"".join(service.raw)
    assert b"canary\r\n" not in sent
    assert b"Cookie" not in sent
    assert TOKEN.encode() in sent


async def test_only_calls_carry_the_key_and_an_honest_name(service, connect):
    m2m = await connect()
    await m2m.permissions()
    login, call = service.requests
    assert "x-auth-token" not in login.headers
    assert call.headers["x-auth-token"] == KEY
    assert call.headers["user-agent"].startswith("landsat_async")


async def test_a_client_outside_of_async_with_says_so(service):
    with pytest.raises(RuntimeError, match="async with"):
        await M2MClient(service.url, ACCOUNT).permissions()
