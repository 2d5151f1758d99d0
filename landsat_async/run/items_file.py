"""All items of a collection as one file (stac-geoparquet), some rows at a time: no catalogue stands in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from landsat_async.disk.output_files import OutputPlace
from landsat_async.run.table_files import load_pyarrow
from landsat_async.stac.item_columns import MOMENTS, ColumnType, notes_of, row_of_item
from landsat_async.stac.vrt import MARK

_ROWS_TOGETHER = 500


def write_items(
    files: OutputPlace, relpath: str, items: Iterable[Mapping[str, Any]], columns: ColumnType,
    collection: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write the table of `items`, whose types `columns` has learned, under its name.

    Raises:
        NotOurs: something that we have not made has the name.
        ConfigError: pyarrow is not installed.
    """
    arrow, parquet = load_pyarrow()
    fields = [arrow.field(name, _type(arrow, name, one)) for name, one in columns.fields.items() if _is_kept(one)]
    schema = arrow.schema(fields, metadata=notes_of(collection))
    with (
        files.writing(relpath) as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        rows = (row_of_item(item) for item in items)
        while some := list(islice(rows, _ROWS_TOGETHER)):
            writer.write_table(arrow.Table.from_pylist(some, schema=schema))
        # behind the schema, which is long: we know files of ours by their last bytes
        writer.add_key_value_metadata({MARK: "items"})


def _is_kept(column: ColumnType) -> bool:
    """Tell whether Parquet can hold it: it has no struct without fields."""
    if column.kind == "list":
        return _is_kept(column.fields["element"])
    return column.kind != "struct" or any(_is_kept(one) for one in column.fields.values())


def _type(arrow: Any, name: str, column: ColumnType) -> Any:
    if name in MOMENTS:
        return arrow.timestamp("us", tz="UTC")
    match column.kind:
        case "struct":
            inner = {key: one for key, one in column.fields.items() if _is_kept(one)}
            return arrow.struct([arrow.field(key, _type(arrow, "", one)) for key, one in inner.items()])
        case "list":
            return arrow.list_(_type(arrow, "", column.fields["element"]))
        case "float":
            return arrow.float64()
        case "int":
            return arrow.int64()
        case "bool":
            return arrow.bool_()
        case "bytes":
            return arrow.binary()
        case _:
            return arrow.string()
