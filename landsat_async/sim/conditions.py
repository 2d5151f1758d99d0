"""What a sceneFilter asks for: a test of single products, and where possible the same for a whole archive at once."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from landsat_async.sim.scenes import Product

Test: TypeAlias = Callable[[Product], bool]
Place: TypeAlias = Callable[[int, int], bool]
"""Says whether a path and row can hold what is asked for."""
Box: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; the members beside `test` leave at least what `test` lets through."""

    test: Test
    exact: bool = False
    """The members below say all that `test` says."""
    days: tuple[datetime.date, datetime.date] | None = None
    months: frozenset[int] | None = None
    cloud: tuple[int, int, bool] | None = None
    """Lowest and highest percentage, and whether unknown is let through."""
    place: Place | None = None
    box: Box | None = None
    """Footprints outside of it fail `place`."""
    ids: tuple[str, ...] | None = None
    """Only products with one of these entity or display ids."""


def every(conditions: Sequence[Condition]) -> Condition:
    """All of them hold."""
    places = [c.place for c in conditions if c.place is not None]
    return Condition(
        lambda p: all(c.test(p) for c in conditions),
        exact=all(c.exact for c in conditions),
        place=(lambda path, row: all(place(path, row) for place in places)) if places else None,
        ids=next((c.ids for c in conditions if c.ids is not None), None),
    )


def some(conditions: Sequence[Condition]) -> Condition:
    """One of them holds."""
    places = [c.place for c in conditions if c.place is not None]
    ids = [c.ids for c in conditions if c.ids is not None]
    return Condition(
        lambda p: any(c.test(p) for c in conditions),
        exact=all(c.exact for c in conditions),
        place=(lambda path, row: any(place(path, row) for place in places)) if len(places) == len(conditions) else None,
        ids=tuple(i for own in ids for i in own) if len(ids) == len(conditions) else None,
    )
