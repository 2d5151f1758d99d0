"""The notebook of docs/ in a real kernel: from a configuration to a picture of the bands that were downloaded."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

PROJECT = Path(__file__).parents[1]
NOTEBOOK = PROJECT / "docs/first-picture.ipynb"
pytestmark = pytest.mark.usefixtures("kernel_home")
EVENTS = """
import asyncio
import time
from landsat_async import events
from landsat_async.show.progress_line import ProgressLine, place_for

line = ProgressLine(place_for("auto"), folder="data")
begun = time.monotonic()
sent = 0
while sent < 3000:
    while sent < min(3000, 1000 * (time.monotonic() - begun)):
        line.note(events.Progress(sent, 5000, sent << 10, 5000 << 10, 1e6))
        sent += 1
    await asyncio.sleep(0.005)
"""


@pytest.fixture
def kernel_home(tmp_path, monkeypatch):
    """Let the kernel find the package, and keep its files in a folder of the test."""
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")


class Counting(nbclient.NotebookClient):
    """A client that counts what a kernel sends to its cells."""

    sent_bytes = 0

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("display_data", "update_display_data", "stream"):
            self.sent_bytes += len(json.dumps(msg["content"]))
        return super().process_message(msg, cell, cell_index)


def executed(notebook, folder):
    client = Counting(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return client


def test_a_notebook_ends_in_a_picture_of_the_bands(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "the notebook is kept without outputs"
    executed(notebook, tmp_path)
    cells = {cell.id: cell for cell in notebook.cells}
    (line,) = cells["download"].outputs  # replaced in place: one output, whatever was shown on the way
    assert "3 new, 0 already here, 0 failed" in str(line["data"]["text/plain"])
    assert len(cells["picture"].outputs) == 1, cells["picture"].outputs
    (shown,) = cells["picture"].outputs
    png = base64.b64decode(shown["data"]["image/png"])
    assert png.startswith(b"\x89PNG")
    rasterio = pytest.importorskip("rasterio")
    with rasterio.MemoryFile(png) as memory:
        with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
            picture = memory.open()
        with picture:
            assert picture.count == 3
            assert len(set(picture.read(1).flat)) > 10  # more than one colour
    assert len([*(tmp_path / "data").glob("*.TIF")]) == 3


@pytest.mark.faults("P91")
def test_P91_a_thousand_events_a_second_stay_small_in_a_real_kernel(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(EVENTS)])
    client = executed(notebook, tmp_path)
    assert len(notebook.cells[0].outputs) == 1
    assert 0 < client.sent_bytes < 50_000
