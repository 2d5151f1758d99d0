"""The command line of the long versions of tests: how often, from which seed, and where."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """What was asked for."""

    count: int
    seed: int
    directory: str
    """Where the folders of the runs are made."""


def read_counts(about: str | None, *, count: int) -> Counts:
    """Read --count, --seed and --directory."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", default=tempfile.gettempdir())
    given = parser.parse_args()
    return Counts(given.count, given.seed, given.directory)
