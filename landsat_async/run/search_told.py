"""Tells once a second how far a search is, for those who only plan; a run tells it in `waits`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from landsat_async.beside import beside
from landsat_async.events import Searching
from landsat_async.m2m.client import M2MClient

TICK_S = 1.0


@dataclass(slots=True)
class SearchTold:
    """What only the planner knows of a search."""

    found: int | None = None
    """Scenes that are chosen; None = it still searches."""


@asynccontextmanager
async def told_search(m2m: M2MClient, tell: Callable[[Searching], None] | None) -> AsyncIterator[SearchTold]:
    """Tell inside the block how far the search of `m2m` is; None = nobody wants to know."""
    search = SearchTold()
    if tell is None:
        yield search
        return
    async with beside(_tell, m2m, search, tell):
        yield search


async def _tell(m2m: M2MClient, search: SearchTold, tell: Callable[[Searching], None]) -> None:
    while True:
        await anyio.sleep(TICK_S)
        scenes = m2m.scenes_read if search.found is None else search.found
        tell(Searching(m2m.pages_read, scenes, choosing=search.found is not None))
