"""`python -m benchmarks.window_places`: what windows of 10 and 60 km take of a band, at random places.

The band is the simulator's SR_B3 of real size, whose tiles are stored, not squeezed, so its bytes are those of its
pixels; QA_PIXEL is deflated, and has a hundredth of them. The ranges are those that a run asks for. "tiles alone" is
the least that any design can fetch that keeps whole tiles, and with them their checksums: a place where that is more
than the bound cannot be within it, and is counted apart.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from dataclasses import dataclass
from statistics import median

from landsat_async.raster.cog import read_layout
from landsat_async.raster.grid import GroundBox
from landsat_async.raster.held_bytes import HeldBytes, Needs
from landsat_async.raster.range_plan import RangePlan
from landsat_async.raster.ranges import stretch_of, tiles_of
from landsat_async.raster.window import WindowMode
from landsat_async.sim import RealRasters
from landsat_async.sim.archive import Archive
from landsat_async.sim.cog import Cog, Layout

BOUNDS = {10: (0.01, 6), 60: (0.10, 12)}
"""Side of the area in km -> most of the band's bytes, most requests."""


@dataclass(frozen=True)
class Taken:
    """What a window takes."""

    tiles: int
    least_bytes: int
    """Of the tiles alone."""
    ours_bytes: int
    requests: int
    again: int
    """Requests of some KiB more, for what is compared with the server: tiles that are stored have all one length."""


def window_at(band: Cog, west_m: float, north_m: float, side_m: float) -> Taken:
    """Ask for the window of a place as a run does."""
    ground = GroundBox(west_m, north_m - side_m, west_m + side_m, north_m)
    plan, part = RangePlan(band.size, lambda _: ground, WindowMode.PIXELS), bytearray()
    starts: list[int] = []

    def read(size: int, at: int) -> bytes:
        return bytes(part[at : at + size])

    while (want := plan.wanted()) is not None:
        starts.append(len(part))
        part += band.read(want[0], want[1] - want[0])
        plan.follow(len(part), read)
    assert plan.layout is not None
    span = tiles_of(plan.layout, plan.layout.transform.box_around(ground))
    assert span is not None
    stretches = [found for tile in span if (found := stretch_of(plan.layout, *tile)) is not None]
    least_bytes, again = sum(end - start for start, end in stretches), plan.to_compare(starts[-1])
    return Taken(span.count, least_bytes, len(part), len(starts), len(again))


def places(band: Cog, side_m: float, count: int, seed: int) -> list[Taken]:
    """Return what windows take at so many places, anywhere within the image."""
    held, chance = HeldBytes(band.size), random.Random(seed)
    while True:
        try:
            layout = read_layout(held)
            break
        except Needs as needs:
            held.add(needs.start, band.read(needs.start, needs.end - needs.start))
    ground = layout.transform.ground_of(layout.image)
    return [
        window_at(
            band,
            chance.uniform(ground.west_m, ground.east_m - side_m),
            chance.uniform(ground.south_m + side_m, ground.north_m),
            side_m,
        )
        for _ in range(count)
    ]


def told(found: list[Taken], total: int, most_share: float, most_requests: int) -> str:
    """Say what was seen, and what of it no design could avoid."""
    ours, least = [taken.ours_bytes / total for taken in found], [taken.least_bytes / total for taken in found]
    within = sum(share <= most_share for share in ours)
    impossible = sum(share > most_share for share in least)
    beside = max(ours_ - least_ for ours_, least_ in zip(ours, least, strict=True))
    return (
        f"ours median {median(ours):.2%}, most {max(ours):.3%}; tiles alone median {median(least):.2%}, most"
        f" {max(least):.3%}; ours above them at most {beside:.3%}; within {most_share:.0%}: {within} of {len(found)},"
        f" impossible (tiles alone above it) {impossible}; requests at most {max(t.requests for t in found)}"
        f" (bound {most_requests}), and {max(t.again for t in found)} to compare;"
        f" tiles {dict(sorted(Counter(t.tiles for t in found).items()))}"
    )


def main() -> None:
    """Print what windows take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for file, tile in (("SR_B3", 256), ("SR_B3", 512), ("QA_PIXEL", 256), ("QA_PIXEL", 512)):
        archive = Archive.demo(raster=RealRasters(layout=Layout(tile=tile)))
        name = next(product.file_name(f"{file}.TIF") for product in archive if product.level == "L2SP")
        band = archive.file(name)
        assert isinstance(band, Cog)
        print(f"{file}, tiles of {tile}, {band.size / 1e6:.1f} MB", flush=True)
        for side_km, bounds in BOUNDS.items():
            found = places(band, side_km * 1000.0, given.count, given.seed)
            print(f"  {side_km} km: {told(found, band.size, *bounds)}", flush=True)


if __name__ == "__main__":
    main()
