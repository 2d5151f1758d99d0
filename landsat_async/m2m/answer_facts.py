"""What an answer of the M2M service shows of how the service behaves. Pure; the forms stand in `rules.observed`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from landsat_async.m2m.response import open_envelope
from landsat_async.rules.observed import HIDDEN, Fact, code_of, words_of

BODY_BYTES_MOST = 1 << 20
"""Larger answers are not looked at: they show what smaller ones do."""
ROWS_MOST = 200
_SYSTEM = r"[a-z]{2,10}(_[a-z0-9]{1,5})?"
_MEMBER = re.compile(r"[a-zA-Z]{2,30}")
_BAND = re.compile(r"_((?:SR|ST|QA)_[A-Z0-9_]{2,16}|B\d{1,2}|ANG|MTL|VAA|VZA|SAA|SZA|stac)\.[A-Za-z]{2,4}$")
_PREFIX = re.compile(r"(L2S[A-Z]|L1[A-Z]{0,3}|L2[A-Z]{0,3})_")


def facts_of_answer(
    endpoint: str,
    payload: Mapping[str, Any] | None,
    *,
    status: int,
    content_type: str,
    body: bytes | bytearray,
    retry_after_s: float | None,
    took_s: float,
) -> Iterator[Fact]:
    """Yield the facts of one answer."""
    if re.fullmatch(r"[a-z0-9-]{3,32}", endpoint):
        yield Fact("time", endpoint, took_s)
    if retry_after_s is not None:
        yield Fact("limits", f"Retry-After with HTTP {status}", retry_after_s)
    if len(body) > BODY_BYTES_MOST:
        return
    envelope = open_envelope(body)
    if envelope is None:
        kind = code_of(content_type.partition(";")[0].strip(), r"[a-z]{2,12}/[a-z+.-]{2,30}") if content_type else "no"
        yield Fact("error", f"no envelope: HTTP {status}, {kind} content type, {_size(body)}")
    elif envelope.code is not None:
        yield Fact("error", f"{code_of(envelope.code)}: HTTP {status}")
        yield Fact("error", f"text: {words_of(envelope.message) or 'none'}")
    elif endpoint in _READERS:
        try:
            data = msgspec.json.decode(bytes(envelope.data))
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return
        try:
            yield from _READERS[endpoint](data, payload or {})
        except (AttributeError, KeyError, TypeError, ValueError, IndexError):
            yield Fact("error", f"{endpoint}: data of an unknown shape")


def _size(body: bytes | bytearray) -> str:
    return "empty" if not body else "a body"


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text" if value else "an empty text"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "an object" if value else "an empty object"


def _logout(data: Any, _: Mapping[str, Any]) -> Iterator[Fact]:
    yield Fact("session", f"logout answers {_kind(data)}")


def _search(data: Any, payload: Mapping[str, Any]) -> Iterator[Fact]:
    rows = [row for row in data["results"] if isinstance(row, dict)][:ROWS_MOST]
    if (form := _form_of_area(payload)) is not None:
        yield Fact("search", f"an area as {form}: {'rows' if rows else 'no rows'}")
    following, hits = data.get("nextRecord"), data.get("totalHits")
    if not data["results"]:
        how = f"{following}" if following in (0, 1) else _kind(following)
        beyond = isinstance(hits, int) and hits > 0
        yield Fact("search", f"no rows{', beyond the last hit' if beyond else ''}: nextRecord {how}")
        return
    covers = {_cover(row.get("cloudCover", row)) for row in rows}
    yield from (Fact("search", f"cloudCover is {cover}") for cover in sorted(covers))
    if "metadataType" not in payload:
        yield Fact("search", f"metadata without metadataType: {_kind(rows[0].get('metadata'))}")
    days = [day for row in rows if (day := _day_of(row)) is not None]
    if len(set(days)) > 2:
        order = "newest first" if days == sorted(days, reverse=True) else "oldest first"
        yield Fact("search", f"order: {order if days in (sorted(days), sorted(days)[::-1]) else 'none by day'}")
    asked = (payload.get("sceneFilter") or {}).get("acquisitionFilter") or {}
    if days and asked.get("end") in days:
        yield Fact("search", "the last day of acquisitionFilter is included")


def _form_of_area(payload: Mapping[str, Any]) -> str | None:
    """Return how an area was sent: "mbr", or the type of its GeoJSON; None without one."""
    area = (payload.get("sceneFilter") or {}).get("spatialFilter") or {}
    shape = area.get("geoJson")
    form = shape.get("type") if isinstance(shape, dict) else area.get("filterType")
    return code_of(form, r"[A-Za-z]{3,20}") if isinstance(form, str) else None


def _cover(value: object) -> str:
    if isinstance(value, dict):
        return "missing"
    if value in (-1, "-1", -1.0):
        return f"-1 as {_kind(value)}"
    return _kind(value)


def _day_of(row: Mapping[str, Any]) -> str | None:
    times = row.get("temporalCoverage")
    start = times.get("startDate") if isinstance(times, dict) else None
    return start[:10] if isinstance(start, str) else None


def _list_add(data: Any, payload: Mapping[str, Any]) -> Iterator[Fact]:
    sent = payload.get("entityIds") or ([payload["entityId"]] if "entityId" in payload else [])
    if isinstance(data, int) and not isinstance(data, bool) and sent:
        how = "as many as were sent" if data == len(sent) else "fewer" if data < len(sent) else "more"
        yield Fact("list", f"the answer is {how}")
    else:
        yield Fact("list", f"the answer is {_kind(data)}")


def _options(data: Any, payload: Mapping[str, Any]) -> Iterator[Fact]:
    rows = [row for row in (data or []) if isinstance(row, dict)][:ROWS_MOST]
    for row in rows:
        system = code_of(str(row.get("downloadSystem")), _SYSTEM)
        yield Fact("options", f"{system}: {'available' if row.get('available') else 'not available'}")
        below = row.get("secondaryDownloads")
        if isinstance(below, list) and below:
            yield Fact("options", f"{system}: secondary files of a product", float(len(below)))
            yield from _secondary([one for one in below if isinstance(one, dict)])
    asked = payload.get("entityIds")
    scenes = list(dict.fromkeys(row.get("entityId") for row in rows))
    if isinstance(asked, list) and len(scenes) > 1:
        wanted = [one for one in asked if one in scenes]
        yield Fact("options", f"rows come {'in the order' if wanted == scenes else 'in another order than'} asked for")


def _secondary(rows: Iterable[Mapping[str, Any]]) -> Iterator[Fact]:
    seen = set()
    for row in rows:
        band, prefix = _BAND.search(str(row.get("displayId"))), _PREFIX.match(str(row.get("entityId")))
        if band is not None:
            kind = re.sub(r"_B\d+|B\d+", "_B", band[1]).lstrip("_")
            seen.add(f"entity id of {kind} begins with {prefix[1] if prefix else 'something else'}")
    yield from (Fact("options", text) for text in sorted(seen))


def _request(data: Any, _: Mapping[str, Any]) -> Iterator[Fact]:
    available, preparing = data.get("availableDownloads") or [], data.get("preparingDownloads") or []
    failed, duplicates = data.get("failed") or [], data.get("duplicateProducts") or {}
    for name, rows in (("availableDownloads", available), ("preparingDownloads", preparing), ("failed", failed)):
        if rows:
            yield Fact("request", f"rows in {name}", float(len(rows)))
            yield from _members(f"a row of {name} has", rows)
    for member in ("newRecords", "duplicateProducts"):
        yield Fact("request", f"{member} is {_kind(data.get(member))}")
    if isinstance(duplicates, dict) and duplicates:
        listed = {str(row.get("downloadId")) for row in (*available, *preparing) if isinstance(row, dict)}
        where = "also in the lists" if listed & set(duplicates) else "in duplicateProducts alone"
        yield Fact("request", f"duplicates stand {where}")
    for row in failed[:ROWS_MOST]:
        if isinstance(row, dict) and isinstance(row.get("errorMessage"), str):
            yield Fact("request", f"refused: {words_of(row['errorMessage'])}")


def _members(what: str, rows: Any) -> Iterator[Fact]:
    row = rows[0] if isinstance(rows, list) and rows else None
    if isinstance(row, dict):
        names = sorted([name if _MEMBER.fullmatch(name) else HIDDEN for name in map(str, row)])
        for begin in range(0, len(names), 4):
            yield Fact("request", f"{what} {', '.join(names[begin : begin + 4])}"[:80])


def _retrieve(data: Any, _: Mapping[str, Any]) -> Iterator[Fact]:
    lists = {name: data.get(name) or [] for name in ("available", "requested")}
    for name, rows in lists.items():
        for row in rows[:ROWS_MOST]:
            if isinstance(row, dict):
                code = code_of(str(row.get("statusCode") or "none"), r"[A-Z]{1,2}|none")
                said = words_of(str(row.get("statusText") or ""))
                link = "with a link" if row.get("url") else "without a link"
                yield Fact("retrieve", f"{name}: {code} ({said}) {link}")
    size, counts = data.get("queueSize"), {name: len(rows) for name, rows in lists.items()}
    if isinstance(size, int) and (size or any(counts.values())):
        equal = [name for name, count in counts.items() if count == size]
        both = size == sum(counts.values())
        yield Fact("retrieve", f"queueSize counts {'both lists' if both else ' or '.join(equal) or 'something else'}")


_READERS: Mapping[str, Callable[[Any, Mapping[str, Any]], Iterable[Fact]]] = {
    "logout": _logout,
    "scene-search": _search,
    "scene-list-add": _list_add,
    "download-options": _options,
    "download-request": _request,
    "download-retrieve": _retrieve,
}
