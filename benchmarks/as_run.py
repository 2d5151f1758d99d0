"""What `run` does before the rest is imported; imported first, for its effect."""

from landsat_async.show.lean_aiohttp import import_aiohttp

import_aiohttp()
