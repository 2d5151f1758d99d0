"""A share of `python -m benchmarks.soak`, and that it would notice."""

from __future__ import annotations

import pytest

from benchmarks import soak as bench
from landsat_async.model import Proof
from landsat_async.proof.prove import Proved
from landsat_async.transfer import attempt
from landsat_async.transfer.transfer import Transfer
from tests.support.virtual_loop import VirtualLoop


@pytest.fixture
def anyio_backend():
    """A stall passes in an instant."""
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.mark.faults("F01", "F02", "F03", "F04", "F05", "F06", "F09", "F18", "F19", "F31", "F32")
async def test_every_file_is_right_though_a_tenth_of_all_answers_is_not(tmp_path):
    result = await bench.soak(150, 0.1, 20240705, tmp_path, proof="published", serving=bench.service_here)
    print(result)
    assert result.faults.total() >= 10, "too few faults to say anything"
    assert len(result.faults) >= 8
    assert result.good, result


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_every_file_is_right_though_two_fifths_of_all_answers_are_not(tmp_path):
    result = await bench.soak(60, 0.4, 7, tmp_path, serving=bench.service_here)
    assert len(result.faults) >= 20
    assert result.good, result


async def test_a_transfer_that_looks_at_nothing_is_found_out(tmp_path, monkeypatch):
    """Pages are taken for files, and whatever has come is given its final name."""

    async def run_unproven(transfer):
        monkeypatch.setattr(transfer.session, "prove", lambda *file, **how: Proved(Proof.CONTENT))
        return await run(transfer)

    run = Transfer.run
    monkeypatch.setattr(Transfer, "run", run_unproven)
    monkeypatch.setattr(attempt, "sniff", lambda *look: None)
    result = await bench.soak(50, 0.4, 7, tmp_path, serving=bench.service_here)
    assert result.wrong
    assert not result.good
