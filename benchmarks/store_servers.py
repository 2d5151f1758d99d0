"""Object stores of other people on loopback: moto, `rclone serve s3` and azurite, each behind a relay.

What lies in them is looked at by other clients than ours: boto3, and requests signed here for azurite. `--rclone` and
`--azurite` name the programs where they are not on the PATH; what is not there is said and left out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as Xml
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from benchmarks.store_relay import Relay, relaying, wait_for

BUCKET = "lake"
KEY, SECRET = "labkeyid", "lab-secret-of-the-store"
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_SECRET = base64.b64encode(b"lab-secret-of-the-azure-store").decode()
NAMES = ("moto", "rclone", "azurite")


class Holds(Protocol):
    """Looks into a bucket."""

    def sums(self, prefix: str) -> dict[str, str]:
        """Return SHA-256 by key."""

    def put(self, key: str, data: bytes) -> None: ...

    def open_uploads(self, prefix: str) -> list[str]:
        """Return keys of uploads that were begun and neither completed nor aborted."""

    def clear(self, prefix: str) -> None: ...


@dataclass(frozen=True)
class Store:
    """A running store."""

    name: str
    relay: Relay
    endpoint: str
    environ: Mapping[str, str]
    holds: Holds
    scheme: str = "s3"

    @property
    def keeps_conditions(self) -> bool:
        return self.name != "rclone"

    @property
    def copies_by_upload(self) -> bool:
        return self.name == "moto"


class S3Holds:
    """A bucket of S3 as boto3 sees it."""

    def __init__(self, port: int) -> None:
        import boto3
        from botocore.config import Config

        self._s3 = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(response_checksum_validation="when_required", request_checksum_calculation="when_required"),
        )
        self._s3.create_bucket(Bucket=BUCKET)

    def _keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def sums(self, prefix: str) -> dict[str, str]:
        found = {}
        for key in self._keys(prefix):
            digest = hashlib.sha256()
            for block in self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].iter_chunks(2**20):
                digest.update(block)
            found[key] = digest.hexdigest()
        return found

    def put(self, key: str, data: bytes) -> None:
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=data)

    def _uploads(self) -> list[tuple[str, str]]:
        try:
            found = self._s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())
        except self._s3.exceptions.NoSuchUpload:  # what rclone says of none
            return []
        return [(one["Key"], one["UploadId"]) for one in found]

    def open_uploads(self, prefix: str) -> list[str]:
        return [key for key, _ in self._uploads() if key.startswith(prefix)]

    def clear(self, prefix: str) -> None:
        for key in self._keys(prefix):
            self._s3.delete_object(Bucket=BUCKET, Key=key)
        for key, upload in self._uploads():
            self._s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)


class AzureHolds:
    """A container of azurite, by requests with the account's key."""

    def __init__(self, port: int) -> None:
        import requests

        self._url, self._session = f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}/{BUCKET}", requests.Session()
        assert self._ask("PUT", "", {"restype": "container"}).status_code == 201

    def _ask(self, method: str, key: str, query: dict[str, str] | None = None, body: bytes = b"", **ms: str) -> Any:
        path = f"/{AZURE_ACCOUNT}/{BUCKET}" + (f"/{quote(key)}" if key else "")
        fields = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        fields |= {name.replace("_", "-"): value for name, value in ms.items()}
        named = "\n".join(f"{name}:{value}" for name, value in sorted(fields.items()))
        asked = "".join(f"\n{name}:{value}" for name, value in sorted((query or {}).items()))
        length = str(len(body)) if body else ""
        text = f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{named}\n/{AZURE_ACCOUNT}{path}{asked}"
        signed = hmac.new(base64.b64decode(AZURE_SECRET), text.encode(), hashlib.sha256).digest()
        fields["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(signed).decode()}"
        url = self._url + (f"/{quote(key)}" if key else "")
        return self._session.request(method, url, params=query, data=body or None, headers=fields)

    def _list(self, prefix: str, **more: str) -> list[str]:
        asked = {"restype": "container", "comp": "list", "prefix": prefix} | more
        answer = self._ask("GET", "", asked)
        assert answer.status_code == 200, answer.text
        return [name.text or "" for name in Xml.fromstring(answer.content).iter("Name")]

    def sums(self, prefix: str) -> dict[str, str]:
        return {key: hashlib.sha256(self._ask("GET", key).content).hexdigest() for key in self._list(prefix)}

    def put(self, key: str, data: bytes) -> None:
        assert self._ask("PUT", key, None, data, x_ms_blob_type="BlockBlob").status_code == 201

    def open_uploads(self, prefix: str) -> list[str]:
        return sorted(set(self._list(prefix, include="uncommittedblobs")) - set(self._list(prefix)))

    def clear(self, prefix: str) -> None:
        for key in self._list(prefix):
            self._ask("DELETE", key)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _command(name: str, program: str, port: int, folder: Path) -> list[str]:
    if name == "moto":
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    if name == "rclone":
        served = folder / "served"
        served.mkdir()
        given = ["--config", str(folder / "none"), "--auth-key", f"{KEY},{SECRET}", "--addr", f"127.0.0.1:{port}"]
        return [program, "serve", "s3", *given, str(served)]
    given = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder), "--silent"]
    return [program, *given, "--skipApiVersionCheck", "--disableTelemetry"]


def find_program(name: str, given: str | None) -> str | None:
    """Return what serves a store; None where it is not here."""
    if name == "moto":
        from importlib.util import find_spec

        return sys.executable if find_spec("moto") and find_spec("boto3") else None
    program = given or shutil.which({"rclone": "rclone", "azurite": "azurite-blob"}[name])
    if program is not None and name == "rclone":  # of 2023 or later
        said = subprocess.run([program, "serve", "s3", "--help"], capture_output=True, text=True, check=False)
        return program if "auth-key" in said.stdout else None
    return program


@contextmanager
def serving(name: str, program: str, folder: Path) -> Iterator[Store]:
    """Serve an empty store with one bucket, its files below `folder`."""
    port = _free_port()
    environ = dict(os.environ) | {"AZURITE_ACCOUNTS": f"{AZURE_ACCOUNT}:{AZURE_SECRET}", "TMPDIR": str(folder)}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            _command(name, program, port, folder), env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            wait_for(port)
            is_azure = name == "azurite"
            with relaying(port, f"/{AZURE_ACCOUNT}/{BUCKET}" if is_azure else f"/{BUCKET}") as relay:
                here = f"http://127.0.0.1:{relay.port}"
                if is_azure:
                    known = {"AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_SECRET}
                    yield Store(name, relay, f"{here}/{AZURE_ACCOUNT}", known, AzureHolds(port), "az")
                else:
                    known = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
                    yield Store(name, relay, here, known, S3Holds(port))
        finally:
            process.terminate()
            process.wait()
