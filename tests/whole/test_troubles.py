"""Whose trouble it is: one file, a host, or a download system; through the whole pipeline, in virtual time."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from landsat_async.errors import ServiceDown
from landsat_async.events import Notice, Retrying, Verified
from landsat_async.sim.script import Script

LONG_WAITS = True
FILES, STAGED = 18, 12
"""Of the usual search: two scenes lie at landsatlook, four are staged by dds; three files each."""
PROXIED = FILES - STAGED
ONE = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
FAST = {"staging_polls": 0}


async def timed(world, config, watch=None):
    """Run, and tell how long it took in virtual time."""
    began = anyio.current_time()
    result = await world.run(config, watch=watch)
    return result, anyio.current_time() - began


def host_lines(result):
    return [event for event in result.of(Retrying) if event.file is None and "is down" in event.reason]


@pytest.mark.faults("L18")
@pytest.mark.parametrize("kind", ["login", "html-200", "status-403"])
async def test_a_host_that_refuses_every_file_is_left_alone_until_the_patience_ends(opened, kind):
    async with opened(script=Script(**FAST)) as world:
        how = {"login": {}, "html-200": {"text": "<html><body>Something went wrong</body></html>"}}
        name, status = ("status", 403) if kind == "status-403" else (kind.partition("-")[0], None)
        page = world.script.fault_file("*", name, host="landsatlook", times=None, status=status, **how.get(kind, {}))
        result, took_s = await timed(world, world.config(service={"patience_s": 120}))

        assert isinstance(result.error, ServiceDown)
        assert result.summary.exit_code == 6
        assert result.summary.files_verified == STAGED
        assert not result.failed
        assert 110 <= took_s <= 150
        assert page.served <= 40
        lines = host_lines(result)
        assert lines
        assert len(lines) <= 8
        asked = Counter(world.created())
        assert max(asked.values()) <= 4, "new links, but no storm of requests"


@pytest.mark.faults("L18")
@pytest.mark.parametrize("attempts", [2, 3, 8])
async def test_a_single_file_with_login_pages_fails_by_name_after_attempts(opened, attempts):
    async with opened(script=Script(**FAST)) as world:
        page = world.script.fault_file(ONE, "login", times=None)
        result = await world.run(world.config(service={"patience_s": 86400}, download={"attempts": attempts}))

        assert list(result.failed) == [ONE]
        assert "login page" in result.failed[ONE]
        assert result.summary.exit_code == 4
        assert len(result.verified) == FILES - 1
        assert page.served <= attempts + 1, "a link that waited may be looked up once more"
        waits = [event for event in result.of(Retrying) if event.file == ONE]
        assert sum(event.wait_s > 5 for event in waits) == max(0, min(attempts - 1, 5) - 2), "every long wait is told"
        assert not host_lines(result)


@pytest.mark.faults("L18")
async def test_one_file_alone_with_login_pages_is_not_the_hosts(opened):
    search = {"dataset": "landsat_ot_c2_l2", "scenes": ["LC80040532024187LGN00"]}
    async with opened(script=Script(**FAST)) as world:
        world.script.fault_file(ONE, "login", times=None)
        select = {"type": "band", "bands": ["SR_B3"]}
        result, took_s = await timed(world, world.config(search=search, select=select, download={"attempts": 3}))
        assert result.summary.exit_code == 4
        assert took_s < 30


@pytest.mark.faults("L16")
async def test_links_that_are_refused_at_first_contact_are_replaced_before_anything_is_closed(opened):
    async with opened(script=Script(**FAST, refuse_first_links=1)) as world:
        result, took_s = await timed(world, world.config(service={"patience_s": 600}))

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert not host_lines(result)
        assert took_s < 10


@pytest.mark.faults("L16", "F24")
async def test_a_retry_after_of_one_file_stops_that_file_only(opened):
    async with opened(script=Script(**FAST)) as world:
        world.script.fault_file(ONE, "status", status=503, times=1, headers={"Retry-After": "3600"})
        done = {}

        def watch(run, event):
            if isinstance(event, Verified):
                done[event.file] = anyio.current_time() - began

        began = anyio.current_time()
        config = world.config(service={"patience_s": 86400}, download={"workers": 1, "poll_interval_s": 30})
        result = await world.run(config, watch=watch)

        assert result.summary.exit_code == 0
        assert 3500 < done.pop(ONE) < 4200
        assert max(done.values()) < 20
        assert any(event.file == ONE and event.wait_s >= 3600 for event in result.of(Retrying))


@pytest.mark.faults("L16")
async def test_one_item_that_is_disabled_fails_and_its_neighbours_are_served(opened):
    async with opened(script=Script(**FAST, disabled_files=(ONE,))) as world:
        result, took_s = await timed(world, world.config(service={"patience_s": 86400}))

        assert list(result.failed) == [ONE]
        assert "temporarily disabled" in result.failed[ONE]
        assert result.summary.exit_code == 4
        assert len(result.verified) == FILES - 1
        assert took_s < 600
        assert sum(event.file == ONE and event.wait_s >= 5 for event in result.of(Retrying)) == 3


@pytest.mark.faults("L16", "A22")
async def test_a_system_that_is_disabled_is_waited_for(opened):
    async with opened(script=Script(**FAST, disabled_systems=("ls_s3",))) as world:
        async with anyio.create_task_group() as group:

            async def enable():
                await anyio.sleep(400)
                world.script.disabled_systems = ()

            group.start_soon(enable)
            result, took_s = await timed(world, world.config(service={"patience_s": 86400}))

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert host_lines(result)
        assert 400 <= took_s < 800


@pytest.mark.faults("L17")
@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("workers", [1, 4])
async def test_three_503s_in_a_row_for_all_files_of_a_host_cost_30_s_at_most(opened, each, workers):
    async with opened(script=Script(**FAST)) as world:
        if each:
            for name in [
                n for n in _names(world) if n.startswith(("LC08_L2SP_004053_20240705", "LC08_L2SP_005053_20240712"))
            ]:
                world.script.fault_file(name, "status", status=503, times=3)
        else:
            world.script.fault_file("*", "status", host="landsatlook", status=503, times=3)
        config = world.config(service={"patience_s": 600}, download={"workers": workers, "poll_interval_s": 30})
        result, took_s = await timed(world, config)

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert took_s <= (30 if workers > 1 else 40)  # one worker: six files, each up to 7 s


def _names(world):
    from landsat_async.sim.archive import Archive

    assert isinstance(world.sim.archive, Archive)
    bands = ("SR_B3.TIF", "SR_B5.TIF", "ANG.txt")
    return [f"{p.display_id}_{band}" for p in world.sim.archive for band in bands]


@pytest.mark.faults("L17", "G06")
@pytest.mark.parametrize("fault", ["503", "refused", "login"])
@pytest.mark.parametrize("workers", [1, 4])
async def test_a_host_that_is_ill_for_20_s_is_no_loss_with_a_patience_of_30_s(opened, fault, workers):
    async with opened(script=Script(**FAST)) as world:
        page = world.script.fault_file("*", "login", host="dds", times=None if fault == "login" else 0)

        async def mend():
            await anyio.sleep(20)
            world.script.busy, page.times = {}, 0
            if fault == "refused":
                await world.sim.bring_up("dds")

        if fault == "refused":
            world.sim.take_down("dds")
        elif fault == "503":
            world.script.busy = {"dds": 503}
        config = world.config(service={"patience_s": 30}, download={"poll_interval_s": 30, "workers": workers})
        async with anyio.create_task_group() as group:
            group.start_soon(mend)
            result, took_s = await timed(world, config)

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert took_s < 90


@pytest.mark.faults("L17")
@pytest.mark.parametrize("fault", ["503", "refused"])
async def test_the_last_try_is_made_when_the_patience_ends(opened, fault):
    async with opened(script=Script(**FAST)) as world:
        if fault == "refused":
            world.sim.take_down("dds")
        else:
            world.script.busy = {"dds": 503}
        tries = []

        def watch(run, event):
            told = event.reason if isinstance(event, Retrying) else event.text if isinstance(event, Notice) else ""
            if "is down" in told:
                tries.append(anyio.current_time() - began)

        began = anyio.current_time()
        config = world.config(service={"patience_s": 100}, download={"poll_interval_s": 30})
        result = await world.run(config, watch=watch)
        ended_s = anyio.current_time() - began

        assert result.summary.exit_code == 6
        assert result.summary.files_verified == PROXIED
        assert 98 <= tries[-1] <= ended_s < 125
        await world.sim.bring_up("dds") if fault == "refused" else None


@pytest.mark.faults("L16")
@pytest.mark.parametrize("kind", ["empty", "flip", "error-text-full"])
async def test_wrong_content_is_each_files_own_however_many_in_a_row(opened, kind):
    async with opened(script=Script(**FAST)) as world:
        place = {"fraction": 0.5 if kind == "error-text-full" else 0.0}
        world.script.fault_file("*", kind, host="landsatlook", times=None, **place)
        config = world.config(service={"patience_s": 86400}, download={"attempts": 3, "proof": "content"})
        result, took_s = await timed(world, config)

        assert result.summary.exit_code == 4
        assert len(result.failed) >= PROXIED * 2 // 3
        assert len(result.verified) + len(result.failed) == FILES
        assert not host_lines(result)
        assert took_s < 60
