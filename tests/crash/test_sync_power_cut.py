"""Power cuts of a synchronisation: versions that move to `superseded/`, and the outputs (support/recorded_sync.py).

The long version: python -m benchmarks.power_cuts
"""

from __future__ import annotations

import random
from contextlib import suppress
from unittest import mock

import pytest

from landsat_async.disk.output_files import OutputFiles
from tests.crash.mistakes import NoFileSync, NoFolderSync
from tests.support.recorded_sync import broken_promises, record_sync, recover_sync
from tests.support.tape import RecordingExFat, RecordingFs
from tests.support.virtual_loop import VirtualLoop


@pytest.fixture
def anyio_backend():
    """Nobody waits for a pause between two tries."""
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.mark.faults("Y60", "Y61")
@pytest.mark.parametrize("layout", ["", "{year}"])
async def test_no_power_cut_takes_both_versions_or_leaves_half_an_output(layout, tmp_path):
    recording = await record_sync(tmp_path, layout=layout)
    broken, states = broken_promises(recording)
    assert broken == []
    assert states > 100
    rng = random.Random(3)
    for number in range(3):
        await recover_sync(recording, rng.randrange(1, len(recording.tape.events)), tmp_path / f"{number}", rng)


def _names_not_synced():
    return [mock.patch.object(OutputFiles, "sync", OutputFiles.name_all)]


def _removals_not_synced():
    def remove(self, relpath):
        with suppress(OSError):
            self._fs.unlink(self._fs.join(self._root, relpath))

    return [mock.patch.object(OutputFiles, "remove", remove)]


@pytest.mark.faults("Y60", "Y61")
@pytest.mark.parametrize(
    ("fs", "mistakes", "what"),
    [
        (NoFolderSync, list, "neither version"),
        (NoFileSync, list, "not whole"),
        (RecordingFs, _names_not_synced, "the note is there"),
        (RecordingFs, _removals_not_synced, ".vrt is another one"),
        (RecordingFs, _names_not_synced, "is named, and not there"),
    ],
)
async def test_the_model_sees_the_mistake(fs, mistakes, what, tmp_path):
    recording = await record_sync(tmp_path, fs=fs, mistakes=mistakes)
    assert any(what in one for one in broken_promises(recording)[0])


@pytest.mark.faults("Y60")
async def test_no_power_cut_takes_both_versions_on_a_disk_without_links(tmp_path):
    recording = await record_sync(tmp_path, fs=RecordingExFat)
    assert broken_promises(recording)[0] == []
