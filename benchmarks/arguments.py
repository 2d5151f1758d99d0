"""The command line that all contestants written in Python share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Errand:
    """What to fetch, where to, and over how many connections."""

    urls: tuple[str, ...]
    out: Path
    connections: int
    ca_bundle: str | None
    splits: int
    safe: bool
    hash: bool
    one_thread: bool
    libraries: bool

    def path_of(self, url: str) -> Path:
        return self.out / url.partition("?")[0].rpartition("/")[2]


def read_errand() -> Errand:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--urls", type=Path, required=True, help="file with one URL a line")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=5)
    parser.add_argument("--ca-bundle")
    parser.add_argument("--splits", type=int, default=1, help="connections for one file")
    parser.add_argument("--safe", action="store_true", help="ours: with checkpoints and fsync as in a run")
    parser.add_argument("--no-hash", action="store_true", help="ours: without SHA-256, to see its share")
    parser.add_argument("--one-thread", action="store_true", help="floor: one thread for all connections")
    parser.add_argument("--libraries", action="store_true", help="floor: import first what ours stands on")
    given = parser.parse_args()
    urls = tuple(given.urls.read_text().split())
    return Errand(
        urls,
        given.out,
        given.connections,
        given.ca_bundle,
        given.splits,
        given.safe,
        not given.no_hash,
        given.one_thread,
        given.libraries,
    )
