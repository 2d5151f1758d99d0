"""`python -m benchmarks.wine`: what runs have to stand on Windows, in volumes.

`.ci/wine-python FOLDER` makes a Python for it: FOLDER/run -m benchmarks.wine demo kills scanner open bodies

demo: the built-in demo. kills: TerminateProcess at random times, --count of them, until each job is done. scanner:
every new file of a demo is held for 0.3 s by another program. open: a file that stays open as final name. bodies:
64 MiB over http and https on each event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trustme

from landsat_async.sim import Archive, open_simulator
from tests.support.portable_lab import LOOPS, STATE, WINDOWS, Job, hold, scanner

NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
ALL = {"type": "all"}
RATE_BYTES_S = 200_000
BODY_BYTES = 64 * 2**20


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def demo(base: Path, count: int, seed: int) -> bool:
    """The demo's 69 files, in a run of their own."""
    async with open_simulator(Archive.demo()) as sim:
        job, began = Job(base, sim, select=ALL, search={"cloud_cover": [0, 10], "limit": 3}), time.monotonic()
        ended = await job.run()
        files, wrong = len(job.files()), job.wrong()
        say(f"demo: exit {ended.code}, {files} of 69 files, {len(wrong)} wrong, {time.monotonic() - began:.1f} s")
        return (ended.code, files, wrong) == (0, 69, [])


async def kills(base: Path, count: int, seed: int) -> bool:
    """Terminate runs until `count` of them were; each job goes on until it is done."""
    rng, killed, jobs, wrong, kept = random.Random(seed), 0, 0, 0, 0
    async with open_simulator(Archive.demo()) as sim:
        while killed < count:
            jobs += 1
            job = Job(base / f"job {jobs}", sim, select=ALL, search={"cloud_cover": [0, 10], "limit": 3})
            for _ in range(min(10, count - killed)):
                sim.script.rate_bytes_s = rng.choice((RATE_BYTES_S, 4 * RATE_BYTES_S))
                ended = await job.run(kill_after_s=rng.uniform(0.0, 2.5))
                if ended.of("finished"):
                    break
                killed += 1
                wrong += len(job.wrong())
                kept += any((job.data / STATE / "parts").iterdir())
            sim.script.rate_bytes_s = None
            ended = await job.run()
            wrong += len(job.wrong())
            left = list((job.data / STATE / "parts").iterdir())
            if ended.code != 0 or len(job.files()) != 69 or left:
                say(f"kills: job {jobs}: {ended.code}, {len(job.files())} files, {len(left)} parts: {ended.said}")
                return False
    say(f"kills: {killed} runs terminated in {jobs} jobs ({kept} with parts), all went on to 69 files, {wrong} wrong")
    return wrong == 0


async def scan(base: Path, count: int, seed: int) -> bool:
    """Hold every new file."""
    async with open_simulator(Archive.demo()) as sim:
        job, began = Job(base, sim, select=ALL, search={"cloud_cover": [0, 10], "limit": 3}), time.monotonic()
        with scanner(base, 0.3) as held:
            ended = await job.run()
        files, wrong = len(job.files()), job.wrong()
        took_s = time.monotonic() - began
        say(f"scanner: exit {ended.code}, {files} of 69 files, {len(wrong)} wrong, {len(held)} held, {took_s:.1f} s")
        return (ended.code, files, wrong) == (0, 69, [])


async def stays_open(base: Path, count: int, seed: int) -> bool:
    """Hold one final name for ever, then let it go."""
    async with open_simulator(Archive.demo()) as sim:
        job = Job(base, sim, select={"type": "band", "bands": ["SR_B3"]})
        job.data.mkdir()
        (job.data / NAME).write_bytes(b"somebody's notes")
        with hold(job.data / NAME):
            first = await job.run("run", "--overwrite")
        reasons = [one["reason"] for one in first.of("failed")]
        parts = len(list((job.data / STATE / "parts").iterdir()))
        again = await job.run("run", "--overwrite")
        say(f"open: exit {first.code}, {reasons}, {parts} part kept; then exit {again.code}, {len(job.wrong())} wrong")
        return (first.code, len(reasons), parts, again.code, job.wrong()) == (4, 1, 1, 0, [])


async def bodies(base: Path, count: int, seed: int) -> bool:
    """Fetch one large file over http and https on each loop."""
    authority, tls, good = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), True
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    base.mkdir()
    authority.cert_pem.write_to_path(str(base / "ca.pem"))
    for scheme, context in (("http", None), ("https", tls)):
        for loop in LOOPS:
            async with open_simulator(Archive.demo(band_bytes=BODY_BYTES), tls=context, file_tls=context) as sim:
                job = Job(
                    base / f"{scheme} {loop}", sim, select={"type": "band", "bands": ["SR_B3"]}, search={"limit": 1},
                    service={} if context is None else {"ca_bundle": str(base / "ca.pem")},
                )  # fmt: skip
                ended = await job.run(loop=loop)
                requests, wrong = len(sim.log.files), job.wrong()
                took_s = ended.of("finished")[0]["elapsed_s"]
                say(f"{scheme} {loop}: exit {ended.code}, {requests} request, {len(wrong)} wrong, {took_s:.1f} s")
                good &= (ended.code, requests, wrong) == (0, 1, [])
    return good


LABS: dict[str, Callable[[Path, int, int], Awaitable[bool]]] = {
    "demo": demo, "kills": kills, "scanner": scan, "open": stays_open, "bodies": bodies,
}  # fmt: skip
ONLY_WINDOWS = ("scanner", "open")


async def main() -> int:
    """Play what was asked for; the exit code is 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labs", nargs="*", metavar="LAB", help=f"{', '.join(LABS)}; default: all")
    parser.add_argument("--count", type=int, default=50, help="of kills")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in given.labs or LABS:
            if name in ONLY_WINDOWS and not WINDOWS:
                say(f"{name}: not run, this is no Windows")
                continue
            good &= await LABS[name](Path(folder, name), given.count, given.seed)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
