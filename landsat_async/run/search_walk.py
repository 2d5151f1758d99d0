"""A walk through time that meets the newest (or the oldest) scenes first, whatever order the service answers in.

Each step asks for some days. Steps grow where little is found, and shrink where a step holds more than can be of use.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from landsat_async.run.scene_filter import FIRST_DAY, LAST_DAY
from landsat_async.value import Value

GROWTH = 4
_DAY = dt.timedelta(days=1)


class Walk(Value, frozen=True):
    """Where a search through time stands."""

    edge: dt.date
    """The day of the next step that comes first in walking order."""
    goal: dt.date
    """The last day to be looked at."""
    newest: bool
    """Backwards in time; False = forwards."""
    days: int = 1
    """Length of the next step."""
    opening: dt.date | None = None
    """Where the first step really begins: the dates that a dataset tells of itself may be out of date."""
    real: dt.date | None = None
    """Where to begin instead if the first step holds too much, which shows that those dates are out of date."""
    waiting_for_capacity: dt.date | None = None
    """End of a step that held too much: there is something between `edge` and here."""

    def window(self) -> tuple[dt.date, dt.date]:
        """First and last day of the next step."""
        far = self._far()
        near = self.edge if self.opening is None else self.opening
        return (far, near) if self.newest else (near, far)

    def after(self, found: int, left: int) -> Walk | None:
        """The walk behind this step, which brought `found` scenes where `left` were needed; None at the end."""
        far = self._far()
        if far == self.goal:
            return None
        longest = self.days * GROWTH
        days = longest if found == 0 else min(longest, max(1, self.days * 2 * max(1, left - found) // found))
        edge = far - _DAY if self.newest else far + _DAY
        walk = replace(self, edge=edge, days=days, opening=None, real=None)
        if walk.waiting_for_capacity is None or walk._distance(walk.waiting_for_capacity) < 0:
            return replace(walk, waiting_for_capacity=None)
        return replace(walk, days=min(days, max(1, (walk._distance(walk.waiting_for_capacity) + 1) // 2)))

    def narrowed(self, hits: int, most: int) -> Walk | None:
        """The same walk with a shorter step, because this one holds `hits` and `most` are of use; None = a day."""
        if self.real is not None:
            begin = replace(self, edge=self.real, real=None)
            return replace(begin, days=max(1, begin._distance(self.edge) // 2), waiting_for_capacity=self.edge)
        length = self._distance(self._far()) + 1
        if length <= 1:
            return None
        days = max(1, min(length // 2, length * most // max(1, hits)))
        return replace(self, days=days, waiting_for_capacity=self._far())

    def _distance(self, day: dt.date) -> int:
        """Days from the edge to `day` in walking order."""
        return (self.edge - day).days if self.newest else (day - self.edge).days

    def _far(self) -> dt.date:
        days = min(self.days - 1, max(0, self._distance(self.goal)))
        return self.edge - dt.timedelta(days=days) if self.newest else self.edge + dt.timedelta(days=days)


def walk_through(
    start: dt.date | None,
    end: dt.date | None,
    *,
    newest: bool,
    known: tuple[dt.date | None, dt.date | None],
    today: dt.date,
) -> Walk:
    """Begin at the right end of the days that were requested, and of those that the dataset declares.

    Args:
        start: First day that was requested; None = no bound.
        end: Last day; None = no bound.
        newest: From the end backwards.
        known: First and last day that the dataset declares; they place the first step and cut nothing off.
        today: In UTC.
    """
    first, last = start or FIRST_DAY, end or LAST_DAY
    hint = min(known[1] or today, today) if newest else known[0] or first
    edge = min(last, max(first, hint))
    opening = last if newest else first
    real = min(last, max(first, today)) if newest else first
    return Walk(
        edge,
        first if newest else last,
        newest,
        opening=opening if opening != edge else None,
        real=real if real != edge else None,
    )
