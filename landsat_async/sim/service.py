"""What the endpoints share: the archive, the script, the account's state, and how payloads are read."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from landsat_async.sim.archive import Archive
from landsat_async.sim.datasets import DATASETS, OTHERS, SECONDARY, SecondaryDataset, SimDataset
from landsat_async.sim.downloads import Downloads
from landsat_async.sim.links import Links
from landsat_async.sim.log import Log
from landsat_async.sim.scene_lists import SceneLists
from landsat_async.sim.script import Script

CONTACT_ID = 7_654_321
IP_ADDRESS = "192.0.2.1"

STATUS_OF_CODE = {
    "AUTH_INVALID": 401,
    "AUTH_EXPIRED": 403,
    "AUTH_KEY_INVALID": 403,
    "AUTH_UNAUTHROIZED": 403,
    "AUTH_UNAUTHORIZED": 403,
    "UNAUTHORIZED_USER": 403,
    "DATASET_AUTH": 403,
    "DATASET_UNAUTHORIZED": 403,
    "NOT_FOUND": 404,
    "DATASET_INVALID": 404,
    "ENDPOINT_UNAVAILABLE": 404,
    "VERSION_UNKNOWN": 404,
    "RATE_LIMIT": 429,
    "RATE_LIMIT_USER": 429,
    "RATE_LIMIT_USER_DL": 429,
    "SERVER_ERROR": 500,
    "UNKNOWN": 500,
}


class ApiError(Exception):
    """An answer with errorCode; `status` forces an HTTP status."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status = code, message, status


class Payload:
    """The JSON object of a call, read as loosely as the service does."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def text(self, name: str) -> str | None:
        """Return a text; empty counts as absent."""
        value = self.values.get(name)
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.text(name)
        if value is None:
            raise ApiError("INPUT_PARAMETER_REQUIRED", f"Missing required parameter: {name}", 400)
        return value

    def integer(self, name: str, default: int) -> int:
        """Return a whole number, which may have come as text."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise ApiError("INPUT_PARAMETER_INVALID", f"Invalid value for {name}", 400) from None

    def texts(self, name: str) -> list[str]:
        """Return a list of texts, which may have come joined by commas."""
        value = self.values.get(name)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            return [part.strip() for part in value.split(",")]
        if isinstance(value, list):
            return [str(part) for part in value]
        raise ApiError("INPUT_PARAMETER_INVALID", f"{name} must be a list", 400)

    def objects(self, name: str) -> list[Payload]:
        """Return a list of objects."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise ApiError("INPUT_PARAMETER_INVALID", f"{name} must be a list of objects", 400)
        return [Payload(row) for row in value]

    def object(self, name: str) -> Payload | None:
        """Return an object; null and empty count as absent."""
        value = self.values.get(name)
        if not value:
            return None
        if not isinstance(value, dict):
            raise ApiError("INPUT_PARAMETER_INVALID", f"{name} must be an object", 400)
        return Payload(value)


class Encoded(NamedTuple):
    """Data of an answer that is JSON already. It may be 20 MB: in one piece, most of the time would go into memory."""

    pieces: list[bytes]


@dataclass(slots=True)
class Account:
    """The one user of the simulated service, and the keys that are alive."""

    username: str
    token: str
    keys: dict[str, float] = field(default_factory=dict)
    """apiKey -> clock of its last use; a key that was found too old is not there any more."""
    expired: set[str] = field(default_factory=set)
    """Keys that were found too old."""
    calls_under_way: int = 0

    def new_key(self, now_s: float, roles: tuple[str, ...]) -> str:
        """Make a key of the look of the real ones."""
        content = {"cid": CONTACT_ID, "s": f"{int(time.time())}", "r": secrets.randbits(32), "p": list(roles)}
        key = base64.b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()
        self.keys[key] = now_s
        return key


@dataclass(slots=True)
class Service:
    """Everything behind the endpoints and the file hosts."""

    archive: Archive
    script: Script
    log: Log
    account: Account
    base_urls: dict[str, str] = field(default_factory=dict)
    """Host name (m2m, landsatlook, dds) -> scheme, address and port that links are made with."""
    listens_everywhere: bool = False
    """Listening on a wildcard address: links then name the host by which the client called."""
    lists: SceneLists = field(default_factory=SceneLists)
    downloads: Downloads = field(default_factory=Downloads)
    links: Links = field(default_factory=Links)
    requests: itertools.count[int] = field(default_factory=lambda: itertools.count(1_591_674_034))

    @staticmethod
    def now_s() -> float:
        """Clock of the event loop: tests may run it faster than real time."""
        return asyncio.get_running_loop().time()

    def called_as(self, host: str) -> None:
        """Make links with the name that the client knows the simulator by."""
        if self.listens_everywhere and (name := host.rpartition(":")[0] or host):
            for key, url in self.base_urls.items():
                scheme, _, address = url.partition("://")
                self.base_urls[key] = f"{scheme}://{name}:{address.rpartition(':')[2]}"

    def dataset(self, payload: Payload) -> SimDataset:
        """Return the searchable dataset that a payload names."""
        found = self.any_dataset(payload)
        if isinstance(found, SecondaryDataset):
            raise ApiError("DATASET_ERROR", "The dataset does not support this operation")
        return found

    def any_dataset(self, payload: Payload) -> SimDataset | SecondaryDataset:
        """Return the dataset that a payload names by alias or id."""
        name = payload.text("datasetName") or payload.text("datasetId")
        if name is None:
            raise ApiError("INPUT_PARAMETER_REQUIRED", "Missing required parameter: datasetName", 400)
        if name.lower() in self.script.withheld:
            raise ApiError("DATASET_AUTH", "Dataset status is unavailable to this user")
        everything: list[SimDataset | SecondaryDataset] = [*DATASETS.values(), *SECONDARY.values()]
        for dataset in everything:
            if name.lower() in (dataset.alias, dataset.id, dataset.name.lower()):
                return dataset
        if name.lower() in OTHERS:
            return OTHERS[name.lower()]
        raise ApiError("DATASET_INVALID", "An invalid dataset has been provided")


Endpoint = Callable[[Service, Payload], Any]
