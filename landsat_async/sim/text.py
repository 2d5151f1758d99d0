"""The text files of a product: MTL (ODL and XML), ANG and GCP, in the layout of the real ones."""

from __future__ import annotations

import datetime
from xml.sax.saxutils import escape

from landsat_async.sim.scenes import Product
from landsat_async.sim.tiff import Grid
from landsat_async.sim.wrs import lonlat_from_polar, lonlat_from_utm

Group = tuple[str, list[tuple[str, str]]]


def mtl_groups(product: Product, grid: Grid) -> list[Group]:
    """Contents of the MTL file as groups of (key, value), values as they are written."""
    level = product.dataset.level
    stamp = f"{product.processed:%Y-%m-%d}T12:00:00Z"
    contents = [
        ("ORIGIN", '"Image courtesy of the U.S. Geological Survey"'),
        ("LANDSAT_PRODUCT_ID", f'"{product.display_id}"'),
        ("PROCESSING_LEVEL", f'"{product.level}"'),
        ("COLLECTION_NUMBER", "02"),
        ("COLLECTION_CATEGORY", f'"{product.tier}"'),
        ("OUTPUT_FORMAT", '"GEOTIFF"'),
        *((_file_key(suffix), f'"{product.file_name(suffix)}"') for suffix in product.suffixes),
    ]
    lon, lat = product.frame.centre_deg
    attributes = [
        ("SPACECRAFT_ID", f'"LANDSAT_{int(product.sensor[2:])}"'),
        ("SENSOR_ID", f'"{product.sensor_id}"'),
        ("WRS_TYPE", "1" if product.sensor in ("LM01", "LM02", "LM03") else "2"),
        ("WRS_PATH", str(product.path)),
        ("WRS_ROW", str(product.row)),
        ("NADIR_OFFNADIR", '"NADIR"'),
        ("DATE_ACQUIRED", f"{product.acquired:%Y-%m-%d}"),
        ("SCENE_CENTER_TIME", '"14:50:00.0000000Z"'),
        ("STATION_ID", f'"{product.entity_id[16:19]}"'),
        ("CLOUD_COVER", f"{-1.0 if product.cloud is None else product.cloud:.2f}"),
        ("IMAGE_QUALITY_OLI" if product.sensor[2:] in ("08", "09") else "IMAGE_QUALITY", "9"),
        ("SUN_AZIMUTH", f"{(lon + 360) % 180:.8f}"),
        ("SUN_ELEVATION", f"{60 - abs(lat) / 2:.8f}"),
        ("EARTH_SUN_DISTANCE", "1.0166722"),
    ]
    processing = [
        ("ORIGIN", '"Image courtesy of the U.S. Geological Survey"'),
        ("REQUEST_ID", f'"{product.seed % 10**7:07d}_00000"'),
        ("LANDSAT_SCENE_ID", f'"{product.entity_id}"'),
        ("LANDSAT_PRODUCT_ID", f'"{product.display_id}"'),
        ("PROCESSING_LEVEL", f'"{product.level}"'),
        ("DATE_PRODUCT_GENERATED", stamp),
        ("PROCESSING_SOFTWARE_VERSION", '"LPGS_16.4.0"'),
    ]
    return [
        ("PRODUCT_CONTENTS", contents),
        ("IMAGE_ATTRIBUTES", attributes),
        ("PROJECTION_ATTRIBUTES", _projection(grid)),
        (f"LEVEL{level}_PROCESSING_RECORD", processing),
    ]


def _file_key(suffix: str) -> str:
    stem, _, kind = suffix.partition(".")
    if stem.startswith("MTL"):
        return f"FILE_NAME_METADATA_{'ODL' if kind == 'txt' else 'XML'}"
    names = {"ANG": "ANGLE_COEFFICIENT", "QA_PIXEL": "QUALITY_L1_PIXEL", "GCP": "GROUND_CONTROL_POINT"}
    names["QA_RADSAT"] = "QUALITY_L1_RADIOMETRIC_SATURATION"
    if stem in names:
        return f"FILE_NAME_{names[stem]}"
    return f"FILE_NAME_{stem.replace('SR_B', 'BAND_').replace('ST_B', 'BAND_ST_B')}"


