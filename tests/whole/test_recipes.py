"""The line for cron of docs/sync.md, as cron runs it: by sh, without an environment; what it says would be mailed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from landsat_async import Config
from landsat_async.run.choose_target import target_for

REAL_TIME = True
CONFIG = """
[service]
url = "http://127.0.0.1:1/api/"
[search]
dataset = "landsat_ot_c2_l2"
limit = 1
[download]
directory = "{}"
"""
SYNC = Path(__file__).parents[2] / "docs" / "sync.md"


def cron(folder: Path) -> tuple[int, str]:
    """Run the line in a folder; returns its exit code and what would be mailed."""
    (line,) = re.findall(r"^17 3 \* \* \*  (.+)$", SYNC.read_text(), re.MULTILINE)
    assert "%" not in line, "cron ends the command there"
    program = f"{shlex.quote(sys.executable)} -m landsat_async"
    command = line.replace("/data/lake", shlex.quote(str(folder))).replace("/opt/landsat/bin/landsat-async", program)
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    env = kept | {"PATH": "/usr/bin:/bin", "HOME": str(folder), "USGS_USERNAME": "u", "USGS_TOKEN": "t" * 64}
    done = subprocess.run(["/bin/sh", "-c", command], env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.faults("Y62")
@pytest.mark.skipif(sys.platform == "win32", reason="cron is no program of Windows")
def test_cron_mails_what_failed_and_not_that_another_run_is_at_work(tmp_path):
    text = CONFIG.format(tmp_path / "data")
    (tmp_path / "lake.toml").write_text(text)
    claim = target_for(Config.load(tmp_path / "lake.toml")).prepare()
    try:
        assert cron(tmp_path) == (0, "")
    finally:
        claim.release()
    (tmp_path / "lake.toml").write_text(text.replace("dataset", "datset"))
    code, mailed = cron(tmp_path)
    assert code == 2
    assert "datset" in mailed
