"""How old a link may be: learnt from each host, because nobody says how long links live."""

from __future__ import annotations

from dataclasses import dataclass

GROWTH = 1.01


@dataclass(slots=True)
class _Age:
    limit_s: float
    worked_s: float = 0.0
    """The oldest link that has worked."""


class LinkAges:
    """What links of each host have shown. Ages count from the answer that brought a link."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._hosts: dict[str, _Age] = {}

    def is_too_old(self, host: str, age_s: float) -> bool:
        """Whether a link should be renewed before use, to spare a refusal."""
        return age_s > self._of(host).limit_s

    def worked(self, host: str, age_s: float) -> None:
        """A link of this age brought its file; the limit grows slowly while links of its order work."""
        age = self._of(host)
        age.worked_s = max(age.worked_s, age_s)
        if age_s > age.limit_s / 2:
            age.limit_s = min(self._most_s, age.limit_s * GROWTH)

    def refused(self, host: str, age_s: float) -> bool:
        """A link of this age was refused: whether its age is to blame. Not if an older one has worked."""
        age = self._of(host)
        if age_s <= age.worked_s:
            return False
        age.limit_s = min(age.limit_s, max(age.worked_s, age_s / 2))
        return True

    def _of(self, host: str) -> _Age:
        age = self._hosts.get(host)
        if age is None:
            age = self._hosts[host] = _Age(self._most_s)
        return age
