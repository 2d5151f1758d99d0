"""Lets single modules be imported where the package as a whole cannot be: on Windows, until all of it is portable.

Use: pytest -p tests.support.bare_package -m portable
"""

from __future__ import annotations

import importlib.util
import sys
import types

spec = importlib.util.find_spec("landsat_async")
assert spec is not None
bare = types.ModuleType("landsat_async")
bare.__path__ = list(spec.submodule_search_locations or ())
sys.modules.setdefault("landsat_async", bare)
