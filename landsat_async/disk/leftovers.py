"""Finished files that a newer version or another layout has left behind: which they are, and how they are told.

They are never touched: whether they are still wanted is the user's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from landsat_async.rules.product_id import parse_product_id

_TIERS = {"RT": 0, "T2": 1, "T1": 1}
"""A real-time scene is replaced by one of the other two, maybe with the same processing date."""


@lru_cache(maxsize=4096)
def is_newer_version(new: str, old: str) -> bool:
    """Whether one display id is a later version of the other: the same scene and level, processed again."""
    mine, theirs = parse_product_id(new), parse_product_id(old)
    if mine is None or theirs is None or mine.version_key != theirs.version_key:
        return False
    ranks = [(product.processed, _TIERS.get(product.tier or "", 1)) for product in (mine, theirs)]
    return ranks[0] > ranks[1]


class Leftovers(msgspec.Struct):
    """Files of earlier runs beside what is selected now."""

    older: list[str] = msgspec.field(default_factory=list)
    """Files of scenes of which a newer version is selected; paths below the output folder."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    """Older display id -> the newer one."""
    elsewhere: list[str] = msgspec.field(default_factory=list)
    """Files that are selected now in another folder (another layout)."""
    cut: bool = False
    """There are more than were looked at."""

    def told(self) -> Iterator[str]:
        """Return what the user is told: how many, an example, and what to do."""
        more = "more than " if self.cut else ""
        if self.older:
            old, new = next(iter(self.versions.items()))
            yield (
                f"{more}{_count(self.older, 'file')} of {_count(self.versions, 'older scene version')} "
                f"{_lie(self.older)} here beside the newer one ({old}, now {new}): kept; delete or move what you do "
                f"not need, for example {self.older[0]}"
            )
        if self.elsewhere:
            yield (
                f"{more}{_count(self.elsewhere, 'file')} of this selection {_lie(self.elsewhere)} here under another "
                f"layout as well, for example {self.elsewhere[0]}: kept; delete what you do not need, or go back to "
                "the layout that they have"
            )


def _count(what: list[str] | dict[str, str], noun: str) -> str:
    return f"{len(what):,} {noun}" + "s" * (len(what) != 1)


def _lie(what: list[str]) -> str:
    return "lies" if len(what) == 1 else "lie"
