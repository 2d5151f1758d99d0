"""A VRT of a scene: all its bands in one raster that GDAL and QGIS open, with names, scale, offset and nodata.

All bands lie on one grid, that of most of them; a band with other pixels (pan) is laid over it. Files beside the VRT
are named relative to it, so the folder can be moved. Members of a bundle that nobody unpacked can only be named by an
absolute path (/vsitar/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.sax.saxutils import escape

from landsat_async.stac.assets import Asset, href_from
from landsat_async.stac.pixel_grid import PixelGrid, Raster

MARK = "landsat_async"
MADE_BY = f'<MDI key="MADE_BY">{MARK}</MDI>'
"""By this we know again what we have made."""
GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "float32": "Float32", "float64": "Float64",
}  # fmt: skip


def vrts_of(display_id: str, folder: str, assets: Sequence[Asset]) -> dict[str, str]:
    """Return name and text of the VRTs of a scene: one of whole rasters and one of each window; {} without rasters.

    `folder` is where they will stand, below the output folder; "" = in it.

    The first window takes the name of the scene where no whole raster is here.
    """
    groups: dict[str, list[Asset]] = {}
    for asset in assets:
        if asset.file.raster is not None and asset.file.raster.data_type in GDAL_TYPES:
            groups.setdefault(asset.window, []).append(asset)
    made: dict[str, str] = {}
    for number, window in enumerate(sorted(groups)):
        name = f"{display_id}.{window}.vrt" if number else f"{display_id}.vrt"
        made[name] = _vrt(display_id, folder, groups[window])
    return made


def _vrt(display_id: str, folder: str, assets: Sequence[Asset]) -> str:
    rasters = [(asset, asset.file.raster) for asset in assets if asset.file.raster is not None]
    grid = Counter(raster.grid for _, raster in rasters).most_common(1)[0][0]
    on_it = [(asset, raster) for asset, raster in rasters if raster.grid.crs == grid.crs]
    srs = [f'  <SRS dataAxisToSRSAxisMapping="1,2">{escape(grid.crs)}</SRS>'] if grid.crs is not None else []
    numbers = ", ".join(f"{number!r}" for number in (grid.west, grid.pixel, 0.0, grid.north, 0.0, -grid.pixel))
    return "\n".join([
        f'<VRTDataset rasterXSize="{grid.columns}" rasterYSize="{grid.rows}">',
        *srs,
        f"  <GeoTransform>{numbers}</GeoTransform>",
        f'  <Metadata>{MADE_BY}<MDI key="LANDSAT_PRODUCT_ID">{display_id}</MDI></Metadata>',
        *(line for n, (asset, raster) in enumerate(on_it, 1) for line in _band(n, asset, raster, grid, folder)),
        "</VRTDataset>",
        "",
    ])  # fmt: skip


def _band(number: int, asset: Asset, raster: Raster, grid: PixelGrid, folder: str) -> list[str]:
    facts = asset.fields.get("raster:bands", [{}])[0]
    nodata, own = facts.get("nodata"), raster.grid
    ratio = own.pixel / grid.pixel
    left, top = (own.west - grid.west) / grid.pixel, (grid.north - own.north) / grid.pixel
    path = asset.file.path
    place = f'relativeToVRT="{0 if path.startswith("/") else 1}">{escape(href_from(path, folder))}'
    size = f'xSize="{own.columns}" ySize="{own.rows}"'
    there = f'xOff="{left:g}" yOff="{top:g}" xSize="{own.columns * ratio:g}" ySize="{own.rows * ratio:g}"'
    lines = [f'  <VRTRasterBand dataType="{GDAL_TYPES[raster.data_type]}" band="{number}">']
    lines.append(f"    <Description>{escape(asset.key)}</Description>")
    if nodata is not None:
        lines.append(f"    <NoDataValue>{nodata}</NoDataValue>")
    if "unit" in facts:
        lines.append(f"    <UnitType>{escape(facts['unit'])}</UnitType>")
    if "scale" in facts:
        lines += [f"    <Offset>{facts.get('offset', 0.0)!r}</Offset>", f"    <Scale>{facts['scale']!r}</Scale>"]
    lines += [
        "    <SimpleSource>" if nodata is None else "    <ComplexSource>",
        f"      <SourceFilename {place}</SourceFilename>",
        "      <SourceBand>1</SourceBand>",
        f'      <SourceProperties RasterXSize="{own.columns}" RasterYSize="{own.rows}"'
        f' DataType="{GDAL_TYPES[raster.data_type]}" BlockXSize="256" BlockYSize="256" />',
        f'      <SrcRect xOff="0" yOff="0" {size} />',
        f"      <DstRect {there} />",
    ]
    if nodata is not None:
        lines.append(f"      <NODATA>{nodata}</NODATA>")
    return [*lines, "    </SimpleSource>" if nodata is None else "    </ComplexSource>", "  </VRTRasterBand>"]
