"""Several products of one scene: who is asked to choose, what a name chooses, and what the files are called."""

from __future__ import annotations

import msgspec
import pytest

from landsat_async.config_tables import SelectConfig
from landsat_async.errors import ConfigError
from landsat_async.m2m.replies import ProductOption
from landsat_async.model import Scene
from landsat_async.rules.naming import is_planned, planned_name
from landsat_async.run.matching import AnswerRow, match
from landsat_async.run.selection import choose

TILE = "LC08_CU_008001_20231101_20231116_02"
SCENE = Scene(TILE, TILE, "2023-11-01")
PRODUCTS = {
    "D773": "C2 ARD Tile Surface Reflectance Bundle Download",
    "D774": "C2 ARD Tile Surface Temperature Bundle Download",
}


def row(product, name, system="dds", available=True):
    return ProductOption(TILE, TILE, product, name, system, available, 1000, "d")


ROWS = [
    row("D771", "C2 ARD Tile Band Download", "folder"),
    *(row(product, name) for product, name in PRODUCTS.items()),
    row("D778", "Full Resolution Browse", "ls_frb"),
]


def pick(rows, *products, kind="product"):
    return choose([SCENE], rows, SelectConfig(type=kind, products=products))


@pytest.mark.faults("M37")
@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["*Surface Reflectance*"], ["D773"]),
        (["*surface*"], ["D773", "D774"]),
        (["*"], ["D773", "D774"]),
        (["*browse*"], ["D778"]),
        (["C2 ARD Tile Surface Temperature Bundle Download"], ["D774"]),
        (["*Band*Download"], []),
    ],
)
def test_M37_products_are_chosen_by_name_and_folders_never(patterns, chosen):
    selection = pick(ROWS, *patterns)
    assert [file.routes[0].product_id for file in selection.files] == chosen
    assert all(file.kind == "product" and is_planned(file.name) for file in selection.files)
    assert selection.complete == ({TILE} if chosen else frozenset())


@pytest.mark.faults("M37")
def test_M37_a_product_that_a_tile_lacks_is_left_out_by_name():
    selection = pick(ROWS, "*Reflectance*", "*TOA*")
    assert [lack.name for lack in selection.lacking] == ["*TOA*"]
    assert selection.unmatched_bands == ("*TOA*",)
    (nothing,) = pick([], "*").unavailable
    assert nothing.file == TILE


def test_two_storage_systems_of_one_product_are_two_ways_to_one_file():
    rows = [row("a", "Burned Area", "ls_zip", available=False), row("b", "Burned Area", "dds")]
    (file,) = pick(rows, "*").files
    assert [route.product_id for route in file.routes] == ["b", "a"]
    (bundle,) = pick(rows, kind="bundle").files
    assert bundle.name == f"{TILE}.Burned_Area.product"  # whether it is a tar, only the host can tell
    assert bundle.routes == file.routes


@pytest.mark.faults("M37")
@pytest.mark.parametrize(
    ("names", "several"),
    [
        (["Landsat Collection 2 Level-1 Product Bundle"] * 2, False),
        (["Landsat Collection 2 Level-1 Product Bundle", "Metadata Bundle"], False),
        (["SR Bundle", "ST Bundle"], True),
        (["GeoTIFF 1 Arc-second", "BIL 3 Arc-second"], True),
        (["Level-1 Product Bundle", "Level-2 Product Bundle"], True),
    ],
)
def test_M37_only_the_one_product_bundle_needs_no_choice(names, several):
    rows = [row(str(number), name) for number, name in enumerate(names)]
    if not several:
        assert len(pick(rows, kind="bundle").files) == 1
        return
    with pytest.raises(ConfigError) as caught:
        pick(rows, kind="bundle")
    assert caught.value.reference == "choose-products"
    assert all(name in str(caught.value) for name in names)


class _File:
    item_id, entity_id, product_id, download_id, superseded_ids = 1, TILE, "D773", None, ()

    def __init__(self, name):
        self.name = name


@pytest.mark.faults("M37")
@pytest.mark.parametrize(
    ("name", "said", "taken"),
    [
        (planned_name(TILE, "SR"), TILE, True),
        (planned_name(TILE, "SR"), f"{TILE}_SR.tar", True),
        (planned_name(TILE, "SR"), TILE.replace("008", "009"), False),
        (f"{TILE}_SR.tar", TILE, True),
        (f"{TILE}_SR.tar", f"{TILE}_SR.tar", True),
        (f"{TILE}_SR.tar", f"{TILE}_ST.tar", False),
        (f"{TILE}.tar", TILE, True),
        (f"{TILE}1.tar", TILE, False),
    ],
)
def test_M37_answers_that_name_the_tile_or_the_product_are_those_of_the_file(name, said, taken):
    assert bool(match([_File(name)], [AnswerRow(5, TILE, said)])) is taken


def test_a_file_of_a_dataset_of_single_files_is_no_tar():
    name = f"{TILE}_SR_B4.TIF"
    scene, offered = Scene(name, name), row("a", "C2 ARD Tile Band Download", "dds")
    (file,) = choose([scene], [msgspec.structs.replace(offered, entity_id=name, display_id=name)], SelectConfig()).files
    assert (file.kind, file.name) == ("product", f"{name}.C2_ARD_Tile_Band_Download.product")
