"""What is shipped says the same in every place: pyproject.toml, the conda recipe, CITATION.cff."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from landsat_async import __version__

PROJECT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
RECIPE = (PROJECT / "packaging/conda/recipe.yaml").read_text()


def test_the_version_stands_the_same_everywhere():
    assert PYPROJECT["version"] == __version__
    assert f'version: "{__version__}"' in RECIPE
    assert f"version: {__version__}\n" in (PROJECT / "CITATION.cff").read_text()


def test_the_conda_recipe_asks_for_what_the_wheel_asks_for():
    run = RECIPE.partition("  run:\n")[2].partition("\n\n")[0]
    asked = {line.removeprefix("    - ").replace(" ", "") for line in run.splitlines()} - {"python>=3.11"}
    assert asked == set(PYPROJECT["dependencies"])


def test_the_core_stays_light():
    names = {re.split(r"[<>=;! ]", text)[0] for text in PYPROJECT["dependencies"]}
    assert names <= {"aiohttp", "aiofiles", "anyio", "shapely", "numpy", "rich", "msgspec"}
