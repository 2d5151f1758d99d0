"""Which threads finish a file: whole transfers show the rest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from landsat_async.transfer.finish import finish


class Handed(Exception):
    """The work has been given to threads."""


@pytest.mark.faults("X82", "X95")
@pytest.mark.parametrize(
    ("window", "is_far", "computes"), [(None, False, False), (object(), False, True), (object(), True, False)]
)
async def test_only_what_needs_a_processor_waits_for_one_and_leaves_its_slot_to_others(window, is_far, computes):
    left = []

    async def checkpoint() -> None:
        pass

    async def run(work, *, pool):
        raise Handed(pool is not None)

    transfer = SimpleNamespace(
        joins=SimpleNamespace(stretches=()),
        session=SimpleNamespace(target=SimpleNamespace(is_far=is_far), computing=object()),
        job=SimpleNamespace(window=window),
        hooks=SimpleNamespace(slot=SimpleNamespace(leave=lambda: left.append(True))),
        threads=SimpleNamespace(run=run),
        checkpoint_if_new=checkpoint,
    )
    with pytest.raises(Handed) as handed:
        await finish(transfer, length_known=True)
    assert handed.value.args == (computes,)
    assert left == [True] * computes
