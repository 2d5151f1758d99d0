"""Runs inside somebody else's program: its interrupts, its code among the events, its loop (group L)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import anyio
import pytest

from landsat_async import download, open_run
from landsat_async.disk.local_target import LocalTarget
from landsat_async.errors import SessionClosed
from landsat_async.events import Planned, Verified
from landsat_async.model import Proof
from landsat_async.proof.prove import Proved
from landsat_async.rules.links import AllowedHosts, SecretUrl
from landsat_async.transfer.open_session import open_transfer_session
from landsat_async.transfer.transfer import transfer
from landsat_async.transfer.types import Done, MemoryStore, TransferHooks, TransferJob, TransferPolicy
from tests.whole.apart import simulator_apart
from tests.whole.world import open_world

REAL_TIME = True
FILES = 18


def _writers(folder: Path) -> list[str]:
    """Files below a folder that this process has open."""
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    targets = [os.readlink(link) for link in links if os.path.islink(link)]
    return [target for target in targets if target.startswith(str(folder))]


@pytest.mark.faults("L05")
def test_L05_an_interrupted_cell_of_a_notebook_leaves_no_writer_behind_and_the_next_cell_goes_on(tmp_path):
    loop = asyncio.new_event_loop()
    cells, seen = [], []

    def run_cell(coroutine):
        """As a notebook does: the loop outlives its cells, and an interrupt cancels the one that runs."""
        cells.append(loop.create_task(coroutine))
        cells[-1].add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        return cells[-1]

    async def fetch(service):
        config, credentials = service
        async with open_run(config(tmp_path / "data"), credentials=credentials) as run:
            async for event in run.events():
                seen.append(event)
                if isinstance(event, Verified) and len(cells) == 2:
                    os.kill(os.getpid(), signal.SIGINT)
        return run.summary

    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(cells[-1].cancel))
    simulator = simulator_apart(scenes=30, pixels=64)
    try:
        service = run_cell(simulator.__aenter__()).result()
        interrupted = run_cell(fetch(service))
        assert interrupted.cancelled()
        assert any(isinstance(event, Verified) for event in seen)
        assert asyncio.all_tasks(loop) == set()
        assert _writers(tmp_path) == []
        rest = run_cell(fetch(service)).result()
        assert (rest.exit_code, rest.files_pending) == (0, 0)
        assert rest.files_skipped > 0
    finally:
        signal.signal(signal.SIGINT, before)
        run_cell(simulator.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.mark.faults("L09")
async def test_L09_what_a_host_does_with_an_event_may_raise_and_is_not_swallowed(tmp_path):
    async with open_world(tmp_path) as world:
        world.may_overlap = True
        runs = []

        async def use():
            async with open_run(world.config(), credentials=world.credentials) as run:
                runs.append(run)
                async for event in run.events():
                    if isinstance(event, Verified):
                        raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await use()
        (run,) = runs
        assert run.summary.exit_code == 7
        assert run.summary.files_verified > 0

        result = await world.run()

        assert result.summary.exit_code == 0
        assert len(world.files()) == FILES


@contextmanager
def _steady_server(size, *, chunked):
    """A server in a thread of its own, which goes on while the loop stands still; yields its port and its requests."""
    requests = []

    def serve(listener):
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()

    def answer(connection):
        with connection, suppress(OSError):
            requests.append(connection.recv(65536))
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
            connection.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
            for at in range(0, size, 20_000):
                piece = bytes(min(20_000, size - at))
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                time.sleep(0.01)
            connection.sendall(b"0\r\n\r\n" if chunked else b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], requests
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.faults("L09", "L13")
@pytest.mark.parametrize("chunked", [False, True])
async def test_L09_L13_a_host_that_blocks_the_loop_longer_than_a_stall_causes_none(tmp_path, chunked):
    blocked_s, folder, size = [], str(tmp_path), 2_000_000

    def block(event):
        if len(blocked_s) < 2:
            began_s = time.monotonic()
            time.sleep(1.5)
            blocked_s.append(time.monotonic() - began_s)

    policy = TransferPolicy(min_free_bytes=0, stall_timeout_s=1.2, attempts=1)
    hosts = AllowedHosts.for_service("http://127.0.0.1:1/", ())
    with _steady_server(size, chunked=chunked) as (port, requests):
        link = SecretUrl(f"http://127.0.0.1:{port}/f")
        target = LocalTarget(Path(folder), parts_dir=Path(folder) / "parts")
        job = TransferJob(link, "f.dat", "1.part", "f.dat", None, policy)
        async with open_transfer_session(
            hosts=hosts, target=target, trust_env=False, proving=lambda *_, **how: Proved(Proof.STRUCTURE)
        ) as net:
            outcome = await transfer(job, net, TransferHooks(block, MemoryStore()))

    assert len(blocked_s) == 2
    assert min(blocked_s) > policy.stall_timeout_s
    assert isinstance(outcome, Done)
    assert len(requests) == 1


@pytest.mark.faults("L10")
def test_L10_another_loop_of_asyncio_does_as_well(tmp_path):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        async with simulator_apart(scenes=3, pixels=320) as (config, credentials):
            return await download(config(tmp_path / "data"), credentials=credentials)

    summary = anyio.run(main, backend_options={"loop_factory": uvloop.new_event_loop})
    assert summary.exit_code == 0
    assert summary.files_verified == summary.files_total == 3
    assert summary.bytes_received > 3 * 256 * 1024


@pytest.mark.faults("L39", "L07")
@pytest.mark.parametrize("first", [Planned, Verified])
async def test_L39_a_session_that_its_host_closes_in_mid_run_ends_the_run_with_clear_words(tmp_path, first):
    async with open_world(tmp_path) as world:
        world.may_leave = True  # there is no way to log out any more
        world.may_overlap = True
        runs = []

        async def use():
            session = aiohttp.ClientSession()
            async with session, open_run(world.config(), session=session, credentials=world.credentials) as run:
                runs.append(run)
                async for event in run.events():
                    if isinstance(event, first):
                        await session.close()
                await run.wait()

        with anyio.fail_after(60), pytest.raises(SessionClosed, match="has been closed while it was still used"):
            await use()
        assert runs[0].summary.exit_code == 2
        assert runs[0].summary.files_failed == 0
        result = await world.run()
        assert result.summary.exit_code == 0
