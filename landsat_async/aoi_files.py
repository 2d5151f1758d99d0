"""Reading the file of an area of interest; what it means is decided in `rules.aoi`."""

from __future__ import annotations

import zipfile
from typing import Any

import shapely

from landsat_async.config_area import area_text
from landsat_async.rules.aoi import Aoi, aoi_from_shapes, parse_aoi
from landsat_async.rules.aoi_text import Shapes, add_geometry, aoi_error, is_plain_crs
from landsat_async.rules.area_formats import archive_format, convert_line, text_format
from landsat_async.user_files import Unreadable, check_user_file, near_name, read_user_file, text_of

FILE_BYTES_MAX = 64 * 1024**2
_FEATURES_MAX = 100_000
_MEMBERS_MAX = 10_000
_ZIPPED = (".shp.zip", ".shz")
_VECTOR_ENDINGS = (".shp", ".gpkg", ".fgb", *_ZIPPED)


def load_aoi(path: str) -> Aoi:
    """Read GeoJSON or WKT, told apart by content; shapefile, GeoPackage and FlatGeobuf through pyogrio.

    In place of a path there may be the area itself: an `AreaText`, a GeoJSON dict, an object with __geo_interface__.

    Raises:
        ConfigError: with the file, the fault and what to do.
    """
    if (given := area_text(path)) is not None:
        return parse_aoi(given, source="search.aoi")
    try:
        if path.lower().endswith(_VECTOR_ENDINGS):
            check_user_file(path)
            return _load_vector(path)
        body = read_user_file(path, FILE_BYTES_MAX)
    except FileNotFoundError as error:
        raise aoi_error(path, f"cannot be read: {error.strerror}{near_name(path)}") from None
    except Unreadable as error:
        raise aoi_error(path, str(error)) from None
    if len(body) > FILE_BYTES_MAX:
        raise aoi_error(path, f"is larger than {FILE_BYTES_MAX // 1024**2} MiB", "Simplify it first.")
    if body.startswith(b"PK\x03\x04"):
        raise aoi_error(path, *archive_format(path, _members(path)))
    try:
        text = text_of(body)
    except UnicodeDecodeError:
        raise aoi_error(path, "is neither GeoJSON nor WKT (not UTF-8 text)") from None
    if known := text_format(path, text):
        raise aoi_error(path, *known)
    return parse_aoi(text, source=path)


def _members(path: str) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()[:_MEMBERS_MAX]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return []


def _load_vector(path: str) -> Aoi:
    try:
        import pyogrio
    except ImportError:
        source = f"/vsizip/{path}" if path.lower().endswith(_ZIPPED) else path
        hint = f'pip install "landsat-async[geo]". {convert_line(source)}'
        raise aoi_error(path, "needs pyogrio to be read", hint) from None
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if not layers:
            raise aoi_error(path, "holds no layer with geometries")
        meta, _, bodies, _ = pyogrio.raw.read(path, layer=layers[0], columns=[], max_features=_FEATURES_MAX + 1)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        raise aoi_error(path, f"cannot be read: {' '.join(str(error).split())[:200]}") from None
    if len(bodies) > _FEATURES_MAX:
        raise aoi_error(path, f"holds more than {_FEATURES_MAX:,} features", "Dissolve them first.")
    _check_crs(meta.get("crs"), path)
    if not len(bodies):
        raise aoi_error(path, "holds no features")
    shapes = Shapes()
    for number, geometry in enumerate(shapely.from_wkb(bodies), 1):
        add_geometry(shapes, geometry, f"feature {number}", path)
    aoi = aoi_from_shapes(shapes, path)
    if len(layers) == 1:
        return aoi
    note = f"{path} has {len(layers)} layers; the first one is used: {layers[0]}."
    return Aoi(aoi.geometry, aoi.bbox, (*aoi.notes, note))


def _check_crs(crs: Any, path: str) -> None:
    """A file that names no system is taken as longitude and latitude; its numbers are checked like all others."""
    if crs is None or is_plain_crs(str(crs)) or str(crs).startswith(('GEOGCS["WGS 84"', 'GEOGCS["GCS_WGS_1984"')):
        return
    name = str(crs).split('"')[1] if '"' in str(crs) else str(crs)
    raise aoi_error(path, f"is in another coordinate system than WGS 84: {name[:80]}", convert_line(path))
