"""What a worker asks of the ledger between two files: one commit records the one and claims the other."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest

from landsat_async.errors import DiskFull
from landsat_async.rules.lifecycle import State
from landsat_async.run.file_states import FileStates
from tests.orders.lab import Lab, Weather, names_of, run_in_virtual_time, wanted
from tests.orders.service import Climate, OrderBook

FILES = 12


def lab_of(folder):
    chance = random.Random(1)
    files = [wanted(n, ["ls_s3"]) for n in range(FILES)]
    book = OrderBook(Climate(), chance, names_of(files))
    return Lab(folder, book, Weather(chance, {}, {}, mean_s=1.0), files, workers=1, queue_size=64)


async def claimed_with_the_end_of_another(lab):
    """Return how many files were recorded in one commit with the claim of the next."""
    together = []

    def watch(context):
        original, claims = context.ledger.writer.begin, []

        def begin(function):
            call = original(function)
            if function.__qualname__.startswith("FileRecords.claim"):
                claims.append(call.future)
            elif function.__qualname__.startswith("FileRecords.finish"):
                together.append(any(not one.done() for one in claims))
            return call

        context.ledger.writer.begin = begin

    lab.check(await lab.live(watch=watch))
    assert lab.ledger.states() == {State.DONE: FILES}
    return together.count(True)


def test_the_next_file_is_claimed_in_the_commit_that_records_the_last_one(tmp_path):
    lab = lab_of(tmp_path)
    assert run_in_virtual_time(partial(claimed_with_the_end_of_another, lab)) >= FILES // 2


@pytest.mark.faults("X90")
async def test_X90_a_run_that_ends_says_nothing_of_the_claim_that_was_on_its_way():
    """A full disk fails the record of one file and the claim of the next: the run ends with the first."""
    said = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: said.append(context["message"]))
    failed, pending = loop.create_future(), loop.create_future()
    failed.set_exception(DiskFull("The disk is full.", hint=""))
    for claiming in (failed, pending, None):
        FileStates.leave(claiming)
    assert pending.cancelled()
    del failed, claiming
    assert not said
