"""What a run knows of its hosts together: which systems have none that can be used."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from landsat_async.rules.slow_start import SlowStart
from landsat_async.run.host_health import HostFault
from landsat_async.run.hosts import Hosts

HOST = "landsatlook.example"


@pytest.mark.faults("E24")
async def test_a_host_whose_pause_is_over_is_down_until_it_has_shown_that_it_works():
    hosts = Hosts(lambda *changed: None, SlowStart(), patience_s=7200.0)
    hosts.host_of_system["ls_zip"] = HOST
    assert not hosts.is_down("ls_zip")
    for item in range(20):
        hosts.judge(HOST, HostFault.NETWORK, item, "no connection", others=True)
    assert hosts.outages()
    assert hosts.is_down("ls_zip")
    assert hosts.is_down("ls_s3"), "a relative, without a link so far"
    assert not hosts.is_down("dds")

    hosts._health[HOST] = replace(hosts.of(HOST), until_s=anyio.current_time() - 1)
    assert not hosts.outages()
    assert hosts.is_down("ls_zip")
    assert hosts.is_down("ls_s3")
    hosts.ok(HOST, 1)
    assert not hosts.is_down("ls_zip")
