"""Transfers of lists of files, program beside program, in turn: A B C A B C.

In turn, because a machine is not the same from one minute to the next; figures of different runs of this module are
not to be compared, ratios within one are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from benchmarks import delay, nginx, service
from benchmarks.measure import Broken, Run, measure
from benchmarks.peers import Peer, Task
from benchmarks.table import Results
from benchmarks.workload import Served


def bench(
    served: Served,
    peers: Sequence[Peer],
    rounds: int,
    folder: Path,
    *,
    tls: bool,
    relay_ms: float = 0.0,
    own_core: bool = False,
) -> Results:
    """Measure all peers at one workload; what cannot do it is left out.

    Args:
        served: The files, which lie in `folder / "served"`.
        peers: Who takes part, in order.
        rounds: How often each has its turn.
        folder: Everything is written below it.
        tls: Over TLS 1.3 with a throw-away certificate, else over plain HTTP.
        relay_ms: Round trip that a relay has to add.
        own_core: The server has the last core for itself, and the programs the others.
    """
    load, scratch = served.workload, folder / "scratch"
    scratch.mkdir(exist_ok=True)
    results: dict[str, list[Run | Broken]] = {}
    state = folder / ("tls" if tls else "plain")
    serving = nginx.serve(folder / "served", state, load, tls=tls, own_core=own_core)
    with serving as near, delay.relayed(near, relay_ms) as host:
        task = Task(load, host, tuple(served.sums), folder / "out", scratch)
        for number in range(-1, rounds):
            # Before they count: the first use of all that memory, and the making of bytecode, are paid by nobody.
            for peer in peers if number >= 0 or rounds > 1 else peers[:1]:
                _say(f"{load.name}: round {number + 1} of {rounds}, {peer.name}")
                with service.running(load, host.url) if peer.wants_api else nullcontext() as api:
                    run = measure(peer, replace(task, api=api), served)
                if run is not None and number >= 0:
                    results.setdefault(peer.name, []).append(run)
    _say("")
    return results


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
