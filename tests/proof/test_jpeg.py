import itertools
import random

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved
from landsat_async.sim.browse import jpeg
from tests.disk.whole_files import HTML, judge

NAME = "P_thumb_large.jpeg"


def browse(*, bands=3, side=400, collar=False, flat=False, **options) -> bytes:
    """Write a browse image with GDAL: a landscape of noise and slopes, and a black collar where asked for."""
    dice = np.random.default_rng(side)
    slope = np.add.outer(np.arange(side), np.arange(side)) * 90 // side
    image = (slope[None] + dice.integers(0, 60, (bands, side, side))).astype("uint8")
    if collar:
        image[:, : side // 2] = 0
    if flat:
        image[:] = 90
    with rasterio.Env(), MemoryFile() as memory:
        how = {"driver": "JPEG", "width": side, "height": side, "count": bands, "dtype": "uint8"}
        with pytest.warns(rasterio.errors.NotGeoreferencedWarning), memory.open(**how, **options) as out:
            out.write(image)
        return memory.read()


KINDS = {
    "colour": {},
    "grey": {"bands": 1},
    "odd size": {"side": 397},
    "progressive": {"PROGRESSIVE": "ON"},
    "collar": {"collar": True},
    "black progressive": {"collar": True, "PROGRESSIVE": "ON"},
    "fine": {"QUALITY": "100"},
    "coarse": {"QUALITY": "10"},
    "even": {"flat": True, "side": 1200},
    "even and grey": {"flat": True, "bands": 1},
}


def refused(data: bytes) -> str:
    verdict = judge(data, NAME)
    assert isinstance(verdict, Damaged)
    assert verdict.reason.isprintable()
    return verdict.reason


@pytest.mark.parametrize("kind", KINDS)
def test_whole_images_pass_and_no_cut_one_does(kind):
    whole = browse(**KINDS[kind])
    assert judge(whole, NAME) == Proved(Proof.STRUCTURE)
    assert judge(whole + bytes(100), NAME) == Proved(Proof.STRUCTURE)
    for size in random.Random(1).sample(range(len(whole)), 60):
        refused(whole[:size])
        refused(whole[:size] + b"\xff\xd9" * (size < 300))
    assert "follows" in refused(whole + whole)


@pytest.mark.faults("K33")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "progressive" not in kind])
def test_K33_a_zeroed_middle_does_not_pass(kind):
    whole = browse(**KINDS[kind])
    for begin, share in itertools.product((0.02, 0.3, 0.6), (0.05, 0.3)):
        at = int(begin * len(whole))
        size = max(100, int(share * len(whole)))
        if not any(whole[at : at + size]):
            continue
        refused(whole[:at] + bytes(size) + whole[at + size :])


def test_a_page_in_the_middle_of_the_headers_does_not_pass():
    whole = browse()
    for at in range(2, whole.index(b"\xff\xda"), 40):
        refused(whole[:at] + HTML + whole[at:])
    assert judge(jpeg("x" * 300), NAME) == Proved(Proof.STRUCTURE)
    assert "without pixels" in refused(b"\xff\xd8\xff\xd9")


def test_no_mutation_is_too_strange():
    whole, dice = browse(side=80), random.Random(7)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 3, 40))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        assert isinstance(judge(bytes(data[: dice.randrange(2, len(data) + 1)]), NAME), Damaged | Proved)
