"""The files of a run as one xarray Dataset, lazy, over all sensors: odc-stac reads, scale and mask are put on top.

A name means the same colour on every sensor (`rules.bands`): "nir08" is SR_B5 of OLI and SR_B4 of TM, "lwir" ST_B10 and
ST_B6. Stored numbers become physical ones by the scale and offset of each scene's own metadata; bits stay bits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from landsat_async.disk.ledger_catalog import SceneHere, scenes_here
from landsat_async.disk.target import Target
from landsat_async.rules.bands import bands_named, kind_of
from landsat_async.run.scene_files import read_scenes
from landsat_async.stac.assets import GEOTIFF, UNSCALED, Asset, asset_of, own_grid
from landsat_async.stac.item import SceneFacts, grid_of_item, item_of
from landsat_async.stac.vrt import GDAL_TYPES

if TYPE_CHECKING:
    import xarray

MASKS = {"dilated": 1, "cirrus": 2, "cloud": 3, "shadow": 4, "snow": 5, "water": 7}
"""What may be masked -> its bit in QA_PIXEL. Fill is no data in any case."""
_QA = "qa_pixel"
_QA_OF_MASK = "_mask_qa_pixel"
"""Under this name the quality band is read for the mask, whatever bands are chosen."""
_LARGE = 10.0
"""Values above this are kept in double precision: single precision has 7 digits, too few for a millikelvin."""
_MIDDAY = "T12:00:00Z"


class NothingToLoad(ValueError):
    """No file here has what was asked for; the text says what there is."""


@dataclass
class _Scaling:
    """How one band becomes physical, scene by scene."""

    by_moment: dict[dt.datetime, tuple[float, float]] = field(default_factory=dict)
    nodata: float | None = None
    unit: str | None = None
    data_type: str = "uint16"

    @property
    def all(self) -> set[tuple[float, float]]:
        return set(self.by_moment.values())


def load_cube(
    target: Target,
    run_id: str,
    bands: Sequence[str] | None,
    scale: bool,
    mask: Sequence[str],
    options: Mapping[str, Any],
) -> xarray.Dataset:
    """Return the scenes of a run as a Dataset of dask arrays, with a variable for each of `bands`.

    Raises:
        ImportError: odc-stac or dask is not installed.
        LandsatError: the files are in a store that does not answer, or that GDAL is not told how to read.
        NothingToLoad: no scene has any of the bands, or a scene to be masked has no QA_PIXEL here.
        ValueError: a mask has an unknown name.
    """
    odc_stac, pystac = _libraries()
    if unknown := [name for name in mask if name not in MASKS]:
        raise ValueError(f"unknown mask {unknown[0]!r}; known are {', '.join(MASKS)}")
    scalings: dict[str, _Scaling] = {}
    here: set[str] = set()
    documents = list(_documents(target, run_id, bands, bool(mask), scalings, here))
    names = [name for name in scalings if name != _QA_OF_MASK]
    if bands is not None:
        names = [name for name in bands if name in scalings]
        if lacking := [name for name in bands if name not in scalings]:
            there = ", ".join(sorted(here)) or "none"
            raise NothingToLoad(f"no file here is the band {lacking[0]!r}; here are: {there}")
    if not names:
        raise NothingToLoad("no raster of this run is here")
    read_by = _read_by(target)  # the store has shown by now whether it gives ranges
    for document in documents:
        _fill_up(document, scalings)
    items = [pystac.Item.from_dict(document, migrate=False) for document in documents]
    for asset in (asset for item in items for asset in item.assets.values()):
        asset.get_absolute_href = lambda href=asset.href: href  # all are; pystac does not know that of an inline VRT
    wanted = [*names, *([_QA_OF_MASK] if mask else [])]
    loaded = odc_stac.load(items, bands=wanted, **{"chunks": {}} | read_by | dict(options))
    hidden = _hidden(loaded[_QA_OF_MASK], mask) if mask else None
    made = {name: _finished(loaded[name], name, scalings[name], scale, hidden) for name in names}
    return loaded[names].assign(made)


def _read_by(target: Target) -> dict[str, Any]:
    """Return what odc-stac reads a target with, as it wants to be told; nothing for a folder."""
    if not (options := target.gdal_options()):
        return {}
    from landsat_async.run.cube_reader import StoreReader

    return {"driver": StoreReader(options)}


def _documents(
    target: Target,
    run_id: str,
    bands: Sequence[str] | None,
    masked: bool,
    scalings: dict[str, _Scaling],
    here: set[str],
) -> Iterator[dict[str, Any]]:
    """Yield an item for each scene, whose assets go by the names that were asked for; `here` gets all that it has."""
    with scenes_here(target.folder.ledger, run_id) as scenes:
        for scene, (files, mtl) in read_scenes(target, scenes):
            assets = [asset_of(scene.display_id, file, mtl) for file in files]
            here.update(asset.key for asset in assets if asset.band is not None)
            chosen = dict(_chosen(scene, assets, bands))
            if not chosen:
                continue
            if masked:
                qa = next((asset for asset in assets if asset.key == _QA and not asset.window), None)
                qa = qa or next((asset for asset in assets if asset.key == _QA), None)
                if qa is None:
                    raise NothingToLoad(f"{scene.display_id}: QA_PIXEL is not here; a mask needs it in [select] bands")
                chosen[_QA_OF_MASK] = qa
            facts = SceneFacts(
                scene.display_id, scene.entity_id, scene.dataset, scene.acquired, scene.cloud_cover, scene.footprint
            )
            item = item_of(facts, mtl, assets)
            grid = grid_of_item(mtl, assets)
            item["assets"] = {
                name: asset.fields | own_grid(asset, grid) | {"href": _absolute(target, asset)}
                for name, asset in chosen.items()
            }
            item["links"] = []
            item["collection"] = "landsat"  # in one collection a band may be lacking here and there
            known = item["properties"]
            known["datetime"] = known["datetime"] or known["start_datetime"][:10] + _MIDDAY
            for name, asset in chosen.items():
                _note_scaling(scalings.setdefault(name, _Scaling()), asset, known["datetime"])
            yield item


def _chosen(scene: SceneHere, assets: Sequence[Asset], bands: Sequence[str] | None) -> Iterator[tuple[str, Asset]]:
    """Yield the rasters of a scene under the names that were asked for; of a band, the whole raster before a window."""
    here: dict[str, Asset] = {}
    for asset in sorted(assets, key=lambda asset: asset.window, reverse=True):
        if asset.band is not None and asset.file.raster is not None:
            here[asset.key] = asset
    if bands is None:
        yield from here.items()
        return
    kind = kind_of(scene.display_id)
    for name in bands:
        keys = [band.key for band in bands_named(name, kind)]
        found = [here[key] for key in keys if key in here]
        if found:
            yield name, found[0]


def _absolute(target: Target, asset: Asset) -> str:
    path = asset.file.path
    return path if path.startswith("/vsitar/") else target.gdal_path(path)


def _note_scaling(scaling: _Scaling, asset: Asset, moment: str) -> None:
    facts = asset.fields["raster:bands"][0]
    at = dt.datetime.fromisoformat(moment.replace("Z", "+00:00")).replace(tzinfo=None)
    scaling.by_moment[at] = facts.get("scale", 1.0), facts.get("offset", 0.0)
    scaling.nodata = facts.get("nodata", scaling.nodata)
    scaling.unit = facts.get("unit", scaling.unit)
    scaling.data_type = facts["data_type"]


def _fill_up(document: dict[str, Any], scalings: Mapping[str, _Scaling]) -> None:
    """Give an item of a sensor that lacks a band an empty one: odc-stac wants the same bands in all of them."""
    known = document["properties"]
    for name, scaling in scalings.items():
        if name in document["assets"] or not known.get("proj:code"):
            continue
        (rows, columns), numbers = known["proj:shape"], known["proj:transform"]
        place = ",".join(str(numbers[at]) for at in (2, 0, 1, 5, 3, 4))
        nodata = 0 if scaling.nodata is None else scaling.nodata
        empty = (
            f'<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}"><SRS>{known["proj:code"]}</SRS>'
            f'<GeoTransform>{place}</GeoTransform><VRTRasterBand dataType="{GDAL_TYPES[scaling.data_type]}" band="1">'
            f"<NoDataValue>{nodata}</NoDataValue></VRTRasterBand></VRTDataset>"
        )
        facts = {"data_type": scaling.data_type, "nodata": nodata}
        document["assets"][name] = {"href": empty, "type": GEOTIFF, "roles": ["data"], "raster:bands": [facts]}


def _hidden(quality: xarray.DataArray, mask: Sequence[str]) -> xarray.DataArray:
    """Return where a pixel is masked."""
    bits = sum(1 << MASKS[name] for name in set(mask))
    return (quality & bits) != 0


def _finished(
    array: xarray.DataArray, name: str, scaling: _Scaling, scale: bool, hidden: xarray.DataArray | None
) -> xarray.DataArray:
    """Scale a band and take masked pixels out; without `scale`, and of bits, the stored numbers stay."""
    nodata = scaling.nodata
    if name in UNSCALED or name == _QA:
        return array
    if not scale:
        return array if hidden is None or nodata is None else array.where(~hidden, nodata).astype(array.dtype)
    valid = array != nodata if nodata is not None else True
    if hidden is not None:
        valid = valid & ~hidden
    factor, offset = _factors(array, scaling)
    largest = max(abs(one) * 65535 + abs(two) for one, two in scaling.all)
    kind = "float32" if largest < _LARGE else "float64"
    values = array.astype("float64") * factor + offset
    made = values.where(valid).astype(kind)
    made.attrs = dict(array.attrs) | {"nodata": float("nan")} | ({"units": scaling.unit} if scaling.unit else {})
    made.name = array.name
    return made


def _factors(array: xarray.DataArray, scaling: _Scaling) -> tuple[Any, Any]:
    """Return scale and offset; one for each moment where scenes differ (radiances of level 1)."""
    if len(scaling.all) == 1 or "time" not in array.coords:
        return next(iter(scaling.all))
    import numpy as np
    import xarray

    moments = array["time"].values.astype("datetime64[us]").astype(dt.datetime)
    try:
        pairs = [scaling.by_moment[moment] for moment in np.atleast_1d(moments)]
    except KeyError:
        raise ValueError("scenes of different scale cannot be put together in one moment: leave out groupby") from None
    factors, offsets = zip(*pairs, strict=True)
    coords = {"time": array["time"]}
    return tuple(xarray.DataArray(list(one), dims=("time",), coords=coords) for one in (factors, offsets))


def _libraries() -> tuple[Any, Any]:
    try:
        import dask.array  # noqa: F401
        import odc.stac
        import pystac
    except ImportError as error:
        raise ImportError(f'to_xarray needs {error.name}: pip install "landsat-async[cube]"') from error
    return odc.stac, pystac
