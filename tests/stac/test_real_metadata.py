"""Items of real products, held against those of stactools-landsat and of USGS, and against the schemas.

The files lie in the folder that LANDSAT_TEST_METADATA names; nothing of them stands here. stactools-landsat and pystac
are judges where they are installed (the extra `judges`).

What differs from stactools-landsat 0.5.0 on purpose, and why
- id: the whole display id. Without the date of processing two versions of a scene have one id.
- geometry, bbox, proj:centroid: the footprint that M2M gives, here the corners of the image; where it lies across the
  180° meridian theirs goes round the earth.
- created: when the files were verified, so that nothing changes when nothing has changed.
- version: new. file:size, file:checksum of each asset: new.
- classification:bitfields: left out, see stac/item.py. Titles and descriptions are ours.
- assets: only what is here.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest

from landsat_async.stac.assets import LocalFile, asset_of
from landsat_async.stac.collection import CollectionBuilder, catalog_of
from landsat_async.stac.item import SceneFacts, item_of
from landsat_async.stac.mtl import read_mtl

FOLDER = os.environ.get("LANDSAT_TEST_METADATA", "")
NAMES = sorted(str(path.relative_to(FOLDER)) for path in Path(FOLDER).rglob("*_MTL.xml")) if FOLDER else []
OURS = {"created", "version", "proj:centroid"}
NOT_COMPARED = {"href", "title", "description", "classification:bitfields"}

pytestmark = pytest.mark.skipif(not NAMES, reason="LANDSAT_TEST_METADATA names no folder with metadata files")


@pytest.fixture(params=NAMES or ["none"], ids=lambda name: Path(name).name[:25])
def path(request):
    return Path(FOLDER) / request.param


def item_at(path, names=()):
    mtl = read_mtl(path.read_bytes(), path.name)
    display_id = mtl.product_id
    assets = [asset_of(display_id, LocalFile(name, name, 1, "ab" * 32), mtl) for name in names]
    return item_of(SceneFacts(display_id, "E"), mtl, assets)


def test_all_forms_of_a_metadata_file_make_one_item(path):
    others = [path.with_suffix(ending) for ending in (".txt", ".json")]
    for other in (one for one in others if one.exists()):
        assert item_at(other) == item_at(path)


def test_the_item_agrees_with_that_of_usgs(path):
    known = item_at(path)["properties"]
    theirs = sorted(path.parent.glob(f"{path.name.removesuffix('_MTL.xml')}*_stac.json"))
    for document in theirs:
        found = json.loads(document.read_text())["properties"]
        assert found["datetime"][:10] == known["datetime"][:10]
        assert found["landsat:scene_id"] == known["landsat:scene_id"]
        assert int(found["landsat:wrs_path"]) == int(known["landsat:wrs_path"])
        assert found.get("landsat:collection_category") == known["landsat:collection_category"]
        cloud = found.get("eo:cloud_cover", -1)
        assert known.get("eo:cloud_cover", -1) == cloud
        for name in ("sun_elevation", "sun_azimuth"):
            value = found.get(f"view:{name}", found.get(f"eo:{name}"))
            assert value % 360 == pytest.approx(known[f"view:{name}"] % 360, abs=1e-6)


def test_the_item_is_that_of_stactools(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stac = pytest.importorskip("stactools.landsat.stac", reason="stactools-landsat is not installed")
        theirs = _of_stactools(stac, path)
    names = [asset["href"].rpartition("/")[2] for asset in theirs["assets"].values()]
    ours = item_at(path, names)
    assert set(ours["assets"]) == set(theirs["assets"])
    for name in set(ours["properties"]) | set(theirs["properties"]) - OURS:
        if name not in OURS:
            assert ours["properties"].get(name) == theirs["properties"].get(name), name
    for key, asset in theirs["assets"].items():
        for name in set(asset) - NOT_COMPARED:
            assert _plain(ours["assets"][key][name]) == _plain(asset[name]), (key, name)


def _of_stactools(stac, path):
    """Return their item; the file of angles, which gives them a footprint and is not always here, is not asked for."""
    metadata = stac.MtlMetadata.from_file(str(path))
    box = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    before, stac.AngMetadata = stac.AngMetadata, type("A", (), {"from_file": lambda *_: _Angles(box)})
    try:
        item = stac.create_item_from_mtl_metadata(str(path)[: -len("_MTL.xml")], metadata, use_usgs_geometry=False)
    finally:
        stac.AngMetadata = before
    return item.to_dict(include_self_link=False)


class _Angles:
    def __init__(self, geometry):
        self.geometry = geometry

    def get_scene_geometry(self, _):
        return self.geometry


def _plain(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{name: one for name, one in entry.items() if name != "description"} for entry in value]
    return value


def test_pystac_finds_item_collection_and_catalogue_valid_without_a_network(path, monkeypatch, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pystac = pytest.importorskip("pystac", reason="pystac is not installed")
        pytest.importorskip("jsonschema", reason="jsonschema is not installed")
        from pystac.validation.stac_validator import JsonSchemaSTACValidator

        validator = JsonSchemaSTACValidator()
        for schema in (Path(FOLDER) / "schemas").glob("*.json"):
            document = json.loads(schema.read_text())
            validator.schema_cache[document["$id"].rstrip("#")] = document

        def refuse(*_):
            raise AssertionError("nothing may be asked of a network")

        monkeypatch.setattr("socket.socket.connect", refuse)
        names = [path.name, path.name.replace("MTL.xml", "QA_PIXEL.TIF"), path.name.replace("MTL.xml", "ST_B10.TIF")]
        item = item_at(path, names)
        collection = CollectionBuilder(item["collection"])
        collection.add(item)
        below = tmp_path / collection.id
        below.mkdir()
        (below / f"{item['id']}.json").write_text(json.dumps(item))
        (below / "collection.json").write_text(json.dumps(collection.document()))
        (tmp_path / "catalog.json").write_text(json.dumps(catalog_of([collection.id])))
        catalog = pystac.Catalog.from_file(str(tmp_path / "catalog.json"))
        everything = [catalog, *catalog.get_children(), *catalog.get_items(recursive=True)]
        assert len(everything) == 3
        assert all(one.validate(validator=validator) for one in everything)
