"""From a complete part to the clouds in the area, in one call of a thread: of ranges of QA_PIXEL, or of all of it.

A QA_PIXEL that is wanted for its figure alone gets no name. Every tile that is counted is proven by its checksum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from landsat_async.proof.byte_view import stoppable
from landsat_async.proof.prove import Damaged
from landsat_async.rules.clouds import CloudCount, MeasureSpec

if TYPE_CHECKING:
    from landsat_async.transfer.transfer import Transfer


class MeasuredPart(msgspec.Struct, frozen=True):
    """What was counted."""

    count: CloudCount


class NotMeasured(msgspec.Struct, frozen=True):
    """The area cannot be found in such a file."""

    reason: str


MeasureResult: TypeAlias = MeasuredPart | NotMeasured | Damaged


def measure_part(transfer: Transfer, spec: MeasureSpec) -> MeasureResult:
    """Count the clouds of the area in the complete part. Raises OSError, and Stopped when the transfer is cancelled."""
    from landsat_async.raster.grid import BrokenRaster, UnsupportedRaster  # numpy and shapely: only for those who count
    from landsat_async.raster.measure import measure_clouds
    from landsat_async.raster.window import layout_of
    from landsat_async.transfer.window_fetch import followed_plan

    read = stoppable(transfer.part.read, lambda: transfer.threads.is_to_end)
    try:
        if transfer.part.facts.source_bytes is None:
            return MeasuredPart(measure_clouds(read, layout_of(read, transfer.part.length), spec))
        plan = followed_plan(transfer, read)
        if plan.layout is None or plan.wanted() is not None:
            raise BrokenRaster("not all ranges of the area are here")
        return MeasuredPart(measure_clouds(plan.reader(read), plan.layout, spec))
    except BrokenRaster as broken:
        return Damaged(str(broken))
    except UnsupportedRaster as unsupported:
        return NotMeasured(str(unsupported))
