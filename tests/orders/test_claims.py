"""What workers ask of the ledger between two files: one commit records the one and claims the others."""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import anyio
import pytest

from landsat_async.errors import DiskFull
from landsat_async.rules.lifecycle import State
from landsat_async.rules.links import SecretUrl
from landsat_async.run.counts import FileStates
from landsat_async.run.link_stream import ClaimsAhead, Link, LinkAges, LinkStream
from landsat_async.run.recorder import Proven
from landsat_async.run.worker import WorkerPool
from tests.orders.lab import Lab, Weather, names_of, run_in_virtual_time, wanted
from tests.orders.service import Climate, OrderBook

FILES = 12


def lab_of(folder, workers=1):
    chance = random.Random(1)
    files = [wanted(n, ["ls_s3"]) for n in range(FILES)]
    book = OrderBook(Climate(), chance, names_of(files))
    return Lab(folder, book, Weather(chance, {}, {}, mean_s=1.0), files, workers=workers, queue_size=64)


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
    claims = ClaimsAhead(None, 1, LinkAges(1800.0), lambda: None)
    for claiming in (failed, pending, None):
        claims.give_back((None, claiming))
    claims.leave()
    assert pending.cancelled()
    del failed, claiming, claims
    assert not said


async def claims_of(lab):
    """Return the ids of each claim that was made; what waited for its record is recorded in its turn of the loop."""
    made, turns = [], {"claim": set(), "finish": set()}

    def watch(context):
        original, begin = context.ledger.files.claim, context.ledger.writer.begin

        def claim(items, now):
            made.append([item.item_id for item in items])
            return original(items, now)

        def begun(function):
            kind = function.__qualname__.removeprefix("FileRecords.").partition(".")[0]
            if kind in turns:
                loop = asyncio.get_running_loop()
                turns[kind].add(loop.time())
            return begin(function)

        context.ledger.files.claim, context.ledger.writer.begin = claim, begun

    lab.check(await lab.live(watch=watch))
    assert lab.ledger.states() == {State.DONE: FILES}
    return made, turns


def test_several_workers_claim_for_each_other_and_no_more_than_they_are(tmp_path):
    made, turns = run_in_virtual_time(partial(claims_of, lab_of(tmp_path, workers=4)))
    assert sorted(item_id for ids in made for item_id in ids) == [*range(1, FILES + 1)]
    assert max(map(len, made)) == 4
    assert len(made) == FILES // 4
    assert len(turns["claim"]) >= 2
    assert len(turns["claim"] - turns["finish"]) == 1, "only at the beginning there is nothing to take along"


def link_of(number):
    return Link(number, SecretUrl("https://example.org/1"), "example.org", 0.0, False)


def states_that(claim):
    return SimpleNamespace(claim=claim, loop_time=lambda: 0.0)


async def test_a_worker_that_is_cancelled_leaves_the_claim_to_the_others(tmp_path):
    claiming = asyncio.get_running_loop().create_future()
    states = FileStates(None, "run")

    async def wait():
        return await states.claimed(1, claiming)

    one, other = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    claiming.set_result({1: "file"})
    assert await other == "file"
    assert one.cancelled()
    assert states.by_state[State.ACTIVE] == 1


async def test_a_link_that_is_too_old_is_not_claimed_with_the_others():
    asked = []
    states = states_that(lambda ids: asked.append(ids) or len(asked))
    ages = SimpleNamespace(young_s=-1.0, is_too_old=lambda link, age_s: link.item == 2)
    stream = LinkStream(8, 1)
    claims = ClaimsAhead(states, 3, ages, lambda: None)
    with stream.sending():
        await stream.put([link_of(number) for number in (1, 2, 3, 4)])
        taken = [claims.take(stream) for _ in range(4)]
        assert claims.take(stream) is None
    assert await claims.wait(stream) is None
    assert asked == [[1, 3], [4]]
    assert [(link.item, claiming) for link, claiming in taken] == [(1, 1), (2, None), (3, 1), (4, 2)]


class Worker:
    """What `WorkerPool.work` asks of itself: two links, the second taken ahead, and no slot or a fault for it."""

    context = SimpleNamespace(hooks=None)
    _working = 0

    def __init__(self, fault=None):
        self.links, self.given_back, self.fault = [("first", None), ("second", None)], [], fault
        self.recorder = SimpleNamespace(in_use=nullcontext, put=self.put)
        self._slots = SimpleNamespace(take=self.take_slot)
        self._claims = SimpleNamespace(take=self.take_link, give_back=self.given_back.append, leave=lambda: None)
        self._ended = asyncio.Event()
        self.slots = 0

    async def take_slot(self):
        self.slots += 1
        if self.slots == 2 or self.fault is None:
            await asyncio.sleep(60)
        return SimpleNamespace(may_take_ahead=True, may_stay=self.fault is not None, close=lambda: None)

    def take_link(self, _):
        return self.links.pop(0) if self.links else None

    async def _next(self, stream):
        return self.take_link(stream)

    async def put(self, proven):
        assert proven.item == "first"

    async def _one(self, link, claiming, slot):
        if link == "second":
            raise self.fault
        return Proven(link, None, 0, False)


@pytest.mark.faults("X134")
async def test_a_link_that_a_worker_has_begun_with_is_given_to_nobody_else():
    """Another worker would fetch it for its last moment, into the same part."""
    worker = Worker(DiskFull("The disk is full.", hint=""))
    with pytest.raises(DiskFull):
        await WorkerPool.work(worker, None)
    assert worker.given_back == []


@pytest.mark.faults("X134")
async def test_a_link_whose_worker_ends_before_it_has_a_slot_is_given_back():
    worker = Worker()
    with anyio.move_on_after(0.01):
        await WorkerPool.work(worker, None)
    assert worker.given_back == [("first", None)]


async def test_the_next_files_are_claimed_when_few_are_left():
    asked = []
    claims = ClaimsAhead(states_that(asked.append), 8, LinkAges(1800.0), lambda: None)
    stream = LinkStream(16, 1)
    with stream.sending():
        await stream.put([link_of(number) for number in range(16)])
        taken = [claims.take(stream)[0].item for _ in range(6)]
        assert asked == [list(range(8))]
        taken += [claims.take(stream)[0].item for _ in range(3)]
        assert asked == [list(range(8)), list(range(8, 16))]
    assert taken == list(range(9))


async def test_workers_that_wait_share_what_the_first_of_them_claims():
    claims, stream = (
        ClaimsAhead(states_that(lambda ids: None), 3, LinkAges(1800.0), lambda: None),
        LinkStream(8, 1),
    )
    workers = [asyncio.create_task(claims.wait(stream)) for _ in range(3)]
    await asyncio.sleep(0)
    await stream.put([link_of(number) for number in (1, 2, 3)])
    assert [(await worker)[0].item for worker in workers] == [1, 2, 3]
