import anyio
import pytest

from landsat_async.events import Finished, Notice, Progress, Ready, Skipped, Transferred
from landsat_async.run import bus as bus_module
from landsat_async.run.bus import EventBus

END = Finished(0, 0, 0, 0, 0, 0, 0.0, 0)


async def test_a_reader_gets_everything_in_order_and_the_end():
    bus = EventBus()
    for n in range(5):
        await bus.emit(Ready(str(n)))
    bus.tell(END)
    bus.end()
    assert [event async for event in bus.events()] == [*(Ready(str(n)) for n in range(5)), END]


@pytest.mark.faults("L08")
async def test_a_slow_reader_slows_the_run_down_and_loses_nothing():
    bus, got, most = EventBus(buffer_events=10), [], 0
    async with anyio.create_task_group() as group:

        async def produce():
            nonlocal most
            for n in range(200):
                await bus.emit(Skipped(str(n), ""))
                most = max(most, len(bus._buffer))
            bus.end()

        group.start_soon(produce)
        async for event in bus.events():
            got.append(event.file)
            await anyio.lowlevel.checkpoint()
    assert got == [str(n) for n in range(200)]
    assert most <= 11


async def test_without_a_reader_the_buffer_stays_bounded_and_nobody_waits():
    bus = EventBus(buffer_events=10)
    with anyio.fail_after(10):
        for n in range(1000):
            await bus.emit(Ready(str(n)))
    assert len(bus._buffer) == 10


async def test_leaving_early_is_fine():
    bus = EventBus(buffer_events=2)
    await bus.emit(Ready("0"))
    events = bus.events()
    async for _ in events:
        break
    await events.aclose()
    with anyio.fail_after(10):
        for n in range(100):
            await bus.emit(Ready(str(n)))
    assert not bus._buffer


async def test_progress_is_coalesced_and_never_follows_the_end():
    bus = EventBus()
    for n in range(1000):
        bus.tell(Transferred("a", n, None))
        bus.tell(Progress(0, 1, n, None, 0.0))
    assert len(bus._latest) == 2
    bus.tell(END)
    bus.end()
    assert [event async for event in bus.events()] == [END]


async def _emit_all(bus, count):
    for n in range(count):
        await bus.emit(Skipped(str(n), ""))
    bus.tell(END)
    bus.end()


@pytest.mark.faults("L30")
async def test_L30_a_reader_that_breaks_off_and_waits_for_the_end_does_not_stop_the_run():
    bus = EventBus(buffer_events=10)
    async with anyio.create_task_group() as group:
        group.start_soon(_emit_all, bus, 200)
        events = bus.events()  # held, so nothing tells that nobody reads it any more
        async for _ in events:
            break
        with anyio.fail_after(30), bus.somebody_waits():
            while not bus._ended:
                await anyio.sleep(0.001)
    rest = [event async for event in events]
    assert isinstance(rest[0], Notice)
    assert "events were not read in time" in rest[0].text
    assert rest[-1] == END
    assert len(rest) == 11
    assert [event.file for event in rest[1:-1]] == [str(n) for n in range(191, 200)]


@pytest.mark.faults("L30")
async def test_L30_a_task_that_read_and_is_over_does_not_stop_the_run():
    bus, held = EventBus(buffer_events=10), []

    async def read_one():
        held.append(bus.events())
        await anext(held[0])

    async with anyio.create_task_group() as group:
        group.start_soon(_emit_all, bus, 200)
        async with anyio.create_task_group() as readers:
            readers.start_soon(read_one)
        with anyio.fail_after(30):
            while not bus._ended:
                await anyio.sleep(0.001)
    await held[0].aclose()


@pytest.mark.faults("L30", "L08")
async def test_L30_a_slow_reader_beside_a_task_that_waits_still_loses_nothing():
    bus, got = EventBus(buffer_events=10), []

    async def wait():
        with bus.somebody_waits():
            while not bus._ended:
                await anyio.sleep(0.001)

    async with anyio.create_task_group() as group:
        group.start_soon(_emit_all, bus, 100)
        group.start_soon(wait)
        async for event in bus.events():
            got.append(event)
            await anyio.sleep(0.0005)
    assert [event.file for event in got[:-1]] == [str(n) for n in range(100)]


@pytest.mark.faults("L30")
async def test_L30_a_reader_that_stays_away_while_another_task_waits_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(bus_module, "ABSENT_S", 0.05)
    bus = EventBus(buffer_events=10)
    async with anyio.create_task_group() as group:
        group.start_soon(_emit_all, bus, 200)
        events = bus.events()
        await anext(events)

        async def wait():
            with bus.somebody_waits():
                while not bus._ended:
                    await anyio.sleep(0.001)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as inner:
                inner.start_soon(wait)
    await events.aclose()


async def test_what_the_reader_has_no_use_for_goes_to_listeners_alone():
    bus, heard = EventBus(buffer_events=2), []
    bus.listen(heard.append, Ready)
    bus.not_read = (Ready,)
    for n in range(10):
        await bus.emit(Ready(str(n)))
    await bus.emit(Skipped("x", ""))
    bus.end()
    assert [event async for event in bus.events()] == [Skipped("x", "")]
    assert heard == [Ready(str(n)) for n in range(10)]


@pytest.mark.faults("X123")
async def test_X123_how_far_a_file_was_is_not_read_after_what_has_become_of_it():
    bus, progress = EventBus(), Progress(0, 2, 6, None, 0.0)
    for event in (Transferred("a", 5, 9), Transferred("b", 1, 9), progress, Notice("of no file"), Skipped("a", "")):
        bus.tell(event)
    events = bus.events()
    assert [await anext(events) for _ in range(4)] == [
        Notice("of no file"), Skipped("a", ""), Transferred("b", 1, 9), progress,
    ]  # fmt: skip
    await events.aclose()
