"""Who the user is, and whether the account may download. A token may come from a program or a person, and take long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import aiohttp
import anyio

from landsat_async.beside import beside
from landsat_async.config_tables import ServiceConfig
from landsat_async.credentials import COMMAND_TIMEOUT_S, Credentials, resolve_credentials
from landsat_async.disk.acquire import acquire_in_thread
from landsat_async.errors import CredentialsError, EndpointGone, RequestRefused
from landsat_async.m2m.caller import ApiWait
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.tolerant import FailedItem
from landsat_async.rules.waiting import QUIET_S

MISSING_ROLE = "missing-role"
ROLE_HINT = (
    "At https://ers.cr.usgs.gov choose Access Request, then Request Access, then"
    ' "Access to EE\'s Machine to Machine interface (MACHINE)". Approval takes some days.'
)
"""How to come by the role that downloads need."""


async def find_credentials(
    service: ServiceConfig, given: Credentials | None, *, on_wait: Callable[[ApiWait], None] | None = None
) -> Credentials:
    """Return `given`, or what the config and the environment hold; `on_wait` hears when that takes its time.

    Raises:
        CredentialsError: there are none.
    """
    if given is not None:
        return given
    find = partial(resolve_credentials, service)
    async with nullcontext() if on_wait is None else beside(_tell, service, on_wait):
        return await acquire_in_thread(find, lambda _: None, name="credentials")  # a stop waits for no program


async def client_for(
    service: ServiceConfig,
    given: Credentials | None,
    *,
    session: aiohttp.ClientSession | None,
    on_wait: Callable[[ApiWait], None] | None,
    on_unusable: Callable[[FailedItem], None],
) -> M2MClient:
    """Return a client of the service for those credentials, still to be entered; arguments as it has them."""
    found = await find_credentials(service, given, on_wait=on_wait)
    return M2MClient(
        service.url, found, session=session, ca_bundle=service.ca_bundle, patience_s=service.patience_s,
        on_wait=on_wait, on_unusable=on_unusable,
    )  # fmt: skip


async def _tell(service: ServiceConfig, on_wait: Callable[[ApiWait], None]) -> None:
    began = time.monotonic()
    await anyio.sleep(QUIET_S)
    place = "for the credentials file or ~/.netrc"
    if service.token_command:
        place = f"for token_command {os.path.basename(service.token_command[0])} to print the token (does it ask you?)"
    on_wait(ApiWait("credentials", f"waiting {place}", 1, max(1.0, began + COMMAND_TIMEOUT_S - time.monotonic())))


async def check_role(m2m: M2MClient) -> None:
    """Refuse early when the account may not download. Raises CredentialsError."""
    try:
        permissions = await m2m.permissions()
    except (EndpointGone, RequestRefused):
        return  # a call that only advises
    if permissions and "download" not in permissions:
        raise CredentialsError(
            "This account may not download: the MACHINE role is missing.",
            hint=ROLE_HINT,
            reference=MISSING_ROLE,
        )
