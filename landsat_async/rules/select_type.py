"""Which [select] type is meant: a key that names files says it by itself, and one without effect is never silent.

A `bands` that does nothing would bring a bundle of 1 GB in place of one band.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import Any

TYPE_OF_KEY = {"bands": "band", "file_groups": "band_group", "products": "product"}
"""Key that names files -> the type it belongs to."""
_NEEDED = {"bands": '["SR_B3", "ANG"]'}
"""What a type cannot do without, and how it looks."""


def choose_type(select: MutableMapping[str, Any], refused: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """Fill in the `type` that the keys of a [select] table imply.

    A type that is written beside its own key is a choice: the other keys are noted as being without effect. Where it
    stands beside the key of another type only, nobody knows which is meant, and it is refused.

    Args:
        select: The table as written, with checked values; its `type` is filled in.
        refused: Dotted keys whose own value was refused already; nothing more is said about them.

    Returns:
        What is wrong, and what has no effect.
    """
    named = [key for key in TYPE_OF_KEY if select.get(key)]
    kind = select.get("type")
    if kind == "bundle" and "products" in named:
        kind = select["type"] = "product"  # they say which bundle
    if kind is None and len(named) > 1:
        keys = " and ".join(f"select.{key}" for key in named)
        return [f"{keys}: cannot be used together; remove one of them, or write the type that is meant"], []
    if kind is None:
        if named:
            select["type"] = TYPE_OF_KEY[named[0]]
        return [], []
    for key, example in _NEEDED.items():
        if kind == TYPE_OF_KEY[key] and key not in named and f"select.{key}" not in refused:
            return [f'select.{key}: needed for type "{kind}", for example {key} = {example}'], []
    if kind == "bundle" and "bands" in named and select.get("window", "off") != "off":
        named.remove("bands")  # they say which members windows are cut from
    idle = [key for key in named if TYPE_OF_KEY[key] != kind]
    if len(idle) < len(named):
        return [], [f'select.{key} has no effect with type = "{kind}"' for key in idle]
    return [
        f'select.{key}: has no effect with type = "{kind}"; remove the type, or write type = "{TYPE_OF_KEY[key]}"; '
        f"remove {key} if it is not meant"
        for key in idle
    ], []
