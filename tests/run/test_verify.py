"""Verify finds what a run would not look at, and the next run then mends it."""

import os

import anyio
import pytest

from landsat_async import Config, Credentials, open_run
from landsat_async.events import Failed, Finished, Notice, Skipped, Verified
from landsat_async.run.verify import status, verify
from landsat_async.sim.server import open_simulator


@pytest.fixture
async def config(tmp_path):
    async with open_simulator() as sim:
        yield (
            Config.from_dict(
                {
                    "service": {"url": sim.service_url},
                    "search": {"dataset": "landsat_ot_c2_l2", "start": "2024-07-05", "end": "2024-07-05"},
                    "select": {"type": "band", "bands": ["SR_B3", "ANG"]},
                    "download": {"directory": str(tmp_path / "out"), "poll_interval_s": 0.05, "min_free_bytes": "0 B"},
                }
            ),
            Credentials(sim.username, sim.token),
        )


async def run(config):
    told = []
    async with open_run(config[0], credentials=config[1]) as job:
        async for event in job.events():
            told.append(event)
    return told, job.summary


def finals(config):
    return sorted(p for p in anyio.Path(config[0].download.directory)._path.iterdir() if p.is_file())


@pytest.mark.faults("H23")
async def test_H23_bit_rot_is_found_by_verify_and_mended_by_the_next_run(config):
    _, first = await run(config)
    assert first.files_verified == first.files_total > 1
    victim = finals(config)[-1]
    whole, before = victim.read_bytes(), victim.stat()
    rotten = bytearray(whole)
    rotten[len(rotten) // 2] ^= 1
    victim.write_bytes(rotten)
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert (await run(config))[1].files_skipped == first.files_total  # size and time say nothing
    events = [event async for event in verify(config[0])]
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert failed.file == victim.name
    assert isinstance(events[-1], Finished)
    assert events[-1].exit_code == 4

    told, third = await run(config)
    assert third.files_verified == 1
    assert victim.read_bytes() == whole
    assert any(isinstance(event, Notice) and "kept as" in event.text for event in told)
    assert [event.exit_code async for event in verify(config[0]) if isinstance(event, Finished)] == [0]


@pytest.mark.faults("H07")
async def test_H07_deleted_changed_and_touched_files(config):
    _, first = await run(config)
    deleted, changed, *_ = finals(config)
    content = changed.read_bytes()
    deleted.unlink()
    changed.write_bytes(b"somebody's own notes")
    _, second = await run(config)
    assert (second.files_verified, second.files_skipped) == (2, first.files_total - 2)
    assert changed.read_bytes() == content
    (kept,) = (changed.parent / ".landsat_async" / "changed").iterdir()
    assert kept.read_bytes() == b"somebody's own notes"

    os.utime(changed)
    told, third = await run(config)
    assert (third.files_verified, third.bytes_received) == (0, 0)
    assert sum(isinstance(event, Skipped) for event in told) == first.files_total


async def test_status_and_verify_of_a_folder_that_was_never_used(tmp_path):
    config = Config.from_dict({"search": {"dataset": "x"}, "download": {"directory": str(tmp_path / "nothing")}})
    assert (await status(config)).counts == {}
    told = [event async for event in verify(config)]
    assert [type(event) for event in told] == [Notice, Finished]
    assert "nothing was verified" in told[0].text
    assert not (tmp_path / "nothing").exists()


async def test_status_knows_every_file(config):
    _, first = await run(config)
    known = await status(config[0])
    assert known.counts == {"done": first.files_total}
    assert all(file.proof == "structure" and file.size_bytes for file in known.files)
    assert known.last_exit_code == 0
    assert [e async for e in verify(config[0]) if isinstance(e, Verified)]


@pytest.mark.faults("Y88")
async def test_Y88_an_adopted_file_that_was_deleted_is_nothing_to_move_away(config):
    await run(config)
    for path in (anyio.Path(config[0].download.directory)._path / ".landsat_async").glob("ledger*"):
        path.unlink()
    assert (await run(config))[1].files_skipped > 1
    gone, changed = finals(config)[:2]
    gone.unlink()
    changed.write_bytes(b"other")
    hints = {event.file: event.hint async for event in verify(config[0]) if isinstance(event, Failed)}
    assert "fetched anew" in hints[gone.name]
    assert "move it away" in hints[changed.name]
