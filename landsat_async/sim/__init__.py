"""A simulated USGS M2M service with its file hosts, to build and test clients without an account or a network.

    async with open_simulator(Archive.seeded(1_234)) as sim:
        client = MyClient(sim.service_url, sim.username, sim.token)
        sim.script.fault_file("*_SR_B3.TIF", "cut", fraction=0.3)  # the next such answer is cut
        sim.script.fault_api("download-request", "close-after")  # the next answer is lost
        ...
        assert sim.log.faults == {"cut": 1, "close-after": 1}
        assert sim.log.overlaps == 0

`Archive` says what there is to be found (`ComputedArchive`: millions of scenes, none of them held; `RealRasters`: bands
of real size, place and layout, with clouds that a test knows), `Script` how the
service behaves, `Log` what was asked. Other processes and languages use `python -m landsat_async simulate` and set the
script over HTTP: `curl -d '{"staging_polls": 3}' <control_url>script`. This package imports nothing of landsat_async
outside itself.
"""

from landsat_async.sim.archive import Archive
from landsat_async.sim.cog import Layout
from landsat_async.sim.computed import ComputedArchive
from landsat_async.sim.log import Entry, Log
from landsat_async.sim.pictures import Patch
from landsat_async.sim.rasters import SMALL_RASTERS, RealRasters
from landsat_async.sim.scenes import Product
from landsat_async.sim.script import ApiFault, FileFault, Script
from landsat_async.sim.server import Simulator, open_simulator

__all__ = [
    "SMALL_RASTERS", "ApiFault", "Archive", "ComputedArchive", "Entry", "FileFault", "Layout", "Log", "Patch",
    "Product", "RealRasters", "Script", "Simulator", "open_simulator",
]  # fmt: skip
