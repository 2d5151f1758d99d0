"""Which target a config asks for: the one place that knows them all."""

from __future__ import annotations

from pathlib import Path

from landsat_async.config import Config
from landsat_async.disk.local_target import LocalTarget
from landsat_async.disk.target import Target


def target_for(config: Config) -> Target:
    """Return where the files of a config go; nothing is made or asked yet."""
    return LocalTarget(Path(config.download.directory))
