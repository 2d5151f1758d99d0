"""A file under its final name is the one that it is named after, whatever hosts and service mix up."""

from __future__ import annotations

import pytest

from landsat_async.events import Verified
from landsat_async.sim.datasets import DATASETS
from tests.whole.world import DATASET

LONG_WAITS = True
FILES = 18
SCENE = "LC08_L2SP_004053_20240705_20240714_02_T1"
NAME, BAND, ANG = f"{SCENE}_SR_B3.TIF", f"{SCENE}_SR_B5.TIF", f"{SCENE}_ANG.txt"


def other_scene(world) -> str:
    """One of the run's scenes of the same sensor."""
    products = world.sim.archive.products(DATASETS[DATASET])
    return next(one.display_id for one in products if one.display_id[:9] == SCENE[:9] and one.display_id != SCENE)


def identities(result) -> dict[str, str]:
    return {event.file: event.identity for event in result.of(Verified)}


async def test_what_evidence_each_file_had_is_told_and_kept(opened):
    async with opened() as world:
        seen = identities(await world.run())
        assert {seen[name] for name in seen if name.endswith(".TIF")} == {"named"}
        assert {seen[name] for name in seen if name.endswith("_ANG.txt")} == {"content"}
        kept = dict(world.ledger("SELECT relpath, identity FROM evidence JOIN item USING(item_id)"))
        assert kept == seen


async def test_where_nobody_names_a_file_its_identity_is_none(opened):
    async with opened() as world:
        world.script.disposition = False
        seen = identities(await world.run())
        assert {seen[name] for name in seen if name.endswith(".TIF")} == {"none"}
        assert {seen[name] for name in seen if name.endswith("_ANG.txt")} == {"content"}


@pytest.mark.faults("K23", "K24")
@pytest.mark.parametrize("where", ["answer", "angles", "link", "redirect", "image"])
@pytest.mark.parametrize("often", ["once", "always"])
async def test_K23_no_mix_up_gets_a_wrong_file_its_name(opened, where, often):
    async with opened() as world:
        times = 1 if often == "once" else None
        victim = ANG if where == "angles" else NAME
        match where:
            case "answer":
                world.script.fault_file(NAME, "swapped", text=BAND, times=times)
            case "angles":
                text = f"{other_scene(world)}_ANG.txt"
                world.script.fault_file(ANG, "other-body", text=text, times=times)
            case "link":
                world.script.links_to = {NAME: BAND}
            case "redirect":
                target = f"/data/collection02/{BAND}"
                world.script.fault_file(NAME, "redirect", text=target, times=times)
            case "image":
                world.script.fault_file(NAME, "empty-image", times=times)

        def mend(run, event):
            if where == "link" and often == "once" and type(event).__name__ == "Started":
                world.script.links_to = {}

        result = await world.run(world.config(service={"patience_s": 3600}), watch=mend)

        if often == "once":
            assert result.failed == {}
            assert result.summary.exit_code == 0
        else:
            assert list(result.failed) == [victim]
            assert result.summary.exit_code == 4
            expected = {"image": "holds no image", "angles": "another product"}.get(where, BAND)
            assert expected in result.failed[victim]


@pytest.mark.faults("K24")
async def test_K24_a_bundle_of_another_scene_is_refused(opened):
    async with opened() as world:
        search = {"dataset": DATASET, "start": "2024-07-05", "end": "2024-07-05"}
        bundles = {"type": "bundle"}
        world.script.disposition = False
        world.script.fault_file(f"{SCENE}.tar", "other-body", text=f"{other_scene(world)}.tar", times=None)
        result = await world.run(world.config(search=search, select=bundles))
        assert list(result.failed) == [f"{SCENE}.tar"]
        assert set(identities(result).values()) == {"content"}
