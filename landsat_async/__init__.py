"""Asyncio downloader for Landsat Collection 2 from the USGS Machine-to-Machine (M2M) API.

The whole job in one call, and the same job watched from inside another program:

    summary = await download(Config.load("config.toml"))

    async with open_run(config) as run:
        async for event in run.events():
            if isinstance(event, Verified):
                print(event.file, event.size_bytes, event.proof)
    print(run.summary)

Doing
    download(config) -> RunSummary      the whole job
    open_run(config) -> Run             the same with its events; leaving the block stops it cleanly
    landsat_async.blocking              download, plan and scenes without await, also in a notebook
    plan(config) -> Plan                what a run would do; nothing is requested or written
    M2MClient(url, credentials)         the M2M API alone, as typed coroutines

Giving
    Config                              Config.load(path) reads TOML, Config.from_dict(tables) plain values
    Credentials                         user name and token; without them see docs/getting-started.md

Getting
    Event                               any of Searching, Planned, Requested, Ready, Started, Transferred, Progress,
                                        Retrying, Verified, Skipped, Failed, LeftOut, Measured, HookEnded, Superseded,
                                        Synced, Notice, Error, Finished
    RunSummary, Plan                    counts of a run and its files; what `plan` has found
    Scene, WantedFile, Route, ...       plain frozen values; Proof and Identity are what a file was found to be

Errors
    Everything that is raised on purpose is a LandsatError. It says what happened (str(error)), what to do now
    (error.hint), which fault it is (error.reference, see docs/commands.md) and what the command line would end with
    (error.exit_code). What happens to one file is an event and never an exception.

Units stand in names: `_s` seconds, `_bytes` bytes. Longitude and latitude are in degrees, boxes are west, south, east,
north, cloud cover is in percent. What None means stands beside each value.

Nothing here sets signal handlers, configures logging or prints, but for one line of progress that `download` shows in a
notebook or on a terminal, unless it is told progress=None. Several runs in one event loop are fine. The names of this
page are stable, see CONTRIBUTING.md; modules may move. Names are imported when they are first used, so that `--help`
stays quick.
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
        DatasetRefused,
        DiskFull,
        EndpointGone,
        FolderBusy,
        FolderUnwritable,
        LandsatError,
        LedgerError,
        M2MError,
        OutcomeUnknown,
        OutOfResources,
        QuotaReached,
        RateLimited,
        RequestRefused,
        SchedulerGone,
        ServiceDown,
        ServiceError,
        SessionClosed,
        SessionExpired,
        TooManyHits,
    )
    from landsat_async.events import (
        Error,
        Event,
        Failed,
        Finished,
        HookEnded,
        LeftOut,
        Measured,
        Notice,
        Planned,
        Progress,
        Ready,
        Requested,
        Retrying,
        Searching,
        Skipped,
        Started,
        Superseded,
        Synced,
        Transferred,
        Verified,
    )
    from landsat_async.m2m.client import M2MClient
    from landsat_async.model import (
        DroppedScene,
        Identity,
        Proof,
        Route,
        Scene,
        Unavailable,
        WantedFile,
    )
    from landsat_async.rules.links import SecretUrl
    from landsat_async.run.opening import open_run
    from landsat_async.run.plan import Plan, PlannedFile, plan
    from landsat_async.run.runner import Run
    from landsat_async.run_summary import RunSummary, VerifiedFile
    from landsat_async.whole_job import download

__version__ = "0.1.0"

_HOME = {
    "BadReply": "errors",
    "CertificateUntrusted": "errors",
    "Config": "config",
    "ConfigError": "errors",
    "Credentials": "credentials",
    "CredentialsError": "errors",
    "DatasetRefused": "errors",
    "DiskFull": "errors",
    "DroppedScene": "model",
    "EndpointGone": "errors",
    "Error": "events",
    "Event": "events",
    "Failed": "events",
    "Finished": "events",
    "FolderBusy": "errors",
    "FolderUnwritable": "errors",
    "Identity": "model",
    "LandsatError": "errors",
    "LedgerError": "errors",
    "HookEnded": "events",
    "LeftOut": "events",
    "Measured": "events",
    "Superseded": "events",
    "Synced": "events",
    "CompleteScene": "run.hooks",
    "M2MClient": "m2m.client",
    "M2MError": "errors",
    "Notice": "events",
    "OutOfResources": "errors",
    "OutcomeUnknown": "errors",
    "Plan": "run.plan",
    "Planned": "events",
    "PlannedFile": "run.plan",
    "Progress": "events",
    "Proof": "model",
    "QuotaReached": "errors",
    "RateLimited": "errors",
    "Ready": "events",
    "RequestRefused": "errors",
    "Requested": "events",
    "Retrying": "events",
    "Route": "model",
    "Run": "run.runner",
    "RunSummary": "run_summary",
    "Scene": "model",
    "Searching": "events",
    "SecretUrl": "rules.links",
    "SchedulerGone": "errors",
    "ServiceDown": "errors",
    "ServiceError": "errors",
    "SessionClosed": "errors",
    "SessionExpired": "errors",
    "Skipped": "events",
    "Started": "events",
    "TooManyHits": "errors",
    "Transferred": "events",
    "Unavailable": "model",
    "Verified": "events",
    "VerifiedFile": "run_summary",
    "WantedFile": "model",
    "download": "whole_job",
    "open_run": "run.opening",
    "plan": "run.plan",
}

__all__ = [
    "BadReply",
    "CertificateUntrusted",
    "CompleteScene",
    "Config",
    "ConfigError",
    "Credentials",
    "CredentialsError",
    "DatasetRefused",
    "DiskFull",
    "DroppedScene",
    "EndpointGone",
    "Error",
    "Event",
    "Failed",
    "Finished",
    "FolderBusy",
    "FolderUnwritable",
    "HookEnded",
    "Identity",
    "LandsatError",
    "LedgerError",
    "LeftOut",
    "M2MClient",
    "M2MError",
    "Measured",
    "Notice",
    "OutOfResources",
    "OutcomeUnknown",
    "Plan",
    "Planned",
    "PlannedFile",
    "Progress",
    "Proof",
    "QuotaReached",
    "RateLimited",
    "Ready",
    "RequestRefused",
    "Requested",
    "Retrying",
    "Route",
    "Run",
    "RunSummary",
    "Scene",
    "SchedulerGone",
    "Searching",
    "SecretUrl",
    "ServiceDown",
    "ServiceError",
    "SessionClosed",
    "SessionExpired",
    "Skipped",
    "Started",
    "Superseded",
    "Synced",
    "TooManyHits",
    "Transferred",
    "Unavailable",
    "Verified",
    "VerifiedFile",
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
