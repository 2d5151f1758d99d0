"""Fixtures that every test may use."""

from __future__ import annotations

import ast
import gc
import json
import os
import signal
import sys
from itertools import count
from pathlib import Path

import pytest

from tests import fault_rows
from tests.support import few_reports

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in the background of a shell without job control. What the tests start would inherit it, and hear no Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Each program that a test starts would compile the package anew: more than a second of a processor each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False  # nor are asserts of all tests rewritten anew in each process of each run

# No test may see the account of the person who runs it.
for _name in list(os.environ):
    if _name.startswith(("USGS_", "M2M_", "LANDSAT_ASYNC__")):
        del os.environ[_name]
SHARED_EXAMPLES = Path(__file__).resolve().parent / "recorded"
os.environ["NETRC"] = str(SHARED_EXAMPLES / "no-such-netrc")

_freeze = gc.freeze
_tests_begun = count(1)

IN_MEMORY, ENOUGH_BYTES = "/dev/shm", 4 << 30


def _room_in_memory() -> int:
    """Return how many bytes of memory may be used for files; 0 where a system has no such folder, or does not tell."""
    try:
        volume = os.statvfs(IN_MEMORY)
        told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(told["MemAvailable"].split()[0]) << 10
    except (OSError, AttributeError, KeyError, ValueError):
        return 0
    if not os.access(IN_MEMORY, os.W_OK) or volume.f_flag & os.ST_NOEXEC:  # tests start programs that they write
        return 0
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container, in which files in memory count as its memory
    try:
        available = min(available, int(limit.read_text()))
    except (OSError, ValueError):  # there is none, or "max"
        pass
    return min(volume.f_bavail * volume.f_frsize, available)


if not {"PYTEST_DEBUG_TEMPROOT", "TMPDIR"} & os.environ.keys() and _room_in_memory() >= ENOUGH_BYTES:
    # No test needs a slow disk, and most wait again and again until their bytes are durable.
    os.environ["PYTEST_DEBUG_TEMPROOT"] = IN_MEMORY

if sys.version_info < (3, 12, 2):
    # There the depth of a syntax tree is counted in one place for all: when the collector runs in the middle of
    # `ast.parse` and something that it ends is logged with a traceback, which parses too, the outer call fails with
    # "AST constructor recursion depth mismatch" (python/cpython#106905), and pytest itself with it.
    _parse = ast.parse

    def _parse_undisturbed(*args, **more):
        collecting = gc.isenabled()
        gc.disable()
        try:
            return _parse(*args, **more)
        finally:
            if collecting:
                gc.enable()

    ast.parse = _parse_undisturbed


def pytest_configure(config):
    """Make the volumes of hypothesis known: not where tests are only handed out, which would import it for nothing."""
    hands_out = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    if not hands_out or config.getoption("hypothesis_profile", None):
        from tests.support import volumes

        volumes.register()
    if few_reports.are_enough(config):
        config.pluginmanager.register(few_reports)


@pytest.fixture
def anyio_backend():
    """asyncio is the only backend: aiohttp needs it."""
    return "asyncio"


@pytest.fixture
def recorded():
    """Load a recorded body of the real service by file name without .json (tests/recorded)."""

    def load(name: str):
        return json.loads((SHARED_EXAMPLES / f"{name}.json").read_text())

    return load


def pytest_collectstart(collector):
    """Search for no garbage until all is imported: what is made until then stays."""
    gc.disable()


def pytest_collection_finish(session):
    """Take what all the tests have imported from what is searched for garbage, as some do at their end.

    That would be half a million objects and 0.3 s each time, for nothing: modules stay. A command that a test calls
    freezes and unfreezes too: that would undo it for all the tests that follow.
    """
    _freeze()
    gc.freeze = gc.unfreeze = lambda: None
    gc.enable()


def pytest_runtest_setup():
    """Take from it, now and then, what tests before have imported late and keep, such as all a library knows of S3."""
    if next(_tests_begun) % 200 == 0:
        gc.collect()
        _freeze()


def pytest_sessionfinish(session):
    """Where tests were only handed out and all have passed: hypothesis, not imported until now, has nothing to tell."""
    options, plugins = session.config.option, session.config.pluginmanager
    if "hypothesis" not in sys.modules and not (session.testsfailed or options.hypothesis_show_statistics):
        plugins.unregister(name="hypothesispytest")


def pytest_terminal_summary(terminalreporter, config):
    """After the whole suite, name the rows of the fault catalogue that have no test; to look takes 0.2 s."""
    if config.args_source is not config.ArgsSource.TESTPATHS:
        return
    for priority in (0, 1):
        without = fault_rows.uncovered(priority)
        if without:
            terminalreporter.write_line(f"fault rows of priority {priority} without a test: {' '.join(without)}")
