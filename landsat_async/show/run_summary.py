"""What the end of a run will tell, kept small however many files there are."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from landsat_async.events import (
    Error,
    Event,
    Failed,
    Finished,
    LeftOut,
    Planned,
    Progress,
    Ready,
    Skipped,
    Started,
    Superseded,
    Synced,
    Verified,
)
from landsat_async.rules.naming import NO_DATA, OUTSIDE

KEPT = 40
"""Rows of each table; the counts are always complete."""
KEPT_KINDS = 200
"""Kinds of failure that are counted apart."""


class RunOverview(msgspec.Struct):
    """Counts of everything, and the first rows of it."""

    planned: Planned | None = None
    verified: list[Verified] = msgspec.field(default_factory=list)
    verified_count: int = 0
    empty_count: int = 0
    """Windows that hold nothing but fill: skipped, and no files."""
    failures: list[Failed] = msgspec.field(default_factory=list)
    failed_count: int = 0
    failure_kinds: Counter[str] = msgspec.field(default_factory=Counter)
    failure_examples: dict[str, Failed] = msgspec.field(default_factory=dict)
    """The first failure of each kind."""
    proofs: Counter[str] = msgspec.field(default_factory=Counter)
    """Level of proof -> files of this run that have reached it."""
    identities: Counter[str] = msgspec.field(default_factory=Counter)
    """Evidence of identity -> files."""
    preparing: int = 0
    """Files that USGS was preparing when it was told last."""
    left_out: list[LeftOut] = msgspec.field(default_factory=list)
    """Bands that some scenes lack, and the first scenes that are left out for the clouds in the area."""
    scenes_left_out: int = 0
    superseded: list[Superseded] = msgspec.field(default_factory=list)
    superseded_count: int = 0
    synced: Synced | None = None
    error: Error | None = None
    finished: Finished | None = None
    cause: Exception | None = None
    """What ended the run, for a traceback when it is a bug."""

    def note(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case Ready() | Started():
                pass  # first: two for each file
            case Planned():
                self.planned = event
            case Verified():
                self.verified_count += 1
                self.proofs[event.proof] += 1
                self.identities[event.identity] += 1
                if len(self.verified) < KEPT:
                    self.verified.append(event)
            case Skipped() if event.reason in (NO_DATA, OUTSIDE):
                self.empty_count += 1
            case Failed():
                self.failed_count += 1
                if len(self.failures) < KEPT:
                    self.failures.append(event)
                kind = kind_of(event.reason)
                kind = kind if len(self.failure_kinds) < KEPT_KINDS else "other reasons"
                self.failure_kinds[kind] += 1
                self.failure_examples.setdefault(kind, event)
            case Progress():
                self.preparing = event.files_preparing
            case LeftOut():
                is_scene = event.what == event.example
                self.scenes_left_out += is_scene
                if not is_scene or self.scenes_left_out <= KEPT:
                    self.left_out.append(event)
            case Superseded():
                self.superseded_count += 1
                if len(self.superseded) < KEPT:
                    self.superseded.append(event)
            case Synced():
                self.synced = event
            case Error():
                self.error = event
            case Finished():
                self.finished = event
            case _:
                pass


def kind_of(reason: str) -> str:
    """Return a reason without its figures, so that "reset at 412 MB" and "reset at 3 MB" are one kind."""
    return re.sub(r"\d[\d.,]*", "#", reason)
