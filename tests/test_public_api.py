"""What users may import, and that importing it costs nothing and changes nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import landsat_async

PROJECT = Path(__file__).parents[1]


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)


def test_every_public_name_is_there_and_the_list_is_sorted():
    names = landsat_async.__all__
    assert names == sorted(set(names), key=lambda name: (name[0].islower(), name))
    for name in names:
        assert getattr(landsat_async, name) is not None
    assert dir(landsat_async) == names


def test_the_entry_points_of_the_readme_are_public():
    assert {"Config", "Credentials", "M2MClient", "download", "open_run", "LandsatError"} <= set(landsat_async.__all__)
    assert inspect.iscoroutinefunction(landsat_async.download)
    assert list(inspect.signature(landsat_async.open_run).parameters) == [
        *["config", "session", "credentials", "overwrite"],
    ]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'downlaod'"):
        landsat_async.downlaod  # noqa: B018


def test_the_version_stands_in_one_place_only_in_effect():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert landsat_async.__version__ == project["version"]


def test_importing_the_package_imports_nothing_heavy():
    done = run_python(
        "import sys, landsat_async;"
        "bad = {'aiohttp', 'anyio', 'asyncio', 'msgspec', 'rich', 'shapely', 'sqlite3'} & set(sys.modules);"
        "assert not bad, bad"
    )
    assert done.returncode == 0, done.stderr


def test_a_run_without_an_area_can_do_without_shapely():
    done = run_python(
        "import sys, landsat_async.run.runner, landsat_async.run.plan; assert 'shapely' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", sorted(set(landsat_async._HOME.values())))
def test_each_module_behind_a_public_name_can_be_the_first_one_imported(module):
    """An import cycle shows itself only in the order that nobody tried."""
    done = run_python(f"import landsat_async.{module}")
    assert done.returncode == 0, done.stderr


@pytest.mark.faults("L06")
def test_L06_importing_everything_changes_neither_signals_nor_logging_nor_hooks():
    done = run_python(
        """
import logging, signal, sys
def state():
    return (
        {n: signal.getsignal(n) for n in signal.valid_signals()}, list(logging.root.handlers), logging.root.level,
        sys.excepthook, sys.unraisablehook, sys.stdout, sys.stderr,
    )
before = state()
import landsat_async, landsat_async.sim
for name in landsat_async.__all__:
    getattr(landsat_async, name)
assert state() == before
assert logging.getLogger('landsat_async').handlers == []
"""
    )
    assert done.returncode == 0, done.stderr


def test_the_package_tells_type_checkers_that_it_is_typed():
    assert (PROJECT / "landsat_async" / "py.typed").exists()
