"""How odc-stac reads objects of a store: with options of GDAL that go along to the threads and processes of dask.

Imported only when a cube of a store is made: it needs odc-stac.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odc.loader import RioDriver


class StoreReader(RioDriver):  # type: ignore[misc]
    """Reads with rasterio, as odc-stac does by itself, and knows the store's endpoint and region."""

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__()
        self._options = dict(options)

    def capture_env(self) -> dict[str, Any]:
        """Return the options under which each piece is read, in whatever process."""
        return {**super().capture_env(), **self._options}
