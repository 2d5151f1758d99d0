"""Scene ids as users write them: what each stands for, in which dataset it is, and what to say when it is not there.

A display id tells its dataset. An entity id is shared by all levels of a scene, so the dataset has to be named beside
it, unless only one holds the sensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from landsat_async.model import Scene, Unavailable
from landsat_async.rules.naming import shown
from landsat_async.rules.product_id import (
    ProductId,
    SceneKey,
    datasets_of_entity_id,
    parse_product_id,
    parse_scene_key,
)

_FILE_ENDING = re.compile(r"\.(tar|tgz|tar\.gz|tif|tiff|txt|xml|json|jpe?g|png|zip)$", re.IGNORECASE)
_ARD_COLLECTION_1 = re.compile(r"L[COTEM]\d\d_(CU|AK|HI)_\d{6}_\d{8}_\d{8}_C01_V\d\d", re.IGNORECASE)
_DATASET_COLLECTION_1 = re.compile(r"(lsr_)?landsat_(8|ot|etm|tm|mss\w?|ard_tile|ard)_c1(_l\d)?", re.IGNORECASE)
_SUCCESSORS = {"8": "landsat_ot_c2", "ot": "landsat_ot_c2", "etm": "landsat_etm_c2", "tm": "landsat_tm_c2"}
ENDED = "Collection 1, which has ended: USGS withdrew it in December 2022"


class RequestedId(msgspec.Struct, frozen=True):
    """One id that the user named."""

    written: str
    name: str
    """In capitals, without blanks around it."""
    product: ProductId | None
    """None for an entity id and for ids of other missions."""
    key: SceneKey | None
    """Place and day; None where the id does not tell them (tiles, other missions)."""
    datasets: tuple[str, ...]
    """Aliases of the datasets that can hold it; () = unknown."""
    fault: Unavailable | None = None
    """Why this is no id of a scene that USGS can have; no request is needed then."""

    @property
    def sent(self) -> str:
        """The id as it is sent: ids of other missions may have small letters."""
        return self.written.strip() if self.product is None and self.key is None else self.name

    @property
    def dataset(self) -> str | None:
        """Alias of the one dataset that can hold it; None when it has to be named."""
        return self.datasets[0] if len(self.datasets) == 1 else None


def read_scene_id(written: str) -> RequestedId:
    """Take an id apart; a file name and an id of Collection 1 get a `fault`."""
    name = written.strip().upper()
    product = parse_product_id(name)
    if (product is not None and product.collection != "02") or _ARD_COLLECTION_1.fullmatch(name):
        return RequestedId(written, name, product, None, (), _of_collection_1(written, product))
    if product is not None:
        own = (product.dataset,) if product.dataset else ()
        return RequestedId(written, name, product, parse_scene_key(name), own)
    if (inner := _product_of_file(name)) is not None:
        hint = f"Write the id: {inner}. Single files are chosen with [select] type and bands."
        return RequestedId(
            written, name, None, None, (), Unavailable(written, "this is a file name, no scene id", hint)
        )
    return RequestedId(written, name, None, parse_scene_key(name), datasets_of_entity_id(name))


def read_scene_ids(written: Iterable[str]) -> list[RequestedId]:
    """Take all ids apart; one that is written twice, also in another case, is one."""
    return list({(one := read_scene_id(text)).name: one for text in written}.values())


def group_ids(
    requested: Iterable[RequestedId], datasets: Sequence[str]
) -> tuple[dict[str, list[RequestedId]], tuple[str, ...]]:
    """Sort ids by the datasets that they are looked up in; one line for each dataset that is none of `datasets`.

    A display id is looked up in its own dataset, an entity id in each of `datasets` that can hold it. Whatever does not
    tell where it may be is looked up in the first.
    """
    written = {name.lower(): name for name in datasets}
    groups: dict[str, list[RequestedId]] = {}
    for one in requested:
        for name in () if one.fault is not None else _places(one, written):
            groups.setdefault(written.get(name, name), []).append(one)
    notes = []
    for name, ids in groups.items() if datasets else ():
        if name in datasets:
            continue
        more = f" and {len(ids) - 1} more ids are" if len(ids) > 1 else " is"
        notes.append(f"{shown(ids[0].written)}{more} of {name}, not of {' or '.join(datasets)}: fetched from there")
    return groups, tuple(notes)


def _places(one: RequestedId, datasets: Iterable[str]) -> Sequence[str]:
    """The datasets that an id is looked up in; `datasets` in small letters."""
    if one.product is not None and one.dataset is not None:
        return [one.dataset]
    known = list(datasets)
    return [name for name in known if name in one.datasets] or known[:1] or one.datasets[:1]


def ended_dataset(dataset: str) -> tuple[str, str] | None:
    """Say that a dataset is of Collection 1, and what has come in its place; None for any other name."""
    match = _DATASET_COLLECTION_1.fullmatch(dataset.strip())
    if match is None:
        return None
    level = "l2" if match[1] else "l1"
    kind = match[2].lower()
    successor = f"{_SUCCESSORS[kind]}_{level}" if kind in _SUCCESSORS else "landsat_mss_c2_l1"
    if kind.startswith("ard"):
        successor = "landsat_ard_tile_c2"
    return f"{shown(dataset)} is of {ENDED}", f"Its successor is {successor}."


def missing_ids(
    requested: Sequence[RequestedId], scenes: Sequence[Scene], seen: Sequence[Scene], dataset: str
) -> list[Unavailable]:
    """Say which of the ids that were looked up in `dataset` are not there, and what was probably meant.

    Args:
        requested: The ids.
        scenes: What was found.
        seen: Everything that the service showed on the way, also scenes beside those that were requested.
        dataset: Alias.
    """
    found = {name for scene in scenes for name in (scene.entity_id.upper(), scene.display_id.upper())}
    around = [*scenes, *seen]
    return [
        Unavailable(one.written, f"there is no such scene in {dataset}", _hint(one, around, dataset))
        for one in requested
        if one.name not in found
    ]


def _hint(requested: RequestedId, around: Sequence[Scene], dataset: str) -> str:
    if requested.product is not None:
        key = requested.product.version_key
        versions = {
            scene.display_id
            for scene in around
            if (product := parse_product_id(scene.display_id)) and product.version_key == key
        }
        if versions:
            return f"It was reprocessed: USGS has it now as {shown(max(versions, key=_processed))}."
    elif near := _near(requested, around):
        return f"USGS has {shown(near)} there: check the id."
    if requested.datasets and dataset.lower() not in requested.datasets:
        return f"Scenes of this sensor are in {' and '.join(requested.datasets)}."
    if dataset.lower().endswith("_l2"):
        return "Check the id; and not every scene has a Level-2 product."
    return "Check the id and the dataset."


def _near(requested: RequestedId, around: Sequence[Scene]) -> str | None:
    """The entity id of the same sensor, place and day, which differs in the station or the version only."""
    same = {
        scene.entity_id.upper()
        for scene in around
        if requested.key is not None
        and scene.entity_id[:3].upper() == requested.name[:3]
        and parse_scene_key(scene.entity_id) == requested.key
    }
    return min(same, default=None)


def _processed(display_id: str) -> tuple[object, ...]:
    product = parse_product_id(display_id)
    return (product.processed, display_id) if product else ("", display_id)


def _of_collection_1(written: str, product: ProductId | None) -> Unavailable:
    hint = "Collection 2 has the scene under another id: search for its place and day, or use its entity id."
    if product is not None and product.region is None:
        place, day = f"{product.path:03}{product.row:03}", product.acquired
        hint = f'Collection 2 has it under another id: search with path_row = ["{place}"], start = end = {day}.'
    return Unavailable(written, f"this is an id of {ENDED}", hint)


def _product_of_file(name: str) -> str | None:
    """The product id that the name of a file, or of a band, begins with."""
    stem = _FILE_ENDING.sub("", name) if "." in name else name
    while "_" in stem:
        if parse_product_id(stem) is not None:
            return stem
        stem = stem.rpartition("_")[0]
    return None
