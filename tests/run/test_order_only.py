"""What is missing of scenes that have to be ordered has that as its reason; everything else keeps its own."""

from __future__ import annotations

from landsat_async.model import Scene, Unavailable
from landsat_async.run.order_only import HINT, REASON, with_orders
from landsat_async.run.selection import Selection

ORDERED = Scene("LC80040532024187LGN00", "LC08_L2SP_004053_20240705_20240712_02_T1", order_only=True)
OTHER = Scene("LC80040522024187LGN00", "LC08_L2SP_004052_20240705_20240712_02_T1")
GAPS = tuple(Unavailable(f"{scene.display_id}.tar", "no bundle", "x") for scene in (ORDERED, OTHER))
SELECTION = Selection((), GAPS, ())


def test_only_gaps_of_ordered_scenes_get_the_reason():
    first, second = with_orders(SELECTION, [ORDERED, OTHER]).unavailable
    assert (first.file, first.reason, first.hint) == (f"{ORDERED.display_id}.tar", REASON, HINT)
    assert second == GAPS[1]


def test_without_such_scenes_nothing_changes():
    assert with_orders(SELECTION, [OTHER]) is SELECTION
    assert with_orders(SELECTION, []) is SELECTION
