"""Assets of a STAC item: one for each file that is here, under the keys of stactools-landsat.

Scale and offset are those of the metadata file of the product, where it has any; what it has none for (the products
beside surface temperature) is scaled as the data format control books say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from landsat_async.rules.bands import Band, band_of_file, kind_of
from landsat_async.stac.mtl import Mtl
from landsat_async.stac.pixel_grid import PixelGrid, Raster

GEOTIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
RASTER_V1 = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"
EO_V1 = "https://stac-extensions.github.io/eo/v1.1.0/schema.json"
FILE_V2 = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PROJECTION_V2 = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"

RADIANCE = "watt/steradian/square_meter/micrometer"
_WINDOW = re.compile(r"(?P<band>.+)\.(?P<window>w[0-9a-f]{8})\.TIF", re.ASCII)
_MULTIHASH_SHA256 = "1220"
ITEM_FOLDER = "stac/collection"
"""Items stand as deep as this below the output folder."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of a scene that is here."""

    name: str
    """Its USGS name: `<display id>_SR_B4.TIF`."""
    path: str
    """Path below the output folder; absolute (/vsitar/...) for members of a bundle."""
    size_bytes: int | None = None
    sha256: str | None = None
    """Hex; None for members of a bundle."""
    raster: Raster | None = None
    """What its head tells; None for what is no GeoTIFF."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all rasters of one kind share."""

    roles: tuple[str, ...]
    data_type: str
    nodata: int | None
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None


_REFLECTANCE = _Kind(("data", "reflectance"), "uint16", 0, 2.75e-05, -0.2)
_HEAT = _Kind(("data", "temperature"), "uint16", 0, 0.00341802, 149.0, "kelvin")
_CLOUDS = ("cloud", "cloud-shadow", "snow-ice", "water-mask")
_EMISSIVITY = _Kind(("data", "emissivity"), "int16", -9999, 0.0001)
_RADIANT = _Kind(("data",), "int16", -9999, 0.001, None, RADIANCE)
_ANGLE = _Kind(("data",), "int16", None, 0.01, None, "degree")
_KINDS = {
    "QA_PIXEL": _Kind(_CLOUDS, "uint16", 1, unit="bit index"),
    "QA_RADSAT": _Kind(("saturation",), "uint16", None, unit="bit index"),
    "SR_QA_AEROSOL": _Kind(("data-mask", "water-mask"), "uint8", 1, unit="bit index"),
    "SR_CLOUD_QA": _Kind(_CLOUDS, "uint8", None, unit="bit index"),
    "SR_ATMOS_OPACITY": _Kind(("data",), "int16", -9999, 0.001),
    "ST_ATRAN": _Kind(("data",), "int16", -9999, 0.0001),
    "ST_CDIST": _Kind(("data",), "int16", -9999, 0.01, None, "kilometer"),
    "ST_DRAD": _RADIANT, "ST_URAD": _RADIANT, "ST_TRAD": _RADIANT,
    "ST_EMIS": _EMISSIVITY, "ST_EMSD": _EMISSIVITY,
    "ST_QA": _Kind(("data",), "int16", -9999, 0.01, None, "kelvin"),
    "VAA": _ANGLE, "VZA": _ANGLE, "SAA": _ANGLE, "SZA": _ANGLE,
}  # fmt: skip
"""By what stands between display id and ".TIF"; everything else is a colour or a temperature."""
UNSCALED = frozenset(key.lower() for key in ("QA_PIXEL", "QA_RADSAT", "QA_AEROSOL", "CLOUD_QA"))
"""Keys of rasters whose numbers are bits."""

