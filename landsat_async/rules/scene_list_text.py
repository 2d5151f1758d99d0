"""Scene ids out of the texts that people have: lists, EarthExplorer's CSV, USGS notebooks, GeoJSON, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{4,179}")
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_NAMES_DATASET = re.compile(r"([^|]+)\|\s*(?:displayId|entityId)", re.IGNORECASE)
"""The first line of the lists that the notebooks of USGS read."""
_WRONG_TOLD = 3
_COLUMNS = (
    "displayid", "landsatproductidentifierl2", "landsatproductidentifier", "landsatproductidentifierl1", "productid",
    "landsatscenetileidentifier", "tileidentifier", "entityid", "landsatsceneidentifier", "sceneid", "sceneidentifier",
    "orderingid",
)  # fmt: skip
"""Headings, in small letters and without blanks; the one that says most of the product comes first."""
_SPOKEN = '"Display ID", "Landsat Product Identifier L2" or "Landsat Scene Identifier"'


class SceneList(NamedTuple):
    """What a text names."""

    ids: tuple[str, ...]
    """In the order of the text, each once."""
    dataset: str | None
    """Alias that the text names for all of them; None when it names none."""


def read_scene_list(text: str) -> SceneList:
    """Return the ids of a text.

    One id a line, or several with blanks or commas between them, # begins a comment (`#dataset=NAME` names the
    dataset); a first line `NAME|displayId`; CSV with a column of ids, as EarthExplorer exports it; GeoJSON; JSON lines
    as `scenes --json` writes them.

    Raises:
        ValueError: it holds no ids, or something that is none; the text says where.
    """
    text = text.removeprefix("\ufeff")
    stripped = text.lstrip()
    if stripped[:1] in ("{", "["):
        found = SceneList(_once(_of_json(stripped)), None)
    elif (table := _of_table(text)) is not None:
        found = SceneList(_once(table), None)
    else:
        found = _of_lines(text)
    if not found.ids:
        raise ValueError("holds no scene id")
    return found


def _once(found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return ids once each; `found` has each with the place where it stands. Raises ValueError."""
    ids: dict[str, None] = {}
    wrong: list[str] = []
    for place, name in found:
        if _ID.fullmatch(name):
            ids[name] = None
        else:
            wrong.append(f"{place}: {_shown(name)} is not an entity or display id")
    if wrong:
        more = f"; and {len(wrong) - _WRONG_TOLD:,} more" if len(wrong) > _WRONG_TOLD else ""
        raise ValueError("; ".join(wrong[:_WRONG_TOLD]) + more)
    return tuple(ids)


def _of_lines(text: str) -> SceneList:
    dataset: str | None = None
    found: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if named := re.fullmatch(r"#\s*dataset\s*[=:]\s*(\S+)", bare):
            dataset = named[1]
            continue
        bare = bare.partition("#")[0].strip()
        if not found and (head := _NAMES_DATASET.fullmatch(bare)):
            dataset = head[1].strip()
            continue
        found += [(f"line {number}", part.strip("\"'")) for part in re.split(r"[\s,;]+", bare) if part]
    if dataset is not None and not _DATASET.fullmatch(dataset):
        raise ValueError(f"{_shown(dataset)} is not the name of a dataset")
    return SceneList(_once(found), dataset)


def _of_table(text: str) -> Iterator[tuple[str, str]] | None:
    """The ids of a table with headings; None for a text that is no table."""
    head = text.split("\n", 1)[0]
    if _NAMES_DATASET.fullmatch(head.strip()):
        return None
    separator = max(",;\t|", key=head.count)
    if not head.count(separator) and _plain(head) not in _COLUMNS:
        return None
    headings = [_plain(name) for name in next(csv.reader([head], delimiter=separator))]
    column = next((headings.index(name) for name in _COLUMNS if name in headings), None)
    if column is None:
        ids = all(_ID.fullmatch(part.strip("\"' ")) for part in re.split(r"[\s,;]+", head.strip()) if part)
        if ids or head.lstrip().startswith("#"):
            return None
        raise ValueError(f"has no column with ids: {_SPOKEN}")
    return _column(text, separator, column)


def _column(text: str, separator: str, column: int) -> Iterator[tuple[str, str]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        next(rows)
        for row in rows:
            if any(cell.strip() for cell in row):
                yield f"line {rows.line_num}", row[column].strip() if column < len(row) else ""
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from None


def _plain(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", heading.lower())


def _of_json(text: str) -> Iterator[tuple[str, str]]:
    try:
        yield from _of_document(json.loads(text))
    except (json.JSONDecodeError, RecursionError):
        yield from _of_json_lines(text)


def _of_json_lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"line {number} is not JSON") from None
        if isinstance(value, dict) and value.get("event", "scene") == "scene" and (name := _id_of(value)):
            yield f"line {number}", name


def _of_document(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and isinstance(value.get("features"), list):
        value = value["features"]
    for number, one in enumerate(value if isinstance(value, list) else [value], 1):
        place = f"entry {number}"
        if isinstance(one, str):
            yield place, one.strip()
        elif isinstance(one, dict) and one.get("event", "scene") == "scene":
            properties = one.get("properties")
            name = _id_of(properties if isinstance(properties, dict) else {}) or _id_of(one)
            yield place, name or "an entry without an id"


def _id_of(value: dict[str, Any]) -> str | None:
    for key in ("display_id", "displayId", "landsat:product_id", "entity_id", "entityId", "landsat:scene_id", "id"):
        if isinstance(value.get(key), str):
            return str(value[key]).strip()
    return None


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")
