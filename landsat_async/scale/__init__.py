"""Transfers in the processes of a dask cluster, behind `transfer.pool.TransferPool`. Extra `dask`.

The run itself stays where it was started: account, order, state and the choice of what comes next never leave it. A
worker process gets one link at a time, writes the part into the same folder, proves it and gives it its name.
"""

from __future__ import annotations

from landsat_async.scale.pool import DaskPool

__all__ = ["DaskPool"]
