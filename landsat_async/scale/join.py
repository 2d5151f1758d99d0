"""The way into a cluster: its scheduler is reached, and all that transfer are seen to fit before a run begins.

Nothing here is silent: what is waited for is told after two seconds, with what the user may do meanwhile.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio

from landsat_async.beside import beside
from landsat_async.disk.fs import NEW, Fs, local_fs
from landsat_async.errors import ConfigError, LandsatError, SchedulerGone
from landsat_async.events import Notice, Retrying
from landsat_async.rules.links import is_loopback
from landsat_async.scale.parcel import ProcessSeen, python_version, version
from landsat_async.scale.seal import can_seal

CONNECT_S = 10.0
"""So long a scheduler is tried at the beginning."""
JOIN_S = 30.0
"""So long a cluster may be without any process at the beginning, and so long processes may take to answer."""
GONE_S = 60.0
"""So long a scheduler may be gone in mid-run."""
QUIET_S = 2.0
"""No wait is silent for longer."""
AGAIN_S = 10.0
"""So often it is told again."""
_SCHEMES = "A scheduler with certificates is at tls://, one without at tcp://."
_NO_EXTRA = 'a cluster needs the extra "dask"'
_INSTALL = 'Run: pip install "landsat-async[dask]"'
_CONTINUES = "Nothing is lost: once it runs again, the same command continues."
Tell = Callable[[Notice | Retrying], None]
_T = TypeVar("_T")


async def connect(given: Any, tell: Tell) -> Any:
    """Return a client of our own for the cluster of a client, or for the scheduler that has an address.

    Raises:
        ConfigError: no connection can be made with this address, or with these certificates.
        SchedulerGone: nobody answers, or nobody who can be trusted.
    """
    try:
        import distributed
    except ImportError:
        raise ConfigError(_NO_EXTRA, hint=_INSTALL) from None
    if not can_seal():
        raise ConfigError(_NO_EXTRA, hint=_INSTALL)

    make_security: Any = distributed.Security
    security = make_security() if isinstance(given, str) else given.security
    address = given if isinstance(given, str) else given.scheduler.address
    await _reach(address, security, tell)
    make_client: Any = distributed.Client
    client = make_client(
        address, security=security, asynchronous=True, set_as_default=False, name="landsat-async",
        timeout=GONE_S,  # also for finding back to a scheduler that was lost
    )  # fmt: skip
    try:
        await _announced(client, tell, _silent(address), CONNECT_S)
    except (OSError, TimeoutError) as error:
        await close(client)
        raise _unreachable(address, error) from None
    except BaseException:
        await close(client)
        raise
    for text in warnings(address):
        tell(Notice(text, "warning"))
    return client


async def _reach(address: str, security: Any, tell: Tell) -> None:
    """See that there is a scheduler: a client would not say why it gets no connection."""
    from distributed.comm.core import connect as open_comm

    make: Any = open_comm

    async def open_and_close() -> None:
        comm = await make(address, timeout=CONNECT_S, **security.get_connection_args("client"))
        await comm.close()

    try:
        await _announced(open_and_close(), tell, _silent(address), CONNECT_S + 1)
    except (OSError, TimeoutError) as error:
        raise _unreachable(address, error) from None
    except (ValueError, TypeError, RuntimeError) as error:  # of an address, of certificates, of a setting of dask
        raise ConfigError(
            f"there is no way to the scheduler {address}: {_words(error)}",
            hint=f"Look at `[scale] scheduler`, and at distributed.comm.tls in the configuration of dask. {_SCHEMES}",
            reference="cluster-address",
        ) from None


def _silent(address: str) -> str:
    return f"the scheduler of the cluster at {address} does not answer; start it, or stop the run"


@dataclass(frozen=True, slots=True)
class JoinChecks:
    """What all processes of a cluster have to have.

    Attributes:
        probe: Folder in which a file is written that they must see; on the file system of the output folder.
        root: The output folder, for words.
        ca_bundle: File of extra certificates; None = none is wanted.
    """

    probe: str
    root: str
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class WorkersFound:
    """The processes of a cluster that are there now.

    Attributes:
        workers: How many there are.
        slots: Transfers that they can run at a time.
    """

    workers: int
    slots: int


async def look_at_processes(client: Any, look: JoinChecks, tell: Tell) -> WorkersFound:
    """Return what processes there are, when all of them, and the scheduler, can work for a run.

    Raises:
        ConfigError: one of them cannot.
        SchedulerGone: there is no process, or none answers.
    """
    reason = "the cluster has no workers yet; start some, scale it, or stop the run"
    try:
        await _announced(client.wait_for_workers(1), tell, reason, JOIN_S)
    except TimeoutError:
        hint = "Start workers, or scale the cluster, and run the same command again."
        raise SchedulerGone("the cluster has no workers", hint=hint, reference="no-workers") from None
    fs = local_fs()
    text = secrets.token_hex(8)
    name = f"cluster-{text}"
    path = fs.join(look.probe, name)
    await anyio.to_thread.run_sync(_write, fs, path, text)
    reason = "not all workers of the cluster have answered; look at those that hang, or stop the run"
    try:
        scheduler, workers, slots = await _announced(_ask(client, look, name, text), tell, reason, JOIN_S)
    except TimeoutError:
        hint = "End workers that hang, and run the same command again."
        raise SchedulerGone(f"workers of the cluster have not answered for {JOIN_S:.0f} s", hint=hint) from None
    except OSError:
        raise SchedulerGone("the connection to the scheduler is lost", hint=_CONTINUES) from None
    finally:
        with suppress(OSError):
            fs.unlink(path)
    _refuse(_unable(scheduler, workers, look.root))
    here = [address for address, found in workers.items() if not isinstance(found, OSError)]
    if not here:
        raise SchedulerGone("no worker of the cluster can be reached by its scheduler", reference="no-workers")
    return WorkersFound(len(here), slots)


def _write(fs: Fs, path: str, text: str) -> None:
    fd = fs.open(path, NEW)
    try:
        fs.pwrite_all(fd, memoryview(text.encode()), 0)
    finally:
        fs.close(fd)


async def _ask(client: Any, look: JoinChecks, name: str, text: str) -> tuple[object, dict[str, object], int]:
    """Return what the scheduler shows of itself, None = nothing, what each process does, and how many slots they have.

    All that is asked of a scheduler at the beginning is asked here: none of it may be outside of a bound.
    """
    from landsat_async.scale.agent import look_at_folder, look_at_scheduler

    scheduler = None
    with suppress(ImportError, AttributeError):  # it has another version, or none
        scheduler = await client.run_on_scheduler(look_at_scheduler)
    seen = await client.run(look_at_folder, look.probe, name, text, look.ca_bundle, on_error="return")
    return scheduler, seen, sum(worker["nthreads"] for worker in (await workers_of(client)).values())


async def workers_of(client: Any) -> dict[str, dict[str, Any]]:
    """Return what the scheduler knows of its workers, by address. It may never answer: have a bound around it."""
    info = await client.scheduler.identity(n_workers=-1)  # without a number it tells of five
    found: dict[str, dict[str, Any]] = info["workers"]
    return found


async def examine(address: str, look: JoinChecks, tell: Tell) -> WorkersFound:
    """Do all that a run does before it uses a cluster. Raises as `connect` and `look_at_processes`."""
    client = await connect(address, tell)
    try:
        return await look_at_processes(client, look, tell)
    finally:
        await close(client)


async def close(client: Any) -> None:
    """Close a connection, in two seconds at most."""
    with anyio.move_on_after(2.0, shield=True), suppress(Exception):
        await client.close(timeout=1)


def _unable(scheduler: object, workers: dict[str, object], root: str) -> Iterator[str]:
    if scheduler != (version(), python_version()):
        yield f"the scheduler {_other(scheduler)}"
    for address, found in workers.items():
        if not isinstance(found, OSError) and (wrong := _wrong(found, root)):  # who has gone meanwhile lacks nothing
            yield f"{address}: {wrong}"


def _other(seen: object) -> str:
    """Return in what a scheduler is another than this."""
    match seen:
        case (str() as its, str()) if its != version():
            return f"has version {its}, and this is {version()}"
        case (str(), str() as its):
            return f"has Python {its}, and this is {python_version()}"
    return "does not have this version of landsat-async"


def _wrong(found: object, root: str) -> str:
    """Return why a process cannot work for this run; "" = it can."""
    if not isinstance(found, ProcessSeen):
        return f"does not have this version of landsat-async ({type(found).__name__})"
    if found.version != version() or found.python != python_version():
        return _other((found.version, found.python))
    if found.lacks:
        return f'does not have the package {found.lacks} of the extra "dask"'
    if found.refusal:
        return f"{root}: {found.refusal}"
    return "" if found.ca_bundle else "does not have the file of service.ca_bundle"


def _refuse(unable: Iterable[str]) -> None:
    problems = list(unable)
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ConfigError(
            f"processes of the cluster cannot work for this run: {'; '.join(problems[:3])}{more}",
            hint="All machines need the same versions, and the output folder under the same path.",
            reference="cluster-unfit",
        )


async def _announced(what: Awaitable[_T], tell: Tell, reason: str, limit_s: float) -> _T:
    """Wait, and say so. Raises TimeoutError after `limit_s`."""

    async def announce() -> None:
        begun_s, tries = anyio.current_time(), 1
        await anyio.sleep(QUIET_S)
        while (left_s := begun_s + limit_s - anyio.current_time()) > 0:
            tell(Retrying(None, reason, tries, min(left_s, AGAIN_S)))
            tries += 1
            await anyio.sleep(min(left_s, AGAIN_S))

    async with beside(announce):
        with anyio.fail_after(limit_s):
            return await what
    raise AssertionError


def gone(after_s: float) -> SchedulerGone:
    """Return the error for a scheduler that is lost in mid-run."""
    return SchedulerGone(f"the scheduler of the cluster has not answered for {after_s:.0f} s", hint=_CONTINUES)


def said_by_dask(error: BaseException) -> BaseException:
    """Return what dask tells of a task, as it is raised here.

    A task of ours raises nothing: any other error is of a process that cannot read what it was given.
    """
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    if isinstance(error, LandsatError | KilledWorker | FutureCancelledError):
        return error
    return ConfigError(
        f"a process of the cluster cannot read what it is given: {type(error).__name__}",
        hint="All machines need the same version of landsat-async, with its extra dask, and the same Python.",
        reference="cluster-unfit",
    )


def _unreachable(address: str, error: BaseException) -> SchedulerGone:
    from distributed.comm.core import FatalCommClosedError

    why, hint = f"no answer within {CONNECT_S:.0f} s", "See that it runs, and that no firewall stands between."
    if isinstance(error, FatalCommClosedError):
        why, hint = "its certificate is not trusted", "See distributed.comm.tls in the configuration of dask: ca-file."
    elif not isinstance(error, TimeoutError) and not str(error).startswith("Timed out"):
        why, hint = _words(error).rpartition(">: ")[2], _SCHEMES
    return SchedulerGone(f"the scheduler of the cluster at {address} cannot be reached: {why}", hint=hint)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def warnings(address: str) -> list[str]:
    """Return what the user of a scheduler's address should be warned of."""
    parts = urlsplit(address)
    if parts.scheme in ("tls", "wss", "inproc") or is_loopback(parts.hostname or ""):
        return []
    return [
        f"the way to the scheduler {address} is not encrypted: who reaches it sees links and runs code on the workers;"
        " use tls://"
    ]
