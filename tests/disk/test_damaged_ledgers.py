"""H12: a ledger with wrong bytes in it ends in an error of ours or in the truth; see `damaged_ledgers`."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.disk.ledger import Ledger
from landsat_async.disk.ledger_schema import reading
from landsat_async.errors import LedgerError
from tests.disk.damaged_ledgers import STATE, damage, go_on, lay_out, look, template

SEED = 20240705


@pytest.fixture
def in_memory():
    """A folder that does not wait for a disk: these tests make thousands of durable commits."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as name:
        yield Path(name)


@pytest.mark.faults("H12")
@pytest.mark.parametrize(("what", "count"), [(look, 200), (go_on, 25)])
async def test_H12_damaged_ledgers(in_memory, what, count):
    seen: Counter[str] = Counter()
    async with template(in_memory) as made:
        for number in range(count):
            dice = random.Random(SEED + number)
            place = lay_out(made, in_memory / "p" / "data")
            hurt = damage(dice, place / STATE)
            try:
                seen[await what(made, place)] += 1
            except BaseException as error:
                error.add_note(f"seed {SEED + number}: {hurt}")
                raise
    assert seen.total() == count
    assert len(seen) > 1 or what is go_on, seen  # the damage reaches both sides


@pytest.mark.faults("H12")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE item SET name='x.dat' WHERE item_id=1",  # would be proven as another kind of file
        "UPDATE item SET routes='[]x' WHERE item_id=1",
        "UPDATE item SET routes=CAST(X'5B22FF225D' AS TEXT) WHERE item_id=1",
        "UPDATE item SET next_try='soon' WHERE item_id=1",
        "UPDATE item SET gen=4611686018427387904 WHERE item_id=1",
        "DELETE FROM file",
        "UPDATE file SET sha256='abc'",
        "UPDATE file SET proof='certain'",
        "DROP TABLE part",
        "ALTER TABLE part RENAME COLUMN facts TO facta",
    ],
)
async def test_H12_values_that_no_run_has_written_are_damage(in_memory, change):
    async with template(in_memory) as made:
        path = lay_out(made, in_memory / "p") / STATE / "ledger.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(change)
        with pytest.raises(LedgerError, match="is damaged"), reading(path):
            pass
        ledger = await Ledger.open(path)
        assert await ledger.files.finished(None) == []
        await ledger.aclose()
        assert list(path.parent.glob("*.bad-*"))


@pytest.mark.faults("H09", "H12")
def test_H12_a_checkpoint_with_any_byte_changed_is_not_believed():
    facts = Checkpoint(65_536, "ab" * 32, 300_000, '"v1"', "Tue, 14 Nov 2023 22:13:20 GMT", None, True)
    packed = facts.pack()
    assert Checkpoint.unpack(packed) == facts
    for at in range(len(packed)):
        for bit in range(8):
            hurt = bytearray(packed)
            hurt[at] ^= 1 << bit
            assert Checkpoint.unpack(bytes(hurt)) in (None, facts)
    for other in (b"", b"{}", b"[]", b"null", b'{"check":null}', packed[:-1], packed + b"x"):
        assert Checkpoint.unpack(other) is None
