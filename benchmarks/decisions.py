"""`python -m benchmarks.decisions`: processor seconds of decisions at sizes that a hostile or thorough input has.

Each is run at its size and at half of it. What takes longer than its limit (generous for a slow machine), or far more
than twice as long as half of it, has stopped being linear; it is marked, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from rich.console import Console

from landsat_async import events as e
from landsat_async.errors import ConfigError
from landsat_async.model import Proof
from landsat_async.proof.kinds import FileKind, sniff
from landsat_async.rules.aoi import aoi_from_bbox, coverages, parse_aoi, spatial_filters
from landsat_async.rules.redact import redact
from landsat_async.show.live import LiveRenderer
from landsat_async.show.output import Output, OutputOptions
from tests.disk.whole_files import PRODUCT, judge

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """One decision."""

    name: str
    size: int
    prepare: Callable[[int], Work]
    """Makes the input of a size; what it returns is timed."""
    most_s: float


def cases() -> list[Case]:
    """Return them all."""
    texts = ("a", "https://", "?a", "contact ", "token is ")
    heads = (b"<!--x-->", b"<?a?>", b"<!a>", b"a:", b"?a=", b'{"' + b'\\"' * 2000)
    return [
        Case("shares of footprints", 50_000, _footprints, 10),
        Case("a coast line, reduced", 200_000, _coast, 15),
        Case("a ring that crosses itself", 20_000, _scribble, 5),
        Case("two combs across each other", 3_000, _combs, 15),
        Case("a line that never ends", 10_000_000, _endless_line, 10),
        Case("drawing with many files", 5_000, _drawing, 1),
        *(Case(f"redact {text!r}", 1_000_000, partial(_redact, text), 2) for text in texts),
        *(Case(f"look at {head[:8].decode()!r}", 4096, partial(_look, head), 0.5) for head in heads),
    ]


def _polygon(ring: npt.NDArray[np.float64]) -> str:
    return json.dumps({"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]})


def _footprints(size: int) -> Work:
    rng = np.random.default_rng(6)
    corners = np.array([[-1, 0.8], [0.8, 1], [1, -0.8], [-0.8, -1]])
    centres = rng.uniform((-70, 7), (-64, 13), (size, 2))
    texts = [_polygon((corners + centre).round(5)) for centre in centres]
    return partial(coverages, aoi_from_bbox((-69, 8, -65, 12)), texts)


def _coast(size: int) -> Work:
    angle = np.linspace(0, 2 * np.pi, size, endpoint=False)
    radius = 2 + 0.3 * np.sin(5 * angle) + 0.1 * np.sin(57 * angle) + 0.02 * np.sin(1333 * angle)
    text = _polygon(np.c_[radius * np.cos(angle) - 67, radius * np.sin(angle) + 10])
    return lambda: spatial_filters(parse_aoi(text, source="area"))


def _scribble(size: int) -> Work:
    return partial(_refused, _polygon(np.random.default_rng(3).uniform(-10, 10, (size, 2))))


def _combs(size: int) -> Work:
    x = np.repeat(np.linspace(0, 10, 2 * size), 2)
    y = np.tile([0.0, 10.0, 10.0, 0.0], size)
    comb = np.vstack([np.c_[x, y], [[10, -1], [0, -1]]])
    rings = [json.loads(_polygon(ring)) for ring in (comb, comb[:, ::-1])]
    parts = [{"type": "Feature", "properties": {}, "geometry": ring} for ring in rings]
    return partial(_refused, json.dumps({"type": "FeatureCollection", "features": parts}))


def _refused(text: str) -> None:
    try:
        parse_aoi(text, source="area")
    except ConfigError:
        return
    raise AssertionError("it was taken")


def _endless_line(size: int) -> Work:
    text = b"GROUP = A\nLANDSAT_SCENE_ID = " + b" " * size + b"\nEND_GROUP = A\nEND\n"
    return partial(judge, text, f"{PRODUCT}_ANG.txt", level=Proof.STRUCTURE)


def _drawing(size: int) -> Work:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=500)
    output = Output(OutputOptions(), stdout=io.StringIO(), stderr=io.StringIO())
    live = LiveRenderer(output, console=console, now=lambda: 0.0)
    for number in range(size):
        live.show(e.Started(f"folder/{number}.TIF", 0, 1000))
    return lambda: console.print(live.picture())


def _redact(text: str, size: int) -> Work:
    return partial(redact, text * (size // len(text)))


def _look(head: bytes, size: int) -> Work:
    whole = (head * (size // len(head) + 1))[:size]
    return lambda: [sniff(kind, whole, None) for kind in FileKind]


def cpu_s(work: Work) -> float:
    """Return the processor seconds of one call."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="this share of each size")
    parser.add_argument("--only", default="", metavar="TEXT", help="decisions whose name holds it")
    given = parser.parse_args()
    slow = 0
    for case in cases():
        if given.only in case.name:
            size = max(2, round(case.size * given.scale))
            half_s, whole_s = (cpu_s(case.prepare(some)) for some in (size // 2, size))
            is_slow = whole_s > case.most_s or (whole_s > 0.2 and whole_s > 3.5 * half_s)
            slow += is_slow
            mark = "SLOW" if is_slow else "ok  "
            print(f"{mark}  {case.name:28} {size:>10,}  {whole_s:7.3f} s  half of it {half_s:.3f} s")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
