"""Recipes for single answers that go wrong, as they are written on a command line.

    file:cut                                        the next file is cut in the middle
    file:cut,file=*_SR_B3.TIF,times=3               three of these
    api:status,endpoint=scene-search,status=503     the next search is answered by 503

Kinds and settings are those of `script`; `times=null` is for ever.
"""

from __future__ import annotations

import difflib
import json
from typing import Any, get_args

import msgspec

from landsat_async.sim.script import ApiFault, ApiKind, FileFault, FileKind, Script


def add_fault(script: Script, text: str) -> None:
    """Add the recipe that `text` describes. Raises ValueError with what is wrong."""
    head, *settings = text.split(",")
    where, _, kind = head.rpartition(":")
    kinds: dict[str, tuple[str, ...]] = {"file": get_args(FileKind), "api": get_args(ApiKind)}
    where = where or next((name for name in kinds if kind in kinds[name]), "file")
    if where not in kinds:
        raise ValueError(f'"{where}" is neither file nor api: write file:{kind} or api:{kind}')
    if kind not in kinds[where]:
        near = difflib.get_close_matches(kind, kinds[where], 1)
        guess = f"; did you mean {where}:{near[0]}?" if near else f"; there are {', '.join(kinds[where])}"
        raise ValueError(f'there is no fault "{kind}" of {where}{guess}')
    values: dict[str, Any] = {"kind": kind, **dict(map(_setting, settings))}
    recipe: type[FileFault] | type[ApiFault] = FileFault if where == "file" else ApiFault
    unknown = sorted(set(values) - set(recipe.__struct_fields__))
    if unknown:
        raise ValueError(f"{head} has no setting {', '.join(unknown)}; it has {', '.join(_settings_of(recipe))}")
    try:
        made = msgspec.convert(values, recipe, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{head}: {error}") from None
    if isinstance(made, FileFault):
        script.file_faults.append(made)
    else:
        script.api_faults.append(made)


def _settings_of(recipe: type[msgspec.Struct]) -> list[str]:
    return [name for name in recipe.__struct_fields__ if name not in ("kind", "seen", "served")]


def _setting(text: str) -> tuple[str, Any]:
    name, equals, raw = text.partition("=")
    if not equals:
        raise ValueError(f'"{text}" is not a setting: write name=value')
    try:
        return name.strip(), json.loads(raw)
    except ValueError:
        return name.strip(), raw
