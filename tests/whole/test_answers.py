"""Answers that come twice or late, on the way of the API and on that of the files."""

from __future__ import annotations

import aiohttp
import pytest

from landsat_async.sim.script import Script
from tests.whole.test_orders import FILES, once

LONG_WAITS = True
WAYS = [("doubled", 0.0), ("doubled", 0.005), ("doubled", 0.2), ("late", 0.0)]

HEALTHY = {"login-token": 1, "scene-list-add": 1, "download-options": 1, "download-request": 3, "logout": 1}
"""Calls of a run to which nothing happens; a request is repeated while files are being staged."""


@pytest.fixture(params=[False, True], ids=["own session", "lent session"])
async def session(request):
    """The connections of a host program, which may be used by it as well, or none."""
    if not request.param:
        yield None
        return
    async with aiohttp.ClientSession() as host:
        yield host
        assert not host.closed


@pytest.mark.faults("K42")
@pytest.mark.parametrize(("kind", "seconds"), [("", 0.0), *WAYS])
async def test_calls_whose_answers_come_again_are_understood_and_made_once(opened, session, kind, seconds):
    async with opened() as world:
        if kind:
            world.script.fault_api("*", kind, times=None, seconds=seconds)
        result = await world.run(session=session)
        assert world.log.faults[kind] == (sum(world.log.calls.values()) if kind else 0)
        assert (result.summary.exit_code, len(result.verified)) == (0, FILES)
        assert once(world), "something was asked for twice"
        assert {name: world.log.calls[name] for name in HEALTHY} == HEALTHY
        assert result.reasons == ""


@pytest.mark.faults("K41")
@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize(("kind", "seconds"), WAYS)
async def test_files_whose_answers_come_again_are_whole_and_their_own(opened, session, kind, seconds, names):
    async with opened(script=Script(disposition=names)) as world:
        fault = world.script.fault_file("*", kind, times=None, seconds=seconds)
        result = await world.run(session=session)
        assert fault.served >= FILES
        assert (result.summary.exit_code, len(result.verified)) == (0, FILES)
        assert result.reasons == ""


@pytest.mark.faults("K43")
async def test_data_of_another_call_is_asked_for_again(opened):
    """Behind a proxy that mixes its answers up, a new connection does not help; the shape shows it."""
    async with opened() as world:
        world.script.fault_api("scene-list-add", "data", value=[{"entityId": "LC80040532024187LGN00"}])
        world.script.fault_api("download-options", "data", value=6)
        result = await world.run()
        assert (result.summary.exit_code, len(result.verified)) == (0, FILES)
        assert once(world)
        assert "not an answer to this call" in result.reasons
