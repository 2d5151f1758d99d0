"""`[download] proof`: what a run holds its files against."""

from __future__ import annotations

import pytest

from landsat_async.events import Notice, Verified
from landsat_async.sim.script import Script
from tests.whole.world import open_world

LANDSATLOOK = {"dataset": "landsat_ot_c2_l2", "scenes": ["LC08_L2SP_004053_20240705_20240714_02_T1"]}
BANDS = {"type": "band", "bands": ["SR_B3", "ST_B10", "ANG"]}


def proofs(result):
    return {event.file.rpartition("T1")[2]: event.proof for event in result.of(Verified)}


def warnings(result):
    return [event.text for event in result.of(Notice) if "checksum" in event.text]


@pytest.mark.faults("M07", "K21")
@pytest.mark.parametrize("items", ["open", "signed"])
@pytest.mark.parametrize("select", [BANDS, {"type": "bundle"}], ids=["bands", "bundle"])
async def test_files_are_held_against_the_published_sums(tmp_path, items, select):
    async with open_world(tmp_path, script=Script(stac_items=items)) as world:
        result = await world.run(world.config(search=LANDSATLOOK, select=select, download={"proof": "published"}))
        assert result.summary.exit_code == 0
        expected = "published" if (items, select["type"]) != ("signed", "bundle") else "content"
        assert set(proofs(result).values()) == {expected}
        assert bool(warnings(result)) is (expected == "content")


async def test_without_sums_files_are_proven_by_content_and_that_is_said_once(tmp_path):
    async with open_world(tmp_path, script=Script(stac_items="none")) as world:
        result = await world.run(world.config(search=LANDSATLOOK, select=BANDS, download={"proof": "published"}))
        assert result.summary.exit_code == 0
        assert proofs(result) == {"_SR_B3.TIF": "content", "_ST_B10.TIF": "content", "_ANG.txt": "structure"}
        assert len(warnings(result)) == 1


@pytest.mark.faults("F32")
async def test_F32_a_flipped_bit_that_no_structure_shows_is_found_by_the_published_sum(tmp_path):
    async with open_world(tmp_path) as world:
        flip = world.script.fault_file("*_ANG.txt", "flip", times=None, fraction=0.9)
        result = await world.run(world.config(search=LANDSATLOOK, select=BANDS, download={"proof": "published"}))
        assert flip.served == 2  # equal twice: no third download
        (reason,) = result.failed.values()
        assert "the copy at USGS itself looks damaged" in reason
        assert "SHA-512" in reason
        assert set(proofs(result).values()) == {"published"}


async def test_content_can_be_asked_for_and_structure_is_the_default(tmp_path):
    async with open_world(tmp_path) as world:
        small = {"type": "band", "bands": ["SR_B3"]}
        result = await world.run(world.config(search=LANDSATLOOK, select=small, download={"proof": "content"}))
        assert proofs(result) == {"_SR_B3.TIF": "content"}
        result = await world.run(world.config(search=LANDSATLOOK, select={"type": "band", "bands": ["SR_B4"]}))
        assert proofs(result) == {"_SR_B4.TIF": "structure"}
        assert not [entry for entry in world.log.entries if "stac" in entry.what]
