"""`doctor`: is everything there that a run needs? One line a check, and what to do about each fault."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import anyio.to_thread

from landsat_async.config import Config
from landsat_async.disk.fs import local_fs
from landsat_async.errors import ConfigError, FolderBusy, LandsatError, ServiceDown
from landsat_async.rules.quantities import size_text
from landsat_async.rules.store_url import is_store_url
from landsat_async.run.choose_target import target_for
from landsat_async.run.waits import told_target
from landsat_async.show.doctor_page import Check, check_lines, verdict, verdict_lines
from landsat_async.show.doctor_service import check_service, failure
from landsat_async.show.jsonlines import line
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.program import SameJob
from landsat_async.show.setup_commands import load_or_environment
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.tables import width_of

if TYPE_CHECKING:
    from landsat_async.m2m.caller import ApiWait

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


def doctor(path: str | None, overrides: tuple[str, ...], output: Output, again: SameJob | None = None) -> int:
    """Check everything, say each result, and return the code that a run would end with."""

    async def work(_: Stopper) -> int:
        checks = []
        async for check in _checks(path, overrides, partial(tell_wait, output)):
            _tell(check, output)
            checks.append(check)
        _tell_verdict(checks, again or SameJob(path), output)
        return verdict(checks)

    return run_async(output, work)


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
    bad: set[str] = set()
    async for check in _places(config, on_wait):
        bad |= {check.name} if check.state == "fail" else set()
        yield check
    try:
        credentials = await find_credentials(config.service, None, on_wait=on_wait)
    except LandsatError as error:
        yield failure("credentials", error)
        credentials = None
    async for check in check_service(config, credentials, on_wait, search=not bad & {"area", "store"}):
        if check.name != "room" or "disk" not in bad:  # once is enough
            yield check


async def _places(config: Config, on_wait: Callable[[ApiWait], None] | None = None) -> AsyncIterator[Check]:
    """Check the area, where files go, and who brings them there."""
    for check in _area(config):
        yield check
    for check in await check_store(config, on_wait) if is_store_url(config.download.directory) else _folder(config):
        yield check
    if config.scale.scheduler:
        from landsat_async.show.doctor_cluster import check_cluster

        yield await check_cluster(config, nearest(config.download.directory), on_wait)


def _tell(check: Check, output: Output) -> None:
    if output.output_options.json:
        values = {"name": check.name, "state": check.state, "message": check.message, "hint": check.hint}
        output.json(line("check", values))
    elif check.state != "ok" or not output.output_options.quiet:
        for text in check_lines(check, width_of(output.out)):
            output.data(text)


def _tell_verdict(checks: list[Check], again: SameJob, output: Output) -> None:
    if output.output_options.json:
        return  # each line is a check, and the exit code is the verdict
    if any(check.state == "fail" for check in checks) or not output.output_options.quiet:
        width = width_of(output.out) if output.out.isatty() else 10**6  # a program looks for one line
        for text in verdict_lines(checks, again, width):
            output.data(text)


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
        yield failure("area", error)
        return
    west, south, east, north = aoi.bbox
    text = f"{config.search.aoi}: west {west:.4f}, south {south:.4f}, east {east:.4f}, north {north:.4f}"
    told = (*aoi.notes, *aoi.warnings)
    yield Check("area", "warn" if told else "ok", text, "; ".join(told))


def _folder(config: Config) -> Iterator[Check]:
    """Check the output folder without leaving anything behind."""
    directory = config.download.directory
    existing = nearest(directory)
    if (lacking := unwritable(existing, "directory")) is not None:
        yield lacking
        return
    refused = target_for(config).foresee()
    if refused is not None and not isinstance(refused, FolderBusy):
        yield failure("folder", refused)
        return
    yield Check("folder", "ok", f"{directory} " + ("is writable" if existing == directory else "can be made"))
    yield failure("lock", refused) if refused is not None else Check("lock", "ok", "no other run is using the folder")
    yield from check_disk(directory, config.download.min_free_bytes)


async def check_store(config: Config, on_wait: Callable[[ApiWait], None] | None = None) -> list[Check]:
    """Try the store out, and look at the local folders beside it; nothing is left behind."""
    from landsat_async.store.target import StoreTarget

    spool, state_dir = config.download.spool, config.download.state_dir
    for key, folder in (("spool", spool), ("state_dir", state_dir)):
        if (lacking := unwritable(nearest(folder), key)) is not None:
            return [lacking]
    target = target_for(config, patience_s=0.0)
    assert isinstance(target, StoreTarget)
    try:
        async with told_target(target, on_wait):
            refused = await anyio.to_thread.run_sync(target.foresee)
            if isinstance(refused, ServiceDown):
                raise refused
            weak = await anyio.to_thread.run_sync(target.examine)  # tells more than a glance does why it is refused
            if refused is not None and not isinstance(refused, FolderBusy):
                raise refused
    except LandsatError as error:
        return [failure("store", error)]
    where = config.download.directory
    found = Check("store", "ok", f"{where} can be listed, written and removed from, and replaces nothing unasked")
    if weak:
        hint = "use a store that knows If-None-Match; `strict = true` in [store] refuses any other"
        found = Check("store", "warn", "; ".join(weak), hint)
    free = Check("lock", "ok", "no other run is using the prefix")
    return [
        found,
        failure("lock", refused) if refused is not None else free,
        *check_disk(spool, config.download.min_free_bytes, "for the spool"),
    ]


def nearest(folder: str) -> str:
    """Return the folder itself, or the nearest above it that there is."""
    folder = os.path.abspath(folder)
    while not os.path.exists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return folder


def unwritable(existing: str, key: str) -> Check | None:
    """Return the fault of a folder that nothing can be written to; `key`: of [download], which names it."""
    try:
        with tempfile.TemporaryFile(dir=existing):
            return None
    except OSError as error:
        return Check("folder", "fail", f"{existing}: {error.strerror}", f"choose another [download] {key}", 2)


def check_disk(directory: str, keep_bytes: int, purpose: str = "") -> Iterator[Check]:
    """Say what is free on the disk of a folder, which need not exist yet, and what its file system means."""
    existing = nearest(directory)
    free = shutil.disk_usage(existing).free
    text = f"{size_text(free)} free{f' {purpose}' if purpose else ''}; {size_text(keep_bytes)} of it stay free"
    if free <= keep_bytes:
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
