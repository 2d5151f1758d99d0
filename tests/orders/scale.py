"""Large orders in virtual time: staged files that trickle in, and the return of a service that was away for hours."""

from __future__ import annotations

import itertools
import random
import resource
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from landsat_async.events import Retrying
from landsat_async.rules.lifecycle import State
from landsat_async.run.context import RunContext
from tests.orders.lab import Lab, Weather, names_of, run_in_virtual_time, wanted
from tests.orders.service import Climate, OrderBook

POLL_INTERVAL_S = 30.0
QUEUE_SIZE = 64
HOSTS = ("dds.test", "landsatlook.test")


@dataclass
class Staged:
    """Figures of an order whose files trickle in."""

    states: Counter[str]
    fetched: Counter[str]
    requests: int
    downloads_asked: int
    most_asked_in_a_window: int
    retrieves: int
    rounds: int
    virtual_s: float
    most_in_stream: int
    most_ready: int
    rss_growth_bytes: int


@dataclass
class Return:
    """Figures of the time after an outage. Times are seconds since the service was back."""

    waiting: int
    requests: list[float]
    """Everything that was sent to the API and to file hosts, in the first minute after the first success."""
    first_call_s: float
    first_byte_s: float
    states: Counter[str]


def fetch_staged(count: int, folder: Path, *, share: float = 0.01) -> Staged:
    """Ask for `count` staged files of which `share` of each label gets ready at each poll."""
    return run_in_virtual_time(partial(_fetch_staged, count, folder, share))


async def _fetch_staged(count: int, folder: Path, share: float) -> Staged:
    lab = _lab(count, folder, Climate(ready_share=share, call_s=0.1))
    most = Counter[str]()

    def watch(context: RunContext) -> None:
        original = context.ledger.writer.begin

        def begin(function):
            most["ready"] = max(most["ready"], context.states.by_state[State.READY])
            return original(function)

        context.ledger.writer.begin = begin

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    life = await lab.live(watch=watch, stream=lambda used: most.update(stream=max(0, used - most["stream"])))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lab.check(life)
    book = lab.book
    calls = Counter(name for _, name in book.call_times)
    polls = [at for at, name in book.call_times if name == "download-retrieve"]
    rounds = 1 + sum(later - earlier > POLL_INTERVAL_S / 2 for earlier, later in itertools.pairwise(polls))
    windows = [sum(n for at, n in book.asked if start <= at < start + 900.0) for start, _ in book.asked]
    return Staged(
        lab.ledger.states(), lab.weather.fetched, calls["download-request"], sum(n for _, n in book.asked),
        max(windows), len(polls), rounds, anyio.current_time(), most["stream"], most["ready"],
        (after - before) * 1024,
    )  # fmt: skip


def come_back(count: int, folder: Path, *, down_s: float = 7200.0, what: tuple[str, ...] = ("api", *HOSTS)) -> Return:
    """Let the API and the file hosts, or some of them, go away for `down_s` while `count` files wait."""
    return run_in_virtual_time(partial(_come_back, count, folder, down_s, what))


async def _come_back(count: int, folder: Path, down_s: float, what: tuple[str, ...]) -> Return:
    away, back = 2400.0, 2400.0 + down_s
    climate = Climate(
        staging_s=600.0, ready_at=away + 600.0, call_s=0.1, away=(away, back) if "api" in what else (0, 0)
    )
    lab = _lab(count, folder, climate)
    lab.weather.outages = {host: (away, back) for host in HOSTS if host in what}
    lab.weather.mean_s = 5.0
    life = await lab.live()
    lab.check(life)
    sent = [at for at, _ in lab.book.call_times] + lab.weather.times
    first_call = min((at for at, _ in lab.book.call_times if at >= back), default=back)
    first_byte = min(at for at in lab.weather.times if at >= back)
    noticed = first_call if "api" in what else first_byte
    waiting = sum(1 for order in lab.book.orders.values() if order.born_s < back)
    minute = sorted(at - noticed for at in sent if noticed <= at < noticed + 60.0)
    assert not any(isinstance(event, Retrying) and event.wait_s < 0 for event in life.events)
    return Return(waiting, minute, first_call - back, first_byte - back, lab.ledger.states())


def _lab(count: int, folder: Path, climate: Climate) -> Lab:
    random.seed(count)
    chance = random.Random(count)
    files = [wanted(n, ["dds_ms"]) for n in range(count)]
    weather = Weather(chance, {}, {}, mean_s=1.0)
    return Lab(
        folder, OrderBook(climate, chance, names_of(files)), weather, files,
        workers=4, queue_size=QUEUE_SIZE, poll_interval_s=POLL_INTERVAL_S, staging_timeout_s=10 * 86400.0,
    )  # fmt: skip
