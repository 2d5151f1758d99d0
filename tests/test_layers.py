"""Who may import whom, and what may stand where. The lists are the law; the code is read with `ast`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.syntax import facts_of

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "landsat_async"

# Each line may import the lines above it. Names of one line do not import each other, except inside a package.
LAYERS = (
    ("public", "value"),
    ("errors", "model", "events"),
    ("beside", "run_summary"),
    ("rules",),
    ("raster", "stac"),
    ("proof",),
    ("page",),
    ("user_files", "user_commands"),
    ("config_readers", "kept_login", "scene_files"),
    ("config_scene_readers",),
    ("config_area", "config_store"),
    ("config_checks", "config_tables"),
    ("config",),
    ("credentials", "aoi_files", "connections", "config_schema"),
    ("m2m", "disk"),
    ("transfer", "store"),
    ("scale",),
    ("run",),
    ("show",),
    ("whole_job",),
    ("__init__",),
    ("blocking",),
    ("__main__",),
)
ALONE = "sim"
"""Imports nothing of ours; only `show`, tests and benchmarks import it."""
MAY_IMPORT_SIM = ("show",)
VERSION_FOR = ("show",)
"""May import the package itself, for `__version__`, although it only names what lies below it."""
FOR_USERS = frozenset(("landsat_async.blocking",))
"""Modules that nothing of ours imports."""

PURE_PACKAGES = ("rules", "raster", "stac")
PURE = frozenset(
    f"landsat_async.{name}"
    for name in (
        "disk.checkpoint",
        "disk.leftovers",
        "disk.win32_paths",
        "m2m.api_retry",
        "m2m.replies",
        "m2m.response",
        "m2m.tolerant",
        "m2m.credential_doubts",
        "proof.kinds",
        "run.area_clouds",
        "run.concurrency",
        "run.hook_rules",
        "run.host_health",
        "run.lookup_plan",
        "run.matching",
        "run.order_only",
        "run.products",
        "run.quota",
        "run.scene_filter",
        "run.search_bounds",
        "run.search_walk",
        "run.selection",
        "run.sync_plan",
        "transfer.headers",
        "transfer.ranges",
        "transfer.resume",
        "transfer.retry",
        "transfer.speed",
        "transfer.window_answers",
        "transfer.token_bucket",
    )
)
"""Modules that decide, and stand with the package that they decide for; PURE_PACKAGES are pure as a whole."""
IMPURE = frozenset(
    ("asyncio", "anyio", "aiohttp", "aiofiles", "time", "random", "os", "sqlite3", "socket", "subprocess", "threading")
)
"""What decides does so with values only: no waiting, clock, chance, files or sockets."""
IMPURE_CALLS = frozenset(("open", "input", "print"))

OWNERLESS = frozenset(("create_task", "ensure_future", "gather", "run_coroutine_threadsafe"))
"""Every task has one owner: a task group. These start tasks without one."""

FILES = sorted(PACKAGE.rglob("*.py"))


def layer_of(module: str) -> str:
    """Return the first name below the package: landsat_async.m2m.client -> m2m, landsat_async -> __init__."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_of(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_pure(module: str) -> bool:
    return layer_of(module) in PURE_PACKAGES or module in PURE


def imports_of(source: str, module: str) -> set[str]:
    """Return the modules of all imports in a file, late ones too."""
    found: set[str] = set()
    for node in facts_of(source).imports:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{module}: relative import"
            base = node.module or ""
            found |= {_named(alias.name) for alias in node.names} if base == "landsat_async" else {base}
    return found


