"""Which file hosts and download systems may be used now: the breakers of a run, and what is said about them."""

from __future__ import annotations

import random
from collections.abc import Callable, Set
from dataclasses import dataclass

import anyio

from landsat_async.rules import breaker
from landsat_async.rules.breaker import Breaker, Gate
from landsat_async.rules.easing import Easing


@dataclass(frozen=True, slots=True)
class Outage:
    """A host or system that is closed at the moment."""

    name: str
    reason: str
    wait_s: float
    since_s: float


class Hosts:
    """Breakers by name: a host name for transfers, `system:<name>` for what the service says of a download system."""

    def __init__(self, said: Callable[[str, Breaker], None], easing: Easing) -> None:
        self.easing = easing
        self._breakers: dict[str, Breaker] = {}
        self._systems: dict[str, str] = {}
        self._worked: set[str] = set()
        self.distrusted: dict[str, str] = {}
        """Host -> why its certificate is not trusted. No pause helps: its files fail, in this run."""
        self._said = said

    def learn(self, system: str, host: str) -> None:
        """Links of `system` point to `host`."""
        self._systems[system] = host

    def ask(self, host: str) -> float:
        """May a transfer use `host` now? Seconds to wait; 0 = yes (and it may be the probe)."""
        current = self._breakers.get(host)
        if current is None:
            return 0.0
        after, wait_s = breaker.ask(current, anyio.current_time())
        self._set(host, after)
        return wait_s

    def ok(self, host: str) -> bool:
        """`host` has done what was asked of it; True when it had been closed."""
        self._worked.add(host)
        before = self._breakers.get(host)
        if before is None:
            return False
        self._set(host, breaker.on_success(before))
        if before.since_s is not None:
            now_s = anyio.current_time()
            self.easing.outage_ended(now_s - before.since_s, now_s)
        return before.gate is not Gate.CLOSED

    def bad(
        self, host: str, kind: str, item: int, reason: str, *, at_once: bool = False, wish_s: float | None = None
    ) -> None:
        """A transfer from `host` failed with a fault of `kind` (see rules/breaker)."""
        current = self._breakers.get(host, Breaker())
        after = breaker.on_failure(
            current, kind=kind, item=item, now_s=anyio.current_time(), u=random.random(),
            reason=reason, at_once=at_once, wish_s=wish_s,
        )  # fmt: skip
        self._set(host, after)

    def has_worked(self, host: str) -> bool:
        """Some transfer of this run got bytes from `host`: a file that fails alone is not the host's fault."""
        return host in self._worked

    def pause_s(self, host: str) -> float:
        """How long `host` is still left alone."""
        current = self._breakers.get(host, Breaker())
        return max(0.0, current.until_s - anyio.current_time())

    def outages(self) -> list[Outage]:
        """Everything that is closed now."""
        now = anyio.current_time()
        return [
            Outage(name, b.reason, max(0.0, b.until_s - now), b.since_s if b.since_s is not None else now)
            for name, b in self._breakers.items()
            if b.gate is not Gate.CLOSED and b.until_s > now
        ]

    def paused_systems(self) -> list[str]:
        """Download systems that must not be asked for at the moment."""
        return self._systems_of({outage.name for outage in self.outages()})

    def on_probation(self) -> list[str]:
        """Download systems whose pause is over: one file of theirs has to show that they work."""
        paused = {outage.name for outage in self.outages()}
        open_still = {name for name, b in self._breakers.items() if b.gate is not Gate.CLOSED}
        return self._systems_of(open_still - paused)

    def systems_down_for(self, seconds: float) -> list[str]:
        """Download systems that have been closed for so long."""
        before = anyio.current_time() - seconds
        return self._systems_of({outage.name for outage in self.outages() if outage.since_s <= before})

    def distrusted_systems(self) -> dict[str, str]:
        """Download systems whose host is not trusted, and why."""
        return {system: self.distrusted[host] for system, host in self._systems.items() if host in self.distrusted}

    def is_down(self, system: str) -> bool:
        """Whether files of a system cannot be had now, as far as one can tell.

        A system without a link so far is judged by its relatives: ls_zip and ls_s3 share a host.
        """
        if system in self.paused_systems():
            return True
        hosts = {outage.name for outage in self.outages()} | self.distrusted.keys()
        known = [self._systems[system]] if system in self._systems else self._relatives(system)
        return any(host in hosts for host in known)

    def _relatives(self, system: str) -> list[str]:
        family = system.partition("_")[0]
        return [host for name, host in self._systems.items() if name.partition("_")[0] == family]

    def _systems_of(self, names: Set[str]) -> list[str]:
        direct = [name.removeprefix("system:") for name in names if name.startswith("system:")]
        return direct + [system for system, host in self._systems.items() if host in names]

    def _set(self, host: str, after: Breaker) -> None:
        before = self._breakers.get(host, Breaker())
        self._breakers[host] = after
        opened = after.gate is Gate.OPEN and before.gate is not Gate.OPEN  # also after a probe that failed
        if opened or (after.gate is Gate.CLOSED and before.gate is not Gate.CLOSED):
            self._said(host, after)
