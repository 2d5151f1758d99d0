"""The way into a cluster: what is waited for is told, and what does not fit is refused before the service is asked."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from landsat_async.events import Notice, Retrying
from landsat_async.scale import join
from landsat_async.scale.parcel import ProcessSeen, python_version, version
from tests.support.virtual_loop import VirtualLoop

FITS = ProcessSeen(version(), python_version(), "", True)
HERE = version(), python_version()


@pytest.mark.parametrize(
    ("scheduler", "worker", "told"),
    [
        (HERE, FITS, []),
        (HERE, OSError("gone meanwhile"), []),
        (None, FITS, ["the scheduler does not have this version of landsat-async"]),
        (("0.0.9/1", python_version()), FITS, [f"the scheduler has version 0.0.9/1, and this is {version()}"]),
        ((version(), "3.9"), FITS, [f"the scheduler has Python 3.9, and this is {python_version()}"]),
        (HERE, ImportError(), ["tcp://w: does not have this version of landsat-async (ImportError)"]),
        (HERE, ProcessSeen("x/1", "3.9", "", True), [f"tcp://w: has version x/1, and this is {version()}"]),
        (
            HERE,
            ProcessSeen(*HERE, "cannot write there", True),
            ["tcp://w: /data: cannot write there"],
        ),
        (
            HERE,
            ProcessSeen(*HERE, "", True, "cryptography"),
            ['tcp://w: does not have the package cryptography of the extra "dask"'],
        ),
        (HERE, ProcessSeen(*HERE, "", False), ["tcp://w: does not have the file of service.ca_bundle"]),
    ],
)
def test_each_that_does_not_fit_is_told_with_what_it_lacks(scheduler, worker, told):
    assert list(join._unable(scheduler, {"tcp://w": worker}, "/data")) == told


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("tcp://10.0.0.1:8786", True),
        ("tls://10.0.0.1:8786", False),
        ("tcp://127.0.0.1:8786", False),
        ("ws://h:1", True),
    ],
)
def test_off_loopback_a_scheduler_without_certificates_is_a_warning(address, warned):
    assert bool(join.warnings(address)) is warned


@pytest.mark.faults("X70")
def test_a_wait_for_the_cluster_is_told_after_two_seconds_and_then_again():
    told: list[tuple[float, Retrying | Notice]] = []

    def tell(event):
        told.append((anyio.current_time(), event))

    async def wait():
        with pytest.raises(TimeoutError):
            await join._announced(
                anyio.sleep(100), lambda event: told.append((anyio.current_time(), event)), "so", 30.0
            )
        return await join._announced(asyncio.sleep(1, 5), tell, "so", 30.0)  # soon over: nothing to tell

    assert anyio.run(wait, backend_options={"loop_factory": VirtualLoop}) == 5
    begun_s = told[0][0] - 2
    assert [(round(at_s - begun_s), event.attempt, round(event.wait_s)) for at_s, event in told] == [
        (2, 1, 10), (12, 2, 10), (22, 3, 8),
    ]  # fmt: skip
