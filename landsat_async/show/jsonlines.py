"""Events as JSON lines, exactly as docs/commands.md lists them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from landsat_async.events import (
    Error,
    Event,
    Failed,
    Finished,
    HookEnded,
    LeftOut,
    Measured,
    Notice,
    Planned,
    Progress,
    Ready,
    Requested,
    Retrying,
    Searching,
    Skipped,
    Started,
    Superseded,
    Synced,
    Transferred,
    Verified,
)

_KINDS: tuple[type[Event], ...] = (
    Planned,
    Requested,
    Ready,
    Started,
    Retrying,
    Verified,
    Skipped,
    Failed,
    LeftOut,
    Superseded,
    Synced,
    HookEnded,
    Measured,
    Error,
    Finished,
)
_KEYS: dict[type[Event], tuple[str, ...]] = {kind: kind.__struct_fields__ for kind in _KINDS}
_NAMES: dict[type[Event], str] = {LeftOut: "left_out", HookEnded: "hook"}
"""Names of events that are not those of their types in small letters."""
_KEYS[Progress] = ("files_done", "files_total", "bytes_done", "bytes_total", "rate_bytes_s")


def moment_text(unix_s: float) -> str:
    """Return a moment: RFC 3339, UTC, with milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def line(event: str, values: Mapping[str, object]) -> str:
    """Return one JSON line. ASCII only, so that no terminal and no encoding can take offence."""
    return json.dumps({"event": event, "time": moment_text(time.time()), **values}, allow_nan=False)


def json_line(event: Event) -> str | None:
    """Return the JSON line of an event; None for those that are for people only."""
    if isinstance(event, (Notice, Searching, Transferred)):
        return None
    values = {key: _finite(getattr(event, key)) for key in _KEYS[type(event)]}
    if values.get("bytes_whole", 0) is None:
        del values["bytes_whole"]  # only of runs that cut windows
    return line(_NAMES.get(type(event), type(event).__name__.lower()), values)


def _finite(value: object) -> object:
    """JSON knows no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
