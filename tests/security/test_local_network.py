"""K05: a name that is allowed by a wildcard only must not lead into the local network."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from landsat_async.disk.local_target import LocalTarget
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.transfer import transfer
from landsat_async.transfer.types import (
    Done,
    FileFailed,
    MemoryStore,
    NeedsLink,
    TransferHooks,
    TransferJob,
    TransferPolicy,
)
from tests.support.raw_server import RawServer, whole

DEFAULT = AllowedHosts.for_service("https://m2m.cr.usgs.gov/api/", ("*.usgs.gov",))
LOCAL = ["127.0.0.1", "10.1.2.3", "172.16.0.9", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"]
LOCAL += ["::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "::ffff:10.0.0.1", "::ffff:169.254.169.254"]
PUBLIC = ["152.61.133.1", "2001:49c8:4000::1", "::ffff:152.61.133.1", "172.32.0.1", "198.18.0.1"]


@pytest.mark.faults("K05")
@pytest.mark.parametrize("address", LOCAL)
def test_K05_no_wildcard_leads_into_the_local_network(address):
    assert not DEFAULT.may_be_at("dds.cr.usgs.gov", address)
    assert DEFAULT.may_be_at("m2m.cr.usgs.gov", address)  # written out by the user, or by us
    assert AllowedHosts.for_service("http://127.0.0.1:8000/", ("*.usgs.gov",)).may_be_at("x.usgs.gov", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_fine(address):
    assert DEFAULT.may_be_at("dds.cr.usgs.gov", address)


class Names(aiohttp.abc.AbstractResolver):
    """A DNS that somebody has poisoned."""

    def __init__(self, *addresses):
        self.addresses, self.asked = addresses, []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        return [
            {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for one in self.addresses
        ]

    async def close(self):
        pass


async def fetch(monkeypatch, tmp_path, names, host, port, *, hosts=DEFAULT, proxy=""):
    monkeypatch.setattr(aiohttp, "DefaultResolver", lambda: names)
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if proxy:
        monkeypatch.setenv("https_proxy", proxy)
    policy = TransferPolicy(min_free_bytes=0, attempts=1, connect_timeout_s=0.3, header_timeout_s=0.3)
    job = TransferJob(
        SecretUrl(f"https://{host}:{port}/f?requestSignature=x"), "f.bin", "1.part", "f.bin", policy=policy
    )
    async with open_transfer_session(hosts=hosts, target=LocalTarget(tmp_path)) as net:
        return await transfer(job, net, TransferHooks(lambda event: None, MemoryStore()))


@pytest.mark.faults("K05")
async def test_K05_an_allowed_name_that_stands_for_this_machine_is_not_connected_to(monkeypatch, tmp_path):
    async with RawServer([whole(b"internal")]) as server:
        names = Names("127.0.0.1")
        outcome = await fetch(monkeypatch, tmp_path, names, "dds.cr.usgs.gov", server.port)
        assert names.asked == ["dds.cr.usgs.gov"]
        assert server.connections == 0
    assert isinstance(outcome, NeedsLink)
    assert outcome.reason.startswith("refused a link to dds.cr.usgs.gov, which stands for an address in the local")


@pytest.mark.faults("K05")
async def test_K05_of_several_addresses_only_public_ones_are_used(monkeypatch, tmp_path):
    async with RawServer([whole(b"internal")]) as server:
        names = Names("127.0.0.1", "240.0.0.1")  # the second cannot be reached from anywhere
        outcome = await fetch(monkeypatch, tmp_path, names, "dds.cr.usgs.gov", server.port)
        assert server.connections == 0
    assert not isinstance(outcome, Done)


@pytest.mark.parametrize("how", ["named in full", "proxy"])
async def test_what_the_user_has_named_may_be_in_the_local_network(monkeypatch, tmp_path, how):
    async with RawServer([whole(b"x")]) as server:
        names = Names("127.0.0.1")
        hosts = AllowedHosts.for_service("https://m2m.cr.usgs.gov/", ("*.usgs.gov", "mirror.usgs.gov"))
        proxy = f"squid.usgs.gov:{server.port}" if how == "proxy" else ""
        host = "dds.cr.usgs.gov" if proxy else "mirror.usgs.gov"
        await fetch(monkeypatch, tmp_path, names, host, server.port, hosts=hosts, proxy=proxy)
        assert names.asked == ["squid.usgs.gov" if proxy else "mirror.usgs.gov"]
        assert server.connections == 1  # no TLS there: the transfer fails, but it was tried


async def test_a_proxy_that_is_no_url_is_a_fault_of_the_transfer_and_not_of_the_run(monkeypatch, tmp_path):
    outcome = await fetch(monkeypatch, tmp_path, Names("240.0.0.1"), "dds.cr.usgs.gov", 443, proxy="http://[bad")
    assert isinstance(outcome, FileFailed)
