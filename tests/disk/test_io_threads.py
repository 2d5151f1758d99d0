"""The threads for blocking work: as few as will do, as many as a slow disk needs."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import anyio
import pytest

from landsat_async.disk import io_threads, thread_call
from landsat_async.disk.io_threads import DiskPool, Threads, threads_wanted
from landsat_async.errors import OutOfResources
from tests.disk.test_thread_call import interrupted

MS = 0.001


@pytest.mark.parametrize(
    ("threads", "each_s", "waiting", "wanted"),
    [
        (2, 10 * MS, True, 3),  # a slow disk
        (2, math.inf, True, 3),  # nothing ends at all
        (8, 10 * MS, True, 8),  # the most that may be
        (2, 10 * MS, False, 2),  # slow, but nobody waits
        (2, 2 * MS, True, 2),  # the interpreter is waited for, and one more would make that longer
        (5, 2 * MS, True, 5),
        (5, 0.5 * MS, True, 4),
        (5, 0.5 * MS, False, 4),
        (2, 0.5 * MS, True, 2),  # the fewest
        (1, 0.5 * MS, True, 1),  # a second one comes with work that is not short
    ],
)
def test_the_number_of_threads_follows_how_long_work_takes(threads, each_s, waiting, wanted):
    assert threads_wanted(threads, 8, each_s, waiting=waiting) == wanted


@contextmanager
def pool_of(most):
    pool = DiskPool(most)
    release = threading.Event()
    try:
        yield pool, release
    finally:
        release.set()
        pool.shutdown(cancel_futures=True)


async def all_ended():
    while any(thread.name.startswith("landsat-disk") for thread in threading.enumerate()):
        await anyio.sleep(0.001)


async def test_work_gets_its_turn_while_other_work_hangs():
    with pool_of(5) as (pool, release):
        hung = [pool.start(release.wait) for _ in range(4)]
        with anyio.fail_after(10):
            assert await pool.start(pow, 2, 10) == 1024
            release.set()
            assert [await one for one in hung] == [True] * 4


async def test_there_are_never_more_threads_than_allowed():
    with pool_of(3) as (pool, release):
        began = [threading.Event() for _ in range(4)]

        def hang(event):
            event.set()
            return release.wait(30)

        hung = [pool.start(hang, event) for event in began]
        with anyio.fail_after(10):
            while not all(event.is_set() for event in began[:3]):
                await anyio.sleep(0.001)
            await anyio.sleep(0.05)  # for a thread too many to show itself; a right pool needs nothing of it
            assert not began[3].is_set()
            release.set()
            assert [await one for one in hung] == [True] * 4


async def test_what_work_raises_reaches_who_waits_and_nobody_else():
    with pool_of(2) as (pool, _):
        first, second = pool.start(int, "x"), pool.start(int, "7")
        assert await second == 7
        with pytest.raises(ValueError, match="'x'"):
            await first


async def test_what_a_call_has_held_is_given_back_also_when_nobody_waits_for_it_any_more():
    given_back = []
    with pool_of(2) as (pool, release):
        threads = Threads(pool, 0.01)
        await threads.run(int, at_end=partial(given_back.append, "waited for"))
        assert given_back.pop() == "waited for"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(threads.run, release.wait, at_end=partial(given_back.append, "left")))
            await anyio.lowlevel.checkpoint()
            threads.cancel_soon()
            tasks.cancel_scope.cancel()
        assert threads.lost
        assert not given_back, "still used"
        release.set()
        with anyio.fail_after(10):
            while not given_back:
                await anyio.sleep(0.001)


async def test_a_transfer_that_is_to_end_tells_its_threads():
    with pool_of(1) as (pool, _):
        threads = Threads(pool, 5.0)

        def work():
            begun.set()
            while not threads.is_to_end:
                time.sleep(0.001)
            return "stopped"

        begun = threading.Event()
        under_way = threads.run(work)
        with anyio.fail_after(10):
            while not begun.is_set():
                await anyio.sleep(0.001)
            threads.cancel_soon()
            assert await under_way == "stopped"


async def test_a_pool_that_has_just_shrunk_ends_all_its_threads(monkeypatch):
    monkeypatch.setattr(io_threads, "threads_wanted", lambda threads, most, each_s, *, waiting: threads - 1)
    with pool_of(2) as (pool, release):
        hung = [pool.start(release.wait) for _ in range(3)]  # one waits: a reason to look
        with anyio.fail_after(10):
            while pool._threads == 2:
                await anyio.sleep(0.001)
            pool.shutdown(cancel_futures=True)
            release.set()
            await hung[0]
            await all_ended()


async def test_a_pool_ends_its_threads_and_leaves_out_what_has_not_begun():
    with pool_of(1) as (pool, release):
        done = []
        first = pool.start(release.wait)
        pool.start(done.append, 1)
        pool.shutdown(cancel_futures=True)
        release.set()
        with anyio.fail_after(10):
            await first
            await all_ended()
        assert not done


@pytest.mark.faults("L35")
async def test_L35_where_no_more_threads_can_be_started_those_that_are_here_do_the_work(monkeypatch):
    allowed, start = [1], threading.Thread.start

    def limited(thread):
        if not allowed:
            raise RuntimeError("can't start new thread")
        allowed.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    with pool_of(5) as (pool, _):
        with anyio.fail_after(10):
            assert [await one for one in [pool.start(pow, 2, n) for n in range(50)]] == [2**n for n in range(50)]
        assert pool._threads == 1
    await all_ended()
    with pool_of(5) as (pool, _), pytest.raises(OutOfResources, match="threads"):
        pool.start(pow, 2, 10)


@pytest.mark.faults("W32")
async def test_W32_a_clock_that_ticks_every_16_ms_does_not_hide_a_slow_disk(monkeypatch):
    """As time.monotonic does on Windows: work of some milliseconds would look like none."""
    standing = time.monotonic()
    clocks = SimpleNamespace(monotonic=lambda: standing, perf_counter=time.perf_counter)
    monkeypatch.setattr(io_threads, "time", clocks)
    with pool_of(8) as (pool, _):
        await asyncio.gather(*(pool.start(time.sleep, 0.008) for _ in range(40)))
        assert pool._threads > 2
    await all_ended()


@contextmanager
def calls_of_the_loop(pool, monkeypatch):
    told = []
    real = pool._loop.call_soon_threadsafe
    monkeypatch.setattr(pool._loop, "call_soon_threadsafe", lambda call, *a: (told.append(call), real(call, *a))[1])
    yield told


@pytest.fixture
def quick_disk(monkeypatch):
    """However busy the machine is, the disk does not look slow."""
    for limit in ("_LOOK_EVERY_S", "_SLOW_S", "_SHORT_S", "_HOLD_S"):
        monkeypatch.setattr(io_threads, limit, 1000.0)


async def test_short_work_of_one_turn_wakes_one_thread_and_the_loop_once(quick_disk, monkeypatch):
    monkeypatch.setattr(thread_call, "AT_MOST_S", 10.0)
    with pool_of(5) as (pool, _), calls_of_the_loop(pool, monkeypatch) as told:
        threads = await asyncio.gather(*(pool.start(threading.get_ident, short=True) for _ in range(20)))
        assert len(set(threads)) == 1
        assert not told, "the loop has waited for its end"


async def test_the_end_of_short_work_that_the_loop_has_not_waited_for_is_told_once(quick_disk, monkeypatch):
    with pool_of(5) as (pool, _), calls_of_the_loop(pool, monkeypatch) as told:
        monkeypatch.setattr(pool._wait, "hand_over", lambda put, work, pieces: put(work))
        await asyncio.gather(*(pool.start(pow, 2, n, short=True) for n in range(20)))
        assert told == [pool._collect]


async def test_short_work_that_comes_meanwhile_goes_along(quick_disk, monkeypatch):
    with pool_of(5) as (pool, release), calls_of_the_loop(pool, monkeypatch) as told:
        began = threading.Event()
        first = pool.start(lambda: (began.set(), release.wait(30)), short=True)
        while not began.is_set():
            await anyio.sleep(0.001)
        later = [pool.start(pow, 2, n, short=True) for n in range(20)]
        await anyio.sleep(0)
        release.set()
        assert [await one for one in later] == [2**n for n in range(20)]
        assert first.done()
        assert pool._threads == 1
        assert told == [pool._collect]


@pytest.mark.faults("X91")
async def test_X91_short_work_behind_a_call_that_hangs_is_done_by_another_thread():
    with pool_of(5) as (pool, release):
        hung = [pool.start(release.wait, short=True) for _ in range(4)]
        with anyio.fail_after(10):
            assert await pool.start(pow, 2, 10, short=True) == 1024
            assert await pool.start(pow, 2, 11, short=True) == 2048
            release.set()
            assert [await one for one in hung] == [True] * 4


@pytest.mark.faults("X91")
async def test_X91_so_is_what_comes_when_that_call_has_hung_for_a_while():
    with pool_of(5) as (pool, release):
        hung = pool.start(release.wait, short=True)
        with anyio.fail_after(10):
            await anyio.sleep(0)
            while pool._look is not None:  # it is seen that nothing waits for it yet
                await anyio.sleep(MS)
            assert await pool.start(pow, 2, 10, short=True) == 1024
            release.set()
            assert await hung


@pytest.mark.faults("X91")
async def test_X91_short_work_on_a_slow_disk_is_done_by_as_many_threads_as_it_takes():
    with pool_of(8) as (pool, _):
        await asyncio.gather(*(pool.start(time.sleep, 0.008, short=True) for _ in range(40)))
        assert pool._threads > 2
    await all_ended()


@pytest.mark.faults("X91")
@pytest.mark.parametrize("each_s", [2 * MS, 8 * MS])
async def test_X91_short_work_is_not_gathered_while_the_disk_is_slow_or_a_little_slow_each_time(each_s):
    with pool_of(8) as (pool, _), anyio.fail_after(60):
        while pool._apart_s < 4 * io_threads._APART_S:
            await asyncio.gather(*(pool.start(time.sleep, each_s, short=True) for _ in range(16)))
    await all_ended()


@pytest.mark.faults("X91")
async def test_X91_short_work_is_gathered_again_soon_where_the_disk_was_slow_once(monkeypatch):
    """A second without gathering is a fifth of a run over thousands of small files: one hiccup is not worth that."""
    with pool_of(8) as (pool, _):
        now_s, apart = [100.0], []
        monkeypatch.setattr(pool, "_loop", SimpleNamespace(time=lambda: now_s[0]))
        for later_s in (0.0, 0.06, 0.11, 0.21, 0.41, 0.81, 1.01, 1.01, 5.0, 0.06):
            now_s[0] += later_s
            pool._short_s = 2 * io_threads._SHORT_S
            pool._spread()
            apart.append(round(pool._apart_until_s - now_s[0], 3))
        assert apart == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 0.05, 0.1]
        monkeypatch.undo()


async def test_short_work_that_comes_as_its_thread_sees_no_more_is_done():
    with pool_of(2) as (pool, _):
        pool._is_worked_off = True  # as its thread sees that there is no more
        late = pool.start(pow, 2, 3, short=True)
        pool._is_worked_off = False  # as it says so
        with anyio.fail_after(10):
            await pool.start(int)  # as its end is told
            assert await late == 8


async def test_no_short_work_is_left_behind():
    """It is added while its thread sees that there is no more, again and again."""
    with pool_of(3) as (pool, _):

        async def one_after_the_other():
            for n in range(200):
                assert await pool.start(int, n, short=True) == n

        with anyio.fail_after(60):
            await asyncio.gather(*(one_after_the_other() for _ in range(8)))
        assert not pool._short
        pool.start(pow, 2, 3, short=True)
    await all_ended()


async def test_what_short_work_raises_reaches_who_waits_also_that_there_is_no_thread(monkeypatch):
    with pool_of(2) as (pool, _):
        first, second = pool.start(int, "x", short=True), pool.start(int, "7", short=True)
        assert await second == 7
        with pytest.raises(ValueError, match="'x'"):
            await first

    def refused(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pool_of(2) as (pool, _):
        with pytest.raises(OutOfResources, match="threads"):
            await pool.start(pow, 2, 10, short=True)
        monkeypatch.undo()
        assert await pool.start(pow, 2, 10, short=True) == 1024


async def test_what_ends_after_no_thread_could_be_started_is_told(monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    with pool_of(2) as (pool, release):
        hung = pool.start(release.wait)
        monkeypatch.setattr(pool, "_put", lambda job: refused(job))
        with pytest.raises(RuntimeError):
            await pool.start(pow, 2, 10, short=True)
        monkeypatch.undo()
        release.set()
        with anyio.fail_after(10):
            assert await hung


@pytest.mark.faults("X122")
async def test_X122_a_wait_that_is_interrupted_leaves_no_result_behind(monkeypatch):
    with pool_of(2) as (pool, _):
        future = pool.start(pow, 2, 3, short=True)
        with monkeypatch.context() as patched:
            patched.setattr(pool._wait, "hand_over", partial(interrupted, pool._wait))
            with pytest.raises(KeyboardInterrupt):
                pool._pass_on()
        assert future.result() == 8
