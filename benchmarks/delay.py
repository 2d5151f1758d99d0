"""A server with a long way to it.

Where the kernel has netem, the benchmark starts itself again in a network namespace with netem on its loopback, which
needs root and iproute2; everything is far away then, the API too. Elsewhere a relay stands before nginx, the same for
all programs; see `relay` for what it imitates. The API is not delayed then.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from benchmarks.nginx import FileHost

_INSIDE = "BENCHMARKS_DELAYED"
_PREPARE = 'ip link set lo up && tc qdisc add dev lo root netem limit 100000 delay "$1"'


def go_far_away(round_trip_ms: float) -> float:
    """Replace this process by itself in a delayed namespace; where that cannot be, return what a relay has to add."""
    if os.environ.get(_INSIDE) or not round_trip_ms:
        return 0.0
    each_way = f"{round_trip_ms / 2}ms"
    missing = _missing(each_way)
    if not missing:
        again = [sys.executable, "-m", "benchmarks", *sys.argv[1:]]
        inside = ["unshare", "--net", "sh", "-ec", f'{_PREPARE} && shift && exec "$@"', "sh", each_way, *again]
        os.execvpe("unshare", inside, os.environ | {_INSIDE: "1"})
    print(f"no netem here ({missing}): a relay delays the files by {round_trip_ms:g} ms, the API is not delayed")
    return round_trip_ms


def _missing(each_way: str) -> str:
    try:
        tried = subprocess.run(
            ["unshare", "--net", "sh", "-ec", _PREPARE, "sh", each_way], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "no unshare"
    return tried.stderr.strip() if tried.returncode else ""


@contextmanager
def relayed(host: FileHost, round_trip_ms: float) -> Iterator[FileHost]:
    """Put a relay before a server until the block ends; without a round trip, none."""
    if not round_trip_ms:
        yield host
        return
    address = urlsplit(host.url)
    command = [sys.executable, "-m", "benchmarks.relay", str(address.port), str(round_trip_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield replace(host, url=f"{address.scheme}://{address.hostname}:{port}")
        process.stdin.close()
