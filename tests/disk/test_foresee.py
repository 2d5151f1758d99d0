"""What a run would be refused with, seen by commands that only look."""

from __future__ import annotations

import subprocess
import sys

import pytest

from landsat_async.disk.folder import OutputFolder
from landsat_async.disk.foresee import refusal
from landsat_async.disk.ledger_reader import LedgerReader
from landsat_async.errors import FolderBusy, FolderUnwritable

HOLD = """
import sys
from pathlib import Path
from landsat_async.disk.folder import OutputFolder
claim = OutputFolder(Path(sys.argv[1])).claim()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.faults("M33")
def test_M33_a_folder_of_another_process_is_busy_and_looking_neither_takes_nor_breaks_its_lock(tmp_path):
    folder = OutputFolder(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for _ in range(3):
            busy = refusal(folder)
            assert isinstance(busy, FolderBusy)
            assert f"process {other.pid}" in str(busy)
        with pytest.raises(FolderBusy):
            folder.claim()
        other.stdin.close()
        other.wait()
    assert refusal(folder) is None
    folder.claim().release()


def test_a_folder_of_this_process_is_busy_and_stays_locked(tmp_path):
    folder = OutputFolder(tmp_path)
    claim = folder.claim()
    assert isinstance(refusal(folder), FolderBusy)
    look = "import sys; from pathlib import Path; from landsat_async.disk.folder import OutputFolder as F\n"
    look += "from landsat_async.disk.foresee import refusal\nprint(type(refusal(F(Path(sys.argv[1])))).__name__)"
    seen = subprocess.run([sys.executable, "-c", look, str(tmp_path)], capture_output=True, text=True, check=True)
    assert seen.stdout == "FolderBusy\n"
    claim.release()
    assert refusal(folder) is None


@pytest.mark.faults("M33")
def test_M33_what_cannot_be_written_is_seen_and_nothing_is_made(tmp_path):
    assert refusal(OutputFolder(tmp_path / "new" / "deep")) is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    assert isinstance(refusal(OutputFolder(tmp_path / "file")), FolderUnwritable)
    assert isinstance(refusal(OutputFolder(tmp_path / "file" / "below")), FolderUnwritable)
    assert isinstance(refusal(OutputFolder(tmp_path / ("x" * 600))), FolderUnwritable)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".landsat_async").symlink_to(tmp_path / "elsewhere")
    assert isinstance(refusal(OutputFolder(tmp_path)), FolderUnwritable)


@pytest.mark.faults("Y83")
@pytest.mark.parametrize("place", ["", "data", "data/.landsat_async"])
async def test_Y83_a_file_in_the_place_of_a_folder_is_no_empty_folder_to_who_looks(tmp_path, place):
    (tmp_path / "data").mkdir()
    path = tmp_path / place / "here" if not place else tmp_path / place
    if path.is_dir():
        path.rmdir()
    path.write_text("not a folder")
    root = path if not place else tmp_path / "data"
    for folder in (OutputFolder(root), *([OutputFolder(root / "below")] if place != "data/.landsat_async" else [])):
        for look in (
            LedgerReader(folder).status("data"),
            LedgerReader(folder).finished(),
            LedgerReader(folder).exists(),
        ):
            with pytest.raises(FolderUnwritable, match="Not a directory"):
                await look
    assert await LedgerReader(OutputFolder(tmp_path / "none" / "below")).finished() == []
