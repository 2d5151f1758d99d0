"""What the tasks of one run share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from landsat_async.config import Config
from landsat_async.disk.ledger import Item, Ledger
from landsat_async.disk.target import Target
from landsat_async.m2m.client import M2MClient
from landsat_async.rules.observed import Observations
from landsat_async.run.bus import EventBus
from landsat_async.run.counts import RunCounts
from landsat_async.run.hosts import Hosts
from landsat_async.run.routes import NEVER_S, Routes

if TYPE_CHECKING:
    from landsat_async.run.measuring import Measuring
    from landsat_async.run.windows import RunWindows

UNTRUSTED_HINT = "Add a company's own CA with [service] ca_bundle; there is no insecure mode."


class SceneWatcher(Protocol):
    """Whoever wants to know when a scene is complete."""

    async def file_done(self, item: Item) -> None:
        """A file of it was proven."""


class RunContext:
    """Hands the parts of one run to requester, poller and workers. Nothing of it is global."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        m2m: M2MClient,
        bus: EventBus,
        counts: RunCounts,
        hosts: Hosts,
        target: Target,
        *,
        overwrite: bool = False,
        observations: Observations | None = None,
        window: RunWindows | None = None,
    ) -> None:
        self.config = config
        self.ledger = ledger
        """What changes states is awaited through `states.apply`, which counts it."""
        self.m2m = m2m
        self.bus = bus
        self.counts = counts
        self.hosts = hosts
        self.target = target
        self.overwrite = overwrite
        """Files in the way that cannot be proven are replaced."""
        self.observations = observations or Observations()
        """What the service and its hosts have shown; written down from time to time."""
        self.states = counts.states
        self.wakeups = counts.states.wakeups
        self.window = window
        """What is cut out of each band; None = files come whole."""
        self.routes = Routes(config, ledger.requests, bus, counts, hosts)
        self.measuring: Measuring | None = None
        """What holds scenes back until the clouds in the area are known; None = nothing is measured."""
        self.run_id = counts.states.run_id
        self.hooks: SceneWatcher | None = None
        """Is told of proven files; None = nobody."""
        self.directory = Path(config.download.directory)
        """The output folder."""

    def deferred_wait_s(self) -> float:
        """Return the seconds until a deferred file may be used, as far as that is known."""
        now = self.states.now()
        waits = [due - now for due in self.states.deferred.values() if due > now]
        waits += [outage.wait_s for outage in self.hosts.outages()]
        return min(waits, default=NEVER_S)
