"""Scene lists: they live on the server, per user, and survive a logout."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_SECONDS = (31_536_000, 2_592_000, 604_800, 86_400, 3_600, 60, 1)


def duration_s(text: str | None) -> float:
    """Seconds of an ISO 8601 duration; infinite when absent or not understood."""
    found = _DURATION.fullmatch(text or "")
    if found is None or not any(found.groups()):
        return math.inf
    return sum(int(group or 0) * unit for group, unit in zip(found.groups(), _SECONDS, strict=True))


@dataclass(slots=True)
class _List:
    expires_s: float
    rows: dict[tuple[str, str], None] = field(default_factory=dict)
    """(dataset alias, entity id) in the order of adding."""


@dataclass(slots=True)
class SceneLists:
    """The lists of the account."""

    _lists: dict[str, _List] = field(default_factory=dict)

    def add(self, list_id: str, alias: str, entity_ids: list[str], expires_s: float) -> int:
        """Add scenes and return how many were new."""
        entry = self._lists.setdefault(list_id, _List(expires_s))
        entry.expires_s = expires_s
        before = len(entry.rows)
        entry.rows.update(dict.fromkeys((alias, entity_id) for entity_id in entity_ids))
        return len(entry.rows) - before

    def rows(self, list_id: str, now_s: float, alias: str | None = None) -> list[tuple[str, str]]:
        """Return (alias, entity id) of a list that has not expired."""
        entry = self._lists.get(list_id)
        if entry is None or entry.expires_s <= now_s:
            return []
        return [row for row in entry.rows if alias is None or row[0] == alias]

    def remove(self, list_id: str, alias: str | None, entity_ids: list[str]) -> None:
        """Remove scenes; without a dataset the whole list."""
        if alias is None:
            self._lists.pop(list_id, None)
        elif (entry := self._lists.get(list_id)) is not None:
            for row in [r for r in entry.rows if r[0] == alias and (not entity_ids or r[1] in entity_ids)]:
                del entry.rows[row]

    def timeout_s(self, list_id: str, now_s: float) -> int | None:
        """Seconds that a list still lives; None for ever."""
        expires_s = self._lists[list_id].expires_s
        return None if math.isinf(expires_s) else int(expires_s - now_s)

    def names(self, now_s: float) -> list[str]:
        """Return the ids of the lists there are."""
        return [name for name, entry in self._lists.items() if entry.expires_s > now_s]
