"""Files of somebody else under a final name: kept, told, and never taken for ours because they look like it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing

import pytest

from landsat_async.events import Notice, Started, Verified
from landsat_async.run.verify import status, verify
from landsat_async.sim.archive import Archive
from tests.whole.world import STATE

LONG_WAITS = True
FILES = 18
NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
ANG = "LC08_L2SP_004053_20240705_20240714_02_T1_ANG.txt"
NEIGHBOUR = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B5.TIF"


def forget_ledger(world) -> None:
    for path in (world.root / STATE).glob("ledger.sqlite3*"):
        path.unlink()


@pytest.mark.faults("K29")
async def test_K29_a_file_that_appeared_in_mid_run_stays_refused_until_the_user_says_otherwise(opened):
    async with opened() as world:

        def appear(run, event):
            if isinstance(event, Started) and event.file == NAME and not (world.root / NAME).exists():
                world.put(NAME, world.content(NEIGHBOUR))  # whole, and what nobody can tell from the file itself

        first = await world.run(watch=appear)
        assert first.summary.exit_code == 4
        assert list(first.failed) == [NAME]
        for _ in range(2):
            again = await world.run()
            assert again.summary.exit_code == 4
            assert "in the way" in again.failed[NAME]
            assert (world.root / NAME).read_bytes() == world.content(NEIGHBOUR)
        world.users.clear()
        (world.root / NAME).rename(world.base / "my-file.TIF")
        last = await world.run()
        assert last.verified == [NAME]
        assert last.summary.exit_code == 0


@pytest.mark.faults("K29")
async def test_K29_overwrite_is_the_users_word(opened):
    async with opened() as world:
        world.put(NAME, b"notes")
        assert (await world.run()).summary.exit_code == 4
        world.put(NAME, world.content(NAME))  # even the right bytes: the user has been told what to do
        assert list((await world.run()).failed) == [NAME]
        world.users.clear()
        assert (await world.run(overwrite=True)).verified == [NAME]
        assert (await world.run()).summary.exit_code == 0


@pytest.mark.faults("K30")
@pytest.mark.parametrize("content", ["edited", "the neighbour's"])
async def test_K30_what_was_only_adopted_is_never_moved_or_replaced(opened, content):
    async with opened() as world:
        await world.run()
        forget_ledger(world)
        adopted = await world.run()
        assert adopted.summary.files_skipped == FILES
        world.put(NAME, b"edited" if content == "edited" else world.content(NEIGHBOUR))

        for _ in range(2):
            result = await world.run()
            assert result.summary.exit_code == 4
            assert list(result.failed) == [NAME]
            assert not (world.root / STATE / "changed").exists()
        told = [event.text for event in adopted.of(Notice) + result.of(Notice)]
        assert not [text for text in told if "fetched again" in text]
        world.users.clear()
        assert (await world.run(overwrite=True)).verified == [NAME]


@pytest.mark.faults("K30")
async def test_K30_an_adopted_file_that_was_deleted_is_fetched(opened):
    async with opened() as world:
        await world.run()
        forget_ledger(world)
        await world.run()
        (world.root / NAME).unlink()
        result = await world.run()
        assert result.verified == [NAME]
        assert world.ledger(
            "SELECT adopted FROM evidence JOIN item USING(item_id) WHERE name=?".replace("?", repr(NAME))
        ) == [(0,)]


@pytest.mark.faults("K29")
@pytest.mark.parametrize("what", ["rotten pixels", "another scene's angles", "far too small"])
async def test_K29_what_is_found_is_adopted_only_when_its_content_and_name_are_right(opened, what, monkeypatch):
    async with opened() as world:
        await world.run()
        forget_ledger(world)
        name = ANG if "angles" in what else NAME
        if what == "rotten pixels":
            body = bytearray(world.content(NAME))
            body[len(body) - 200] ^= 1
        elif what == "far too small":
            true = Archive.nominal_bytes

            def listed(archive, product, suffix):
                one = f"{product.display_id}_{suffix}" == NAME
                return 60 * 2**20 if one else true(archive, product, suffix)

            monkeypatch.setattr(Archive, "nominal_bytes", listed)
            body = bytearray(world.content(NAME))
        else:
            other = next(n for n in sorted(world.files()) if n.endswith("_ANG.txt") and n[:25] != name[:25])
            body = bytearray(world.content(other))
        world.put(name, bytes(body))
        result = await world.run()
        assert result.summary.exit_code == 4
        assert list(result.failed) == [name]
        assert result.summary.files_skipped == FILES - 1


# -- identity --------------------------------------------------------------------------------------------------------


def make_version_2(world) -> None:
    """What 886ed99 has left behind."""
    with closing(sqlite3.connect(world.root / STATE / "ledger.sqlite3")) as connection:
        connection.executescript("DROP TABLE evidence; DROP TABLE stranger; PRAGMA user_version=2;")


async def verified(config, **how):
    events = [event async for event in verify(config, **how)]
    return {event.file: event.identity for event in events if isinstance(event, Verified)}, events


@pytest.mark.faults("K36")
async def test_K36_identity_of_a_ledger_of_version_2_is_none_until_content_has_been_looked_at(opened):
    async with opened() as world:
        config = world.config()
        first = await world.run(config)
        assert {event.identity for event in first.of(Verified) if event.file == ANG} == {"content"}
        make_version_2(world)

        assert {file.identity for file in (await status(config)).files} == {"none"}
        plain, _ = await verified(config)
        assert set(plain.values()) == {"none"}
        seen, events = await verified(config, content=True)
        assert seen[ANG] == "content"
        assert seen[NAME] == "none"  # nothing in pixels says whose they are
        assert {event.proof for event in events if isinstance(event, Verified) and event.file == NAME} == {"content"}
        assert {f.file: f.identity for f in (await status(config)).files} == seen
        assert (await verified(config))[0] == seen

        result = await world.run(config)
        assert result.summary.files_skipped == FILES


@pytest.mark.faults("K36")
async def test_K36_a_contradiction_is_told_and_mended_by_the_next_run(opened):
    async with opened() as world:
        config = world.config()
        await world.run(config)
        other = next(n for n in sorted(world.files()) if n.endswith("_ANG.txt") and n[:25] != ANG[:25])
        path, wrong = world.root / ANG, world.content(other)
        path.write_bytes(wrong)
        with closing(sqlite3.connect(world.root / STATE / "ledger.sqlite3")) as c, c:
            c.execute(
                "UPDATE file SET sha256=?, size_bytes=?, mtime_ns=?"
                " WHERE item_id=(SELECT item_id FROM item WHERE name=?)",
                (hashlib.sha256(wrong).hexdigest(), len(wrong), os.stat(path).st_mtime_ns, ANG),
            )
        make_version_2(world)

        seen, events = await verified(config, content=True)
        assert ANG not in seen
        assert events[-1].exit_code == 4
        (failed,) = [event for event in events if type(event).__name__ == "Failed"]
        assert failed.file == ANG
        assert "another product" in failed.reason
        result = await world.run(config)
        assert result.verified == [ANG]
        assert path.read_bytes() == world.content(ANG)
