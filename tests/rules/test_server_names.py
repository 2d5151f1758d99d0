"""Names that only the server knows: what is planned, and what is taken."""

from __future__ import annotations

import pytest

from landsat_async.rules.naming import UnsafeName
from landsat_async.rules.server_names import is_planned, planned_name, served_name

TILE = "LC08_CU_008001_20231101_20231116_02"


@pytest.mark.faults("M37")
@pytest.mark.parametrize(
    ("disposition", "url", "name"),
    [
        (f"{TILE}_SR.tar", "https://h/download/secret", f"{TILE}_SR.tar"),
        (f"{TILE}.zip", "https://h/x", f"{TILE}.zip"),
        (None, f"https://h/data/{TILE}_BA.zip?s=1", f"{TILE}_BA.zip"),
        (None, "https://h/download/secret", None),
        ("download.bin", f"https://h/data/{TILE}_SR.tar", None),
        (f"{TILE}", "https://h/x", None),
        (f"{TILE}1_SR.tar", "https://h/x", None),
        (f"{TILE}_../x", "https://h/x", None),
        (f"{TILE}_x.product", "https://h/x", None),
    ],
)
def test_M37_the_name_of_the_server_has_to_begin_with_the_display_id(disposition, url, name):
    assert served_name(TILE, disposition, url) == name


def test_planned_names_are_safe_and_readable():
    assert planned_name(TILE, "C2 ARD / Tile: SR") == f"{TILE}.C2_ARD_Tile_SR.product"
    assert planned_name(TILE, "…") == f"{TILE}.product.product"
    with pytest.raises(UnsafeName):
        planned_name("../x", "SR")


def test_a_planned_name_is_known_as_one_and_no_server_can_give_it():
    planned = planned_name(TILE, "SR")
    assert is_planned(planned)
    assert not is_planned(f"{TILE}_SR.tar")
    assert served_name(TILE, planned, "https://h/x") is None
