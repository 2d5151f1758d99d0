"""`plan --measure`: the clouds in the area of every scene of a search, and nothing else; the figures are kept."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.errors import ConfigError
from landsat_async.events import Event
from landsat_async.run.opening import opened


async def measure(
    config: Config,
    *,
    session: aiohttp.ClientSession | None = None,
    credentials: Credentials | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> None:
    """Measure every scene of the search that has no figure yet.

    Args:
        config: What to do.
        session: Its connections are used and it is left open; None = connections of our own.
        credentials: None = found as `config.service` and the environment say.
        on_event: Called with what happens; must return at once.

    Raises:
        ConfigError: it asks for no figures.
        LandsatError: what would end a run.
    """
    if not config.search.measures:
        raise ConfigError(
            "There is nothing to measure.",
            hint="Set [search] aoi_cloud or aoi_valid, with aoi or bbox.",
            reference="nothing-to-measure",
        )
    async with opened(config, session=session, credentials=credentials, measure_only=True) as run:
        async for event in run.events():
            if on_event is not None:
                on_event(event)
        await run.wait()
