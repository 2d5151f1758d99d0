"""What a transfer in a process of a cluster tells and asks: what matters at once is sent, the rest with its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec.structs import astuple

from landsat_async.disk.checkpoint import Checkpoint
from landsat_async.events import Started
from landsat_async.scale.parcel import FetchEnded
from landsat_async.transfer.retry import HostReport
from landsat_async.transfer.types import HostDown, Outcome, TransferEvent, TransferHooks, TransferJob

SMALL_BYTES = 2**20
"""The beginning of a smaller file is told together with its end."""
Tell = Callable[[str, tuple[Any, ...]], None]
"""Called with the kind of a message and its values."""


class Teller:
    """What a transfer tells and asks, here: what matters at once is sent, the rest goes along with its end."""

    def __init__(self, job: TransferJob, tell: Tell, check_host: Callable[[str], HostDown | None]) -> None:
        """Tell of one job; `check_host` is asked before each attempt."""
        self.facts = job.part
        self.events: list[TransferEvent] = []
        self.health: list[tuple[str, HostReport, str]] = []
        self._tell = tell
        self.hooks = TransferHooks(self._notify, self, check_host, self._health)

    def ended(self, outcome: Outcome) -> FetchEnded:
        """Return an outcome with all that was not told before."""
        return FetchEnded(outcome, self.facts, tuple(self.health), tuple(self.events))

    def _send(self, kind: str, *values: Any) -> None:
        with suppress(Exception):  # the connection to the scheduler is lost: the end of the task will show it
            self._tell(kind, values)

    def _notify(self, event: TransferEvent) -> None:
        if isinstance(event, Started) and event.size_bytes is not None and event.size_bytes < SMALL_BYTES:
            self.events.append(event)
        else:
            self._send(type(event).__name__, *astuple(event))

    def _health(self, host: str, report: HostReport, reason: str) -> None:
        if report == HostReport.OK:
            self.health.append((host, report, reason))
        else:
            self._send("health", host, report.value, reason)

    async def save(self, facts: Checkpoint) -> None:
        """Send a checkpoint. It may come late or never: the digest decides, when a part is opened."""
        self.facts = facts
        self._send("save", facts.pack())

    async def lower(self, durable: int) -> None:
        """Believe nothing; what was sent before has another digest."""
        self.facts = None

    async def clear(self) -> None:
        """Forget the part."""
        self.facts = None
