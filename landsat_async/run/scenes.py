"""The scenes of a search alone: login and search, nothing that needs the MACHINE role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import aiohttp

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.m2m.caller import ApiWait
from landsat_async.public import publish
from landsat_async.run.find_credentials import client_for
from landsat_async.run.search import Found, UnreadableScenes, find_scenes, read_aoi


async def scenes(
    config: Config,
    *,
    session: aiohttp.ClientSession | None = None,
    credentials: Credentials | None = None,
    on_wait: Callable[[ApiWait], None] | None = None,
) -> Found:
    """Return the scenes that the search of a config finds, and those that its filters leave out.

    Args:
        config: What to look for; [select] and [download] say nothing here.
        session: Its connections are used and it is left open; None = connections of our own.
        credentials: None = found as `config.service` and the environment say.
        on_wait: Called before each wait for the service, with its reason and seconds; must return at once.

    Raises:
        LandsatError: the search cannot be made.
    """
    aoi = await read_aoi(config)
    unreadable = UnreadableScenes()
    async with await client_for(
        config.service, credentials, session=session, on_wait=on_wait, on_unusable=unreadable.note
    ) as m2m:
        found = await find_scenes(config, m2m, aoi)
    return replace(found, missing=[*unreadable.missing(), *found.missing])


publish(scenes)
