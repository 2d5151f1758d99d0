"""What we have made is recognised, and nothing that others have made of the same kind."""

from __future__ import annotations

import json

import msgspec
import pytest

from landsat_async.stac.collection import CollectionBuilder, catalog_of
from landsat_async.stac.ours import is_ours
from landsat_async.stac.scene_table import COLUMNS, GEOJSON_HEAD
from landsat_async.stac.vrt import MADE_BY

CATALOG, COLLECTION = catalog_of(["landsat-c2-l2"]), CollectionBuilder("landsat-c2-l2").document()
ITEM = {"type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": "x"}
OTHER = {"type": "Catalog", "stac_version": "1.1.0", "id": "my-archive", "description": "see landsat_async"}


def as_we_write(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


@pytest.mark.parametrize(
    "head",
    [
        as_we_write(CATALOG), as_we_write(COLLECTION), as_we_write(ITEM), GEOJSON_HEAD, ",".join(COLUMNS).encode(),
        b"landsat_async 3 {}", b'<VRTDataset rasterXSize="1">\n' + MADE_BY.encode(),
        b"PAR1" + b"stac_version" + b"\x18\x0dlandsat_async\x18\x05items\x00",
    ],
)  # fmt: skip
@pytest.mark.faults("W82")
def test_what_we_have_made_is_ours(head):
    assert is_ours(head)


@pytest.mark.parametrize(
    "head",
    [
        *(json.dumps(one, indent=2).encode() for one in (CATALOG, COLLECTION, ITEM, OTHER)),  # as pystac writes
        json.dumps(ITEM).encode(), as_we_write(OTHER), as_we_write(OTHER | {"type": "Collection"}),
        b'<VRTDataset rasterXSize="1"><SourceFilename>/data/landsat_async/B4.TIF</SourceFilename>',
        b"name,path\nx,/data/landsat_async/B4.TIF\n", b"PAR1" + b'"stac_version" /data/landsat_async/B4.TIF', b"\n",
    ],
)  # fmt: skip
@pytest.mark.faults("W82")
def test_what_others_have_made_is_not_though_it_is_of_the_same_kind_or_speaks_of_us(head):
    assert not is_ours(head)
