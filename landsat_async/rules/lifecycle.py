"""The life of one wanted file, as a table.

The problem. Between "the user wants it" and "it lies there, proven" a file passes through a service that may
forget it, a link that may expire, a process that may be killed and a disk that may fill. The notebook that came
before this program kept three Python lists; what was in none of them was lost, and what never left one made it poll for
ever.

What we do. Every file is one row of the ledger and is in exactly one state. A change is legal only if it stands in
TRANSITIONS; the ledger writes it by compare-and-set, so two runs, or a late answer, can never move a file that is
no longer where they think it is. Changes of many rows at once are SQL that is built from the same table. Queues and
tasks carry row ids only.

    planned     wanted; needs a link, maybe not before `next_try`
    requested   its label was written down before the call; whether the service knows it is not yet known
    preparing   the service has accepted it and is still making it ready
    ready       its link waits in the bounded stream (the link itself lives in memory only)
    active      a worker has it
    done        proven, under its final name, recorded
    failed      this run cannot deliver it; the reason is kept, and the next run starts it again, or looks it up if
                it was still being prepared

Why `requested` is a state of its own: an answer to download-request can get lost after the service has acted. Such
rows are looked up by their label (download-retrieve, download-search) and only asked for again when the service does
not know them. After a kill, files that were `ready` or `active` go through the same door, because their links are
gone with the process.

Companions: disk/ledger_rows.py is the one place that writes states, run/requester.py and run/poller.py cause most of
the changes.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Where a wanted file is; see the module header."""

    PLANNED = "planned"
    REQUESTED = "requested"
    PREPARING = "preparing"
    READY = "ready"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"


class Step(enum.StrEnum):
    """What may happen to a wanted file."""

    ASK = "ask"
    """Its label is written down, the call follows."""
    UNASK = "unask"
    """The call was refused as a whole, or the service does not know the file under its label."""
    PREPARE = "prepare"
    """The service lists it without a link."""
    LINK = "link"
    """The service gave a link."""
    CLAIM = "claim"
    """A worker takes it."""
    UNREADY = "unready"
    """Its staging link does not serve the file yet."""
    RELINK = "relink"
    """The link expired, or its host is paused: ask for a new one later."""
    FINISH = "finish"
    """Proven under its final name."""
    FAIL = "fail"
    """Cannot be delivered by this run."""
    REATTACH = "reattach"
    """A new run finds it in flight, or its link is too old: it is looked up by its label."""
    RELEASE = "release"
    """A new run finds it in flight without a label: it was never asked for, or has been given up since."""
    RENEW = "renew"
    """A new run tries again what failed, or what is no longer on disk."""
    RESUME = "resume"
    """A new run looks up what failed while the service was still preparing it: it kept its label."""


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.PLANNED: {
        Step.ASK: State.REQUESTED,
        Step.FINISH: State.DONE,  # adopted: already on disk and proven
        Step.FAIL: State.FAILED,
    },
    State.REQUESTED: {
        Step.UNASK: State.PLANNED,
        Step.PREPARE: State.PREPARING,
        Step.LINK: State.READY,
        Step.FAIL: State.FAILED,
        Step.REATTACH: State.REQUESTED,
        Step.RELEASE: State.PLANNED,
        Step.FINISH: State.DONE,
    },
    State.PREPARING: {
        Step.UNASK: State.PLANNED,
        Step.PREPARE: State.PREPARING,
        Step.LINK: State.READY,
        Step.FAIL: State.FAILED,
        Step.REATTACH: State.REQUESTED,
        Step.RELEASE: State.PLANNED,
        Step.FINISH: State.DONE,
    },
    State.READY: {
        Step.CLAIM: State.ACTIVE,
        Step.RELINK: State.PLANNED,
        Step.REATTACH: State.REQUESTED,
        Step.RELEASE: State.PLANNED,
        Step.FINISH: State.DONE,
    },
    State.ACTIVE: {
        Step.FINISH: State.DONE,
        Step.RELINK: State.PLANNED,
        Step.UNREADY: State.PREPARING,
        Step.FAIL: State.FAILED,
        Step.REATTACH: State.REQUESTED,
        Step.RELEASE: State.PLANNED,
    },
    State.DONE: {Step.RENEW: State.PLANNED},
    State.FAILED: {Step.RENEW: State.PLANNED, Step.RESUME: State.REQUESTED, Step.FINISH: State.DONE},
}

OPEN = frozenset({State.PLANNED, State.REQUESTED, State.PREPARING, State.READY, State.ACTIVE})
"""States from which this run can still deliver the file. A run ends when no selected file is in one of them."""

IN_FLIGHT = frozenset({State.REQUESTED, State.PREPARING, State.READY, State.ACTIVE})
"""States that a dead process leaves behind and a new run must reattach."""


SOURCES = {step: tuple(state for state, steps in TRANSITIONS.items() if step in steps) for step in Step}
"""Step -> every state in which it is legal, for the WHERE clause of a compare-and-set."""

TARGET = {step: after for steps in TRANSITIONS.values() for step, after in steps.items()}
"""Step -> the state that it leads to, which is the same from all of its sources (tests/rules/test_lifecycle.py)."""
