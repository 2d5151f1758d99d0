"""The checks of the doctor that need the network: service, clock, file hosts, login, role, quota, search."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import anyio
import anyio.to_thread

from landsat_async.config import Config
from landsat_async.credentials import Credentials
from landsat_async.errors import (
    CertificateUntrusted,
    ConfigError,
    DatasetRefused,
    LandsatError,
    ServiceDown,
    ServiceError,
)
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.network_errors import from_network
from landsat_async.m2m.transport import tls_context
from landsat_async.rules.quantities import count_text, span_text
from landsat_async.run.find_credentials import ROLE_HINT
from landsat_async.show.doctor_page import Check
from landsat_async.show.plan_page import room_lacking

if TYPE_CHECKING:
    from landsat_async.m2m.caller import ApiWait
    from landsat_async.run.plan import Plan

CLOCK_TOLERANCE_S = 120.0
REACH_TIMEOUT_S = 20.0
SCENES_MAX = 500
"""A search of no more scenes is looked at as a run would: two or three calls."""
USGS_HOSTS = ("landsatlook.usgs.gov", "dds.cr.usgs.gov")
"""Where files of Landsat come from, as far as that is known."""
HOSTS_MOST = 8
_UNREACHED = "Check the network, a proxy (HTTPS_PROXY) and [service] url, unless the service itself is down."


def failure(name: str, error: LandsatError) -> Check:
    """Return the check that an error of a run would be."""
    return Check(name, "fail", str(error), error.hint, error.exit_code)


async def check_service(
    config: Config, credentials: Credentials | None, on_wait: Callable[[ApiWait], None] | None, *, search: bool
) -> AsyncIterator[Check]:
    """Check what needs the network; `search` = look at the search as well."""
    from landsat_async.run.dataset_names import dataset_refused
    from landsat_async.run.plan import plan_if_small

    host = urlsplit(config.service.url).netloc
    if credentials is not None:
        found = f"user {credentials.username}, token from {credentials.source}"
        yield Check("credentials", "warn" if credentials.notes else "ok", found, "; ".join(credentials.notes))
    reached = await _reach(config)
    yield reached
    for one in await check_hosts(config) if reached.state != "fail" else ():
        yield one
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
            step = "quota"
            if "download" in permissions and (quota := await _quota(m2m)) is not None:
                yield quota
            step = "dataset"
            for name in config.search.datasets:
                try:
                    dataset = await m2m.dataset(name)
                except DatasetRefused as error:
                    raise await dataset_refused(m2m, name, error) from None
                yield Check("dataset", "ok", f"{dataset.alias}: {dataset.name}")
            step = "search"
            if search and config.path is not None and "download" in permissions:
                for check in _search(await plan_if_small(config, m2m, scenes_max=SCENES_MAX)):
                    yield check
    except ServiceDown as error:
        yield replace(failure("service" if step == "login" else step, error), hint=f"{error.hint} {_UNREACHED}".strip())
    except LandsatError as error:
        yield failure(step, error)


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
        yield Check("room", "fail", *room_lacking(plan), 9)


def _refused_files(plan: Plan) -> Iterator[str]:
    for planned in plan.files:
        if planned.state == "refused":
            yield f"{planned.file.relpath}: something that is not a verified file has this name"


def _role(permissions: tuple[str, ...] | list[str]) -> Check:
    if "download" in permissions:
        return Check("role", "ok", "the account may download")
    return Check("role", "fail", "This account may not download: the MACHINE role is missing.", ROLE_HINT, 3)


async def _quota(m2m: M2MClient) -> Check | None:
    """Look at what is left of the account's limits; None where the service does not say."""
    try:
        left = (await m2m.rate_limit_summary()).remaining
    except ServiceError:
        return None
    if left is None or (left.recent is None and left.pending is None):
        return None
    parts = [
        *(
            [f"{left.recent:,} downloads may be requested in this quarter of an hour"]
            if left.recent is not None
            else []
        ),
        *([f"{left.pending:,} more may be pending"] if left.pending is not None else []),
    ]
    if 0 in (left.recent, left.pending):
        return Check("quota", "warn", ", ".join(parts), "a run waits for your quota; nothing is lost meanwhile")
    return Check("quota", "ok", ", ".join(parts))


