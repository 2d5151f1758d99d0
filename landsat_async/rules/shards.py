"""Shards: one selection divided among machines that know nothing of each other.

A scene belongs to the shard that the hash of its entity id names, so every machine divides alike, today and after the
archive has grown, and a newer version of a scene comes to the folder that holds the older one. Every shard reads the
whole search: a `limit`, an order and the choice of versions concern the selection, not a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

import msgspec

from landsat_async.model import DroppedScene, Scene, Unavailable

SHARDS_MAX = 100_000
_WRITTEN = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


class Shard(msgspec.Struct, frozen=True):
    """One of `count` disjoint parts.

    Attributes:
        index: Which part, 0 to count - 1.
        count: How many parts there are.
    """

    index: int
    count: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """Return the shard that `i/n` names; schedulers count from 0 or from 1, and n/n is the same part as 0/n.

        Raises:
            ValueError: with what is wrong.
        """
        written = _WRITTEN.fullmatch(text.strip())
        if written is None:
            raise ValueError('must be i/n, for example "3/8": the third of eight parts')
        number, count = int(written[1]), int(written[2])
        if not 1 <= count <= SHARDS_MAX:
            raise ValueError(f"n must be from 1 to {SHARDS_MAX:,}")
        if number > count:
            raise ValueError(f"there is no part {number} of {count}: i goes from 1 to n, or from 0 to n - 1")
        return cls(number % count, count)

    def __str__(self) -> str:
        return f"{self.index or self.count}/{self.count}"

    def has(self, name: str) -> bool:
        """Whether the scene (or whatever has a name) belongs to this part."""
        return int.from_bytes(sha256(name.encode("utf-8", "replace")).digest()[:8], "big") % self.count == self.index


def of_shard(
    shard: Shard, scenes: Iterable[Scene], dropped: Iterable[DroppedScene], missing: Iterable[Unavailable]
) -> tuple[list[Scene], list[DroppedScene], list[Unavailable]]:
    """Return what of a search belongs to the shard; what cannot be had is told by one shard, not by all."""
    return (
        [scene for scene in scenes if shard.has(scene.entity_id)],
        [one for one in dropped if shard.has(one.scene.entity_id)],
        [one for one in missing if shard.has(one.file)],
    )
