"""Which target a config asks for: the one place that knows them all."""

from __future__ import annotations

from pathlib import Path

from landsat_async.config import Config
from landsat_async.config_store import StoreConfig
from landsat_async.config_tables import DownloadConfig
from landsat_async.disk.local_target import LocalTarget
from landsat_async.disk.target import Target
from landsat_async.rules.store_url import is_store_url, read_store_url


def target_for(config: Config, *, patience_s: float | None = None) -> Target:
    """Return where the files of a config go; nothing is made or asked yet.

    Args:
        config: The config.
        patience_s: How long a store that is down is waited for; None = as `config.service` says.
    """
    return target_of(config.download, config.store, config.service.patience_s if patience_s is None else patience_s)


def target_of(download: DownloadConfig, store: StoreConfig, patience_s: float = 0.0) -> Target:
    """Return where files go by these tables of a config; a store that is down is not waited for by itself."""
    if not is_store_url(download.directory):
        return LocalTarget(Path(download.directory))
    from landsat_async.store.target import StoreTarget

    return StoreTarget(
        read_store_url(download.directory),
        store,
        spool=Path(download.spool),
        state_dir=Path(download.state_dir),
        patience_s=patience_s,
    )
