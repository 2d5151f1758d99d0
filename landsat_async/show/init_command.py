"""`init`: a commented config.toml, filled in by options and by examples of what people do with this program."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from landsat_async.config import EXAMPLE_TOML, Config
from landsat_async.disk.fs import local_fs
from landsat_async.disk.whole_file import write_whole
from landsat_async.errors import ConfigError
from landsat_async.rules.fill_template import Place, fill, toml_list, toml_text
from landsat_async.show.command_table import CONFIG_FILE
from landsat_async.show.error_report import unwritable
from landsat_async.show.output import Output
from landsat_async.show.program import command
from landsat_async.show.schema_command import schema_address
from landsat_async.user_files import near_name

EXAMPLES: dict[str, dict[Place, str | None]] = {
    "timeseries": {
        ("search", "start"): '"-10 years"',
        ("search", "end"): '"today"',
        ("search", "cloud_cover"): "[0, 30]",
        ("search", "tiers"): '["T1"]',
        ("search", "min_coverage"): "0.5",
        ("select", "bands"): '["red", "nir08", "QA_PIXEL"]',
        ("download", "layout"): '"{path}{row}/{year}"',
    },
    "bundles": {
        ("search", "bbox"): None,
        ("search", "path_row"): '["004053"]',
        ("search", "cloud_cover"): "[0, 100]",
        ("select", "type"): '"bundle"',
        ("select", "bands"): None,
        ("select", "bundle_fallback"): "true",
        ("download", "layout"): '"{sensor}/{path}{row}/{year}"',
    },
    "weekly": {
        ("search", "start"): '"-60 days"',
        ("search", "end"): '"today"',
        ("search", "cloud_cover"): "[0, 60]",
        ("search", "tiers"): '["T1", "T2"]',
        ("select", "bands"): '["red", "nir08", "QA_PIXEL"]',
        ("download", "layout"): '"{year}/{month}"',
    },
    "ids": {
        ("search", "bbox"): None,
        ("search", "start"): None,
        ("search", "end"): None,
        ("search", "cloud_cover"): None,
        ("search", "include_unknown_cloud"): None,
        ("search", "min_coverage"): None,
        ("search", "limit"): None,
        ("search", "order"): None,
        ("search", "scenes"): '["LC80040532024187LGN00"]',
        ("select", "type"): '"bundle"',
        ("select", "bands"): None,
    },
}
"""What people do; the words for it stand in `PURPOSES`."""
PURPOSES = {
    "timeseries": "some bands over one area for ten years",
    "bundles": "all bundles of a path and row",
    "weekly": "what is new in the last 60 days; run it again each week",
    "ids": "scenes that you have chosen elsewhere",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options of `init` say; None where they say nothing."""

    bbox: str | None = None
    aoi: str | None = None
    bands: Sequence[str] | None = None
    start: str | None = None
    end: str | None = None
    example: str | None = None


def init(path: str, wishes: Wishes, output: Output) -> int:
    """Write the file; never over one that is there.

    Raises:
        ConfigError: an option has a value that the file may not have, or the file cannot be written.
        DiskFull: there is no room for it.
    """
    text = config_text(path, wishes)
    try:
        write_whole(local_fs(), os.path.abspath(path), text.encode("utf-8"), replace=False)
    except FileExistsError:
        hint = "Nothing was changed; give another name."
        what = f"{path} is a folder" if os.path.isdir(path) else f"{path} is already there"
        raise ConfigError(what, hint=hint, reference="file-exists") from None
    except FileNotFoundError:
        folder = os.path.dirname(path)
        raise ConfigError(f"{path}: there is no folder {folder}", hint="Make it first, or give another name.") from None
    except OSError as error:
        raise unwritable(path, error, hint="Nothing was written; give a name in a folder that you may write.") from None
    plan = command("plan", *([] if path == CONFIG_FILE else [path]))
    output.message(f"wrote {path}" + (f": {PURPOSES[wishes.example]}" if wishes.example else ""))
    if _said_where(wishes) and _said_when(wishes):
        output.message(f"next: {plan}")
    else:
        output.message(f"next: edit {_open_ends(wishes)} in it, then: {plan}")
    return 0


