"""Machines that lack threads, descriptors or memory: a run ends in bounded time, with exit code 9 and clear words."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LIMITED = [sys.executable, "-m", "tests.support.few_threads"]


@pytest.fixture(scope="module")
def service():
    command = [sys.executable, "-m", "landsat_async", "simulate"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            yield json.loads(child.stdout.readline())
        finally:
            child.kill()


@pytest.fixture
def run(service, tmp_path):
    """Run the command line with a config for the simulator; returns exit code, JSON lines and stderr."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'[service]\nurl = "{service["service_url"]}"\npatience_s = 60\n[search]\ndataset = "landsat_ot_c2_l2"\n'
        '[select]\ntype = "band"\nbands = ["SR_B3", "SR_B5"]\n[download]\n'
        'min_free_bytes = "0 B"\npoll_interval_s = 0.2\n'
    )

    def start(*command, **settings):
        done = subprocess.run(
            [*command, "run", "--json", str(config)],
            cwd=PROJECT,
            env={**os.environ, "USGS_USERNAME": service["username"], "USGS_TOKEN": service["token"]},
            capture_output=True,
            text=True,
            timeout=120,
            **settings,
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return start


def _named(tmp_path):
    return sorted(path.name for path in (tmp_path / "data").glob("*.TIF"))


def _recorded(tmp_path):
    ledger = tmp_path / "data" / ".landsat_async" / "ledger.sqlite3"
    if not ledger.exists():
        return []
    with closing(sqlite3.connect(ledger)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name='item'").fetchone():
            return []
        return sorted(row[0] for row in connection.execute("SELECT name FROM item WHERE state='done'"))


@pytest.mark.faults("L35")
@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5])
def test_L35_with_any_number_of_threads_a_run_works_or_ends_with_9_and_no_named_file_has_failed(run, tmp_path, threads):
    code, lines, talk = run(*LIMITED, str(threads))

    assert code in (0, 9)
    assert code == (9 if threads < 4 else 0)
    assert [line for line in lines if line["event"] == "failed"] == []
    assert _named(tmp_path) == _recorded(tmp_path)
    assert "Traceback" not in talk
    if code:
        assert "no more threads" in talk
        assert "[out-of-resources]" in talk
        assert "ulimit -u" in talk


@pytest.mark.faults("L36", "H18")
@pytest.mark.parametrize("descriptors", [7, 8, 9, 10])
def test_L36_without_descriptors_a_run_ends_with_9(run, tmp_path, descriptors):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    code, lines, talk = run(sys.executable, "-m", "landsat_async", preexec_fn=limit)

    assert (code, lines[-1].get("exit_code", 9)) == (9, 9)
    assert "no more files" in talk
    assert "ulimit -n" in talk
    assert _named(tmp_path) == _recorded(tmp_path)


SIGNALLED = """
import sys
from tests.support.few_threads import limit_threads
from tests.show import fake_run
limit_threads(1)
sys.exit(fake_run.main())
"""


@pytest.mark.faults("L35", "I04")
@pytest.mark.parametrize(("scenario", "last"), [("until-stopped", "finished"), ("deaf", "progress")])
def test_L35_the_first_signal_stops_a_run_that_can_start_no_thread(tmp_path, scenario, last):
    (tmp_path / "config.toml").write_text('[search]\ndataset = "landsat_ot_c2_l2"\n')
    command = [sys.executable, "-c", SIGNALLED, scenario, "run", "--json", str(tmp_path / "config.toml")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            while '"progress"' not in child.stdout.readline():
                assert child.poll() is None, child.stderr.read()
            child.send_signal(signal.SIGINT)
            out, talk = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 7
    assert talk.startswith("stopping: ")
    assert "Traceback" not in talk
    assert [json.loads(line)["event"] for line in out.splitlines()][-1:] == ([last] if last == "finished" else [])


@pytest.mark.faults("L46", "H12")
@pytest.mark.parametrize("victim", ["-shm", "-wal", ""])
def test_L46_a_ledger_that_is_cut_in_mid_run_costs_that_run_and_no_file(run, service, tmp_path, victim):
    """SQLite maps the -shm file; the system ends a process with SIGBUS that touches what is no more there of it."""
    command = [sys.executable, "-m", "landsat_async", "run", "--json", "--set", "download.workers=1"]
    environment = {**os.environ, "USGS_USERNAME": service["username"], "USGS_TOKEN": service["token"]}
    with subprocess.Popen(
        [*command, str(tmp_path / "config.toml")], cwd=PROJECT, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as child:  # fmt: skip
        try:
            while '"verified"' not in (line := child.stdout.readline()):
                assert line, child.wait()
            os.truncate(tmp_path / "data" / ".landsat_async" / f"ledger.sqlite3{victim}", 0)
            child.stdout.read()
            assert child.wait(60) is not None  # it ends, one way or another
        finally:
            child.kill()

    code, lines, talk = run(sys.executable, "-m", "landsat_async")

    assert code == 0, talk
    assert lines[-1]["files_total"] == 28
    assert _named(tmp_path) == _recorded(tmp_path)
    assert "Traceback" not in talk
