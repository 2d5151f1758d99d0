"""What has its name at a kill and no record yet is known for ours by the next run (fault catalogue, I01)."""

from __future__ import annotations

import errno

import anyio
import pytest

from landsat_async.disk.fs_posix import PosixFs
from landsat_async.run.recorder import Recorder


def no_link(self, there, new):
    raise OSError(errno.EPERM, "no links here")


async def nothing(self):
    """In place of the recorder: the process is killed before the commit of what waits."""


@pytest.mark.faults("I01")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("links", [True, False])
async def test_I01_what_waits_for_its_record_at_a_kill_is_ours_in_the_next_run(opened, monkeypatch, links, overwrite):
    """Of control points alone nobody can tell whose they are."""
    if not links:
        monkeypatch.setattr(PosixFs, "link", no_link)
    async with opened() as world:
        scenes = [p.entity_id for p in world.sim.archive if p.sensor == "LE07" and p.level == "L1TP"]
        search = {"dataset": "landsat_etm_c2_l1", "scenes": scenes[:1]}
        config = world.config(search=search, select={"type": "band", "bands": ["GCP"]})
        with monkeypatch.context() as killed, anyio.move_on_after(5):
            killed.setattr(Recorder, "run", nothing)
            await world.run(config, check=False, overwrite=overwrite)
        assert world.files()
        assert (await world.run(config, check=False)).failed == {}


@pytest.mark.faults("I01")
async def test_I01_what_is_ours_is_proven_as_the_config_asks_and_reported(opened, monkeypatch):
    async with opened() as world:
        config = world.config(select={"type": "band", "bands": ["SR_B3"]}, download={"proof": "content"})
        with monkeypatch.context() as killed, anyio.move_on_after(5):
            killed.setattr(Recorder, "run", nothing)
            await world.run(config, check=False)
        named = set(world.files())
        assert named
        assert not world.log.of("download-complete-proxied")
        await world.run(config)
        proofs = dict(world.ledger("SELECT relpath, proof FROM item JOIN file USING(item_id)"))
        assert {proofs[file] for file in named} == {"content"}
        told = world.log.of("download-complete-proxied")
        proxied = [d.id for d in world.service.downloads.by_id.values() if d.offer.is_proxied]
        assert proxied
        assert sorted(row["downloadId"] for e in told for row in e.payload["proxiedDownloads"]) == sorted(proxied)
