"""What users may import, and that importing it costs nothing and changes nothing."""

from __future__ import annotations

import inspect
import pickle
import pydoc
import re
import subprocess
import sys
import tomllib
import typing
from pathlib import Path

import pytest

import landsat_async
from landsat_async import errors

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
        *["config", "session", "credentials", "overwrite", "sync", "on_scene", "pool", "on_wait"],
    ]


CLASSES = [one for name in landsat_async.__all__ if isinstance(one := getattr(landsat_async, name), type)]
FUNCTIONS = [one for name in landsat_async.__all__ if inspect.isfunction(one := getattr(landsat_async, name))]
METHODS = [
    pytest.param(method, id=f"{one.__name__}.{name}")
    for one in CLASSES
    for name, method in vars(one).items()
    if not name.startswith("_") and (callable(method) or isinstance(method, property | classmethod))
]


def fields_of(one):
    return [*getattr(one, "__dataclass_fields__", ()), *getattr(one, "__struct_fields__", ())]


@pytest.mark.parametrize("one", [*CLASSES, *FUNCTIONS], ids=lambda one: one.__name__)
def test_what_users_import_carries_the_name_of_the_package(one):
    assert one.__module__ == "landsat_async"
    assert getattr(landsat_async, one.__name__) is one
    assert pickle.loads(pickle.dumps(one)) is one
    if one not in (landsat_async.M2MClient, landsat_async.Run):
        typing.get_type_hints(one)


def test_values_of_public_classes_can_be_pickled():
    scene = landsat_async.Scene("LC80040532024187LGN00", "LC08_L2SP_004053_20240705_20240712_02_T1")
    assert pickle.loads(pickle.dumps(scene)) == scene
    config = landsat_async.Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2"}})
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_traceback_names_what_is_to_be_caught():
    done = run_python("from landsat_async import Config; Config.from_dict({})")
    assert done.stderr.splitlines()[-1].startswith("landsat_async.ConfigError: ")


@pytest.mark.parametrize("one", [*CLASSES, *FUNCTIONS, *METHODS])
def test_everything_public_says_what_it_is(one):
    text = inspect.getdoc(one)
    assert text
    assert len(text.split("\n")[0]) > 12


@pytest.mark.parametrize("one", [one for one in CLASSES if fields_of(one)], ids=lambda one: one.__name__)
def test_each_value_of_a_public_class_is_explained_with_what_none_means(one):
    text = inspect.getdoc(one)
    for name in fields_of(one):
        said = re.search(rf"^    {name}: (.+(?:\n {{8}}.+)*)", text, re.MULTILINE)
        assert said, name
        if "None" in str(one.__annotations__[name]):
            assert "None" in said[1], name


@pytest.mark.parametrize("one", [landsat_async.open_run, landsat_async.plan, landsat_async.M2MClient])
def test_arguments_are_explained(one):
    for name in inspect.signature(one).parameters:
        assert f"{name}: " in inspect.getdoc(one)


def test_all_events_and_all_errors_are_public():
    assert set(typing.get_args(landsat_async.Event)) <= set(CLASSES)
    tree = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)}
    assert tree <= set(CLASSES)
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    assert drawn == {one.__name__ for one in tree} - {"LandsatError"}


def test_help_reads_like_a_page():
    page = pydoc.render_doc(landsat_async, renderer=pydoc.plaintext)
    assert 'summary = await download(Config.load("config.toml"))' in page
    assert not re.findall(r"landsat_async\.(?:run|m2m|events|errors|model)\.\w+", page.partition("\nFILE\n")[0])
    for name in set(landsat_async.__all__) - {"__version__"}:
        assert name in page


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
        "import sys, landsat_async.run.opening, landsat_async.run.plan; assert 'shapely' not in sys.modules"
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
