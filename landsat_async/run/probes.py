"""Systems whose pause is over are tried with one file each, until they have shown that they work."""

from __future__ import annotations

from collections.abc import Sequence

from landsat_async.disk.ledger import Item
from landsat_async.run.hosts import Hosts

PROBE_EVERY_S = 60.0
"""So often one file of a system is requested whose pause is over, until the system has shown that it works."""


class Probes:
    """Which files were requested to see whether a system works again."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._probed: dict[str, tuple[float, int]] = {}
        """System -> when a file of it was last asked for to show that it works again, and after which pause."""

    def one_each(self, files: Sequence[Item], now_s: float) -> list[Item]:
        """Return the files to request: of each system whose pause has ended one, and all of the others."""
        hosts = self._hosts
        on_probation = set(hosts.on_probation())
        barred = {system for system in on_probation if self._is_under_way(system, now_s)}
        kept = []
        if on_probation:  # a file that has not failed there says more
            files = sorted(files, key=lambda item: hosts.fails_at(item.system, item.item_id))
        for item in files:
            if item.system in barred:
                continue
            kept.append(item)
            if item.system in on_probation:
                barred.add(item.system)
                self._probed[item.system] = now_s, hosts.openings(item.system)
        return kept

    def _is_under_way(self, system: str, now_s: float) -> bool:
        """Whether a file was requested since the last pause ended, and its result may still come."""
        at_s, opening = self._probed.get(system, (-PROBE_EVERY_S, -1))
        return opening == self._hosts.openings(system) and now_s < at_s + PROBE_EVERY_S
