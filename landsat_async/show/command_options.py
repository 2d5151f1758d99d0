"""Options that several commands share, and what follows from them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from landsat_async.show.command_table import CONFIG_FILE, option
from landsat_async.show.program import SameJob


def config_of(options: argparse.Namespace) -> str:
    """Return the path of the config: ./config.toml unless another one was named. One rule for every command."""
    return options.config or CONFIG_FILE


def same_job(options: argparse.Namespace) -> SameJob:
    """Return the job that the command line names, for the commands that go on with it."""
    values = {
        name: getattr(options, name, None) for name in ("directory", "scenes", "shard", "workers", "scheduler", "watch")
    }
    given = [("--set", text) for text in getattr(options, "set", ())]
    given += [(f"--{name}", str(value)) for name, value in values.items() if value is not None]
    given += [(f"--{name}", "") for name in ("full", "overwrite") if getattr(options, name, False)]
    return SameJob(config_of(options), tuple(given))


def overrides_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options that override the file, as `table.key=value` with TOML values."""
    import json
    import os

    texts = list(getattr(options, "set", ()))
    if getattr(options, "workers", None) is not None:
        texts.append(f"download.workers={options.workers}")
    if getattr(options, "scheduler", None) is not None:
        texts.append(f"scale.scheduler={json.dumps(options.scheduler, ensure_ascii=False)}")
    if getattr(options, "directory", None) is not None:  # from where the user stands, not from where the file lies
        where = options.directory  # a folder, or the address of a store
        absolute = where if "://" in where else os.path.abspath(os.path.expanduser(where))
        texts.append(f"download.directory={json.dumps(absolute, ensure_ascii=False)}")
    if getattr(options, "scenes", None) is not None:
        from landsat_async.show.scene_input import scene_overrides

        texts += scene_overrides(options.scenes)
    return tuple(texts)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return the reader of a whole number from low to high."""

    def number(text: str) -> int:
        if not low <= any_whole_number(text) <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}")
        return int(text)

    return number


def seconds(text: str) -> float:
    """Return a time in seconds."""
    try:
        value_s = float(text)
    except ValueError:
        value_s = math.nan
    if not 0 <= value_s < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a number of seconds")
    return value_s


def any_whole_number(text: str) -> int:
    """Return a whole number; which ones make sense is said by the key that it overrides."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a whole number") from None


OUTPUT = option(
    "--output",
    metavar="FILE",
    files="file",
    help="write the scenes to a file: .html (to look at), .geojson (QGIS), .csv, or .txt (their ids)",
)
NO_BROWSE = option("--no-browse", action="store_true", help="make a page without pictures of the scenes")
SHARD = option(
    "--shard",
    metavar="I/N",
    help="fetch part I of N, on one of N machines; each needs a --directory of its own",
)