def _named(name: str) -> str:
    """Return the module behind a name that is taken from the package itself."""
    is_module = (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()
    return f"landsat_async.{name}" if is_module else "landsat_async"


def trespasses(module: str, source: str) -> list[str]:
    """Return what is wrong with the imports of a module."""
    own = layer_of(module)
    rank = {name: number for number, names in enumerate(LAYERS) for name in names}
    wrong = []
    for imported in imports_of(source, module):
        if not imported.startswith("landsat_async"):
            if is_pure(module) and imported.split(".")[0] in IMPURE:
                wrong.append(f"{module} is pure, but imports {imported}")
            continue
        other = layer_of(imported)
        if other == own or (imported == "landsat_async" and own in VERSION_FOR):
            continue
        if own == ALONE:
            wrong.append(f"{module} stands alone, but imports {imported}")
        elif other == ALONE:
            if own not in MAY_IMPORT_SIM:
                wrong.append(f"{module} imports the simulator")
        elif own not in rank or other not in rank:
            wrong.append(f"{own if own not in rank else other} has no place in the layers")
        elif rank[other] >= rank[own]:
            wrong.append(f"{module} imports {imported}, which is not below it")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_each_module_imports_only_what_lies_below_it(path):
    assert trespasses(module_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_task_is_started_without_an_owner(path):
    source = path.read_text()
    assert not any(name in source for name in OWNERLESS) or facts_of(source).mentioned & OWNERLESS == set()


@pytest.mark.parametrize("path", [p for p in FILES if is_pure(module_of(p))], ids=module_of)
def test_what_decides_opens_nothing_and_waits_for_nothing(path):
    facts = facts_of(path.read_text())
    assert facts.bare & IMPURE_CALLS == set()
    assert not facts.waits


def test_what_decides_brings_nothing_in_that_acts():
    """Not by way of another module either: aiohttp alone is a sixth of a second in each process."""
    command = f"import sys, {', '.join(sorted(PURE))}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert {"aiohttp", "anyio", "asyncio", "sqlite3"} & set(loaded.stdout.split()) == set()


def test_each_module_is_imported_by_another():
    imported = set(FOR_USERS)
    for path in FILES:
        source = path.read_text("utf-8")
        imported |= imports_of(source, module_of(path))
        taken = [node for node in facts_of(source).imports if isinstance(node, ast.ImportFrom)]
        imported |= {f"{node.module}.{alias.name}" for node in taken for alias in node.names}
    modules = {module_of(path) for path in FILES if path.stem not in ("__init__", "__main__")}
    assert modules - imported == set(), "nothing calls what stands there"


def test_the_list_of_pure_modules_names_modules():
    assert {module_of(path) for path in FILES} >= PURE


@pytest.mark.parametrize(
    "path", [p for p in FILES if layer_of(module_of(p)) not in ("show", "__main__")], ids=module_of
)
@pytest.mark.faults("L06")
def test_L06_only_the_command_line_prints_exits_and_takes_signals(path):
    facts = facts_of(path.read_text())
    assert "print" not in facts.bare
    assert facts.mentioned & {"_exit", "add_signal_handler", "basicConfig", "addHandler"} == set()
    of_sys, of_signal = ({name for owner, name in facts.taken if owner == module} for module in ("sys", "signal"))
    assert of_sys & {"exit", "stdout", "stderr", "stdin"} == set()
    assert of_signal & {"signal", "set_wakeup_fd", "pthread_sigmask", "sigwait", "alarm"} == set()


@pytest.mark.parametrize(
    ("module", "source", "word"),
    [
        ("landsat_async.rules.aoi", "import time", "pure"),
        ("landsat_async.rules.aoi", "def f():\n    from landsat_async.m2m import client", "below"),
        ("landsat_async.m2m.client", "from landsat_async.disk.ledger import Ledger", "below"),
        ("landsat_async.disk.part", "import landsat_async.run.runner", "below"),
        ("landsat_async.transfer.fetch", "from landsat_async import show", "below"),
        ("landsat_async.sim.server", "from landsat_async.model import Scene", "alone"),
        ("landsat_async.run.runner", "from landsat_async.sim.server import open_simulator", "simulator"),
        ("landsat_async.run.runner", "from landsat_async import open_run", "below"),
        ("landsat_async.helpers", "from landsat_async.errors import LandsatError", "no place"),
    ],
)
def test_the_test_itself_sees_trespasses(module, source, word):
    (wrong,) = trespasses(module, source)
    assert word in wrong


def test_what_the_laws_ask_of_a_source_is_seen():
    facts = facts_of("def f():\n    import sys\n    class C:\n        sys.exit(print(x.y))")
    assert facts.bare == {"sys", "print", "x"}
    assert facts.mentioned == {"sys", "print", "x", "exit", "y"}
    assert facts.taken == {("sys", "exit"), ("x", "y")}
    assert (facts.classes, facts.waits, len(facts.imports)) == (["C"], False, 1)
    assert facts_of("async def f(): pass").waits
    assert facts_of("await f()").waits


def test_files_stay_short_enough_to_read():
    long = {module_of(p): n for p in FILES if (n := p.read_text().count("\n")) > 500}
    assert long == {}


def test_no_module_is_a_drawer_for_everything():
    assert [p for p in FILES if p.stem in ("utils", "helpers", "common", "misc")] == []
