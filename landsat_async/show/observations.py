"""`doctor --observations`: what runs have seen of the service, as a text that a person can paste into an issue."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from landsat_async import __version__
from landsat_async.rules.observed import TOPICS
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.setup_commands import load_or_environment
from landsat_async.show.signals import Stopper, run_async

if TYPE_CHECKING:
    from landsat_async.disk.ledger_observations import Observed

_ABOUT = (
    "What the service of USGS does is documented in part only. This is what runs of landsat_async have seen of it,",
    "without ids, links, names of files, user names or tokens. Please paste it into an issue.",
)
_NOTHING = "nothing was seen yet: a run notes what the service and its hosts do"


def print_observations(path: str | None, overrides: tuple[str, ...], output: Output) -> int:
    """Print what the runs into the output folder of a config have seen; offline."""
    config = load_or_environment(path, overrides)

    async def work(_: Stopper) -> int:
        from landsat_async.disk.ledger_reader import LedgerReader
        from landsat_async.run.choose_target import target_for

        tell_observations(await LedgerReader(target_for(config).folder).observations(), output)
        return 0

    return run_async(output, work)


def tell_observations(found: Sequence[Observed], output: Output) -> None:
    """Print what was seen."""
    if output.output_options.json:
        for one in found:
            times, low, high = one.seen
            values = {
                "host": one.host,
                "topic": one.topic,
                "value": one.value,
                "times": times,
                "low": low,
                "high": high,
            }
            output.json(line("observation", values))
    elif not found:
        output.message(_NOTHING)
    else:
        for text in observation_lines(found):
            output.data(text)


def observation_lines(found: Sequence[Observed]) -> Iterator[str]:
    """Yield the text, host by host and topic by topic."""
    first, last = min(one.first for one in found), max(one.last for one in found)
    yield from _ABOUT
    days = f"{_day(first)} to {_day(last)}"
    yield f"landsat_async {__version__}, Python {platform.python_version()}, {sys.platform}, {days}"
    order = list(TOPICS)
    ranked = sorted(found, key=lambda one: (one.host, order.index(one.topic), -one.seen.times))
    for host, of_host in groupby(ranked, key=lambda one: one.host):
        yield ""
        yield f"{host}:"
        for topic, rows in groupby(of_host, key=lambda one: one.topic):
            yield f"  {TOPICS[topic]}"
            for one in rows:
                yield f"    {one.value}: {_figures(one)}"


def _figures(one: Observed) -> str:
    times, low, high = one.seen
    if low is None or high is None:
        return f"{times:,} x"
    return f"{times:,} x, {_number(low)}" + (f" to {_number(high)}" if high != low else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _day(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(unix_s))
