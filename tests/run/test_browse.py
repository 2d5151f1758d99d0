"""Browse pictures: two at a time, cached, small, and never from where they must not come."""

from __future__ import annotations

import io

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from landsat_async.config_tables import ServiceConfig
from landsat_async.model import Scene
from landsat_async.page.picture import MOST_BYTES
from landsat_async.run.browse import AT_A_TIME, FAILURES_MAX, browse_pictures, cache_folder

JPEG = b"\xff\xd8\xff\xe0" + bytes(500)


class Host:
    """Serves bodies by name, and counts."""

    def __init__(self, bodies):
        self.bodies, self.asked, self.now, self.most = bodies, [], 0, 0

    async def answer(self, request):
        import asyncio

        name = request.match_info["name"]
        self.asked.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        body = self.bodies.get(name)
        if isinstance(body, str):
            raise web.HTTPFound(body)
        return web.Response(status=404) if body is None else web.Response(body=body)


@pytest.fixture
async def opened(tmp_path):
    servers = []

    async def start(bodies):
        host = Host(bodies)
        app = web.Application()
        app.router.add_get("/{name}", host.answer)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        host.url = str(server.make_url("/"))
        host.service = ServiceConfig(url=host.url)
        return host

    yield start
    for server in servers:
        await server.close()


def scenes(host, names):
    return [Scene(name, name, browse=f"{host.url}{name}") for name in names]


async def test_pictures_come_two_at_a_time_and_once(opened, tmp_path):
    host = await opened({f"s{number}": JPEG + bytes([number]) for number in range(9)})
    first = await browse_pictures(scenes(host, host.bodies), host.service, cache=str(tmp_path / "cache"))
    assert first.pictures == host.bodies
    assert host.most == AT_A_TIME
    again = await browse_pictures(scenes(host, host.bodies), host.service, cache=str(tmp_path / "cache"))
    assert again.pictures == host.bodies
    assert len(host.asked) == 9, "what is cached is not asked for again"


async def test_what_is_no_picture_is_left_out(opened, tmp_path):
    host = await opened(
        {"page": b"<html>", "huge": JPEG + bytes(600_000), "away": "http://127.0.0.1:1/x", "good": JPEG, "svg": b"<svg"}
    )
    found = await browse_pictures(scenes(host, [*host.bodies, "none"]), host.service, cache=str(tmp_path))
    assert list(found.pictures) == ["good"]
    assert found.failed == 5


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "http://example.invalid/x", "https://evil.invalid/x", "x:y", ""]
)
async def test_only_allowed_hosts_are_asked(tmp_path, address):
    service = ServiceConfig(url="https://m2m.cr.usgs.gov/api/api/json/stable/")
    found = await browse_pictures([Scene("a", "b", browse=address)], service, cache=str(tmp_path))
    assert found.failed == 1


async def test_a_host_that_has_none_is_left_alone(opened, tmp_path):
    host = await opened({})
    found = await browse_pictures(scenes(host, map(str, range(40))), host.service, cache=str(tmp_path))
    assert found.failed == 40
    assert len(host.asked) <= FAILURES_MAX + AT_A_TIME


async def test_scenes_without_an_address_ask_nobody(tmp_path):
    assert (await browse_pictures([Scene("a", "b")], ServiceConfig(), cache=str(tmp_path))).failed == 0


async def test_large_pictures_are_made_small(opened, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="the extra page is not installed")
    body = io.BytesIO()
    image.effect_noise((700, 700), 90).convert("RGB").save(body, "JPEG", quality=60)
    assert len(body.getvalue()) > MOST_BYTES
    host = await opened({"large": body.getvalue(), "broken": JPEG + bytes(30_000)})
    found = await browse_pictures(scenes(host, host.bodies), host.service, cache=str(tmp_path))
    assert len(found.pictures["large"]) <= MOST_BYTES
    assert found.too_large == 1


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"HOME": "/h"}, "linux", "/h/.cache/landsat_async/browse"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "linux", "/c/landsat_async/browse"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "c"}, "linux", "/h/.cache/landsat_async/browse"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Caches/landsat_async/browse"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/landsat_async/browse"),
    ],
)
def test_where_pictures_are_kept(environ, platform, folder):
    assert cache_folder(environ, platform) == folder
