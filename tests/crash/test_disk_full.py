"""A full disk, for the files and for the ledger. The long version: python -m benchmarks.disk_full --count 200"""

from __future__ import annotations

import pytest

from tests.support.kill_lab import KIB, MIB, MemoryArchive, Script, open_lab
from tests.support.small_disk import small_disk

FILES = {"bands": ["SR_B3", "SR_B5", "ANG"], "limit": 2}
SMALL = {"policy": {"block_bytes": 128 * KIB, "checkpoint_bytes": 256 * KIB, "backoff_cap_s": 0.1}}
DISK_FULL = 9
FAILED_AT_MOST = 90
"""Every worker meets the fault, and what tidies up too, now and then twice; retries of each file would be 180."""


@pytest.fixture
async def lab(tmp_path):
    script = Script(seed=4, rate_bytes_s=40 * MIB)
    async with open_lab(tmp_path, MemoryArchive.demo(band_bytes=2 * MIB), script) as lab:
        yield lab


@pytest.mark.faults("H01", "H04", "H05")
@pytest.mark.parametrize("size_bytes", [80 * KIB, 200 * KIB, 3 * MIB, 7 * MIB])
async def test_H01_H04_a_full_disk_ends_the_run_with_9_and_the_same_command_goes_on(lab, size_bytes):
    place = lab.place(**FILES)
    try:
        mounted = small_disk(place.root, size_bytes)
        with mounted as disk:
            death = await lab.run(place, **SMALL)
            assert death.code == DISK_FULL, place.said
            assert "full" in place.said
            place.check()
            disk.resize(64 * MIB)
            kept = place.kept_bytes
            assert (await lab.run(place, **SMALL)).code == 0, place.said
            place.check_finished(6)
            if size_bytes > MIB:
                assert kept > 512 * KIB, "nothing was kept"
    except PermissionError as refused:
        pytest.skip(str(refused))


@pytest.mark.faults("H01", "H02", "H04")
@pytest.mark.parametrize(
    ("call", "nth"),
    [("pwrite", 5), ("fsync", 2), ("fsync", 6), ("fsync_dir", 2), ("link", 2), ("commit", 9), ("open", 4)],
)
async def test_H02_no_room_at_any_call_is_a_full_disk_and_nothing_is_wrong(lab, call, nth):
    place = lab.place(**FILES)
    death = await lab.run(place, fail={"call": call, "nth": nth, "errno": "ENOSPC"}, **SMALL)
    assert death.made_to_fail, "the call was not reached"
    assert death.code == DISK_FULL, place.said
    assert death.made_to_fail <= FAILED_AT_MOST, "it was tried again and again"
    place.check()
    assert (await lab.run(place, **SMALL)).code == 0, place.said
    place.check_finished(6)


@pytest.mark.faults("H01", "H02")
async def test_H02_what_has_its_final_name_already_is_not_cut_when_the_folder_cannot_be_synced(lab):
    place = lab.place(**FILES)
    fail = {"call": "fsync_dir", "at": "data'", "nth": 2, "errno": "ENOSPC"}  # the first makes the state folder
    death = await lab.run(place, fail=fail, **SMALL)
    assert (death.code, death.made_to_fail > 0) == (DISK_FULL, True), place.said
    assert place.finals(), "nothing got its name"
    place.check()
    assert (await lab.run(place, **SMALL)).code == 0, place.said
    place.check_finished(6)


@pytest.mark.faults("H01")
async def test_H01_the_free_space_that_the_user_wants_to_keep_is_kept(lab):
    place = lab.place(**FILES, min_free_bytes="6 MiB")
    try:
        with small_disk(place.root, 10 * MIB) as disk:
            death = await lab.run(place, **SMALL)
            assert death.code == DISK_FULL, place.said
            used = sum(path.stat().st_size for path in place.root.rglob("*") if path.is_file())
            assert 0 < used <= 5 * MIB
            disk.resize(64 * MIB)
            assert (await lab.run(place, **SMALL)).code == 0, place.said
            place.check_finished(6)
    except PermissionError as refused:
        pytest.skip(str(refused))
