"""What the rules need to know of the configuration, so that they stay below it; `config` has the docs of each field."""

# ruff: noqa: D102

from __future__ import annotations

import datetime as dt
from typing import Protocol


class SearchValues(Protocol):
    """The part of the [search] table that rules need (`config.SearchConfig` has it)."""

    @property
    def start(self) -> dt.date | None: ...
    @property
    def end(self) -> dt.date | None: ...
    @property
    def cloud_cover(self) -> tuple[float, float] | None: ...
    @property
    def include_unknown_cloud(self) -> bool: ...
    @property
    def months(self) -> tuple[int, ...]: ...
    @property
    def path_row(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def tiers(self) -> tuple[str, ...]: ...
    @property
    def min_coverage(self) -> float: ...
    @property
    def limit(self) -> int: ...
    @property
    def scenes(self) -> tuple[str, ...]: ...


class SelectValues(Protocol):
    """The [select] table (`config.SelectConfig` has it)."""

    @property
    def type(self) -> str: ...
    @property
    def bands(self) -> tuple[str, ...]: ...
    @property
    def file_groups(self) -> tuple[str, ...]: ...
