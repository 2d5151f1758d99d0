"""A loopback with a long way: the benchmark starts itself again in a network namespace with netem on its loopback.

Needs root, iproute2 and a kernel with netem; where one of them is missing that is said, and nothing is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys

_INSIDE = "BENCHMARKS_DELAYED"
_PREPARE = 'ip link set lo up && tc qdisc add dev lo root netem limit 100000 delay "$1"'


def go_far_away(round_trip_ms: float) -> None:
    """Return inside the namespace; outside, replace this process by itself in one, or end it with what is missing."""
    if os.environ.get(_INSIDE):
        return
    each_way = f"{round_trip_ms / 2}ms"
    tried = subprocess.run(["unshare", "--net", "sh", "-ec", _PREPARE, "sh", each_way], capture_output=True, text=True)
    if tried.returncode:
        sys.exit(f"no delayed loopback on this machine: {tried.stderr.strip()}")
    again = [sys.executable, "-m", "benchmarks", *sys.argv[1:]]
    script = f'{_PREPARE} && shift && exec "$@"'
    os.execvpe(
        "unshare", ["unshare", "--net", "sh", "-ec", script, "sh", each_way, *again], os.environ | {_INSIDE: "1"}
    )
