import anyio
import pytest

from landsat_async.events import Finished, Progress, Ready, Skipped, Transferred
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
    with anyio.fail_after(1):
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
    with anyio.fail_after(1):
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
