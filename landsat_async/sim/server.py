"""The simulator as a whole: an API host and two file hosts on loopback ports."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from landsat_async.sim.archive import Archive
from landsat_async.sim.control import Control
from landsat_async.sim.file_hosts import FileHost
from landsat_async.sim.listen import Connection, Door, doors
from landsat_async.sim.log import Log
from landsat_async.sim.m2m_api import BASE_PATH, M2MApi
from landsat_async.sim.script import Script
from landsat_async.sim.service import Account, Service
from landsat_async.sim.wire import Handler, Wire

HOSTS = ("m2m", "landsatlook", "dds")
USERNAME, TOKEN = "demo", "demo-application-token"  # not a secret: the simulator's own


class Simulator:
    """A running simulated service."""

    def __init__(self, service: Service, opened: dict[str, Door]) -> None:
        self._doors = opened
        self._service = service
        self.archive = service.archive
        self.script = service.script
        self.log = service.log
        self.username = service.account.username
        self.token = service.account.token

    @property
    def service_url(self) -> str:
        """Base URL of the API, as a client wants it."""
        return self._service.base_urls["m2m"] + BASE_PATH

    @property
    def control_url(self) -> str:
        """Where other processes read and set the script (`script`) and read the log (`log`)."""
        return self._service.base_urls["m2m"] + "/_sim/"

    @property
    def hosts(self) -> dict[str, str]:
        """Scheme, address and port of m2m, landsatlook and dds."""
        return dict(self._service.base_urls)

    def take_down(self, host: str) -> None:
        """Refuse connections to a host (m2m, landsatlook or dds) and reset those there are."""
        self._doors[host].shut()

    async def bring_up(self, host: str) -> None:
        """Let a host accept connections again, on the same port."""
        await self._doors[host].open()

    def forget_keys(self) -> None:
        """Kill all API keys, as a restart of the service would."""
        self._service.account.keys.clear()


@contextlib.asynccontextmanager
async def open_simulator(
    archive: Archive | None = None,
    script: Script | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    file_tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Simulator]:
    """Serve an archive until the block ends.

    Args:
        archive: What there is to be found; the demo scenes when absent.
        script: How the service behaves; healthy when absent. It may be changed while the simulator runs.
        host: Address to listen on.
        port: Port of the API; the file hosts take the two after it. 0 takes any three.
        tls: Serves the API over https.
        file_tls: Serves the files over https.
    """
    service = Service(archive or Archive.demo(), script or Script(), Log(), Account(USERNAME, TOKEN))
    handlers: dict[str, Handler] = {"m2m": Control(service, M2MApi(service)).handle}
    handlers |= {name: FileHost(service, name).handle for name in HOSTS[1:]}
    opened = {}
    for offset, name in enumerate(HOSTS):
        context = tls if name == "m2m" else file_tls
        opened[name] = Door(_conversation(service, name, handlers[name]), host, port and port + offset, context)
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    service.listens_everywhere = reachable != host
    async with doors(*opened.values()):
        for name, door in opened.items():
            scheme = "https" if (tls if name == "m2m" else file_tls) else "http"
            service.base_urls[name] = f"{scheme}://{f'[{reachable}]' if ':' in reachable else reachable}:{door.port}"
        yield Simulator(service, opened)


def _conversation(service: Service, name: str, handler: Handler) -> Callable[[Connection], Awaitable[None]]:
    async def converse(link: Connection) -> None:
        service.log.connections[name] += 1
        wire = Wire(link)
        while await handler(await wire.request(), wire):
            await wire.end_answer()

    return converse
