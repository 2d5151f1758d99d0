"""Windows of rasters: bytes in, layout and pixels out; numpy and zlib alone.

- grid: boxes, transforms and the keys of a coordinate reference system: the nouns
- cog: from the first bytes of a GeoTIFF to its layout
- ranges: which bytes of the file a box needs
- tile_codec: tiles to pixels and back
- window: from tiles to the window, a GeoTIFF of its own
"""
