"""`doctor`: is everything there that a run needs? One line a check, and what to do about each fault."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.disk.choose_target import target_for
from landsat_async.disk.fs import local_fs
from landsat_async.errors import ConfigError, DatasetRefused, FolderBusy, LandsatError
from landsat_async.rules.quantities import count_text, size_text, span_text
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.setup_commands import load_or_environment
from landsat_async.show.signals import Stopper, run_async

if TYPE_CHECKING:
    from landsat_async.m2m.caller import ApiWait
    from landsat_async.run.plan import Plan

NETWORK_FILE_SYSTEMS = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "smb3",
        "smbfs",
    ]
)
_WITHOUT_JOURNAL = frozenset({"exfat", "fat", "fat32", "vfat", "msdos"})
CLOCK_TOLERANCE_S = 120.0
REACH_TIMEOUT_S = 20.0
SCENES_MAX = 500
"""A search of no more scenes is looked at as a run would: two or three calls."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor."""

    name: str
    state: Literal["ok", "warn", "fail"]
    message: str
    hint: str = ""
    exit_code: int = 0
    """What a run would end with because of it; 0 unless the state is fail."""


def doctor(path: str | None, overrides: tuple[str, ...], output: Output) -> int:
    """Check everything, say each result, and return the code that a run would end with."""

    async def work(_: Stopper) -> int:
        checks = []
        async for check in _checks(path, overrides, partial(tell_wait, output)):
            _tell(check, output)
            checks.append(check)
        return verdict(checks)

    return run_async(output, work)


def verdict(checks: Iterable[Check]) -> int:
    """Return the code that a run would end with: of the fault that it meets first.

    Of a full disk it hears last; and 4 is only the end of a run that nothing ends earlier.
    """
    failed = [check for check in checks if check.exit_code]
    failed.sort(key=lambda check: (check.exit_code == 4, check.exit_code == 9))  # else in the order of a run
    return failed[0].exit_code if failed else 0


async def _checks(
    path: str | None, overrides: tuple[str, ...] = (), on_wait: Callable[[ApiWait], None] | None = None
) -> AsyncIterator[Check]:
    from landsat_async.run.find_credentials import find_credentials

    yield _versions()
    try:
        config = load_or_environment(path, overrides)
    except ConfigError as error:
        for problem in error.problems:
            yield Check("config", "fail", problem, error.hint, error.exit_code)
        return
    where = "no config.toml here: only the environment was read" if config.path is None else f"{config.path} is valid"
    yield Check("config", "ok", where)
    for check in (*_area(config), *_folder(config)):
        yield check
    try:
        credentials = await find_credentials(config.service, None, on_wait=on_wait)
    except LandsatError as error:
        yield _failure("credentials", error)
        credentials = None
    async for check in _service(config, credentials, on_wait):
        yield check


def _tell(check: Check, output: Output) -> None:
    if output.output_options.json:
        values = {"name": check.name, "state": check.state, "message": check.message, "hint": check.hint}
        output.json(line("check", values))
        return
    if check.state == "ok" and output.output_options.quiet:
        return
    first, *others = check.message.split("\n")  # a choice is listed line by line
    for text in (f"{check.state:<4}  {check.name}: {first}", *(f"      {other}" for other in others)):
        output.data(text)
    if check.hint:
        output.data(f"      {check.hint}")


def _failure(name: str, error: LandsatError) -> Check:
    return Check(name, "fail", str(error), error.hint, error.exit_code)


def _versions() -> Check:
    aiohttp = version("aiohttp")
    text = f"Python {platform.python_version()}, aiohttp {aiohttp}, {sys.platform}"
    numbers = tuple(int(part) for part in aiohttp.split(".")[:3] if part.isdigit())
    if numbers < (3, 14, 4):
        return Check("versions", "warn", text, "aiohttp before 3.14.4 reports complete bodies as cut; upgrade it")
    return Check("versions", "ok", text)


