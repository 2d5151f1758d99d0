"""`python -m benchmarks.steps`: how many calls of Python functions a small file costs in a whole run, and whose.

CPU seconds of one machine vary by a tenth when it has other work; the number of calls does not. Two runs of different
length are counted with `sys.setprofile` in all threads, and the difference is divided by the files: what is done once,
imports above all, is not in it. Files come from the simulator, in a process of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks import service
from benchmarks.workload import Workload

SHORT, LONG = 40, 160
"""Scenes of the two runs, with five files each."""
_CONFIG = """
[service]
url = "{api.url}"
credentials_file = "credentials.txt"
[search]
dataset = "landsat_ot_c2_l2"
[select]
type = "band"
bands = {bands}
[download]
directory = "{out}"
workers = 16
min_free_bytes = "0 B"
"""
_COUNT = """
import atexit, collections, json, runpy, sys, threading
calls = collections.Counter()
def note(frame, event, _):
    if event == "call":
        calls[frame.f_code.co_filename] += 1
def end():
    sys.setprofile(None)
    with open(OUT, "w") as file:
        json.dump(calls, file)
atexit.register(end)
threading.setprofile(note)
sys.setprofile(note)
sys.argv[1:] = ["run", sys.argv[1], "--quiet"]
runpy.run_module("landsat_async", run_name="__main__")
"""


def count(scenes: int) -> Counter[str]:
    """Return the calls of one run by file of the code."""
    load = Workload("5000x100KiB", scenes, 5, 16, None)
    with tempfile.TemporaryDirectory() as folder, service.running(load, "") as api:
        base = Path(folder)
        credentials, config, said = base / "credentials.txt", base / "config.toml", base / "calls.json"
        credentials.write_text(f"username:{api.username}\ntoken:{api.token}\n")
        credentials.chmod(0o600)
        config.write_text(_CONFIG.format(api=api, bands=json.dumps(load.band_names), out=base / "data"))
        code = _COUNT.replace("OUT", repr(str(said)))
        subprocess.run([sys.executable, "-c", code, str(config)], check=True)
        return Counter(json.loads(said.read_text()))


def place_of(file: str) -> str:
    """Return whose a file of code is: a package of ours, a library, or Python's own."""
    if found := re.search(r"/landsat_async/(\w+)", file):
        return f"landsat_async/{found[1]}"
    if found := re.search(r"/site-packages/(\w+)", file):
        return found[1]
    return "asyncio" if "/asyncio/" in file else "python"


def main() -> int:
    """Count and print."""
    short, long = count(SHORT), count(LONG)
    files = 5 * (LONG - SHORT)
    per_file: Counter[str] = Counter()
    for file, number in long.items():
        per_file[place_of(file)] += number - short[file]
    for place, number in per_file.most_common(14):
        print(f"{number / files:7.1f} {place}")
    print(f"{per_file.total() / files:7.1f} calls a file")
    return 0


if __name__ == "__main__":
    sys.exit(main())
