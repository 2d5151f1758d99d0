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

    fields = []
    for one in msgspec.structs.fields(kind):  # those of its bases as well: users may have classes of their own
        told: dict[str, Any] = {"kw_only": one.name not in kind.__match_args__}
        if one.default is not msgspec.NODEFAULT:
            told["default"] = one.default
        elif one.default_factory is not msgspec.NODEFAULT:
            told["default_factory"] = one.default_factory
        fields.append((one.name, one.type, dataclasses.field(**told)))
    alike: Any = dataclasses.make_dataclass(kind.__name__, fields)
    return dict(alike.__dataclass_fields__)


class Value(msgspec.Struct, frozen=True):
    """Base of such values: `class Scene(Value, frozen=True)`. What `dataclasses` does with a default, it does here."""

    __dataclass_fields__ = _AsDataclass()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__dataclass_fields__ = Value.__dict__["__dataclass_fields__"]  # orjson looks no further than there
