"""Power cuts: every state that a file system may be in afterwards, of recorded runs (see tests/support/power_cut.py).

The long version: python -m benchmarks.power_cuts --count 60
"""

from __future__ import annotations

import random

import pytest

from tests.crash.mistakes import MISTAKES
from tests.support.power_cut import by_digest, by_length, contents, violations
from tests.support.recorded_runs import LYING_SERVERS, SCENARIOS, record, recover
from tests.support.tape import Committed, RecordingExFat, RecordingWindowsFs, Synced, Wrote
from tests.support.virtual_loop import VirtualLoop

MOST = 512
"""States of a file at a moment, when a slow disk leaves many writes open: `benchmarks.power_cuts` tries 4,096."""


@pytest.fixture
def anyio_backend():
    """Nobody waits for a pause between two tries."""
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.mark.faults("I02", "H10", "H11", "H09")
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_I02_no_power_cut_leaves_a_wrong_final_or_a_lie_in_the_ledger(scenario, tmp_path):
    recording = await record(tmp_path, scenario, 1)
    kinds = [type(event) for event in recording.tape.events]
    assert min(kinds.count(kind) for kind in (Wrote, Synced, Committed)) >= 3, "nothing was recorded"
    if scenario not in ("straight", "overwrite", "bundle"):
        assert recording.faults, "the faults of the scenario did not happen"
    honest = scenario not in LYING_SERVERS
    for belief in (by_digest, by_length):
        findings = violations(recording.tape, recording.truth, belief=belief, honest=honest, most=MOST)
        assert findings.violations == []
        assert findings.states > 30


@pytest.mark.faults("I02", "H10", "H11")
@pytest.mark.parametrize("fs", [RecordingWindowsFs, RecordingExFat], ids=lambda fs: fs.kind)
@pytest.mark.parametrize("scenario", ["straight", "stopped", "overwrite"])
async def test_I02_no_power_cut_does_harm_on_a_disk_with_the_manners_of_windows(scenario, fs, tmp_path):
    recording = await record(tmp_path, scenario, 1, fs=fs)
    findings = violations(recording.tape, recording.truth, most=MOST)
    assert findings.violations == []
    assert findings.states > 30


@pytest.mark.faults("I02", "H10", "H11")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
async def test_I02_the_model_catches_the_mistake(mistake, tmp_path):
    recording = await record(tmp_path, mistake.scenario, 0, fs=mistake.fs, mistakes=mistake.patches)
    assert violations(recording.tape, recording.truth, belief=mistake.belief, most=16, only_one=True).violations


@pytest.mark.faults("I02", "I03")
async def test_I02_a_real_run_goes_on_from_states_after_a_power_cut(tmp_path):
    rng = random.Random(7)
    for scenario in ("stopped", "new version", "overwrite"):
        (tmp_path / scenario).mkdir()
        recording = await record(tmp_path / scenario, scenario, 2)
        for number in range(4):
            base = tmp_path / scenario / f"cut{number}"
            base.mkdir()
            await recover(recording, rng.randrange(1, len(recording.tape.events)), base, rng)


def test_the_model_knows_lost_torn_and_zeroed_writes():
    write = Wrote(1, 0, b"x" * 8192)
    assert set(contents(b"", [write], 10, random.Random())) == {b"", b"x" * 4096, b"x" * 8192, bytes(8192)}
    behind = Wrote(1, 8192, b"y" * 10)
    assert bytes(8192) + b"y" * 10 in set(contents(b"", [write, behind], 100, random.Random()))
