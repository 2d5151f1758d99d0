"""What `run` does before the rest is imported; imported first, for its effect."""

import gc

from landsat_async.__main__ import COLLECT_AFTER_OBJECTS
from landsat_async.show.lean_aiohttp import import_aiohttp

gc.set_threshold(COLLECT_AFTER_OBJECTS)
import_aiohttp()