def _area(config: Config) -> Iterator[Check]:
    if config.search.aoi is None:
        return
    from landsat_async.aoi_files import load_aoi

    try:
        aoi = load_aoi(config.search.aoi)
    except LandsatError as error:
        yield _failure("area", error)
        return
    west, south, east, north = aoi.bbox
    text = f"{config.search.aoi}: west {west:.4f}, south {south:.4f}, east {east:.4f}, north {north:.4f}"
    told = (*aoi.notes, *aoi.warnings)
    yield Check("area", "warn" if told else "ok", text, "; ".join(told))


def _folder(config: Config) -> Iterator[Check]:
    """Check the output folder without leaving anything behind."""
    directory = config.download.directory
    existing = directory
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        yield Check("folder", "fail", f"{existing}: {error.strerror}", "choose another [download] directory", 2)
        return
    refused = target_for(config).foresee()
    if refused is not None and not isinstance(refused, FolderBusy):
        yield _failure("folder", refused)
        return
    yield Check("folder", "ok", f"{directory} " + ("is writable" if existing == directory else "can be made"))
    yield _failure("lock", refused) if refused is not None else Check("lock", "ok", "no other run is using the folder")
    free, keep = shutil.disk_usage(existing).free, config.download.min_free_bytes
    text = f"{size_text(free)} free; {size_text(keep)} of it stay free"
    if free <= keep:
        yield Check("disk", "fail", text, "free some space, or lower [download] min_free_bytes", 9)
    else:
        yield Check("disk", "ok", text)
    if sys.platform == "win32":
        volume = local_fs().volume(existing)
        check = file_system(directory, volume.kind, is_remote=volume.is_remote)
    else:
        kind = file_system_of(existing, _read_mounts())
        check = file_system(directory, kind, is_remote=kind in NETWORK_FILE_SYSTEMS)
    if check is not None:
        yield check


def file_system(directory: str, kind: str, *, is_remote: bool) -> Check | None:
    """Say what the kind of file system means for a run; None when nothing is known of it."""
    if is_remote:
        hint = "safe when the program is killed; when the file server crashes, run `verify` afterwards"
        return Check(
            "file system", "warn", f"{directory} is on a network file system ({kind or 'of unknown kind'})", hint
        )
    if kind.lower() in _WITHOUT_JOURNAL:
        hint = "it keeps no journal: after a power cut or a stick pulled out, run `verify`"
        if kind.lower() != "exfat":
            hint += "; files of 4 GiB and more do not fit there"
        return Check("file system", "warn", f"{directory} is on {kind}", hint)
    return Check("file system", "ok", kind) if kind else None


def file_system_of(path: str, mounts: str) -> str:
    """Return the kind of file system that holds `path`, from the text of mountinfo; "" when unknown."""
    best, kind = "", ""
    real = os.path.realpath(path)
    for text in mounts.splitlines():
        left, _, right = text.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right.split():
            continue
        point = fields[4].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def _read_mounts() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


async def _service(
    config: Config, credentials: Credentials | None, on_wait: Callable[[ApiWait], None] | None
) -> AsyncIterator[Check]:
    from landsat_async.m2m.client import M2MClient
    from landsat_async.run.dataset_names import dataset_refused
    from landsat_async.run.plan import plan_if_small

    host = urlsplit(config.service.url).netloc
    if credentials is not None:
        found = f"user {credentials.username}, token from {credentials.source}"
        yield Check("credentials", "warn" if credentials.notes else "ok", found, "; ".join(credentials.notes))
    reached = await _clock(config)
    yield reached
    if credentials is None or reached.state == "fail":
        return
    step = "login"
    try:
        ca_bundle = config.service.ca_bundle
        async with M2MClient(config.service.url, credentials, ca_bundle=ca_bundle, on_wait=on_wait) as m2m:
            await m2m.login()
            yield Check("login", "ok", f"{host} accepts the token")
            step = "role"
            permissions = await m2m.permissions()
            yield _role(permissions)
            step = "dataset"
            for name in config.search.datasets:
                try:
                    dataset = await m2m.dataset(name)
                except DatasetRefused as error:
                    raise await dataset_refused(m2m, name, error) from None
                yield Check("dataset", "ok", f"{dataset.alias}: {dataset.name}")
            step = "search"
            if config.path is not None and "download" in permissions:
                for check in _search(await plan_if_small(config, m2m, scenes_max=SCENES_MAX)):
                    yield check
    except LandsatError as error:
        yield _failure(step, error)