_TM_WAVES = {
    "blue": (0.49, 0.07), "green": (0.56, 0.08), "red": (0.66, 0.06), "nir08": (0.83, 0.14), "swir16": (1.65, 0.2),
    "swir22": (2.22, 0.27), "lwir": (11.45, 2.1),
}  # fmt: skip
_MSS_WAVES = {"green": (0.55, 0.1), "red": (0.65, 0.1), "nir08": (0.75, 0.1), "nir09": (0.95, 0.3)}
_WAVES: dict[str, dict[str, tuple[float, float]]] = {
    "mss13": _MSS_WAVES,
    "mss45": _MSS_WAVES,
    "tm": _TM_WAVES,
    "etm": {
        "blue": (0.48, 0.07), "green": (0.56, 0.08), "red": (0.66, 0.06), "nir08": (0.84, 0.13), "swir16": (1.65, 0.2),
        "swir22": (2.2, 0.28), "lwir": (11.34, 2.05), "lwir_vcid_1": (11.34, 2.05), "lwir_vcid_2": (11.34, 2.05),
        "pan": (0.71, 0.38),
    },
    "oli": {
        "coastal": (0.44, 0.02), "blue": (0.48, 0.06), "green": (0.56, 0.06), "red": (0.65, 0.04),
        "nir08": (0.87, 0.03), "swir16": (1.61, 0.09), "swir22": (2.2, 0.19), "pan": (0.59, 0.18),
        "cirrus": (1.37, 0.02), "lwir11": (10.9, 0.59), "lwir12": (12.0, 1.01),
    },
}  # fmt: skip
"""Sensor -> key -> centre and width of the band, micrometres; a key that is here is a colour."""
_COMMON = {"lwir_vcid_1": "lwir", "lwir_vcid_2": "lwir"}
"""Keys whose common name is another one."""
_HEAT_GSD_M = {"oli": 100, "etm": 60, "tm": 120}
_NAMES = {"mss13": "", "mss45": "", "tm": "TM_", "etm": "ETM_", "oli": "OLI_"}