async def _reach(config: Config) -> Check:
    """Reach the service without an account and compare clocks: TLS and signed links need the right time."""
    url = config.service.url
    try:
        context = await anyio.to_thread.run_sync(tls_context, config.service.ca_bundle)
    except ConfigError as error:
        return failure("service", error)
    asked_s = time.time()
    found = await _ask(url, context)
    answered_s = time.time()
    if isinstance(found, LandsatError):
        if isinstance(found, CertificateUntrusted):
            return failure("certificate", found)
        if found.reference == "timeout":  # a run has more patience than a look
            return Check("service", "warn", f"{found}: slow, or not to be reached", _UNREACHED)
        return Check("service", "fail", str(found), f"{found.hint} {_UNREACHED}".strip(), found.exit_code)
    text = f"{url} answers"
    try:
        offset_s = clock_offset_s(parsedate_to_datetime(found or "").timestamp(), asked_s, answered_s)
    except (ValueError, OverflowError, OSError):  # no date, or none that this system can count with
        return Check("service", "warn", f"{text}, but does not tell the time")
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        side = "ahead of" if offset_s > 0 else "behind"
        hint = "set the clock (NTP): certificates and signed links depend on it"
        return Check("service", "warn", f"{text}; this clock is {span_text(abs(offset_s))} {side} it", hint)
    return Check("service", "ok", f"{text}; clocks agree")


def clock_offset_s(told_s: float, asked_s: float, answered_s: float) -> float:
    """Return how far this clock is ahead of another, told at some moment between a question and its answer.

    Negative = behind; 0 where that moment may have been the one that was told: a slow answer is no wrong clock.
    """
    return min(max(told_s, asked_s), answered_s) - told_s


async def check_hosts(config: Config) -> list[Check]:
    """Reach the hosts that files come from, as far as they are known before the first link."""
    hosts = known_hosts(config.service.url, config.service.file_hosts)
    if not hosts:
        return []
    context = await anyio.to_thread.run_sync(tls_context, config.service.ca_bundle)
    found: dict[str, LandsatError] = {}

    async def look(host: str) -> None:
        result = await _ask(address_of(host), context)
        if isinstance(result, LandsatError):
            found[host] = result

    async with anyio.create_task_group() as group:
        for host in hosts:
            group.start_soon(look, host)
    if not found:
        return [Check("file hosts", "ok", f"{', '.join(hosts)} {'answer' if len(hosts) > 1 else 'answers'}")]
    return [
        Check("file hosts", "warn", str(found[host]), f"files that lie on {host} would wait, others come")
        for host in hosts
        if host in found
    ]


def known_hosts(url: str, patterns: Sequence[str]) -> list[str]:
    """Return the hosts to look at: those that are written out, and those of USGS where all of its hosts may be asked.

    None beside a service on this computer: its files come from here as well.
    """
    named = [pattern for pattern in patterns if "*" not in pattern]
    usgs = USGS_HOSTS if "*.usgs.gov" in patterns and (urlsplit(url).hostname or "").endswith(".usgs.gov") else ()
    return list(dict.fromkeys([*usgs, *named]))[:HOSTS_MOST]


def address_of(host: str) -> str:
    """Return where a file host is looked at."""
    return f"https://{host}/"


async def _ask(url: str, context: ssl.SSLContext | None) -> str | LandsatError | None:
    """Return the Date that an address answers with, None without one; or what a run would say about the failure."""
    timeout = aiohttp.ClientTimeout(total=REACH_TIMEOUT_S)
    host = urlsplit(url).hostname or "the service"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, ssl=context if context is not None else True, allow_redirects=False) as reply,
        ):
            return reply.headers.get("Date")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return from_network("the look", host, error, REACH_TIMEOUT_S)
