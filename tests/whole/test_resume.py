"""Runs that end early in every way, and the next run: it continues, fetches little twice, and harms nothing."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections import Counter
from contextlib import closing

import anyio
import pytest

from landsat_async import FolderBusy, open_run
from landsat_async.events import Notice, Planned, Progress, Ready, Requested, Started, Transferred, Verified
from landsat_async.run import runner
from landsat_async.run.counts import FileStates
from landsat_async.run.inventory import DELETED_NAMED
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script
from landsat_async.transfer import transfer
from tests.whole.world import STATE

FILES = 18
ONE = {"dataset": "landsat_ot_c2_l2", "scenes": ["LC80040532024187LGN00"]}
KIB = 1024


def large(pixels: int = 1024) -> Archive:
    """Bands of about 2 MB, or what these pixels make, stored as they are."""
    return Archive.demo(pixels=pixels, tile=128, compress=False)


# -- a stop, a cancellation ------------------------------------------------------------------------------------------


async def test_progress_counts_what_is_here_of_a_resumed_file_before_more_of_it_comes(opened, monkeypatch):
    monkeypatch.setattr(transfer, "TELL_EVERY_S", 1e9)
    monkeypatch.setattr(runner, "PROGRESS_EVERY_S", 0.02)
    async with opened(archive=large(), script=Script(rate_bytes_s=2_000_000)) as world:
        config = world.config(search=ONE, select={"type": "band", "bands": ["SR_B3"]})

        offsets, seen = [], []

        def watch(run, event):
            if isinstance(event, Started):
                offsets.append(event.offset_bytes)
            elif isinstance(event, Progress) and offsets:
                seen.append(event.bytes_done)
                if (offsets[0] == 0 and len(seen) == 25) or (offsets[0] and len(seen) == 2):
                    run.stop()

        await world.run(config, watch=watch)
        offsets.clear()
        seen.clear()
        await world.run(config, watch=watch)

        assert offsets[0] > 0
        assert min(seen) == offsets[0]


@pytest.mark.faults("I04")
async def test_a_stop_in_mid_transfer_keeps_the_bytes_and_the_next_run_goes_on_from_them(opened):
    async with opened(archive=large(), script=Script(rate_bytes_s=2_000_000)) as world:
        config = world.config(search=ONE, select={"type": "band", "bands": ["SR_B3"]})
        where = []

        def stop(run, event):
            if isinstance(event, Transferred) and event.position_bytes > 700_000 and not where:
                where.append(event.position_bytes)
                run.stop()

        first = await world.run(config, watch=stop)

        assert where
        assert first.summary.exit_code == 7
        assert first.summary.files_pending == 1
        assert not world.files()

        world.script.rate_bytes_s = None
        second = await world.run(config)

        (name,) = second.verified
        assert second.summary.exit_code == 0
        assert second.offsets(name)[0] >= where[0]
        size = len(world.content(name))
        again = first.summary.bytes_received + second.summary.bytes_received - size
        # The directories of the TIFF have no sum, and nothing ties tiles together that are stored as they are: after a
        # resume the directories are compared with the server, and the ends of two tiles.
        assert again <= (64 + 4) * KIB, "more than the overlap and what is compared was fetched twice"
        assert world.created() == [name], "asked for twice"


@pytest.mark.faults("I04", "L01")
@pytest.mark.parametrize("moment", [Planned, Requested, Ready, Started, Verified])
@pytest.mark.parametrize("way", ["stop", "cancel", "leave"])
async def test_a_run_may_end_at_any_stage_and_the_next_one_completes_it(opened, moment, way):
    async with opened(script=Script(staging_polls=2)) as world:
        world.may_overlap = True  # an end may cancel a call, which goes on at the service
        config, seen = world.config(), []
        with anyio.CancelScope() as scope:
            async with open_run(config, credentials=world.credentials) as run:

                def end(event):
                    if isinstance(event, moment) and not seen:
                        seen.append(event)
                        if way == "stop":
                            run.stop()
                        elif way == "cancel":
                            scope.cancel()

                run.bus.listen(end)
                async for _ in run.events():
                    if seen and way == "leave":
                        break
        assert seen
        assert run.summary.exit_code == 7
        assert run.summary.files_pending > 0
        assert world.lists() == []
        assert not world.service.account.keys
        world.spoken.append(repr(run.summary))

        result = await world.run(config)

        assert result.summary.exit_code == 0
        assert len(world.files()) == FILES
        assert max(Counter(world.created()).values()) == 1, "asked for twice"


@pytest.mark.faults("L01", "L03", "I03")
@pytest.mark.parametrize("seed", range(8))
async def test_the_host_cancels_again_and_again_at_any_point_and_the_files_come_all_the_same(opened, seed):
    draw = random.Random(seed)
    async with opened(script=Script(staging_polls=2, rate_bytes_s=200_000)) as world:
        world.workers_at_most = 8  # the service may still be sending to a run that has gone
        world.may_overlap = True
        world.may_leave = True  # a login that was under way
        config = world.config()
        for _ in range(6):
            with anyio.move_on_after(draw.uniform(0.01, 0.35)):
                async with open_run(config, credentials=world.credentials) as run:
                    await run.wait()
        world.script.rate_bytes_s = None

        result = await world.run(config)

        assert result.summary.exit_code == 0
        assert world.lists() == []
        assert len(world.files()) == FILES
        # A request whose answer was cancelled away may have reached nobody; what reached the service is not repeated.
        assert max(Counter(world.created()).values()) <= 2
        total = sum(map(len, world.files().values()))
        assert sum(world.log.file_bytes.values()) < 3 * total


@pytest.mark.faults("I04")
async def test_a_stop_is_quick_even_if_the_service_hangs(opened):
    async with opened(script=Script(staging_polls=5)) as world:
        world.may_leave = True
        asked = []

        def stop(run, event):
            if isinstance(event, Requested):
                world.script.fault_api("*", "hang", times=None)
            elif isinstance(event, Verified) and not asked:
                asked.append(anyio.current_time())
                run.stop()

        result = await world.run(watch=stop)

        assert world.log.faults["hang"] >= 1
        assert anyio.current_time() - asked[0] < 10
        assert result.summary.exit_code == 7


@pytest.mark.faults("A22", "E02")
async def test_a_file_that_the_service_saw_leave_but_that_never_got_here_is_asked_for_again(opened, monkeypatch):
    async with opened() as world:
        downloads, runs = type(world.service.downloads), []
        move = downloads.move

        def watched(self, download, state):
            move(self, download, state)
            if state == "complete" and not download.offer.is_proxied and runs:
                runs.pop().stop()

        monkeypatch.setattr(downloads, "move", watched)

        first = await world.run(watch=lambda run, event: runs.append(run) if isinstance(event, Planned) else None)
        assert first.summary.exit_code == 7, "stopped at the last byte of the first staged file"

        runs.clear()
        with anyio.fail_after(20):
            second = await world.run()

        assert second.summary.exit_code == 0
        assert len(world.files()) == FILES


@pytest.mark.faults("I01", "H11")
@pytest.mark.parametrize("band", ["GCP", "B1", "MTL*", "ANG"])
@pytest.mark.parametrize("way", ["stop", "cancel"])
async def test_an_end_between_the_final_name_and_the_ledger_is_made_good_for_every_kind_of_file(
    opened, monkeypatch, band, way
):
    async with opened() as world:
        scenes = [p.entity_id for p in world.sim.archive if p.sensor == "LE07" and p.level == "L1TP"]
        search = {"dataset": "landsat_etm_c2_l1", "scenes": scenes[:1]}
        config = world.config(search=search, select={"type": "band", "bands": [band]})
        true, landed = FileStates.finish, []

        async def finish(self, files):
            landed.extend(file.relpath for file, _ in files)
            runs[0].stop() if way == "stop" else scope.cancel()
            await anyio.sleep(0)
            return await true(self, files)

        monkeypatch.setattr(FileStates, "finish", finish)
        with anyio.CancelScope() as scope:
            runs = []
            async with open_run(config, credentials=world.credentials) as run:
                runs.append(run)
                await run.wait()
        monkeypatch.setattr(FileStates, "finish", true)
        assert landed
        assert set(landed) <= world.files().keys(), "it has its name"

        result = await world.run(config)

        assert result.failed == {}
        assert result.summary.exit_code == 0


# -- what others do to the folder ------------------------------------------------------------------------------------


async def _complete(world):
    result = await world.run()
    assert result.summary.exit_code == 0
    world.forget_log()
    return world.files()


@pytest.mark.faults("H12")
@pytest.mark.parametrize("damage", ["deleted", "empty", "garbage"])
async def test_H12_a_lost_ledger_is_made_again_from_the_files_and_nothing_is_fetched(opened, damage):
    async with opened() as world:
        before = await _complete(world)
        for path in (world.root / STATE).glob("ledger.sqlite3*"):
            path.unlink()
        if damage != "deleted":
            (world.root / STATE / "ledger.sqlite3").write_bytes(b"" if damage == "empty" else b"no database" * 500)

        result = await world.run()

        assert result.summary.exit_code == 0
        assert result.summary.files_skipped == FILES
        assert result.summary.bytes_received == 0
        assert not world.log.files
        assert world.files() == before


@pytest.mark.faults("H07", "H23")
@pytest.mark.parametrize("how", ["deleted", "cut", "flipped"])
async def test_H07_a_finished_file_that_was_harmed_is_fetched_again(opened, how):
    async with opened() as world:
        before = await _complete(world)
        name = next(name for name in sorted(before) if name.endswith("SR_B5.TIF"))
        path = world.root / name
        if how == "deleted":
            path.unlink()
        else:
            body = bytearray(before[name])
            if how == "cut":
                del body[len(body) // 2 :]
            else:
                body[len(body) // 2] ^= 0x10
            path.write_bytes(body)

        result = await world.run()

        assert result.summary.exit_code == 0
        assert result.verified == [name]
        assert result.summary.files_skipped == FILES - 1
        now = world.files()
        assert {name: now[name] for name in before} == before


@pytest.mark.faults("X153")
async def test_X153_of_many_deleted_files_the_first_are_named_and_the_rest_counted(opened):
    async with opened() as world:
        before = await _complete(world)
        for name in before:
            (world.root / name).unlink()

        result = await world.run()

        assert result.summary.exit_code == 0
        assert world.files() == before
        told = [event.text for event in result.of(Notice) if event.level == "warning"]
        assert len(told) == DELETED_NAMED + 1
        assert f"{FILES - DELETED_NAMED} more deleted files" in told[-1]


@pytest.mark.faults("H06", "N2")
@pytest.mark.parametrize("what", ["file", "folder", "dangling link"])
async def test_H06_what_is_in_the_way_is_kept_and_told_until_it_may_be_replaced(opened, what):
    async with opened() as world:
        name = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
        world.root.mkdir()
        path = world.root / name
        if what == "file":
            world.put(name, b"my own notes")
        elif what == "folder":
            path.mkdir()
            world.put(f"{name}/notes.txt", b"my own notes")
        else:
            path.symlink_to(world.base / "my-nowhere")

        first = await world.run(check=what == "file")

        assert first.summary.exit_code == 4
        assert list(first.failed) == [name]
        assert "in the way" in first.failed[name] or "exists" in first.failed[name]
        assert first.summary.files_verified == FILES - 1
        if what == "dangling link":
            assert path.is_symlink()
            assert not (world.base / "my-nowhere").exists()
        elif what == "file":
            assert path.read_bytes() == b"my own notes"

        if what == "folder":
            second = await world.run(overwrite=True, check=False)
            assert second.summary.exit_code == 4, "a folder is never replaced"
            return
        world.users.clear()
        second = await world.run(overwrite=True)
        assert second.summary.exit_code == 0
        assert second.verified == [name]
        assert not path.is_symlink()
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(world.content(name)).digest()


@pytest.mark.faults("H09")
async def test_H09_a_part_that_somebody_changed_is_not_built_upon(opened):
    async with opened(archive=large(), script=Script(rate_bytes_s=2_000_000)) as world:
        config = world.config(search=ONE, select={"type": "band", "bands": ["SR_B3"]})

        def stop(run, event):
            if isinstance(event, Transferred) and event.position_bytes > 700_000:
                run.stop()

        await world.run(config, watch=stop)
        (part,) = (world.root / STATE / "parts").iterdir()
        with part.open("r+b") as file:
            file.seek(300_000)
            byte = file.read(1)
            file.seek(300_000)
            file.write(bytes([byte[0] ^ 1]))
        world.script.rate_bytes_s = None

        result = await world.run(config)

        assert result.summary.exit_code == 0
        assert result.offsets(result.verified[0])[0] == 0


@pytest.mark.faults("J01", "J06")
async def test_J01_a_second_run_on_the_same_folder_is_refused_and_harms_nothing(opened):
    async with opened(script=Script(staging_polls=3)) as world:
        refused = []

        async with open_run(world.config(), credentials=world.credentials) as run:
            async for event in run.events():
                if isinstance(event, Verified) and not refused:
                    with pytest.raises(FolderBusy) as caught:
                        async with open_run(world.config(), credentials=world.credentials):
                            pass
                    refused.append(caught.value)

        assert refused
        assert refused[0].exit_code == 8
        assert run.summary.exit_code == 0
        assert run.summary.files_verified == FILES
        assert world.log.calls["login-token"] == 1


@pytest.mark.faults("J06", "L12")
async def test_J06_two_runs_in_one_loop_do_not_know_of_each_other(opened):
    async with opened() as world:
        world.may_overlap = True  # two clients of one account; the service is told to bear it
        world.script.overlap = "allow"
        results = {}

        async def go(name, select):
            config = world.config(root=world.base / name, select=select)
            results[name] = await world.run(config, check=False)

        async with anyio.create_task_group() as group:
            group.start_soon(go, "data-a", {"type": "band", "bands": ["SR_B3", "SR_B5", "ANG"]})
            group.start_soon(go, "data-b", {"type": "bundle"})

        assert {name: result.summary.exit_code for name, result in results.items()} == {"data-a": 0, "data-b": 0}
        for name, result in results.items():
            world.check(result, world.base / name)
        assert len(world.files(world.base / "data-a")) == FILES
        assert len(world.files(world.base / "data-b")) == 6


@pytest.mark.faults("A15", "J04")
async def test_A15_J04_two_runs_of_one_account_at_a_service_that_refuses_overlap_both_end_well(opened):
    async with opened() as world:
        world.may_overlap = True
        codes = {}

        async def go(name):
            result = await world.run(world.config(root=world.base / name), check=False)
            codes[name] = result.summary.exit_code

        async with anyio.create_task_group() as group:
            group.start_soon(go, "data-a")
            group.start_soon(go, "data-b")

        assert world.log.errors["RATE_LIMIT_USER"] > 0
        assert codes == {"data-a": 0, "data-b": 0}


@pytest.mark.faults("L12")
async def test_L12_one_run_fails_and_the_other_goes_on(opened):
    async with opened() as world:
        world.may_overlap = True
        world.script.overlap = "allow"
        results = {}

        async def go(name, **tables):
            results[name] = await world.run(world.config(root=world.base / name, **tables), check=False)

        async with anyio.create_task_group() as group:
            group.start_soon(go, "data-a")
            unknown = {"dataset": "landsat_xx", "scenes": ["LC80040532024187LGN00"]}

            async def bad():
                await go("data-b", search=unknown)

            group.start_soon(bad)

        assert results["data-a"].summary.exit_code == 0
        assert results["data-b"].summary.exit_code == 2


@pytest.mark.faults("D19")
async def test_D19_another_config_on_the_same_folder_leaves_alone_what_it_does_not_speak_of(opened):
    async with opened() as world:
        before = await _complete(world)

        result = await world.run(world.config(select={"type": "band", "bands": ["SR_B3", "SR_B4"]}))

        assert result.summary.exit_code == 0
        assert (result.summary.files_skipped, result.summary.files_verified) == (6, 6)
        assert before.items() <= world.files().items()


@pytest.mark.faults("J05")
async def test_J05_status_reads_beside_a_run(opened):
    async with opened(script=Script(staging_polls=2)) as world:
        from landsat_async.run.verify import status

        seen = []
        async with open_run(world.config(), credentials=world.credentials) as run:
            async for event in run.events():
                if isinstance(event, Verified):
                    seen.append((await status(world.config())).counts.get("done", 0))
        assert seen
        assert seen[-1] >= 1
        with closing(sqlite3.connect(world.root / STATE / "ledger.sqlite3")) as connection:
            assert connection.execute("SELECT count(*) FROM item WHERE state='done'").fetchone() == (FILES,)
