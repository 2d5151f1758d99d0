"""Which file hosts and download systems may be used now: the health of each in a run, and reports of every change."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence, Set

import anyio
import msgspec

from landsat_async.disk.ledger import Item
from landsat_async.rules.slow_start import SlowStart
from landsat_async.run import host_health
from landsat_async.run.host_health import Circuit, HostFault, HostHealth, Ruling

PROBE_EVERY_S = 60.0
"""So often one file of a system is requested whose pause is over, until the system has shown that it works."""


class HostOutage(msgspec.Struct, frozen=True):
    """A host or system that is left alone at the moment."""

    name: str
    reason: str
    wait_s: float
    since_s: float


class Hosts:
    """Health by name: a host name for transfers, `system:<name>` for what the service says of a download system."""

    def __init__(
        self, on_change: Callable[[str, HostHealth, bool], None], slow_start: SlowStart, *, patience_s: float = math.inf
    ) -> None:
        self.slow_start = slow_start
        self._patience_s = patience_s
        self._health: dict[str, HostHealth] = {}
        self.interrupted: set[str] = set()
        """Names whose circuit is not closed. Mostly empty, so that most files are passed without a look."""
        self.host_of_system: dict[str, str] = {}
        """Download system -> where its links point to."""
        self._asides: dict[int, int] = {}
        """File -> how often it has stepped back to let others be tried."""
        self.untrusted_hosts: dict[str, str] = {}
        """Host -> why its certificate is not trusted. No pause helps: its files fail, in this run."""
        self._probed: dict[str, tuple[float, int]] = {}
        """System -> when a file of it was last asked for to show that it works again, and after which pause."""
        self._on_change = on_change

    def of(self, host: str) -> HostHealth:
        """What is known of `host`."""
        return self._health.get(host, _UNKNOWN)

    def ask(self, host: str) -> float:
        """May a transfer use `host` now? Seconds to wait; 0 = yes (and it may be the probe)."""
        if host not in self.interrupted:
            return 0.0
        after, wait_s = host_health.ask(self._health[host], anyio.current_time())
        self._set(host, self._health[host], after)
        return wait_s

    def ok(self, host: str, item: int | None = None) -> bool:
        """`host` has served a file or taken a request; True when it had been left alone."""
        if item is not None:
            self._asides.pop(item, None)
        before = self._health.get(host)
        if before is None:
            self._health[host] = _SERVED
            return False
        if before.served and not before.row and not before.first_failed and before.circuit is Circuit.CLOSED:
            return False  # as a rule: nothing is held against it that would be over now
        self._set(host, before, host_health.on_served(before, item))
        if before.circuit is Circuit.CLOSED:
            return False
        now_s = anyio.current_time()
        self.slow_start.outage_ended(now_s - before.since_s, now_s)
        return True

    def attempt_failed(self, host: str, kind: HostFault, item: int, reason: str) -> None:
        """One attempt of a transfer failed; the transfer itself may go on trying."""
        now_s = anyio.current_time()
        before = self.of(host)
        counted = host_health.on_failure(before, item=item, now_s=now_s, reason=reason)
        if counted is not before and host_health.is_ripe(counted, kind, now_s=now_s):
            counted = host_health.leave_alone(
                counted, kind, now_s=now_s, u=random.random(), patience_s=self._patience_s
            )
        self._set(host, before, counted)

    def first_refusal(self, host: str, item: int) -> None:
        """A file's first link was refused; a new one is requested before that says anything about the host."""
        self._health[host] = host_health.on_first_refusal(self.of(host), item)

    def judge(self, host: str, kind: HostFault, item: int, reason: str, *, others: bool, wish_s: float = 0.0) -> Ruling:
        """A file could not be had from `host` with all its own tries: decide whose fault that is, and act on the host.

        `others`: the run has files of this host that do not stand in its row of failures.
        """
        now_s = anyio.current_time()
        before = self.of(host)
        health = host_health.on_failure(before, item=item, now_s=now_s, reason=reason)
        asides = self._asides.get(item, 0)
        ruling = host_health.judge(health, kind, item=item, others=others, asides=asides, now_s=now_s)
        if ruling is Ruling.ASIDE:
            self._asides[item] = asides + 1
        elif ruling is Ruling.HOST:
            health = host_health.leave_alone(
                health, kind, now_s=now_s, u=random.random(), patience_s=self._patience_s, wish_s=wish_s
            )
        self._set(host, before, health)
        return ruling

    def forget(self, host: str, item: int) -> None:
        """A file is done with."""
        self._asides.pop(item, None)
        if host in self._health:
            self._health[host] = host_health.forget(self._health[host], item)

    def pause_s(self, host: str) -> float:
        """How long `host` is still left alone."""
        health = self.of(host)
        now_s = anyio.current_time()
        return health.until_s - now_s if health.is_left_alone(now_s) else 0.0

    def outages(self) -> list[HostOutage]:
        """Everything that is left alone now."""
        now_s = anyio.current_time()
        found = ((name, self._health[name]) for name in self.interrupted)
        return [HostOutage(n, h.reason, h.until_s - now_s, h.since_s) for n, h in found if h.is_left_alone(now_s)]

    def given_up(self) -> HostOutage | None:
        """A host for which the patience is used up and the last try has failed too; the one that is down longest."""
        now_s = anyio.current_time()
        over = [
            HostOutage(name, h.reason, max(0.0, h.until_s - now_s), h.since_s)
            for name, h in ((name, self._health[name]) for name in self.interrupted)
            if host_health.is_given_up(h, now_s=now_s, patience_s=self._patience_s)
        ]
        return min(over, key=lambda outage: outage.since_s, default=None)

    def paused_systems(self) -> list[str]:
        """Download systems that must not be used at the moment."""
        return self.systems_at({outage.name for outage in self.outages()})

    def on_probation(self) -> list[str]:
        """Download systems whose pause is over: one file of theirs has to show that they work."""
        paused = {outage.name for outage in self.outages()}
        return self.systems_at(self.interrupted - paused)

    def one_probe_each(self, files: Sequence[Item], now_s: float) -> list[Item]:
        """Return the files to request: of each system whose pause has ended one, and all of the others."""
        on_probation = set(self.on_probation())
        barred = {system for system in on_probation if self._is_probed(system, now_s)}
        kept = []
        if on_probation:  # a file that has not failed there says more
            files = sorted(files, key=lambda item: self.fails_at(item.system, item.item_id))
        for item in files:
            if item.system in barred:
                continue
            kept.append(item)
            if item.system in on_probation:
                barred.add(item.system)
                self._probed[item.system] = now_s, self._openings(item.system)
        return kept

    def _is_probed(self, system: str, now_s: float) -> bool:
        """Whether a file was requested since the last pause ended, and its result may still come."""
        at_s, opening = self._probed.get(system, (-PROBE_EVERY_S, -1))
        return opening == self._openings(system) and now_s < at_s + PROBE_EVERY_S

    def _openings(self, system: str) -> int:
        """How often in a row a system or its host has been left alone."""
        return self.of(f"system:{system}").opened + self.of(self.host_of_system.get(system, "")).opened

    def fails_at(self, system: str, item: int) -> bool:
        """Whether a file stands in the row of failures of a system or of its host."""
        return any(item in self.of(host).row for host in (f"system:{system}", self.host_of_system.get(system, "")))

    def systems_down_for(self, seconds: float) -> list[str]:
        """Download systems that have been left alone for so long."""
        before = anyio.current_time() - seconds
        return self.systems_at({outage.name for outage in self.outages() if outage.since_s <= before})

    def untrusted_systems(self) -> dict[str, str]:
        """Download systems whose host is not trusted, and why."""
        return {
            system: self.untrusted_hosts[host]
            for system, host in self.host_of_system.items()
            if host in self.untrusted_hosts
        }

    def is_down(self, system: str) -> bool:
        """Whether files of a system cannot be had now, as far as one can tell.

        A system without a link so far is judged by its relatives: ls_zip and ls_s3 share a host. A host whose pause
        is over is down until it has shown that it works: the next pause may begin in a moment.
        """
        if system in self.systems_at(self.interrupted):
            return True
        hosts = self.interrupted | self.untrusted_hosts.keys()
        known, family = self.host_of_system, system.partition("_")[0]
        if system not in known:
            return any(host in hosts for name, host in known.items() if name.partition("_")[0] == family)
        return known[system] in hosts

    def systems_at(self, names: Set[str]) -> list[str]:
        """Download systems whose files lie at one of these hosts (or which `system:<name>` names)."""
        direct = [name.removeprefix("system:") for name in names if name.startswith("system:")]
        return direct + [system for system, host in self.host_of_system.items() if host in names]

    def _set(self, host: str, before: HostHealth, after: HostHealth) -> None:
        self._health[host] = after
        if after.circuit is Circuit.CLOSED:
            self.interrupted.discard(host)
        else:
            self.interrupted.add(host)
        left_alone = after.circuit is Circuit.OPEN and after.opened != before.opened  # also after a probe that failed
        if left_alone or (after.circuit is Circuit.CLOSED and before.circuit is not Circuit.CLOSED):
            last = left_alone and host_health.is_given_up(
                after, now_s=anyio.current_time(), patience_s=self._patience_s
            )
            self._on_change(host, after, last)


_UNKNOWN = HostHealth()
_SERVED = host_health.on_served(_UNKNOWN)
