"""Transfers of lists of files, program beside program, in turn: A B C A B C.

In turn, because a machine is not the same from one minute to the next; figures of different runs of this module are
not to be compared, ratios within one are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import nginx
from benchmarks.measure import Broken, Run, measure
from benchmarks.peers import Peer, Task
from benchmarks.table import Results
from benchmarks.workload import Workload, make_files


def bench(workload: Workload, peers: Sequence[Peer], rounds: int, folder: Path, *, tls: bool) -> Results:
    """Measure all peers at one workload; what cannot do it is left out."""
    folder.chmod(0o755)  # started by root, nginx gives up root's rights
    served, scratch = folder / "served", folder / "scratch"
    scratch.mkdir(parents=True)
    sums = make_files(workload, served)
    results: dict[str, list[Run | Broken]] = {}
    with nginx.serve(served, folder / "nginx", [workload], tls=tls) as host:
        task = Task(workload, host, tuple(sums), folder / "out", scratch)
        for number in range(rounds):
            for peer in peers:
                _say(f"{workload.name}: round {number + 1} of {rounds}, {peer.name}")
                run = measure(peer, task, sums)
                if run is not None:
                    results.setdefault(peer.name, []).append(run)
    _say("")
    return results


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
