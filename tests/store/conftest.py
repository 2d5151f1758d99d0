"""An S3 for the tests of this folder, one for all of them; each gets a prefix of its own."""

from __future__ import annotations

import itertools
import logging

import pytest

pytest.importorskip("obstore", reason="the extra store is not installed")
pytest.importorskip("moto", reason="there is no S3 to try stores with")

from landsat_async.config_store import StoreConfig
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.client import StoreClient
from tests.support.moto_server import s3_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def _server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(_server, monkeypatch):
    for name, value in _server.environ().items():
        monkeypatch.setenv(name, value)
    _server.promises, _server.ranges, _server.fail = True, True, lambda method, path: None
    for page in _server.client.get_paginator("list_objects_v2").paginate(Bucket="lake"):
        for found in page.get("Contents", ()):
            _server.client.delete_object(Bucket="lake", Key=found["Key"])
    for begun in _server.client.list_multipart_uploads(Bucket="lake").get("Uploads", ()):
        _server.client.abort_multipart_upload(Bucket="lake", Key=begun["Key"], UploadId=begun["UploadId"])
    _server.requests.clear()
    return _server


@pytest.fixture
def url():
    return StoreUrl("s3", "lake", f"t{next(_numbers)}")


@pytest.fixture
def client(s3, url):
    return StoreClient(url, StoreConfig(endpoint=s3.endpoint, part_size=5 * 2**20))
