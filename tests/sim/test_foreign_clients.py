"""M2M clients that nobody here wrote work against the simulator.

Each runs in an interpreter of its own, like a user's script. FOREIGN_PYTHON names another interpreter that has the
package, for packages whose dependencies do not go together with ours.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile

import anyio
import pytest

from landsat_async.sim import Archive
from tests.sim.client import L2, PRODUCT, SCENE, box

REAL_TIME = True
ABSENT = 77

USGSXPLORE = """
import usgsxplore.api
from usgsxplore.api import API
from usgsxplore.scene_downloader import LinkResolver, SceneDownloader
usgsxplore.api.API_URL = service_url

with API(username, token) as api:
    names = api.dataset_names()
    scenes = api.search("landsat_ot_c2_l2", bbox=(-68.01, 9.99, -67.49, 10.34), max_cloud_cover=10,
                        date_interval=("2024-07-05", "2024-08-06"))
    where = api.search("landsat_ot_c2_l2", meta_filter="WRS Path=5 & Satellite=9")
    display = [s["displayId"] for s in scenes]
    entity = api.get_entity_id(display[0], "landsat_ot_c2_l2")
    back = api.get_display_id(entity, "landsat_ot_c2_l2")
    staged = "LC80040532024203LGN00"
    with SceneDownloader(api, resolver=LinkResolver(api, retry_delay=0)) as downloader:
        for scene, number in ((entity, 0), (staged, 2)):  # the bundle among the available rows
            downloader.download("landsat_ot_c2_l2", [scene], output_dir=folder, product_number=number,
                                show_progress=False, extract=False)
result = {"names": names, "display": display, "where": [s["displayId"] for s in where],
          "entity": entity, "back": back, "metadata": len(scenes[0]["metadata"])}
"""

USGS = """
import requests, usgs.api as api
api.USGS_API = service_url.rstrip("/")
key = api.login(username, token)["data"]
found = api.scene_search("landsat_ot_c2_l2", ll={"longitude": -68.01, "latitude": 9.99},
    ur={"longitude": -67.49, "latitude": 10.34}, start_date="2024-07-05", end_date="2024-07-06", metadata_type="full")
entity = found["data"]["results"][0]["entityId"]
rows = api.download_options("landsat_ot_c2_l2", [entity])["data"]
row = [r for r in rows if r["available"] and r["downloadSystem"] != "folder"][0]
made = api.download_request("landsat_ot_c2_l2", entity, row["id"])["data"]
body = requests.get(made["availableDownloads"][0]["url"]).content
open(f"{folder}/{entity}.tar", "wb").write(body)
result = {"entity": entity, "filters": len(api.dataset_filters("landsat_ot_c2_l2")["data"]),
          "metadata": api.scene_metadata("landsat_ot_c2_l2", entity)["data"]["displayId"]}
api.logout()
"""

USGSM2M = """
import usgsm2m.api, json
from usgsm2m.usgsm2m import USGSM2M
usgsm2m.api.API_URL = service_url

def login(self, username, token):  # the package still uses the endpoint that was removed in 2025
    answer = self.session.post(self.url + "login-token", json.dumps({"username": username, "token": token}))
    self.raise_api_error(answer)
    self.session.headers["X-Auth-Token"] = answer.json()["data"]

usgsm2m.api.API.login = login
portal = USGSM2M(username, token)
found = portal.api.search("landsat_ot_c2_l2", latitude=10.2, longitude=-67.7, max_cloud_cover=10,
                          start_date="2024-07-05", end_date="2024-07-06")
entity = found[0]["entity_id"]
portal.download([found[0]["display_id"]], folder, dataset="landsat_ot_c2_l2")
for thread in portal.threads:
    thread.join()
result = {"entity": entity, "metadata": found[0]["display_id"]}
portal.logout()
"""


async def run_foreign(package, script, sim, folder):
    """Run a script in another interpreter; returns what it leaves in `result`, or skips."""
    program = f"""
import json, sys
sys.dont_write_bytecode = True
try:
    import {package}
except ImportError as error:
    print(error); sys.exit({ABSENT})
service_url, username, token, folder = sys.argv[1:]
{script}
print(json.dumps(result))
"""
    python = os.environ.get("FOREIGN_PYTHON", sys.executable)
    environment = {**os.environ, "HOME": str(folder.parent), "MPLCONFIGDIR": str(folder.parent)}
    command = [python, "-c", program, sim.service_url, sim.username, sim.token, str(folder)]
    done = await anyio.run_process(command, check=False, env=environment)
    if done.returncode == ABSENT:
        pytest.skip(f"{package} is not installed: {done.stdout.decode().strip()}")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.decode().splitlines()[-1])


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "out"
    made.mkdir()
    return made


def names_in(path):
    with tarfile.open(path) as bundle:
        return bundle.getnames()


async def test_usgsxplore_searches_and_downloads_bundles_at_once_and_staged(folder):
    async with box(Archive.demo(), login=False) as (sim, _):
        result = await run_foreign("usgsxplore", USGSXPLORE, sim, folder)
        assert L2 in result["names"]
        assert result["display"][0] == result["back"] == PRODUCT
        assert len(result["display"]) == 6
        assert len(result["where"]) == 2
        assert all(name.startswith("LC09_L2SP_005053") for name in result["where"])
        assert result["entity"] == SCENE
        assert result["metadata"] > 15
        assert len(names_in(folder / f"{SCENE}.tar")) == 22
        assert len(names_in(folder / "LC80040532024203LGN00.tar")) == 22
        assert sim.log.overlaps == 0
        assert not sim.log.errors


async def test_usgs_searches_requests_and_fetches(folder):
    async with box(login=False) as (sim, _):
        result = await run_foreign("usgs.api", USGS, sim, folder)
        assert (result["entity"], result["metadata"]) == (SCENE, PRODUCT)
        assert len(names_in(folder / f"{SCENE}.tar")) == 22
        assert not sim.log.errors


async def test_usgsm2m_searches_and_downloads(folder):
    async with box(login=False) as (sim, _):
        result = await run_foreign("usgsm2m", USGSM2M, sim, folder)
        assert (result["entity"], result["metadata"]) == (SCENE, PRODUCT)
        assert len(names_in(folder / f"{PRODUCT}.tar")) == 22
        assert not sim.log.errors
