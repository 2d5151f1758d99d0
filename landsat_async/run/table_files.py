"""The table of scenes as a file: CSV, GeoJSON or (Geo)Parquet, row by row, so that no table stands in memory."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from landsat_async.disk.output_files import OutputFile, OutputPlace
from landsat_async.errors import ConfigError
from landsat_async.stac.scene_table import COLUMNS, GEOJSON_END, GEOJSON_HEAD, csv_line, feature, wkb
from landsat_async.stac.vrt import MARK

_ROWS_TOGETHER = 2000
_NUMBERS = frozenset(("cloud_cover", "west", "south", "east", "north"))
_WHOLES = frozenset(("path", "row", "epsg", "files", "size_bytes"))
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon", "MultiPolygon"]}},
}


class TableFile(Protocol):
    """A table while it is written."""

    def add(self, row: Mapping[str, Any], geometry: Mapping[str, Any] | None) -> None:
        """Add one scene."""

    def end(self) -> None:
        """Write what comes behind the last one."""


@contextmanager
def open_table(files: OutputPlace, kind: str) -> Iterator[TableFile]:
    """Write `scenes.<kind>`; it gets its name at the end of the block. Raises NotOurs, ConfigError without pyarrow."""
    with files.writing(f"scenes.{kind}") as file:
        kinds: dict[str, Callable[[OutputFile], TableFile]] = {"csv": _Csv, "geojson": _GeoJson, "parquet": _Parquet}
        table = kinds[kind](file)
        yield table
        table.end()


class _Csv:
    def __init__(self, file: OutputFile) -> None:
        self._file = file
        file.write(csv_line(COLUMNS))

    def add(self, row: Mapping[str, Any], geometry: Mapping[str, Any] | None) -> None:
        self._file.write(csv_line(list(row.values())))

    def end(self) -> None:
        pass


class _GeoJson:
    def __init__(self, file: OutputFile) -> None:
        self._file, self._between = file, b""
        file.write(GEOJSON_HEAD)

    def add(self, row: Mapping[str, Any], geometry: Mapping[str, Any] | None) -> None:
        self._file.write(self._between + feature(row, geometry))
        self._between = b",\n"

    def end(self) -> None:
        self._file.write(GEOJSON_END)


class _Parquet:
    """GeoParquet 1.1; the footprint as well-known binary."""

    def __init__(self, file: OutputFile) -> None:
        self._arrow, parquet = load_pyarrow()
        pa = self._arrow
        kinds = {name: pa.float64() for name in _NUMBERS} | {name: pa.int64() for name in _WHOLES}
        fields = [pa.field(name, kinds.get(name, pa.string())) for name in COLUMNS]
        notes = {"geo": json.dumps(_GEO), MARK: "scenes"}
        self._schema = pa.schema([*fields, pa.field("geometry", pa.binary())], metadata=notes)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any], geometry: Mapping[str, Any] | None) -> None:
        self._rows.append({**row, "geometry": wkb(geometry)})
        if len(self._rows) >= _ROWS_TOGETHER:
            self._flush()

    def end(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()


def check_parquet() -> None:
    """Raise ConfigError where the package that writes Parquet is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise _without_pyarrow()


def _without_pyarrow() -> ConfigError:
    return ConfigError(
        'table = "parquet" needs pyarrow.', hint='pip install "landsat-async[parquet]", or table = "csv".'
    )


def load_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its part for Parquet. Raises ConfigError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise _without_pyarrow() from None
    return pyarrow, pyarrow.parquet