def config_text(path: str, wishes: Wishes) -> str:
    """Return the file for these wishes, checked as `plan` will check it.

    Raises:
        ConfigError: it would be refused; the problems name the options.
    """
    text = fill(EXAMPLE_TOML, {**EXAMPLES.get(wishes.example or "", {}), **_values(path, wishes)})
    text = f"#:schema {schema_address()}\n{text}"
    try:
        Config.from_dict(tomllib.loads(text), base_dir=os.path.dirname(os.path.abspath(path)))
    except ConfigError as error:
        problems = tuple(re.sub(r"^configuration: \w+\.(\w+)", r"--\1", one) for one in error.problems)
        raise ConfigError("\n".join(problems), problems=problems, hint="Nothing was written.") from None
    return text


def _values(path: str, wishes: Wishes) -> dict[Place, str | None]:
    values: dict[Place, str | None] = {}
    if wishes.bbox is not None and wishes.aoi is not None:
        raise ConfigError("--bbox and --aoi are two ways to name the area; give one of them")
    if wishes.bbox is not None:
        values["search", "bbox"] = _degrees(wishes.bbox)
    if wishes.aoi is not None:
        values |= {("search", "bbox"): None, ("search", "aoi"): toml_text(_beside(path, wishes.aoi))}
    if wishes.start is not None:
        values["search", "end"] = '"today"'  # the example's end may lie before
    if wishes.bands:
        bands = [name for text in wishes.bands for name in text.split(",") if name]
        values |= {("select", "type"): '"band"', ("select", "bands"): toml_list(bands)}
    for key, day in (("start", wishes.start), ("end", wishes.end)):
        if day is not None:
            values["search", key] = day if re.fullmatch(r"\d{4}-\d\d-\d\d", day) and _is_day(day) else toml_text(day)
    if wishes.example == "ids" and (wishes.bbox or wishes.aoi or wishes.start or wishes.end):
        raise ConfigError("--example ids names scenes: it takes no area and no dates", reference="usage")
    return values


def _degrees(text: str) -> str:
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    try:
        return f"[{', '.join(repr(float(part)).removesuffix('.0') for part in parts)}]"
    except ValueError:
        hint = "West, south, east, north, for example: --bbox -68.01 9.99 -67.49 10.34"
        raise ConfigError("--bbox needs four numbers, in degrees", hint=hint, reference="usage") from None


def _is_day(text: str) -> bool:
    try:
        tomllib.loads(f"day = {text}")
    except ValueError:
        return False
    return True


def _beside(path: str, aoi: str) -> str:
    """Return the path of the area as the file needs it: relative to its own folder. Raises ConfigError."""
    full = os.path.abspath(os.path.expanduser(aoi))
    if not os.path.exists(full):
        raise ConfigError(f"--aoi {aoi}: there is no such file{near_name(aoi)}", hint="Nothing was written.")
    try:
        beside = os.path.relpath(full, os.path.dirname(os.path.abspath(path)))
    except ValueError:  # another drive
        return full
    return full if beside.startswith(os.path.join("..", "..")) else beside.replace(os.sep, "/")


def _said_where(wishes: Wishes) -> bool:
    return bool(wishes.bbox or wishes.aoi)


def _said_when(wishes: Wishes) -> bool:
    return wishes.start is not None or wishes.example in ("timeseries", "weekly")


def _open_ends(wishes: Wishes) -> str:
    if wishes.example == "ids":
        return "scenes"
    where = [] if _said_where(wishes) else ["path_row" if wishes.example == "bundles" else "area"]
    return " and ".join([*where, *([] if _said_when(wishes) else ["dates"])])
