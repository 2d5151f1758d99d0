"""`plan` foresees the exit code of `run`."""

from __future__ import annotations

import pytest

from landsat_async.disk.folder import OutputFolder
from landsat_async.errors import FolderUnwritable
from landsat_async.run.plan import plan
from tests.whole.world import SUMMER, open_world

IDS = {"dataset": "landsat_ot_c2_l2", "scenes": ["LC80040532024187LGN00", "LC80040532024188LGN00"]}


@pytest.mark.faults("M33")
@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"search": SUMMER | {"start": "2024-07-06", "end": "2024-07-07"}},
        {"select": {"bands": ["SR_B99"]}},
        {"search": IDS},
        {"download": {"min_free_bytes": "1000 TB"}},
    ],
    ids=["all well", "nothing found", "no such band", "no such scene", "no room"],
)
async def test_M33_the_plan_ends_with_the_code_of_the_run(tmp_path, tables):
    async with open_world(tmp_path) as world:
        config = world.config(**tables)
        world.may_overlap = True  # a full disk ends a run in the middle of a call, and the next one begins at once
        foreseen = (await plan(config, credentials=world.credentials)).exit_code
        assert not world.root.exists()
        assert (await world.run(config)).summary.exit_code == foreseen
        again = await plan(config, credentials=world.credentials)
        assert again.exit_code == (await world.run(config)).summary.exit_code


@pytest.mark.faults("M33")
async def test_M33_a_damaged_ledger_stops_the_plan_as_little_as_the_run(tmp_path):
    async with open_world(tmp_path) as world:
        await world.run()
        ledger = world.root / ".landsat_async" / "ledger.sqlite3"
        ledger.write_bytes(b"no database" * 1000)
        made = await plan(world.config(), credentials=world.credentials)
        assert {planned.state for planned in made.files} == {"unverified"}
        assert any("is damaged" in note for note in made.notes)
        assert made.exit_code == (await world.run()).summary.exit_code == 0


@pytest.mark.faults("M33")
async def test_M33_a_locked_folder_is_planned_and_is_8(tmp_path):
    async with open_world(tmp_path) as world:
        claim = OutputFolder(world.root).claim()
        made = await plan(world.config(), credentials=world.credentials)
        claim.release()
        assert made.exit_code == 8
        assert made.files


@pytest.mark.faults("M33")
async def test_M33_a_folder_that_cannot_be_made_ends_the_plan_as_it_ends_the_run(tmp_path):
    async with open_world(tmp_path) as world:
        (tmp_path / "my-file").write_text("x")
        with pytest.raises(FolderUnwritable):
            await plan(world.config(root=tmp_path / "my-file"), credentials=world.credentials)
        assert world.log.calls.get("login-token", 0) == 0


@pytest.mark.faults("M33")
async def test_M33_what_a_run_has_refused_is_planned_as_refused_while_it_lies_there(tmp_path):
    async with open_world(tmp_path) as world:
        name = (await plan(world.config(), credentials=world.credentials)).files[0].file.relpath
        world.put(name, b"a letter")
        assert (await world.run()).summary.exit_code == 4
        made = await plan(world.config(), credentials=world.credentials)
        states = {planned.file.relpath: planned.state for planned in made.files}
        assert states.pop(name) in ("refused", "unverified")
        assert set(states.values()) == {"here"}
