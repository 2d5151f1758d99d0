"""Faults between the plan and the last file, through the whole pipeline against the simulator in virtual time."""

from __future__ import annotations

import random
import time
from collections import Counter
from functools import partial

import anyio
import pytest

from landsat_async import M2MClient
from landsat_async.disk.ledger_requests import RequestRecords
from landsat_async.events import Retrying, Started, Verified
from landsat_async.m2m.caller import Gate
from landsat_async.run import counts, poller, worker
from landsat_async.sim import orders
from landsat_async.sim.script import Script
from tests.orders.lab import Lab, draw_weather, names_of, run_in_virtual_time, wanted
from tests.orders.service import Climate, OrderBook

LONG_WAITS = True
FILES = 18
"""Of the usual search: six scenes, three files each; two scenes lie at landsatlook, four are staged by dds."""


@pytest.mark.faults("C17")
@pytest.mark.faults("D09")
@pytest.mark.faults("E10")
@pytest.mark.parametrize("rows", ["full", "absent"])
async def test_E10_files_that_the_service_no_longer_knows_fail_by_name(opened, monkeypatch, rows):
    true, gone = orders.resolve, []

    def resolve(service, entity, product):
        if entity.endswith("SR_B3_TIF"):
            gone.append(entity)
            return None
        return true(service, entity, product)

    monkeypatch.setattr(orders, "resolve", resolve)
    async with opened(script=Script(failed_rows=rows)) as world:
        result = await world.run(world.config(download={"poll_interval_s": 30}))

        assert gone
        assert result.summary.exit_code == 4
        assert len(result.failed) == 6
        assert all(name.endswith("SR_B3.TIF") for name in result.failed)
        assert len(result.verified) == FILES - 6
        assert max(Counter(gone).values()) <= poller.MAX_ASKS


@pytest.mark.faults("E12", "F20")
async def test_E12_links_that_die_in_our_queue_are_renewed_and_every_file_comes(opened):
    async with opened(script=Script(link_lifetime_s=4, rate_bytes_s=5000)) as world:
        config = world.config(service={"patience_s": 7200}, download={"workers": 1, "poll_interval_s": 5})
        result = await world.run(config)

        refused = [entry for entry in world.log.entries if entry.host != "m2m" and entry.status == 403]
        assert refused, "links really died while they waited"
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("E12")
async def test_E12_old_links_are_renewed_before_use_without_asking_for_the_file_again(opened, monkeypatch):
    monkeypatch.setattr(worker, "LINK_MAX_AGE_S", 3.0)
    true, renewed = RequestRecords.look_up, []

    async def look_up(self, item_id, now):
        renewed.append(item_id)
        return await true(self, item_id, now)

    monkeypatch.setattr(RequestRecords, "look_up", look_up)
    async with opened(script=Script(rate_bytes_s=5000)) as world:
        result = await world.run(world.config(download={"workers": 1, "poll_interval_s": 5}))

        assert renewed, "links waited for too long"
        assert max(Counter(world.asked()).values()) == 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("E13")
@pytest.mark.faults("E14")
@pytest.mark.faults("E14")
@pytest.mark.faults("E19")
@pytest.mark.parametrize("jump_s", [8 * 3600.0, -8 * 3600.0])
async def test_E19_a_wall_clock_that_jumps_in_mid_run_neither_ends_nor_prolongs_a_wait(opened, monkeypatch, jump_s):
    offset = []
    true = time.time
    monkeypatch.setattr(counts.time, "time", lambda: true() + sum(offset))

    def jump(run, event):
        if isinstance(event, Verified) and not offset:
            offset.append(jump_s)

    async with opened(script=Script(staging_s=600, key_lifetime_s=120)) as world:
        began = anyio.current_time()
        config = world.config(download={"poll_interval_s": 30, "staging_timeout_s": 7200})
        result = await world.run(config, watch=jump)

        assert offset == [jump_s]
        assert result.summary.exit_code == 0
        assert 600 <= anyio.current_time() - began < 1500
        assert world.log.calls["login-token"] > 1, "the key had died meanwhile and was renewed"


