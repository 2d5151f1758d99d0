"""Faults that end a run, or cost one file, through the whole pipeline against the simulator."""

from __future__ import annotations

from landsat_async import M2MClient
from landsat_async.events import Notice
from landsat_async.run import worker
from landsat_async.run.poller import Poller

FILES = 18
"""Of the usual search: six scenes, three files each."""
GROUP = {"type": "band_group", "file_groups": ["ls_c2l2_sr_band"]}


async def test_C17_scenes_of_older_lists_at_the_service_never_get_into_a_request(opened):
    async with opened() as world:
        world.may_leave = True
        stranger = next(p for p in world.sim.archive if p.dataset.alias == "landsat_ot_c2_l2" and p.cloud > 50)
        async with M2MClient(world.sim.service_url, world.credentials) as other:
            await other.scene_list_add("scenes", "landsat_ot_c2_l2", [stranger.entity_id])
        assert world.lists() == ["scenes"]

        first = await world.run(world.config(select=GROUP))
        names = [entry.payload["listId"] for entry in world.log.of("scene-list-add")][1:]
        second = await world.run(world.config(select=GROUP, download={"layout": "{display_id}"}))

        assert first.summary.exit_code == second.summary.exit_code == 0
        assert not any(stranger.display_id in name for name in world.files())
        assert len(set(names)) == len(names), "every list has a name of its own"
        assert world.lists() == ["scenes"], "ours are gone, the other is left alone"


async def test_D09_what_will_not_fit_is_told_early_and_ends_with_9_before_the_disk_is_full(opened):
    async with opened() as world:
        world.may_overlap = True  # the end cancels a call, which goes on at the service
        result = await world.run(world.config(download={"min_free_bytes": "900 TiB"}))

        assert any("are still to come" in notice.text for notice in result.of(Notice) if notice.level == "warning")
        assert result.summary.exit_code == 9
        assert result.error.hint
        assert world.files() == {}
        assert result.summary.files_pending == FILES

        after = await world.run()
        assert after.summary.exit_code == 0


async def test_E13_a_bug_in_the_poller_ends_the_run_and_leaves_nobody_waiting(opened, monkeypatch):
    rounds = []

    async def broken(self, send):
        rounds.append(send)
        raise ZeroDivisionError

    monkeypatch.setattr(Poller, "_round", broken)
    async with opened() as world:
        result = await world.run()

        assert len(rounds) == 1
        assert result.summary.exit_code == 1
        assert "bug" in result.error.hint
        assert result.summary.files_pending > 0

        monkeypatch.undo()
        assert (await world.run()).summary.exit_code == 0


def _broken_transfer(monkeypatch, breaks):
    true, broken = worker.WorkerPool._transfer, []

    async def transfer(self, item, *given):
        if breaks(item):
            broken.append(item.name)
            raise ZeroDivisionError
        return await true(self, item, *given)

    monkeypatch.setattr(worker.WorkerPool, "_transfer", transfer)
    return broken


async def test_E14_an_unknown_error_in_a_worker_costs_one_file(opened, monkeypatch):
    broken = _broken_transfer(monkeypatch, lambda item: item.name.endswith("_004053_20240705_20240714_02_T1_ANG.txt"))
    async with opened() as world:
        result = await world.run()

        assert len(broken) == 1
        assert result.summary.exit_code == 4
        assert list(result.failed) == broken
        assert "internal error" in result.failed[broken[0]]
        assert len(result.verified) == FILES - 1
        assert any(record.exc_info for record in world.records), "the traceback is kept for -v"


async def test_E14_five_unknown_errors_in_a_row_end_the_run(opened, monkeypatch):
    broken = _broken_transfer(monkeypatch, lambda item: True)
    async with opened() as world:
        world.may_overlap = True  # the end cancels a call, which goes on at the service
        result = await world.run(world.config(download={"workers": 1}))

        assert len(broken) == worker.BUGS_IN_A_ROW
        assert result.summary.exit_code == 1
