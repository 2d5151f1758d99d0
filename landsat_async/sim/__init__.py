"""A simulated USGS M2M service with its file hosts, to build and test clients without an account or a network.

It imports nothing of landsat_async outside this package.
"""

from landsat_async.sim.archive import Archive
from landsat_async.sim.log import Entry, Log
from landsat_async.sim.scenes import Product
from landsat_async.sim.script import ApiFault, FileFault, Script
from landsat_async.sim.server import Simulator, open_simulator

__all__ = ["ApiFault", "Archive", "Entry", "FileFault", "Log", "Product", "Script", "Simulator", "open_simulator"]
