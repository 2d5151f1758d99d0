"""Scenes, a plan or a folder as the page of `page.build`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from landsat_async.model import Scene
from landsat_async.page.build import PageScene, Rings, build_page
from landsat_async.rules.product_id import parse_product_id

if TYPE_CHECKING:
    from landsat_async.rules.aoi import Aoi
    from landsat_async.run.plan import PlannedFile

_HERE = ("here", "empty")
_REFUSED = ("refused",)


def scenes_page(
    scenes: Sequence[Scene],
    *,
    title: str,
    area: Aoi | None,
    files: Iterable[PlannedFile] = (),
    pictures: Mapping[str, bytes] | None = None,
    notes: Sequence[str] = (),
) -> bytes:
    """Return the page of what a search has found, and of what of it is here where `files` are planned."""
    states = _states(files)
    rows = [_row(scene, states.get(scene.display_id), (pictures or {}).get(scene.display_id)) for scene in scenes]
    kind = "plan" if states else "scenes"
    return build_page(title, rows, kind=kind, made=now_text(), area=area_rings(area), notes=notes).encode()


def _states(files: Iterable[PlannedFile]) -> dict[str, tuple[int, int, bool]]:
    """Return for each scene how many of its files are here, how many there are, and whether one is refused."""
    found: dict[str, tuple[int, int, bool]] = {}
    for planned in files:
        here, count, refused = found.get(planned.file.scene_display_id, (0, 0, False))
        found[planned.file.scene_display_id] = (
            here + (planned.state in _HERE),
            count + 1,
            refused or planned.state in _REFUSED,
        )
    return found


def _row(scene: Scene, state: tuple[int, int, bool] | None, picture: bytes | None) -> PageScene:
    return PageScene(
        scene.display_id,
        date=scene.acquired or "",
        sensor=sensor_of(scene.display_id),
        place=place_of(scene.display_id),
        cloud=scene.cloud_cover,
        coverage=None if scene.coverage is None else 100 * scene.coverage,
        files=files_text(*state[:2]) if state else "",
        state=state_text(*state) if state else "",
        rings=rings_of(scene.footprint),
        picture=picture,
    )


def files_text(here: int, count: int) -> str:
    """Return how many of the files are here."""
    return f"{count}" if here == count else f"{here} of {count}"


def state_text(here: int, count: int, failed: bool) -> str:
    """Return the state of a scene, one of `page.build.STATES`."""
    if failed:
        return "failed"
    return "here" if here == count else "partly here" if here else "not here"


def sensor_of(display_id: str) -> str:
    """Return the first part of an id: LC08."""
    return display_id.partition("_")[0][:8] if "_" in display_id else ""


def place_of(display_id: str) -> str:
    """Return WRS-2 path and row, or the tile of the ARD grid; "" where the id tells neither."""
    product = parse_product_id(display_id)
    if product is None:
        return ""
    place = f"{product.path:03}/{product.row:03}"
    return place if product.region is None else f"{product.region}/{product.path:03}{product.row:03}"


def rings_of(footprint: str | None) -> Rings:
    """Return the outer rings of a GeoJSON footprint; none where it is no polygon."""
    try:
        geometry: Any = json.loads(footprint) if footprint else None
        kind, coordinates = geometry["type"], geometry["coordinates"]
        polygons = [coordinates] if kind == "Polygon" else coordinates if kind == "MultiPolygon" else []
        return [[(float(point[0]), float(point[1])) for point in polygon[0]] for polygon in polygons]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return []


def area_rings(area: Aoi | None) -> list[Rings]:
    """Return the polygons of an area, each as its rings; points have none."""
    if area is None:
        return []
    geometry = area.geometry
    parts = list(geometry.geoms) if hasattr(geometry, "geoms") else [geometry]
    polygons = [part for part in parts if getattr(part, "exterior", None) is not None]
    return [[_ring(part.exterior), *map(_ring, part.interiors)] for part in polygons]


def _ring(line: Any) -> list[tuple[float, float]]:
    return [(point[0], point[1]) for point in line.coords]


def now_text() -> str:
    """Return the time for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
