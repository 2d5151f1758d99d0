"""Of an item that another machine has made nothing is believed that would make no valid catalogue."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.stac.item import collection_of
from landsat_async.stac.items_there import files_of_item, read_item

ID = "LC08_L2SP_004053_20240705_20240714_02_T1"
L2, ROOT = collection_of(ID), "/vsis3/lake/p/"
RED, BUNDLE = f"../../2024/{ID}_SR_B4.TIF", f"/vsitar/{ROOT}2024/{ID}.tar/{ID}_SR_B4.TIF"
ITEM = {
    "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": ID, "collection": L2, "geometry": None,
    "properties": {"datetime": "2024-07-05T14:40:00Z", "platform": "landsat-8", "instruments": ["oli"], "gsd": 30},
    "links": [], "assets": {"red": {"href": RED}},
}  # fmt: skip


def as_we_write(document):
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def with_(**properties):
    return ITEM | {"properties": ITEM["properties"] | properties}


@pytest.mark.faults("V71")
def test_an_item_of_ours_is_read():
    assert read_item(as_we_write(ITEM), L2, ID) == ITEM
    assert read_item(as_we_write(ITEM | {"bbox": [-68, 9, -67, 10.5]}), L2, ID) is not None


@pytest.mark.faults("V71", "V73")
@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", as_we_write(ITEM)[:300], json.dumps(ITEM, indent=2).encode(),
        *map(as_we_write, (
            ITEM | {"id": "other"}, ITEM | {"collection": "other"}, ITEM | {"properties": {}}, ITEM | {"assets": {}},
            ITEM | {"bbox": [1, 2]}, ITEM | {"bbox": "here"}, ITEM | {"links": None, "assets": {"red": {}}},
            with_(datetime="yesterday"), with_(datetime=5), with_(instruments="oli"), with_(platform=["x"]),
            with_(datetime=None),
            with_(gsd="30"), with_(odd=[1, "x"]), ITEM | {"geometry": {"type": "Polygon", "coordinates": [[["x"]]]}},
            ITEM | {"geometry": {"type": "Point"}},
        )),
        as_we_write(ITEM)[:-3] + b', "x": ' + b"[" * 50_000,
    ],
)  # fmt: skip
def test_what_would_make_no_valid_catalogue_is_no_item(data):
    assert read_item(data, L2, ID) is None


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_a_document_of_any_shape_is_read_or_not(value):
    for name in ("properties", "assets", "bbox", "geometry", "links", "id"):
        read_item(as_we_write(ITEM | {name: value}), L2, ID)


@pytest.mark.parametrize(
    ("hrefs", "files"),
    [
        ([RED], {f"2024/{ID}_SR_B4.TIF"}),
        ([f"../../{ID}_MTL.txt", BUNDLE], {f"{ID}_MTL.txt", f"2024/{ID}.tar"}),
        ([BUNDLE, BUNDLE.replace("B4", "B5")], {f"2024/{ID}.tar"}),
        ([f"/vsitar//vsis3/other/p/{ID}.tar/x"], None),
        ([BUNDLE.replace(".tar/", ".zip/")], None),
        ([RED, "../../../x.TIF"], None),
        (["/etc/passwd"], None),
        (["https://example.org/x.TIF"], None),
    ],
)
@pytest.mark.faults("V71")
def test_the_files_of_an_item(hrefs, files):
    item = {"assets": {str(at): {"href": href} for at, href in enumerate(hrefs)}}
    assert files_of_item(item, f"stac/{L2}", ROOT) == files
