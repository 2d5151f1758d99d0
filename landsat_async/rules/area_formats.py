"""Formats of areas that are recognised but not read, and the command that converts each."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LINES_LOOKED_AT = 50
_MEMBERS = (".kml", ".shp", ".gpkg", ".fgb", ".geojson", ".json")
"""What is worth converting in an archive, the best first."""


def convert_line(source: str) -> str:
    """Return the command that makes GeoJSON in longitude and latitude of a file, or of what GDAL calls one."""
    return f'Convert it: ogr2ogr -t_srs EPSG:4326 aoi_wgs84.geojson "{source}"'


def text_format(path: str, text: str) -> tuple[str, str] | None:
    """Recognise a text: what it is, and what to do; None when it may be GeoJSON or WKT."""
    body = text.lstrip("\ufeff \t\r\n")
    if body.startswith("\x1e") or _is_json_lines(body):
        return "is GeoJSON lines, one feature a line", convert_line(f"GeoJSONSeq:{path}")
    if not body.startswith("<"):
        return None
    root = re.search(r"<(?:\w+:)?(kml|gpx|FeatureCollection|html)\b", body[:4096], re.IGNORECASE)
    kind = {"kml": "KML", "gpx": "GPX", "featurecollection": "GML"}.get(root[1].lower() if root else "")
    if kind is None:
        return "is XML or a web page, and no area", "Give a GeoJSON or WKT file."
    return f"is {kind}, which is not read", convert_line(path)


def _is_json_lines(body: str) -> bool:
    """Whether each line is a JSON object of its own, as far as its ends show; one line alone is an ordinary file."""
    lines = [line for line in body.split("\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT] if line.strip()]
    return len(lines) > 1 and all(
        line.lstrip().startswith('{"') and line.rstrip().rstrip(",").endswith("}") and '"type"' in line
        for line in lines
    )


def archive_format(path: str, members: Iterable[str]) -> tuple[str, str]:
    """Say what a zip archive holds, by the names of its members, and how to convert that."""
    names = [name for name in members if name.isprintable() and '"' not in name]
    inside = next((name for end in _MEMBERS for name in names if name.lower().endswith(end)), None)
    if inside is None:
        return "is a zip archive that holds no area", "Give a GeoJSON or WKT file."
    kind = {"kml": "KMZ", "shp": "a zipped shapefile"}.get(inside.rpartition(".")[2].lower(), "a zip archive")
    return f"is {kind}, which is not read", convert_line(f"/vsizip/{path}/{inside}")
