"""`python -m benchmarks.hook_kills --count 300 --scenes 1000`: SIGKILL at random times of runs with hooks.

A run fetches one band of each scene; its hook writes the display id into a file, and each scene goes into a queue of
FORCE, whose lines a stand-in of FORCE changes meanwhile. After every kill the queue must name no scene twice. Where all
hooks have ended before the kills are used up, the ledger forgets a part of them, as a kill before its commit would. At
the end a run is left alone: every hook has ended at least once, the queue names each scene exactly once, and neither
the token nor a link was in the environment or the arguments of any hook.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import anyio

from tests.whole.apart import simulator_apart

HOOK = """
import json, os, sys
text = json.dumps([sys.argv, dict(os.environ)])
bad = os.environ["PROBE_FOR"][::-1] in text or "download-staging" in text or "://" in " ".join(sys.argv)
with open(sys.argv[1], "a") as file:
    file.write(os.environ["LANDSAT_DISPLAY_ID"] + (" SECRET" if bad else "") + "\\n")
"""
LONGEST_S = 2.5


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng, began = random.Random(given.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hooks-") as name:
        async with simulator_apart(scenes=given.scenes, pixels=16) as (config, credentials):
            lab = Lab(Path(name), config(Path(name) / "data").service.url, credentials.username, credentials.token)
            kills = forgotten = 0
            while kills < given.count:
                code = lab.run(rng.uniform(0.5, LONGEST_S))
                kills += code == -signal.SIGKILL
                lab.check_queue()
                lab.force_works(rng)
                if code in (0, 4):
                    forgotten += lab.forget(rng)
            code = lab.run(None)
            lines = lab.check_queue()
            calls = Counter((lab.folder / "calls").read_text().split("\n")[:-1])
            done = lab.count("SELECT count(DISTINCT scene_display_id) FROM item WHERE state='done'")
            broken = {
                "the last run ended with another code than 0": code != 0,
                "not every scene is in the queue exactly once": lines != done,
                "a hook never ended": len(calls) != done or lab.count("SELECT count(*) FROM hook_ended") != done,
                "a secret was seen": any("SECRET" in call for call in calls),
            }
            took = time.monotonic() - began
            print(f"{done} scenes, {kills} kills, {forgotten} forgotten: {sum(calls.values())} calls, {took:.0f} s")
            for what in (what for what, is_so in broken.items() if is_so):
                print(f"BROKEN: {what}")
            return int(any(broken.values()))


class Lab:
    """One folder, and runs over it that may be killed."""

    def __init__(self, folder: Path, url: str, username: str, token: str) -> None:
        self.folder, self.queue = folder, folder / "queue.txt"
        (folder / "hook.py").write_text(HOOK)
        (folder / "config.toml").write_text(
            f'[service]\nurl = "{url}"\n[search]\ndataset = "landsat_ot_c2_l2"\n[select]\nbands = ["SR_B4"]\n'
            f'[download]\nlayout = "{{display_id}}"\npoll_interval_s = 0.2\nmin_free_bytes = "0 B"\n[hooks]\n'
            f'on_scene = ["{sys.executable}", "hook.py", "calls"]\nforce_queue = "queue.txt"\n'
        )
        # the hook looks for the token; it is told it backwards, because what holds it is kept from hooks
        self.env = dict(os.environ) | {"USGS_USERNAME": username, "USGS_TOKEN": token, "PROBE_FOR": token[::-1]}

    def run(self, kill_after_s: float | None) -> int:
        """Run, or kill the run after so long; returns how it ended."""
        command = [sys.executable, "-m", "landsat_async", "run", "-q", str(self.folder / "config.toml")]
        with subprocess.Popen(command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            try:
                _, said = child.communicate(timeout=kill_after_s)
            except subprocess.TimeoutExpired:
                child.kill()
                _, said = child.communicate()
        if child.returncode not in (0, -signal.SIGKILL):
            print(said.decode()[-2000:])
        return child.returncode

    def check_queue(self) -> int:
        """Return how many scenes the queue names; none of them twice."""
        if not self.queue.exists():
            return 0
        paths = [line.rpartition(" ")[0] for line in self.queue.read_text().splitlines()]
        assert len(paths) == len(set(paths)), "the queue names a scene twice"
        return len(paths)

    def force_works(self, rng: random.Random) -> None:
        """Change some lines, as FORCE does: the whole file is replaced."""
        if self.queue.exists():
            lines = self.queue.read_text().splitlines()
            changed = [line.replace("QUEUED", "DONE") if rng.random() < 0.3 else line for line in lines]
            spare = self.queue.with_suffix(".new")
            spare.write_text("".join(f"{line}\n" for line in changed))
            spare.replace(self.queue)

    def count(self, sql: str) -> int:
        with closing(sqlite3.connect(self._ledger)) as connection:
            return int(connection.execute(sql).fetchone()[0])

    def forget(self, rng: random.Random) -> int:
        """Have the ledger forget some of the hooks that have ended."""
        some = "SELECT display_id FROM hook_ended ORDER BY random() LIMIT ?"
        with closing(sqlite3.connect(self._ledger)) as connection, connection:
            sql = f"DELETE FROM hook_ended WHERE display_id IN({some})"
            return connection.execute(sql, (rng.randrange(20, 60),)).rowcount

    @property
    def _ledger(self) -> Path:
        return self.folder / "data" / ".landsat_async" / "ledger.sqlite3"


if __name__ == "__main__":
    raise SystemExit(anyio.run(main))
