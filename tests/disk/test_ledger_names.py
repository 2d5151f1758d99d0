"""Names that only servers know: learnt once, in one commit with the file's row, and kept for later runs."""

from __future__ import annotations

import pytest

from landsat_async.disk.ledger import Ledger
from landsat_async.model import Route, WantedFile
from landsat_async.rules.lifecycle import State

TILE = "LC08_CU_008001_20231101_20231116_02"


def product(kind, folder=""):
    name = f"{TILE}.{kind}.product"
    return WantedFile(name, TILE, TILE, "product", (Route(TILE, kind, "dds"),), folder=folder)


@pytest.mark.faults("M37")
async def test_M37_a_name_is_learnt_once_and_two_files_never_share_one(tmp_path):
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3")
    await ledger.begin_run("r", 1.0)
    files = [product("SR", "2023"), product("ST", "2023")]
    await ledger.select(files, "r", 1.0)
    one, other = await ledger.items("r", [State.PLANNED])
    named = await ledger.files.learn_name(one.item_id, f"{TILE}_SR.tar", 2.0)
    assert named is not None
    assert (named.name, named.relpath) == (f"{TILE}_SR.tar", f"2023/{TILE}_SR.tar")
    assert await ledger.files.learn_name(other.item_id, f"{TILE}_sr.tar", 2.0) is None
    assert (await ledger.item(other.item_id)).name == files[1].name
    assert await ledger.scenes.names_of([file.name for file in files]) == {files[0].name: f"{TILE}_SR.tar"}
    await ledger.aclose()
    again = await Ledger.open(tmp_path / "ledger.sqlite3")
    assert await again.scenes.names_of([files[0].name]) == {files[0].name: f"{TILE}_SR.tar"}
    await again.aclose()
