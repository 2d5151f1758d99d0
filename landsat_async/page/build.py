"""The HTML page of scenes: pure, values in, one text out.

The page holds style, script and data, and a policy that lets the browser load nothing else: script and style are
allowed by their hashes, pictures only as data. Names come from outside, so the script only ever writes them as text,
and within the HTML every character that could end the data is escaped.

The coastlines are Natural Earth's at 1:50 million (public domain), simplified to 0.1 degrees and without small islands:
one line a coast, in the polyline encoding with steps of 1/20 degree.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TypeAlias

from landsat_async.rules.quantities import count_text

Ring: TypeAlias = Sequence[tuple[float, float]]
"""Longitude and latitude in degrees, the first point again at the end."""
Rings: TypeAlias = Sequence[Ring]
COLUMNS = ("id", "date", "sensor", "place", "cloud", "coverage", "files", "state", "rings", "picture")
STATES = ("here", "partly here", "not here", "failed")


@dataclass(frozen=True, slots=True)
class PageScene:
    """One scene as the page shows it.

    Attributes:
        display_id: What its tick adds to the list of ids.
        date: Day of acquisition, YYYY-MM-DD; "" = not known.
        sensor: For example LC08.
        place: WRS-2 path and row or ARD tile; "" = not known.
        cloud: Percent; None = not known.
        coverage: Percent of the area that the footprint covers; None = not known.
        files: For example "3" or "2 of 3"; "" = not known.
        state: One of `STATES`; "" = not known.
        rings: Outer rings of the footprint.
        picture: JPEG or PNG; None = none.
    """

    display_id: str
    date: str = ""
    sensor: str = ""
    place: str = ""
    cloud: float | None = None
    coverage: float | None = None
    files: str = ""
    state: str = ""
    rings: Rings = ()
    picture: bytes | None = field(default=None, repr=False)


def build_page(
    title: str,
    scenes: Sequence[PageScene],
    *,
    kind: str,
    made: str,
    area: Sequence[Rings] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return the page.

    Args:
        title: Heading; any text.
        scenes: In any order; the page shows the newest first.
        kind: "scenes", "plan" or "report".
        made: When, as the reader should see it.
        area: Polygons of the area of interest, each as its rings.
        notes: Sentences below the heading.
    """
    style, script = _part("page.css"), _part("page.js")
    data = {
        "kind": kind,
        "columns": COLUMNS,
        "scenes": [_row(scene) for scene in scenes],
        "area": [_rounded(rings) for rings in area],
        "coast": _part("coastlines.txt").splitlines(),
    }
    return _HTML.format(
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        title=escape(title),
        notes="".join(f"<p>{escape(note)}</p>" for note in notes),
        count=count_text(len(scenes), "scene"),
        made=escape(made),
        style=style,
        script=script,
        data=_json(data),
    )


def _row(scene: PageScene) -> list[object]:
    return [
        scene.display_id,
        scene.date,
        scene.sensor,
        scene.place,
        None if scene.cloud is None else round(scene.cloud, 1),
        None if scene.coverage is None else round(scene.coverage, 1),
        scene.files,
        scene.state,
        _rounded(scene.rings),
        _data_link(scene.picture),
    ]


def _rounded(rings: Rings) -> list[list[list[float]]]:
    """Three decimals are 110 m, below what the map can show."""
    return [[[round(x, 3), round(y, 3)] for x, y in ring] for ring in rings]


def _data_link(picture: bytes | None) -> str | None:
    kind = {b"\xff\xd8\xff": "jpeg", b"\x89PN": "png"}.get(picture[:3]) if picture else None
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}" if picture and kind else None


def _json(data: object) -> str:
    """Return JSON that nothing inside can end early, whatever the names hold."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p>{count}, {made}</p>{notes}</header>
<main>
<section aria-label="map and timeline">
<div class="tools"><button id="closer" title="zoom in">+</button><button id="farther" title="zoom out">−</button>
<button id="fit">all</button><select id="by" aria-label="colour"><option value="cloud">colour: cloud cover</option>
<option value="state">colour: what is here</option></select><span id="key" class="tools"></span></div>
<svg id="map" preserveAspectRatio="xMidYMid meet" role="img" aria-label="footprints"></svg>
<svg id="time" preserveAspectRatio="none" role="img" aria-label="cloud cover over time; drag to select"></svg>
</section>
<section aria-label="table">
<div class="tools"><input type="search" id="filter" placeholder="filter: LC09 004/053 2024" aria-label="filter">
<label>cloud up to <input type="range" id="cloud" min="0" max="100" value="100"> <span id="most">100 %</span></label>
<button id="all">select shown</button><button id="none">none</button><span id="count"></span></div>
<div class="list"><table><thead><tr id="head"></tr></thead><tbody id="rows"></tbody></table></div>
<div class="tools"><span>ids of the selection, for <code>run --scenes ids.txt</code></span>
<button id="copy">copy</button></div>
<textarea id="ids" readonly aria-label="ids of the selected scenes" spellcheck="false"></textarea>
</section>
</main>
<footer>Needs no network. Coastlines: Natural Earth.</footer>
<div id="tip" hidden></div>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
