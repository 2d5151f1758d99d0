"""Asyncio downloader for Landsat Collection 2 from the USGS Machine-to-Machine (M2M) API.

The whole job, and the same job inside another service:

    summary = await download(Config.load("config.toml"))

    async with open_run(config, session=session) as run:
        async for event in run.events():
            ...

Map of the package: `rules` decides, `m2m` talks to the API, `disk` keeps, `transfer` fetches one file, `run` owns the
tasks, `show` is the command line, `sim` is a stand-in for the service. Names are imported when they are first used, so
that `--help` stays quick.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest here

if TYPE_CHECKING:
    from typing import Any

    from landsat_async.config import Config
    from landsat_async.credentials import Credentials
    from landsat_async.errors import (
        BadReply,
        CertificateUntrusted,
        ConfigError,
        CredentialsError,
        DiskFull,
        FolderBusy,
        FolderUnwritable,
        LandsatError,
        LedgerError,
        M2MError,
        OutOfResources,
        ServiceDown,
        ServiceError,
    )
    from landsat_async.events import Event
    from landsat_async.m2m.client import M2MClient
    from landsat_async.model import Proof, RunSummary, Scene, WantedFile
    from landsat_async.run.plan import Plan, plan
    from landsat_async.run.runner import Run, download, open_run

__version__ = "0.1.0"

_HOME = {
    "BadReply": "errors",
    "CertificateUntrusted": "errors",
    "Config": "config",
    "ConfigError": "errors",
    "Credentials": "credentials",
    "CredentialsError": "errors",
    "DiskFull": "errors",
    "Event": "events",
    "FolderBusy": "errors",
    "FolderUnwritable": "errors",
    "LandsatError": "errors",
    "LedgerError": "errors",
    "M2MClient": "m2m.client",
    "M2MError": "errors",
    "OutOfResources": "errors",
    "Plan": "run.plan",
    "Proof": "model",
    "Run": "run.runner",
    "RunSummary": "model",
    "Scene": "model",
    "ServiceDown": "errors",
    "ServiceError": "errors",
    "WantedFile": "model",
    "download": "run.runner",
    "open_run": "run.runner",
    "plan": "run.plan",
}

__all__ = [
    "BadReply",
    "CertificateUntrusted",
    "Config",
    "ConfigError",
    "Credentials",
    "CredentialsError",
    "DiskFull",
    "Event",
    "FolderBusy",
    "FolderUnwritable",
    "LandsatError",
    "LedgerError",
    "M2MClient",
    "M2MError",
    "OutOfResources",
    "Plan",
    "Proof",
    "Run",
    "RunSummary",
    "Scene",
    "ServiceDown",
    "ServiceError",
    "WantedFile",
    "__version__",
    "download",
    "open_run",
    "plan",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