_METADATA = {
    "MTL.json": ("mtl.json", "application/json", "Metadata of the product (MTL), JSON"),
    "MTL.txt": ("mtl.txt", "text/plain", "Metadata of the product (MTL), text"),
    "MTL.xml": ("mtl.xml", "application/xml", "Metadata of the product (MTL), XML"),
    "ANG.txt": ("ang", "text/plain", "Angle coefficients"),
}
_PICTURES = {
    "thumb_small.jpeg": ("thumbnail", "thumbnail", "Small picture"),
    "thumb_large.jpeg": ("reduced_resolution_browse", "overview", "Large picture"),
}
_TYPES = {"tif": GEOTIFF, "tiff": GEOTIFF, "txt": "text/plain", "xml": "application/xml", "json": "application/json",
          "jpg": "image/jpeg", "jpeg": "image/jpeg", "tar": "application/x-tar"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as an asset."""

    key: str
    fields: dict[str, Any]
    file: LocalFile
    band: Band | None = None
    """Which raster of the scene it is; None for metadata, bundles and what has no common name."""
    window: str = ""
    """Which window of it, as in its name: "w1a2b3c4d"; "" = the whole raster."""


def href_from(path: str, folder: str) -> str:
    """Return how a path below the output folder is named from one of its folders; absolute ones stay."""
    if path.startswith("/"):
        return path
    if folder and path.startswith(f"{folder}/"):
        return path[len(folder) + 1 :]
    return "../" * (folder.count("/") + 1 if folder else 0) + path


def asset_of(display_id: str, file: LocalFile, mtl: Mtl | None) -> Asset:
    """Return the asset of one file."""
    suffix = file.name.removeprefix(display_id).lstrip("_.")
    fields = {"href": href_from(file.path, ITEM_FOLDER), **_of_file(file)}
    if file.name == f"{display_id}.tar":
        return Asset("bundle", fields | {"type": _TYPES["tar"], "title": "Bundle of files", "roles": ["data"]}, file)
    if suffix.endswith(".tar"):  # of a tile, which has several
        part = suffix.removesuffix(".tar")
        named = {"type": _TYPES["tar"], "title": f"Bundle of files ({part})", "roles": ["data"]}
        return Asset(f"bundle_{part.lower()}", fields | named, file)
    if known := _METADATA.get(suffix):
        key, kind, title = known
        return Asset(key, fields | {"type": kind, "title": title, "roles": ["metadata"]}, file)
    if picture := _PICTURES.get(suffix):
        key, role, title = picture
        return Asset(key, fields | {"type": _TYPES["jpeg"], "title": title, "roles": [role]}, file)
    cut = _WINDOW.fullmatch(file.name)
    whole = f"{cut['band']}.TIF" if cut else file.name
    band = band_of_file(display_id, whole)
    if band is None:
        ending = file.name.rpartition(".")[2].lower()
        key = suffix.removesuffix(".TIF").lower() if ending in ("tif", "tiff") else suffix.lower()
        return Asset(key, fields | _without_name(suffix, ending, file), file)
    window = cut["window"] if cut else ""
    return Asset(band.key, fields | _of_band(display_id, band, file, mtl, window), file, band, window)


def _of_file(file: LocalFile) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if file.size_bytes is not None:
        fields["file:size"] = file.size_bytes
    if file.sha256 is not None:
        fields["file:checksum"] = _MULTIHASH_SHA256 + file.sha256
    return fields


def _without_name(suffix: str, ending: str, file: LocalFile) -> dict[str, Any]:
    role = "data" if file.raster is not None else "metadata"
    fields: dict[str, Any] = {"title": suffix, "roles": [role]}
    if ending in _TYPES:
        fields["type"] = _TYPES[ending]
    if file.raster is not None:
        fields["raster:bands"] = [_raster_band(file.raster, _Kind((role,), file.raster.data_type, None), (None, None))]
    return fields


def _of_band(display_id: str, band: Band, file: LocalFile, mtl: Mtl | None, window: str) -> dict[str, Any]:
    sensor, level = kind_of(display_id) or ("", 0)
    kind = _kind(band, sensor, level)
    scaling = scaling_of(display_id, band, mtl)
    roles = ["cloud"] if band.stem == "QA_PIXEL" and sensor.startswith("mss") else list(kind.roles)
    title = f"{band.key} ({band.stem})" + (f", window {window[1:]}" if window else "")
    fields: dict[str, Any] = {"type": GEOTIFF, "title": title, "roles": roles}
    wave = _WAVES.get(sensor, {}).get(band.key)
    if wave is not None:
        instrument = "TIRS_" if sensor == "oli" and band.key.startswith("lwir") else _NAMES[sensor]
        name = instrument + band.stem.removeprefix("SR_").removeprefix("ST_")
        common = _COMMON.get(band.key, band.key)
        fields["eo:bands"] = [
            {"name": name, "common_name": common, "center_wavelength": wave[0], "full_width_half_max": wave[1]}
        ]
        if band.key.startswith("lwir"):
            fields["gsd"] = _HEAT_GSD_M[sensor]
        elif band.key == "pan":
            fields["gsd"] = 15
    raster = file.raster
    fields["raster:bands"] = [_raster_band(raster, kind, scaling) | _resolution(raster, sensor, band)]
    return fields


def _kind(band: Band, sensor: str, level: int) -> _Kind:
    if band.stem in _KINDS:
        return _KINDS[band.stem]
    if level == 1:
        return _Kind(("data",), "uint16" if sensor == "oli" else "uint8", 0)
    return _HEAT if band.stem.startswith("ST_") else _REFLECTANCE


def scaling_of(display_id: str, band: Band, mtl: Mtl | None) -> tuple[float | None, float | None]:
    """Return scale and offset that make physical values of stored ones; None where there is none.

    Level 2: reflectance and kelvin. Level 1: radiance at the sensor, by the numbers of the metadata file.
    """
    sensor, level = kind_of(display_id) or ("", 0)
    kind = _kind(band, sensor, level)
    if band.stem in _KINDS or mtl is None:
        return kind.scale, kind.offset
    if level == 1:
        what, number, group = "RADIANCE", band.stem.removeprefix("B"), "LEVEL1_RADIOMETRIC_RESCALING"
    elif band.stem.startswith("ST_"):
        what, number, group = "TEMPERATURE", band.stem, "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"
    else:
        what, number, group = "REFLECTANCE", band.stem.removeprefix("SR_B"), "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
    scale, offset = mtl.number(f"{what}_MULT_BAND_{number}", group), mtl.number(f"{what}_ADD_BAND_{number}", group)
    return (kind.scale, kind.offset) if scale is None or offset is None else (scale, offset)


def _raster_band(raster: Raster | None, kind: _Kind, scaling: tuple[float | None, float | None]) -> dict[str, Any]:
    scale, offset = scaling
    fields: dict[str, Any] = {"data_type": raster.data_type if raster is not None else kind.data_type}
    if kind.nodata is not None:
        fields["nodata"] = kind.nodata
    if scale is not None:
        fields["scale"] = scale
    if offset is not None:
        fields["offset"] = offset
    unit = kind.unit or (RADIANCE if kind.roles == ("data",) and kind.nodata == 0 and scale is not None else None)
    return fields | ({"unit": unit} if unit else {})


def _resolution(raster: Raster | None, sensor: str, band: Band) -> dict[str, float]:
    if raster is not None:
        return {"spatial_resolution": raster.grid.pixel}
    return {"spatial_resolution": 60 if sensor.startswith("mss") else 15 if band.key == "pan" else 30}


def own_grid(asset: Asset, grid: PixelGrid | None) -> dict[str, Any]:
    """Return what an asset says of its own place: nothing where it is that of the item (`grid`)."""
    raster = asset.file.raster
    if raster is None or raster.grid == grid:
        return {}
    own = raster.grid
    fields: dict[str, Any] = {"proj:shape": own.shape, "proj:transform": own.transform}
    if own.epsg is not None and (grid is None or own.epsg != grid.epsg):
        fields["proj:code"] = f"EPSG:{own.epsg}"
    return fields
