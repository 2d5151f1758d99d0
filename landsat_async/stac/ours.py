"""What is recognised as an output that we have made, and may be replaced or removed.

Folders and buckets hold catalogues, VRTs and tables of other tools as well, under the same names: that a file is STAC,
or speaks of landsat_async (in a path, say), makes it no file of ours.
"""

from __future__ import annotations

import re

from landsat_async.stac.collection import CATALOG_ID, OF_THIS_FOLDER
from landsat_async.stac.scene_table import COLUMNS, GEOJSON_HEAD
from landsat_async.stac.vrt import MADE_BY, MARK

_DOCUMENT = re.compile(rb'\{\n "type": "(Feature|Collection|Catalog)",\n "stac_version": "')
"""As we lay it out; pystac and others indent by two, or not at all."""
_PARQUET = re.compile(MARK.encode() + rb".{1,3}(scenes|items)", re.DOTALL)
"""A name, and behind it a few bytes of Parquet and the value."""
_BEGINNINGS = (f"{MARK} ".encode(), GEOJSON_HEAD, ",".join(COLUMNS).encode())
"""Of the note of what was made, and of tables."""


def is_ours(head: bytes) -> bool:
    """Tell by beginning and end of a file whether it is an output that we have made, and may replace."""
    if (document := _DOCUMENT.match(head)) is not None:
        kind = document[1]
        return (
            kind == b"Feature"
            or (kind == b"Collection" and OF_THIS_FOLDER.encode() in head)
            or (kind == b"Catalog" and f'"id": "{CATALOG_ID}"'.encode() in head)
        )
    if head.startswith(b"PAR1"):
        return _PARQUET.search(head) is not None
    return head.startswith(_BEGINNINGS) or (head.startswith(b"<VRTDataset ") and MADE_BY.encode() in head)
