"""The products that a scene or tile offers, and the choice among them.

A level scene has one bundle, from two storage systems. An ARD tile has six, Level-3 tiles and other datasets have
several products as well, all of one entity id and displayId. One of several is never taken in silence.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from landsat_async.errors import ConfigError
from landsat_async.m2m.replies import ProductOption
from landsat_async.rules.naming import shown

_BUNDLE_SYSTEMS = ("ls_zip", "dds_ms", "dds")
_NO_BUNDLE_SYSTEMS = ("folder", "ls_frb", "wms", "ls_s3")
_NO_PRODUCT_SYSTEMS = ("folder", "wms")
_THE_BUNDLE = "product bundle"
"""In the name of the one that holds the whole scene."""


def is_bundle(row: ProductOption) -> bool:
    """Tell bundles from folders and browse images."""
    name = row.product_name.lower()
    if row.system in _NO_BUNDLE_SYSTEMS or "browse" in name:
        return False
    return "bundle" in name or row.system in _BUNDLE_SYSTEMS


def several_of(bundles: Sequence[ProductOption]) -> list[ProductOption]:
    """Return the bundles among which somebody has to choose; none where one of them is the scene's product bundle."""
    names = {row.product_name for row in bundles}
    whole = [name for name in names if _THE_BUNDLE in name.lower()]
    return [] if len(names) == 1 or len(whole) == 1 else list(bundles)


def chosen_products(
    rows: Iterable[ProductOption], patterns: Sequence[str]
) -> Iterator[tuple[list[ProductOption], set[str]]]:
    """Yield each product that a pattern names, with all its rows, and the patterns that do; case does not matter.

    Browse images are products only for a pattern that speaks of them.
    """
    by_name: dict[str, list[ProductOption]] = {}
    for row in _products(rows):
        by_name.setdefault(row.product_name, []).append(row)
    for name, alike in by_name.items():
        folded = name.casefold()
        hits = {pattern for pattern in patterns if fnmatch.fnmatchcase(folded, pattern.casefold())}
        if "browse" in folded or alike[0].system == "ls_frb":
            hits = {pattern for pattern in hits if "browse" in pattern.casefold()}
        if hits:
            yield alike, hits


def _products(rows: Iterable[ProductOption]) -> Iterator[ProductOption]:
    return (row for row in rows if row.product_name and row.system not in _NO_PRODUCT_SYSTEMS)


class Several(msgspec.Struct):
    """Scenes with several products among which nobody has chosen."""

    _scenes: dict[str, int] = msgspec.field(default_factory=dict)
    """Product name -> scenes that have it."""
    _count: int = 0

    def note(self, rows: Iterable[ProductOption]) -> None:
        """Take the products of one scene."""
        names = {row.product_name for row in _products(rows) if "browse" not in row.product_name.lower()}
        self._count += 1
        for name in names:
            self._scenes[name] = self._scenes.get(name, 0) + 1

    def refuse(self) -> None:
        """Raise ConfigError, which lists the products, if there is a choice to be made."""
        if not self._count:
            return
        scenes = "1 scene has" if self._count == 1 else f"{self._count:,} scenes have"
        names = [f"  {shown(name, 120)} ({count:,})" for name, count in sorted(self._scenes.items())]
        what = "\n".join([f"{scenes} several products, and none is taken in silence:", *names])
        raise ConfigError(
            what if names else f"{scenes} no product that could be chosen.",
            hint='Choose in [select], with wildcards: products = ["*Surface Reflectance*"], or ["*"] for all of them.',
            reference="choose-products",
        )