def _search(plan: Plan | None) -> Iterator[Check]:
    """Say what the search finds, and what of it cannot be had; None: it finds too much for a look."""
    if plan is None:
        yield Check("search", "ok", f"more than {SCENES_MAX:,} scenes: what is to be had of them is shown by `plan`")
        return
    text = f"{count_text(len(plan.scenes), 'scene')}, {count_text(len(plan.files), 'file')}"
    if lacking := [*(f"{one.file}: {one.reason}" for one in plan.unavailable), *_refused_files(plan)]:
        more = f"; and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
        hint = plan.unavailable[0].hint if plan.unavailable else "move it away, or replace it with `run --overwrite`"
        yield Check("search", "fail", f"{text}; {lacking[0]}{more}", f"{hint} `plan` shows all.", 4)
    else:
        doubts = [note for note in plan.notes if note.startswith("warning: ")]
        yield Check("search", "warn" if doubts else "ok", text, "; ".join(doubts))
    if plan.bytes_short:
        text = f"no room for all of it: about {size_text(plan.bytes_short)} too little"
        yield Check("room", "fail", text, "free space, choose less, or lower [download] min_free_bytes", 9)


def _refused_files(plan: Plan) -> Iterator[str]:
    for planned in plan.files:
        if planned.state == "refused":
            yield f"{planned.file.relpath}: something that is no proven file has this name"


def _role(permissions: tuple[str, ...] | list[str]) -> Check:
    if "download" in permissions:
        return Check("role", "ok", "the account may download")
    hint = (
        "at ers.cr.usgs.gov open Access Request, choose Request Access, then the type "
        '"Access to EE\'s Machine to Machine interface (MACHINE)"; USGS answers in a few days'
    )
    return Check("role", "fail", "the account may search but not download: the MACHINE role is missing", hint, 3)


async def _clock(config: Config) -> Check:
    """Reach the service without an account and compare clocks: TLS and signed links need the right time."""
    import ssl
    import time

    import aiohttp

    from landsat_async.m2m.api_errors import from_network

    context = ssl.create_default_context()
    timeout = aiohttp.ClientTimeout(total=REACH_TIMEOUT_S)
    try:
        if config.service.ca_bundle is not None:
            context.load_verify_locations(config.service.ca_bundle)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(config.service.url, ssl=context, allow_redirects=False) as reply,
        ):
            offset_s = time.time() - parsedate_to_datetime(reply.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return Check("service", "warn", f"{config.service.url} answers, but does not tell the time")
    except aiohttp.ClientConnectorCertificateError as error:
        return _failure("service", from_network("service", urlsplit(config.service.url).netloc, error, REACH_TIMEOUT_S))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        hint = "check network, proxy (HTTPS_PROXY), and [service] url and ca_bundle; or the service is down"
        return Check("service", "fail", f"{config.service.url} cannot be reached: {type(error).__name__}", hint, 6)
    text = f"{config.service.url} answers"
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        side = "ahead of" if offset_s > 0 else "behind"
        hint = "set the clock (NTP): certificates and signed links depend on it"
        return Check("service", "warn", f"{text}; this clock is {span_text(abs(offset_s))} {side} it", hint)
    return Check("service", "ok", f"{text}; clocks agree")
