"""Plain frozen values that cross layers, and that users get: structs of msgspec that `dataclasses` takes as its own.

Half a millisecond of our start goes into each class that `dataclass` makes; a struct takes a fiftieth of that, and its
values are made in C. For users, and for who replaces a field, they are dataclasses all the same: `dataclasses.replace`,
`asdict`, `fields` and `is_dataclass` take them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec


class _AsDataclass:
    """Describes the fields of a struct as `dataclasses` does, when somebody asks."""

    def __get__(self, _value: object, kind: type[msgspec.Struct]) -> dict[str, Any]:
        return _fields(kind)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    import dataclasses

    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    needed = len(names) - len(defaults)
    fields = [dataclasses.field() for _ in range(needed)] + [dataclasses.field(default=one) for one in defaults]
    types = [kind.__annotations__[name] for name in names]
    alike: Any = dataclasses.make_dataclass(kind.__name__, zip(names, types, fields, strict=True))
    return dict(alike.__dataclass_fields__)


class Value(msgspec.Struct, frozen=True):
    """Base of such values: `class Scene(Value, frozen=True)`. Their defaults are values, and none is made anew."""

    __dataclass_fields__ = _AsDataclass()
