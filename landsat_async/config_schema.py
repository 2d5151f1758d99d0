"""The JSON schema of config.toml, made from the readers: for editors, which then complete keys and underline slips.

A schema cannot say all that a reader checks (that a layout knows its fields, that south lies below north); it never
refuses what a reader takes. tests/test_config_schema.py holds both against each other.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from landsat_async import config_readers as read
from landsat_async import config_scene_readers as scenes
from landsat_async.config import EXAMPLE_TOML, Config
from landsat_async.config_area import area
from landsat_async.config_store import endpoint, part_bytes, place
from landsat_async.config_tables import READERS

FILE_NAME = "config.schema.json"
Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_DAY = r"^\s*(\d{4}-\d\d-\d\d|-\s*\d{1,5}\s*[A-Za-z]+|[Tt][Oo][Dd][Aa][Yy])\s*$"
_SIZE = r"^\s*\d{1,15}(\.\d{1,6})?\s*([KkMmGgTt]?[Ii]?[Bb])?\s*$"
_RATE = r"^\s*\d{1,15}(\.\d{1,6})?\s*([KkMmGgTt]?[Ii]?[Bb])?\s*(/\s*[Ss])?\s*$"
_DATASET = r"^ *[A-Za-z0-9][A-Za-z0-9_.-]{0,99} *$"


def _list_of(item: Schema, **more: int) -> Schema:
    return {"type": "array", "items": item, **more}


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


_ITEMS: dict[Any, Schema] = {
    read.host_pattern: _pattern(r"^ *(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])? *$"),
    scenes.sensor: _pattern(r"^ *([Mm][Ss][Ss]|[Tt][Mm]|[Ee][Tt][Mm]\+?|[Oo][Ll][Ii]([/_][Tt][Ii][Rr][Ss])?) *$"),
    scenes.cloud_flag: _pattern(r"^ *(cloud|dilated|shadow|cirrus|snow) *$"),
    scenes.tier: _pattern(r"^ *([Tt][12]|[Rr][Tt]) *$"),
    scenes.scene_id: _pattern(r"^ *[A-Za-z0-9][A-Za-z0-9_.-]{4,179} *$"),
    scenes.band_pattern: _pattern(r"^ *[A-Za-z0-9_.*?\[\]!-]{1,64} *$"),
    scenes.product_pattern: {"type": "string", "minLength": 1},
    read.plain_word: _pattern(_DATASET),
}
_PLAIN: dict[Any, Schema] = {
    read.service_url: _pattern(r"^ *https?://[^ ?#@]+ *$"),
    read.path: {"type": "string", "minLength": 1},
    area: {"type": ["string", "object"], "minLength": 1},
    endpoint: _pattern(r"^( *https?://[^ ?#@]+ *)?$"),
    part_bytes: {"anyOf": [{"type": "integer", "minimum": 5 * 2**20, "maximum": 2**30}, _pattern(_SIZE)]},
    place: {"type": "string", "minLength": 1},
    read.flag: {"type": "boolean"},
    read.command: _list_of(_TEXT, minItems=1),
    scenes.datasets: {"anyOf": [_pattern(_DATASET), _list_of(_TEXT, minItems=1)]},
    scenes.day: _pattern(_DAY),
    scenes.percent_span: _list_of({"type": "number", "minimum": 0, "maximum": 100}, minItems=2, maxItems=2),
    scenes.bbox: _list_of({"type": "number", "minimum": -180, "maximum": 180}, minItems=4, maxItems=4),
    scenes.months: _list_of({"type": "integer", "minimum": 1, "maximum": 12}),
    scenes.satellites: _list_of({"type": "integer", "minimum": 1, "maximum": 9}),
    scenes.path_rows: _list_of(_pattern(r"^ *(\d{3}[/_, -]?\d{3}|\d{1,3}/\d{1,3}) *$")),
    scenes.tiles: _list_of(_TEXT),
    read.size_bytes: {"anyOf": [{"type": "integer", "minimum": 0}, _pattern(_SIZE)]},
    read.rate_bytes_s: {"anyOf": [{"type": "integer", "minimum": 0}, _pattern(_RATE)]},
}


def schema_of(reader: read.Reader) -> Schema:
    """Return the schema of one value; {} for a reader that nobody has described."""
    if reader in _PLAIN:
        return dict(_PLAIN[reader])
    match read.MADE.get(reader):
        case ("whole", (low, high)):
            return {"type": "integer", "minimum": low, "maximum": high}
        case ("number", (low, high)):
            return {**_NUMBER, "minimum": low, "maximum": high}
        case ("choice", names):
            return {"enum": list(names)}
        case ("texts", (item,)):
            return _list_of(_ITEMS.get(item, _TEXT))
        case ("text", (pattern, empty_ok)):
            if pattern is not None:
                return _pattern(rf"^ *({pattern}) *$")
            return dict(_TEXT) if empty_ok else {**_TEXT, "minLength": 1}
        case ("hook_command", _):
            return _list_of(_TEXT)
    return {}


def config_schema() -> Schema:
    """Return the schema of the whole file, with the comments of the example and the defaults of the code."""
    comments = _comments(EXAMPLE_TOML)
    tables: Schema = {}
    for table, readers in READERS.items():
        defaults = _defaults(table)
        keys: Schema = {}
        for key, reader in readers.items():
            value = schema_of(reader)
            if comment := comments.get((table, key)):
                value["description"] = comment
            if defaults.get(key) is not None:
                value["default"] = defaults[key]
            keys[key] = value
        tables[table] = {"type": "object", "additionalProperties": False, "properties": keys}
    tables["search"]["not"] = {"required": ["aoi", "bbox"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "config.toml of landsat_async",
        "type": "object",
        "additionalProperties": False,
        "properties": tables,
    }


def schema_text() -> str:
    """Return the schema as the file in this package has it."""
    return json.dumps(config_schema(), indent=1, ensure_ascii=False) + "\n"


def _defaults(table: str) -> dict[str, Any]:
    """Return the defaults of a table that can stand in JSON as they stand in TOML."""
    field = next((one for one in msgspec.structs.fields(Config) if one.name == table), None)
    struct = field.type if field is not None else None
    if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
        return {}
    found = {one.name: one.default for one in msgspec.structs.fields(struct)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in found.items()
        if isinstance(value, str | int | float | bool | tuple) and name != "directory"
    }


def _comments(example: str) -> dict[tuple[str, str], str]:
    """Return what the example says of each key, by table and key."""
    said: dict[tuple[str, str], str] = {}
    table, last = "", None
    for line in example.split("\n"):
        if head := re.fullmatch(r"\[(\w+)\].*", line):
            table, last = head[1], None
        elif match := re.match(r"(?:# )?(\w+) = (?:[^#\"']|\"[^\"]*\"|'[^']*')*(?:# (.*))?$", line):
            last = (table, match[1])
            said[last] = (match[2] or "").strip()
        elif last is not None and (more := re.match(r"\s{8,}# (.*)", line)):
            said[last] += " " + more[1].strip()
        else:
            last = None
    return {place: text for place, text in said.items() if text}
