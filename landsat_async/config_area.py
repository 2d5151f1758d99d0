"""The reader of `[search] aoi`: the path of a file, or, from a program, the area itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from landsat_async.config_readers import Written, path


class AreaText(str):
    """An area that was given as an object, as GeoJSON text; where a path could stand too."""

    __slots__ = ()


def area(written: Written) -> str:
    """Read an area: the path of its file, a GeoJSON dict, or an object with __geo_interface__."""
    value = written.value
    if isinstance(value, os.PathLike):
        return path(Written(os.fspath(value), written.raw, written.notes, written.dotted))
    if (text := area_text(value)) is not None:
        return text
    return path(written)


def area_text(value: object) -> AreaText | None:
    """Return an area that is an object as GeoJSON text; None for anything else. Raises ValueError."""
    if isinstance(value, AreaText):
        return value
    shape = value if isinstance(value, Mapping) else getattr(value, "__geo_interface__", None)
    if not isinstance(shape, Mapping):
        return None
    try:
        return AreaText(json.dumps(shape))
    except (TypeError, ValueError):
        raise ValueError("is not a GeoJSON geometry, feature or collection") from None
