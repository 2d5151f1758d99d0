"""What of the items gets a column: Parquet knows no struct without fields, wherever it stands."""

from __future__ import annotations

import pytest

from landsat_async.run.items_file import _is_kept
from landsat_async.stac.item_columns import ColumnType


@pytest.mark.parametrize(
    ("value", "kept"),
    [({}, False), ([{}], False), ([[{}]], False), ({"a": [{}]}, False), ([], True), ([{"a": 1}], True), ("x", True)],
)
def test_a_column_without_any_field_is_left_out(value, kept):
    column = ColumnType()
    column.learn(value)
    assert _is_kept(column) is kept