def _projection(grid: Grid) -> list[tuple[str, str]]:
    place = [("UTM_ZONE", str(grid.zone))]
    if grid.south_pole:
        place = [("VERTICAL_LON_FROM_POLE", "0.00000"), ("TRUE_SCALE_LAT", "-71.00000")]
        place += [("FALSE_EASTING", "0"), ("FALSE_NORTHING", "0")]
    rows = [
        ("MAP_PROJECTION", '"PS"' if grid.south_pole else '"UTM"'),
        ("DATUM", '"WGS84"'),
        ("ELLIPSOID", '"WGS84"'),
        *place,
        ("GRID_CELL_SIZE_REFLECTIVE", f"{grid.pixel_m:.2f}"),
        ("REFLECTIVE_LINES", str(grid.rows)),
        ("REFLECTIVE_SAMPLES", str(grid.columns)),
        ("ORIENTATION", '"NORTH_UP"'),
    ]
    # The real files name the centres of the corner pixels.
    west, north = grid.west_m + grid.pixel_m / 2, grid.north_m - grid.pixel_m / 2
    east = west + (grid.columns - 1) * grid.pixel_m
    south = north - (grid.rows - 1) * grid.pixel_m
    corners = {"UL": (west, north), "UR": (east, north), "LL": (west, south), "LR": (east, south)}
    for name, (x, y) in corners.items():
        lon, lat = lonlat_from_polar(x, y) if grid.south_pole else lonlat_from_utm(x, y, grid.zone)
        rows += [
            (f"CORNER_{name}_LAT_PRODUCT", f"{lat:.5f}"),
            (f"CORNER_{name}_LON_PRODUCT", f"{lon:.5f}"),
            (f"CORNER_{name}_PROJECTION_X_PRODUCT", f"{x:.3f}"),
            (f"CORNER_{name}_PROJECTION_Y_PRODUCT", f"{y:.3f}"),
        ]
    return rows


def mtl_txt(product: Product, grid: Grid) -> bytes:
    """MTL file in ODL."""
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for name, rows in mtl_groups(product, grid):
        lines.append(f"  GROUP = {name}")
        lines += [f"    {key} = {value}" for key, value in rows]
        lines.append(f"  END_GROUP = {name}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""]).encode()


def mtl_xml(product: Product, grid: Grid) -> bytes:
    """MTL file in XML."""
    lines = ['<?xml version="1.0" encoding="UTF-8" standalone="no"?>', "<LANDSAT_METADATA_FILE>"]
    for name, rows in mtl_groups(product, grid):
        lines.append(f"  <{name}>")
        for key, value in rows:
            plain = value.strip('"')
            lines.append(f"    <{key}>{escape(plain)}</{key}>")
        lines.append(f"  </{name}>")
    return "\n".join([*lines, "</LANDSAT_METADATA_FILE>", ""]).encode()


def ang_txt(product: Product) -> bytes:
    """Angle coefficient file: the header group and one group per band of made-up but well-formed numbers."""
    start = datetime.datetime.combine(product.acquired, datetime.time(14, 50))
    lines = [
        "GROUP = FILE_HEADER",
        f'  LANDSAT_SCENE_ID = "{product.entity_id}"',
        f'  SPACECRAFT_ID = "LANDSAT_{int(product.sensor[2:])}"',
        "  NUMBER_OF_BANDS = 7",
        "  BAND_LIST = (1, 2, 3, 4, 5, 6, 7)",
        "END_GROUP = FILE_HEADER",
        "GROUP = EPHEMERIS",
        f"  EPHEMERIS_EPOCH_YEAR = {start:%Y}",
        f"  EPHEMERIS_EPOCH_DAY = {start:%j}",
        "  NUMBER_OF_POINTS = 40",
    ]
    for axis, factor in (("X", 7.1), ("Y", -3.3), ("Z", 1.9)):
        values = ", ".join(f"{factor * (product.seed % 997 + i):.6f}" for i in range(40))
        lines.append(f"  EPHEMERIS_ECEF_{axis} = ({values})")
    lines.append("END_GROUP = EPHEMERIS")
    for band in range(1, 8):
        coefficients = ", ".join(f"{(product.seed >> band) % 8191 * (i + 1) / 1e6:.9e}" for i in range(40))
        lines += [f"GROUP = RPC_BAND{band:02}", f"  BAND{band:02}_MEAN_HEIGHT = 500.0"]
        lines += [f"  BAND{band:02}_SAT_X_NUM_COEF = ({coefficients})", f"END_GROUP = RPC_BAND{band:02}"]
    return "\n".join([*lines, "END", ""]).encode()


def gcp_txt(product: Product) -> bytes:
    """Ground control point report."""
    head = [
        f'LANDSAT_SCENE_ID = "{product.entity_id}"',
        "COLUMNS = POINT_ID LATITUDE LONGITUDE HEIGHT RESIDUAL_X RESIDUAL_Y",
    ]
    lon, lat = product.frame.centre_deg
    rows = [
        f"{product.path:03}{product.row:03}{n:04} {lat + n / 100:.6f} {lon - n / 100:.6f} {n * 7 % 300}.0 0.{n} -0.{n}"
        for n in range(1, 41)
    ]
    return "\n".join([*head, *rows, ""]).encode()
