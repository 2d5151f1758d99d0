"""Searches by filters: all hits, or as much of time as a limit needs; never a whole dataset by mistake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from landsat_async.config_tables import SearchConfig
from landsat_async.errors import DatasetRefused, RequestRefused, ServiceError, TooManyHits
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.replies import HITS_MAX
from landsat_async.model import Scene
from landsat_async.run.scene_filter import halve, keep_scenes, within
from landsat_async.run.search_bounds import cloud_bands, hits_allowed, unbounded
from landsat_async.run.search_walk import Walk, walk_through

if TYPE_CHECKING:  # loads shapely, see run/scene_filter
    from landsat_async.rules.aoi import Aoi

PAGE_ROWS = 1000


class Scan(msgspec.Struct, frozen=True):
    """One search of one dataset."""

    m2m: M2MClient
    dataset: str
    search: SearchConfig
    aoi: Aoi | None
    filters: Sequence[dict[str, Any]]
    """One search each; together they are what was requested."""

    async def hits(self) -> list[Scene]:
        """Everything that the filters find, or as much of it as the limit needs.

        Raises:
            TooManyHits: there are too many, and nothing bounds the search.
        """
        if not self.search.limit:
            return await self._bounded(self.filters)
        if self.search.order != "least_cloud":
            return await self._walked(self.filters, self.search, newest=self.search.order == "newest")
        try:
            return await self._all(self.filters, PAGE_ROWS * 10)
        except TooManyHits:
            return await self._clearest()

    async def finds_at_most(self, most: int) -> bool:
        """Whether `hits` would read no more than about `most` scenes; costs one call a filter.

        Raises:
            TooManyHits: there are too many, and nothing bounds the search.
        """
        if self.search.limit and self.search.order != "least_cloud":
            return self.search.limit <= most
        allowed = None if self.search.limit else self._allowed()
        for one in self.filters:
            try:
                rows = self.m2m.scene_search(self.dataset, one, page_size=1, hits_max=most, pages_max=1)
                _ = [scene async for scene in rows]
            except TooManyHits as error:
                if allowed is not None and error.total_hits > allowed:
                    raise unbounded(self.dataset, error.total_hits) from None
                return False
            except RequestRefused as error:
                if error.reference != "fails-each-time":
                    raise
                return False  # too large for the service as well; `hits` halves it
        return True

    def _allowed(self) -> int | None:
        sent = self.filters[0]
        placed = bool(self.search.path_row or self.search.tiles) and "metadataFilter" in sent
        return hits_allowed(self.search, has_area="spatialFilter" in sent, has_path_row=placed)

    async def _clearest(self) -> list[Scene]:
        """The least cloudy part of a search that is too large to be read: band after band, until the limit is met."""
        found: list[Scene] = []
        for low, high in cloud_bands(self.search.cloud_cover):
            only = msgspec.structs.replace(self.search, cloud_cover=(low, high), include_unknown_cloud=False)
            band = {"cloudCoverFilter": {"min": low, "max": high, "includeUnknown": False}}
            filters = [{**one, **band} for one in self.filters]
            # In a band of one value all are equally good, so the newest will do; of others all have to be compared.
            found += await (self._walked(filters, only, newest=True) if low == high else self._all(filters, None))
            if await self._kept(found, self.search) >= self.search.limit:
                return found
        if self.search.cloud_cover is None or self.search.include_unknown_cloud:
            found += await self._all(self.filters, None)  # what is known does not suffice: those of unknown cloud cover
        return found

    async def _bounded(self, filters: Sequence[dict[str, Any]]) -> list[Scene]:
        allowed = self._allowed()
        try:
            return await self._all(filters, allowed)
        except TooManyHits as error:
            if allowed is None or error.total_hits <= allowed:
                raise
            raise unbounded(self.dataset, error.total_hits) from None

    async def _walked(self, filters: Sequence[dict[str, Any]], search: SearchConfig, *, newest: bool) -> list[Scene]:
        """Go through time until the limit is met."""
        known = await self._declared_days()
        today = dt.datetime.now(dt.UTC).date()
        walk: Walk | None = walk_through(search.start, search.end, newest=newest, known=known, today=today)
        found: list[Scene] = []
        kept = 0
        while walk is not None and kept < search.limit:
            most = max(PAGE_ROWS, 2 * (search.limit - kept))
            step = [within(one, *walk.window()) for one in filters]
            shorter = walk.narrowed(most, most)
            try:
                hits = await self._all(step, None if shorter is None else most)
            except TooManyHits as error:
                walk = walk.narrowed(error.total_hits, most)
                continue
            found += hits
            # No version of a scene lies in another step: all have the same day.
            new = await self._kept(hits, search)
            walk = walk.after(new, search.limit - kept)
            kept += new
        return found

    async def _kept(self, hits: Sequence[Scene], search: SearchConfig) -> int:
        unlimited = msgspec.structs.replace(search, limit=0)
        kept, _ = await anyio.to_thread.run_sync(keep_scenes, hits, unlimited, self.aoi)
        return len(kept)

    async def _declared_days(self) -> tuple[dt.date | None, dt.date | None]:
        """First and last day that the dataset tells of itself."""
        try:
            known = await self.m2m.dataset(self.dataset)
        except DatasetRefused:
            raise
        except ServiceError:
            return None, None  # a hint only: without it the walk takes a few steps more
        first, last = known.temporal_coverage or (known.acquisition_start, known.acquisition_end)
        return _day(first or known.acquisition_start), _day(known.acquisition_end or last)

    async def _all(self, filters: Sequence[dict[str, Any]], allowed: int | None) -> list[Scene]:
        """Run one search for each filter, halving by date what the service does not hand out at once.

        Raises:
            TooManyHits: more than `allowed`; None = any number.
        """
        found: dict[tuple[str, str], Scene] = {}
        todo = list(reversed(filters))
        while todo:
            scene_filter = todo.pop()
            hits_max = HITS_MAX if allowed is None else min(allowed, HITS_MAX)
            try:
                async for scene in self.m2m.scene_search(
                    self.dataset, scene_filter, page_size=PAGE_ROWS, hits_max=hits_max
                ):
                    found[scene.entity_id, scene.display_id] = scene
                    if allowed is not None and len(found) > allowed:
                        # the service has counted fewer than it gives
                        raise TooManyHits(f"more than {allowed:,} hits", total_hits=len(found))
            except (TooManyHits, RequestRefused) as error:
                hits = error.total_hits if isinstance(error, TooManyHits) else 0
                if allowed is not None and hits > allowed:
                    raise
                # A search that fails each time while the service lives is too large for it as well.
                splits = hits or error.reference == "fails-each-time"
                halves = halve(scene_filter) if splits else None
                if halves is None:
                    raise
                todo += reversed(halves)
        return list(found.values())


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
