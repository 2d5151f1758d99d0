"""A client of a few lines that shares nothing with the package under test."""

from __future__ import annotations

import contextlib
import json

import aiohttp

from landsat_async.sim import Archive, Script, open_simulator

SCENE = "LC80040532024187LGN00"
PRODUCT = "LC08_L2SP_004053_20240705_20240714_02_T1"
STAGED_PRODUCT = "LC08_L2SP_004053_20240721_20240730_02_T1"
L1, L2 = "landsat_ot_c2_l1", "landsat_ot_c2_l2"


class Client:
    """Calls the API and fetches files, with no tolerance and no retries."""

    def __init__(self, sim, session):
        self.sim = sim
        self.session = session
        self.key = None

    async def envelope(self, endpoint, payload=None, *, method="POST", version="stable", key=True):
        """Return (status, body) of a call as they came."""
        headers = {"X-Auth-Token": self.key} if key and self.key else {}
        url = self.sim.service_url.replace("/stable/", f"/{version}/") + endpoint
        async with self.session.request(method, url, data=json.dumps(payload), headers=headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def error(self, endpoint, payload=None):
        """Return the error code of a call that has to fail."""
        _, envelope = await self.envelope(endpoint, payload)
        assert envelope["data"] is None, envelope
        return envelope["errorCode"]

    async def call(self, endpoint, payload=None):
        """Return the data of a call that has to work."""
        _, envelope = await self.envelope(endpoint, payload)
        assert envelope["errorCode"] is None, envelope
        return envelope["data"]

    async def login(self):
        self.key = None
        self.key = await self.call("login-token", {"username": self.sim.username, "token": self.sim.token})
        return self.key

    async def search(self, dataset=L2, **scene_filter):
        found = await self.call("scene-search", {"datasetName": dataset, "sceneFilter": scene_filter or None})
        return [scene["displayId"] for scene in found["results"]]

    async def options(self, dataset, *entity_ids, **more):
        payload = {"datasetName": dataset, "entityIds": list(entity_ids), **more}
        return await self.call("download-options", payload)

    async def want_files(self, dataset, entity_id, *suffixes):
        """Return the ids to request the files of a scene whose names end so."""
        rows = await self.options(dataset, entity_id)
        return [
            {"entityId": file["entityId"], "productId": file["id"]}
            for file in rows[0]["secondaryDownloads"]
            if file["displayId"].endswith(suffixes)
        ]

    async def want_bundle(self, dataset, entity_id):
        rows = await self.options(dataset, entity_id)
        (row,) = [r for r in rows if "Bundle" in r["productName"] and r["available"]]
        return [{"entityId": row["entityId"], "productId": row["id"]}]

    async def request(self, downloads, label="a-label", **more):
        return await self.call("download-request", {"downloads": downloads, "label": label, **more})

    async def link(self, suffix="SR_B3.TIF", *, scene=SCENE, dataset=L2):
        """Return a link to a file, whether it is ready at once or staged."""
        made = await self.request(await self.want_files(dataset, scene, suffix))
        (row,) = made["availableDownloads"] + made["preparingDownloads"]
        return row["url"]

    async def get(self, url, **headers):
        """Fetch; returns (status, headers, body)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(url, headers=named, allow_redirects=False) as answer:
            return answer.status, answer.headers, await answer.read()


async def collect(session, url, into, **options):
    """Fetch piece by piece into a bytearray, which keeps what came before a failure."""
    async with session.get(url, **options) as answer:
        async for piece in answer.content.iter_any():
            into += piece


@contextlib.asynccontextmanager
async def box(archive=None, script=None, *, login=True, **options):
    """A running simulator and a client that is logged in."""
    async with (
        open_simulator(archive or Archive.demo(), script or Script(), **options) as sim,
        aiohttp.ClientSession() as session,
    ):
        client = Client(sim, session)
        if login:
            await client.login()
        yield sim, client
