"""The simulator as a service of its own."""

from __future__ import annotations

import ast
import errno
import json
from pathlib import Path

import aiohttp
import anyio
import pytest

import landsat_async.sim
from landsat_async.sim import Archive
from landsat_async.sim.serve import serve
from tests.sim.client import L2, box

PACKAGE = Path(landsat_async.sim.__file__).parent


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_it_stands_alone(path):
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    ours = {name for name in modules if name and name.startswith("landsat_async")}
    assert all(name.startswith("landsat_async.sim") for name in ours), ours


async def test_serve_announces_one_json_line_when_it_accepts_connections():
    lines = []

    async def working_client():
        while not lines:
            await anyio.sleep(0.001)
        said = json.loads(lines[0])
        async with aiohttp.ClientSession() as session:
            login = json.dumps({"username": said["username"], "token": said["token"]})
            async with session.post(said["service_url"] + "login-token", data=login) as answer:
                assert (await answer.json())["data"]
            async with session.get(said["control_url"] + "log") as answer:
                assert (await answer.json())["summary"]["calls"] == {"login-token": 1}
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(serve, "127.0.0.1", 0, lines.append)
        group.start_soon(working_client)
    assert len(lines) == 1


async def test_the_file_hosts_take_the_ports_after_a_fixed_one():
    for port in range(21_000, 60_000, 1_000):  # until three in a row are free
        try:
            async with box(login=False, port=port) as (sim, _):
                assert [int(url.rpartition(":")[2]) for url in sim.hosts.values()] == [port, port + 1, port + 2]
                return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    pytest.fail("no three free ports in a row")


async def test_links_name_the_host_as_the_client_called_it():
    async with box(login=False, host="0.0.0.0") as (sim, client):
        assert sim.service_url.startswith("http://127.0.0.1:")
        assert (await client.login()) is not None
        called = sim.service_url.replace("127.0.0.1", "localhost")
        payload = json.dumps({"datasetName": L2, "maxResults": 1})
        async with client.session.post(
            called + "scene-search", data=payload, headers={"X-Auth-Token": client.key}
        ) as answer:
            (scene,) = (await answer.json())["data"]["results"]
        assert scene["browse"][0]["browsePath"].startswith("http://localhost:")


async def test_two_simulators_in_one_loop_know_nothing_of_each_other():
    async with box() as (_, one), box(Archive.seeded(3)) as (_, other):
        assert len(await one.search()) == 14
        assert len(await other.search()) == 3
        one.key = other.key
        assert await one.error("permissions") == "AUTH_KEY_INVALID"


async def test_many_files_over_many_connections():
    async with box(Archive.seeded(60, pixels=64, tile=64)) as (sim, client):
        scenes = (await client.call("scene-search", {"datasetName": L2}))["results"]
        rows = await client.options(L2, *(s["entityId"] for s in scenes))
        files = [f for row in rows[::4] for f in row["secondaryDownloads"]]
        made = await client.request([{"entityId": f["entityId"], "productId": f["id"]} for f in files])
        links = [row["url"] for row in made["availableDownloads"]]
        assert len(links) == 60 * 22
        bodies = {}

        async def worker(mine):
            for url in mine:
                _, headers, body = await client.get(url)
                bodies[headers["Content-Disposition"].split('"')[1]] = body

        async with anyio.create_task_group() as group:
            for start in range(8):
                group.start_soon(worker, links[start::8])
        assert len(bodies) == len(links)
        for name in list(bodies)[::40]:
            content = sim.archive.file(name)
            assert bodies[name] == content.read(0, content.size)
        assert sim.log.peak_transfers["landsatlook"] <= 8
        assert sim.log.requests["landsatlook"] == len(links)


async def test_a_request_that_breaks_the_simulator_ends_only_its_own_connection(monkeypatch, caplog):
    async with box() as (sim, client):
        url = await client.link()
        with monkeypatch.context() as patch:
            patch.setattr(sim.archive, "file", lambda name: 1 / 0)
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.get(url)
        assert "ZeroDivisionError" in caplog.text
        assert (await client.get(url))[0] == 200


@pytest.mark.parametrize("junk", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01" * 50, b"GET / HTTP/1.1\r\nA" * 9_000])
async def test_junk_in_place_of_requests_is_survived(junk):
    async with box() as (sim, client):
        host, port = sim.hosts["m2m"].removeprefix("http://").split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            try:
                await stream.send(junk)
                await stream.send_eof()
                with anyio.fail_after(30):
                    while await stream.receive():
                        pass
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
        assert await client.call("permissions")
