"""No wait of more than 5 s without a line that tells reason and time; whatever it is that the run waits for."""

from __future__ import annotations

import anyio
import pytest

from landsat_async.disk.ledger_scenes import SceneRecords
from landsat_async.events import Error, Notice, Progress, Retrying
from landsat_async.sim.script import Script

LONG_WAITS = True
TICK_S = 1.0
FILES = 18
ONE = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
CASES = {
    "staging": ({"staging_s": 900}, None, {}),
    "staging for ever": ({"staging_never": (ONE.replace("004053_20240705_20240714", "005053_20240728_20240806"),)},
                         None, {"staging_timeout_s": 600}),
    "lost downloads": ({"hidden": ("*_ANG.txt",)}, None, {"staging_timeout_s": 300}),
    "login pages for ever": ({}, ("file", "*", "login", {"host": "landsatlook"}), {}),
    "login pages for one file": ({}, ("file", ONE, "login", {}), {}),
    "503 for ever": ({}, ("file", "*", "status", {"host": "dds", "status": 503}), {}),
    "Retry-After of one file": ({}, ("file", ONE, "status", {"status": 429, "headers": {"Retry-After": "400"}}), {}),
    "a file that stalls": ({}, ("file", ONE, "stall", {"times": 2}), {"stall_timeout_s": 40}),
    "one disabled item": ({"disabled_files": (ONE,)}, None, {}),
    "a disabled system": ({"disabled_systems": ("ls_s3",)}, None, {}),
    "quota": ({"recent_limit": 8, "recent_window_s": 300.0}, None, {}),
    "a slow search": ({}, ("api", "scene-search", "slow", {"seconds": 60.0, "times": 1}), {}),
    "a slow request": ({}, ("api", "download-request", "slow", {"seconds": 90.0, "times": 1}), {}),
    "a slow login": ({}, ("api", "login-token", "slow", {"seconds": 60.0, "times": 1}), {}),
    "the API is down": ({}, ("api", "download-retrieve", "status", {"status": 503}), {}),
    "a maintenance page": ({}, ("api", "download-request", "html", {}), {}),
    "a 403 page": ({}, ("api", "download-retrieve", "login", {"status": 403}), {}),
}  # fmt: skip


@pytest.mark.faults("L22")
@pytest.mark.parametrize("case", CASES)
async def test_every_wait_is_told(opened, case):
    knobs, fault, download = CASES[case]
    async with opened(script=Script(**({"staging_polls": 3} | knobs))) as world:
        world.may_leave = world.may_overlap = True
        if fault is not None:
            where, name, kind, settings = fault
            add = world.script.fault_file if where == "file" else world.script.fault_api
            add(name, kind, **({"times": None} | settings))
        silences, spoke_s, covered_s, last = [], anyio.current_time(), 0.0, None

        def watch(run, event):
            nonlocal spoke_s, covered_s, last
            now_s = anyio.current_time()
            if isinstance(event, Progress):
                return
            silent_s = now_s - max(spoke_s, min(covered_s, now_s))
            if silent_s > 5.5:
                silences.append((round(silent_s, 1), last, event))
            spoke_s, last = now_s, event
            if isinstance(event, Retrying):
                covered_s = max(covered_s, now_s + event.wait_s)

        config = world.config(service={"patience_s": 200}, download={"poll_interval_s": 30} | download)
        result = await world.run(config, watch=watch)

        assert not silences
        assert result.summary.exit_code in (0, 4, 6)
        assert any(event.wait_s > 5 and event.reason for event in result.of(Retrying))


@pytest.mark.faults("N22")
async def test_N22_staging_is_told_as_a_wait_also_where_the_service_is_asked_twice_a_second(opened):
    async with opened(script=Script(staging_s=1300)) as world:
        config = world.config(service={"patience_s": 200}, download={"poll_interval_s": 0.5})
        result = await world.run(config)
        told = [event for event in result.of(Retrying) if "being prepared" in event.reason]
        assert result.summary.exit_code == 0
        assert 50 < len(told) < 80  # every ten seconds or so for ten minutes, then every minute


@pytest.mark.faults("N23")
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3600"}])
async def test_N23_no_next_try_is_announced_when_the_run_gives_up(opened, headers):
    async with opened() as world:
        world.script.fault_file("*", "status", host="dds", status=503, headers=headers, times=None)
        waits, end_s = [], 0.0

        def watch(run, event):
            nonlocal end_s
            if isinstance(event, Retrying) and "is down" in event.reason:
                waits.append(anyio.current_time() + event.wait_s)
            elif isinstance(event, Error):
                end_s = anyio.current_time()

        result = await world.run(world.config(service={"patience_s": 20}), watch=watch)
        assert result.summary.exit_code == 6
        assert waits
        assert max(waits) <= end_s + 0.5


@pytest.mark.faults("Y84")
async def test_Y84_reports_that_a_busy_service_takes_seconds_for_arrive(opened):
    async with opened() as world:
        world.script.fault_api("download-complete-proxied", "slow", seconds=8.0, times=None)
        result = await world.run()
        assert result.summary.exit_code == 0
        assert world.ledger("SELECT count(*) FROM file WHERE report=1") == [(0,)]
        assert "the answer of M2M to download-complete-proxied" in result.reasons


@pytest.mark.faults("Y84")
async def test_Y84_reports_that_are_not_taken_are_told_and_end_no_run(opened):
    async with opened() as world:
        world.may_leave = world.may_overlap = True
        world.script.fault_api("download-complete-proxied", "hang", seconds=600.0, times=None)
        result = await world.run()
        assert result.summary.exit_code == 0
        assert [one for one in result.of(Notice) if "not taken all reports" in one.text]
        assert result.summary.elapsed_s < 120


@pytest.mark.parametrize(("faulty", "questions"), [(False, 1), (True, 2)])
async def test_what_is_left_at_the_service_is_looked_up_once_where_nothing_is_left(
    opened, monkeypatch, faulty, questions
):
    asked = []
    look = SceneRecords.lists

    def lists(self):
        asked.append(self)
        return look(self)

    monkeypatch.setattr(SceneRecords, "lists", lists)
    async with opened() as world:
        world.may_leave = world.may_overlap = faulty
        if faulty:
            world.script.fault_api("scene-list-remove", "status", status=503, times=None)
        result = await world.run()
        assert result.summary.exit_code == 0
        assert len(asked) == questions


@pytest.mark.faults("Y86")
async def test_Y86_files_that_wait_for_their_next_try_are_no_silent_connections_and_are_told_now_and_then(opened):
    async with opened() as world:
        world.may_leave = world.may_overlap = True
        world.script.fault_file("*", "status", status=429, headers={"Retry-After": "300"}, times=6)
        result = await world.run(world.config(service={"patience_s": 2000}, download={"stall_timeout_s": 5}))
        assert result.summary.exit_code == 0
        told = [event for event in result.of(Retrying) if event.file is None]
        assert not [event for event in told if "no byte comes" in event.reason]
        assert len(told) < 30


@pytest.mark.faults("Y87")
async def test_Y87_without_patience_a_dead_host_is_given_up_after_a_few_quick_tries(opened):
    async with opened() as world:
        world.may_leave = world.may_overlap = True
        world.script.busy = {"landsatlook": 503, "dds": 503}
        began_s = anyio.current_time()
        result = await world.run(world.config(service={"patience_s": 0}))
        assert result.summary.exit_code == 6
        assert anyio.current_time() - began_s < 25  # of the loop's clock
        assert all(event.wait_s <= 10 for event in result.of(Retrying))