@pytest.mark.faults("E19")
def test_E19_what_was_written_while_the_clock_was_ahead_blocks_no_later_run(tmp_path):
    async def play():
        lab = _lab(tmp_path, 20)
        ahead = 1_720_000_000.0 + 8 * 3600
        await lab.ledger.begin_run("run-ahead", ahead)
        await lab.ledger.select(lab.files, "run-ahead", ahead)
        await lab.ledger.requests.intend("la-ahead-0", "run-ahead", range(1, 11), ahead)
        lab.ledger.connection.execute("INSERT INTO asked VALUES(?, 14990)", (ahead,))
        lab.ledger.connection.execute("UPDATE item SET next_try=? WHERE state='planned'", (ahead + 900,))
        life = await lab.live()
        lab.check(life)
        return life.ended, lab.ledger.states(), anyio.current_time()

    ended, states, elapsed_s = run_in_virtual_time(play)
    assert ended == "by itself"
    assert states == {"done": 20}
    assert elapsed_s < 2000, "one window of the quota at most"


@pytest.mark.faults("E20", "A22")
def test_E20_files_of_a_host_that_is_down_hold_up_no_worker(tmp_path):
    async def play():
        lab = _lab(tmp_path, 60, systems=["ls_zip", "dds_ms"])
        lab.weather.outages = {"dds.test": (0.0, 5000.0)}
        done = []
        await lab.live(
            watch=lambda run: run.bus.listen(
                lambda event: done.append((anyio.current_time(), event.file)) if isinstance(event, Verified) else None
            )
        )
        return lab.ledger.states(), done, lab.book.orders

    states, done, held = run_in_virtual_time(play)
    assert states == {"done": 60}
    others = [at for at, file in done if int(file[5:11]) % 2 == 0]
    assert len(others) == 30
    assert max(others) < 1000 < 5000 <= min(at for at, file in done if int(file[5:11]) % 2)
    assert len(held) == 60, "what waited was not asked for again"


@pytest.mark.faults("E21")
async def test_E21_a_file_that_never_works_holds_nobody_up_and_ends_by_name(opened):
    async with opened() as world:
        poison = "LC08_L2SP_004053_20240705_20240714_02_T1_ANG.txt"
        fault = world.script.fault_file(poison, "cut", fraction=0.0, times=None)
        ended = {}

        def watch(run, event):
            if isinstance(event, Verified):
                ended[event.file] = anyio.current_time()

        result = await world.run(world.config(download={"workers": 1, "attempts": 3}), watch=watch)

        assert fault.served >= 3
        assert list(result.failed) == [poison]
        assert len(result.verified) == FILES - 1


@pytest.mark.faults("G06", "A03", "E22")
@pytest.mark.parametrize("kind", ["network", "status"])
async def test_from_service_back_to_first_byte_takes_75_s_at_most(opened, kind):
    async with opened(script=Script(staging_polls=0, staging_s=600)) as world:
        back = []
        fault = world.script.fault_api("*", "status", status=502, times=None) if kind == "status" else None
        if fault is not None:
            fault.times = 0

        async def outage():
            if fault is not None:
                fault.times = None
            else:
                world.sim.take_down("m2m")
            await anyio.sleep(7200)
            if fault is not None:
                fault.times = 0
            else:
                await world.sim.bring_up("m2m")
            back.append(anyio.current_time())

        started = []

        def watch(run, event):
            if isinstance(event, Retrying) and "USGS goes on" not in event.reason:
                assert event.wait_s <= 60
            if isinstance(event, Started) and back:
                started.append(anyio.current_time())
            if isinstance(event, Verified) and not group_started:
                group_started.append(event)
                group.start_soon(outage)

        group_started = []
        async with anyio.create_task_group() as group:
            config = world.config(service={"patience_s": 86400}, download={"poll_interval_s": 30})
            result = await world.run(config, watch=watch)

        assert result.summary.exit_code == 0
        assert back, "the service was really away"
        assert min(started) - back[0] <= 75.0
        minute = [entry.time_s for entry in world.log.entries if back[0] <= entry.time_s < back[0] + 60]
        assert len(minute) <= 61
        assert len(result.verified) == FILES


