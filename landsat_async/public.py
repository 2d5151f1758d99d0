"""Lets what users import from the package carry the name of the package: in a traceback, a repr and in `help`.

A name that leads into a module of ours would be relied on, and modules may move at any time.
"""

from __future__ import annotations

import typing
from typing import Any

PACKAGE = "landsat_async"


def publish(*objects: Any) -> None:
    """Say of classes and functions that they are the package's own.

    Annotations that are texts are read by Python in the module that the class says it is of; so they are read before
    that changes. That takes time whenever the program starts: modules that publish much have no texts as annotations.
    """
    for one in objects:
        if isinstance(one, type) and any(isinstance(hint, str) for hint in one.__annotations__.values()):
            hints = typing.get_type_hints(one)
            one.__annotations__ = {name: hints[name] for name in one.__annotations__}
        one.__module__ = PACKAGE