@pytest.mark.faults("B03")
async def test_from_an_expired_key_to_the_next_call_takes_5_s_at_most(opened):
    async with opened(script=Script(staging_polls=4)) as world:
        forgotten = []

        def watch(run, event):
            if isinstance(event, Verified) and not forgotten:
                forgotten.append(anyio.current_time())
                world.sim.forget_keys()

        result = await world.run(world.config(download={"poll_interval_s": 30}), watch=watch)

        expired = [entry for entry in world.log.entries if entry.error_code in ("AUTH_EXPIRED", "AUTH_KEY_INVALID")]
        assert len(expired) == 1
        again = [e for e in world.log.of(expired[0].what) if e.time_s > expired[0].time_s and e.error_code is None]
        assert again[0].time_s - expired[0].time_s <= 5.0
        assert result.summary.exit_code == 0


@pytest.mark.faults("A15")
async def test_A15_a_gate_that_is_shared_lets_two_runs_of_one_account_take_turns(opened):
    gate = Gate()
    async with opened() as world:
        clients = [partial(M2MClient, world.sim.service_url, world.credentials, gate=gate) for _ in range(2)]
        async with clients[0]() as one, clients[1]() as two, anyio.create_task_group() as group:
            for client in (one, two) * 5:
                group.start_soon(client.permissions)
        assert world.log.overlaps == 0
        assert world.log.calls["permissions"] == 10


@pytest.mark.faults("A18")
@pytest.mark.parametrize("code", ["ENDPOINT_UNAVAILABLE", "UNKNOWN"])
async def test_A18_calls_that_only_report_or_look_twice_may_fail(opened, code):
    async with opened(script=Script(staging_s=60)) as world:
        gone = ["permissions", "download-search"] if code == "ENDPOINT_UNAVAILABLE" else []
        faults = [
            world.script.fault_api(endpoint, "error", code=code, times=None)
            for endpoint in ("download-complete-proxied", *gone)
        ]
        lost = world.script.fault_api("download-request", "close-before", times=1) if gone else None
        result = await world.run(world.config(download={"poll_interval_s": 30}))

        assert all(fault.served for fault in faults)
        assert lost is None or lost.served == 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("E07")
async def test_E07_absence_counts_from_the_end_of_a_call_that_waited_long_for_its_turn(opened, monkeypatch):
    """Neither list shows anything for 8 s after the request, and the request was carried out late."""
    true_request, true_rows, sent = M2MClient.download_request, M2MClient.download_search, []

    async def late(self, **arguments):
        await anyio.sleep(60)  # as behind an outage
        try:
            return await true_request(self, **arguments)
        finally:
            sent.append(anyio.current_time())

    async def lagging(self, label=None, active_only=None):
        return [] if anyio.current_time() < sent[0] + 8 else await true_rows(self, label, active_only)

    monkeypatch.setattr(M2MClient, "download_request", late)
    monkeypatch.setattr(M2MClient, "download_search", lagging)
    async with opened(script=Script(retrieve_lag_polls=1)) as world:
        fault = world.script.fault_api("download-request", "close-after")
        result = await world.run(world.config(download={"poll_interval_s": 30, "queue_size": FILES}))

        assert fault.served == 1
        assert result.summary.exit_code == 0
        assert max(Counter(world.asked()).values()) == 1


@pytest.mark.faults("E11")
@pytest.mark.parametrize("staging_s", [0, 60])
async def test_E11_a_licence_is_never_accepted_in_silence(opened, staging_s):
    async with opened(script=Script(staging_s=staging_s)) as world:
        fault = world.script.fault_api(
            "download-re*", "replace", text='"eulaCode":null', value='"eulaCode":"EXAMPLE"', times=None
        )
        result = await world.run(world.config(download={"poll_interval_s": 30}))

        assert fault.served
        assert world.files() == {}
        assert result.summary.exit_code == 4
        assert len(result.failed) == FILES
        assert all("licence has to be accepted" in reason and "EXAMPLE" in reason for reason in result.failed.values())
        assert all("earthexplorer" in failure.hint for failure in result.summary.failures)


def _lab(folder, count, systems=("dds_ms",)):
    random.seed(count)
    chance = random.Random(count)
    files = [wanted(n, [systems[n % len(systems)]]) for n in range(count)]
    weather = draw_weather(chance)
    weather.shares, weather.outages, weather.mean_s = {}, {}, 2.0
    book = OrderBook(Climate(staging_s=60.0), chance, names_of(files))
    return Lab(folder, book, weather, files, workers=4, queue_size=8, staging_timeout_s=86400.0)
