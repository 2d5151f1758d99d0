"""The nouns of the field, as plain frozen values that cross layers."""

import datetime as dt
import enum
import json
from typing import Any, Self

from landsat_async.public import publish
from landsat_async.value import Value


class Proof(enum.StrEnum):
    """How much of a file has been proven; the order is the order of strength.

    Config, ledger and tables take the levels and their meaning from here. A new level is a line here and what it takes
    in `proof.prove`.
    """

    LENGTH = "length", "the byte count is what the server announced"
    STRUCTURE = "structure", "complete; tar and TIFF indices point inside the file, texts end as they must"
    WINDOW = "window", "each tile that a window was cut from decodes, with matching Adler-32; the rest was not seen"
    CONTENT = "content", "all image tiles decode, with matching Adler-32"
    PUBLISHED = "published", "equals the SHA-512 that USGS publishes"

    _value_: str
    rank: int
    """0 for the weakest level."""
    meaning: str
    """What it says, for people."""

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Make a member; its place in the list is its rank."""
        level = str.__new__(cls, value)
        level._value_, level.rank, level.meaning = value, len(cls.__members__), meaning
        return level


class Identity(enum.StrEnum):
    """What evidence there was that a file is the one that it is named after; the order is the order of strength."""

    NONE = "none"
    """None: what sent it has not said what it is."""
    NAMED = "named"
    """The answer that brought it carried its name."""
    CONTENT = "content"
    """The file itself names its product."""
    PUBLISHED = "published"
    """Equals the SHA-512 that USGS publishes under this name."""

    rank: int
    """0 for the weakest."""

    def __init__(self, _value: str) -> None:
        self.rank = len(type(self).__members__)


class Scene(Value, frozen=True):
    """One scene of a search result.

    Attributes:
        entity_id: Landsat scene identifier, the same for all levels (LC80040532024187LGN00).
        display_id: Landsat product identifier (LC08_L2SP_004053_20240705_20240712_02_T1).
        acquired: Acquisition date, YYYY-MM-DD; None when neither the service nor the id tells.
        cloud_cover: Percent; None when unknown (the service sends null or -1).
        footprint: GeoJSON text of the footprint, degrees lon/lat, as sent; None when absent.
        published: publishDate as sent; None when absent or "Unknown".
        coverage: Share of the AOI that the footprint covers, 0..1; None without an AOI or footprint.
        dataset: Alias of the dataset that it was found in; "" until a search has filled it in.
        order_only: The service says that it has to be ordered and cannot be downloaded.
        browse: Address of a small picture, as sent; None when absent. It needs no signature.
    """

    entity_id: str
    display_id: str
    acquired: str | None = None
    cloud_cover: float | None = None
    footprint: str | None = None
    published: str | None = None
    coverage: float | None = None
    dataset: str = ""
    order_only: bool = False
    browse: str | None = None

    @property
    def date(self) -> dt.date | None:
        """The day of acquisition; None when it is not known."""
        try:
            return dt.date.fromisoformat((self.acquired or "")[:10])
        except ValueError:
            return None

    @property
    def geometry(self) -> dict[str, Any] | None:
        """The footprint as a GeoJSON geometry; None when there is none that can be read."""
        return geometry_of(self.footprint)

    @property
    def __geo_interface__(self) -> dict[str, Any]:
        """A GeoJSON feature: shapely, geopandas and folium take a scene as it is."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _TOLD_OF_SCENES}
        return {"type": "Feature", "id": self.display_id, "geometry": self.geometry, "properties": values}


_TOLD_OF_SCENES = ("entity_id", "display_id", "acquired", "cloud_cover", "coverage", "dataset")


def geometry_of(text: str | None) -> dict[str, Any] | None:
    """Read a GeoJSON geometry; None when there is none that can be read."""
    try:
        geometry = json.loads(text) if text else None
    except ValueError:
        return None
    return geometry if isinstance(geometry, dict) and "type" in geometry else None


MEASURE = "measure"
"""The kind of a QA_PIXEL that is fetched for its figure alone."""


class Route(Value, frozen=True):
    """One way to ask for a file: the pair that `download-request` takes.

    Attributes:
        entity_id: Entity id that the request names.
        product_id: Product id that it names.
        system: downloadSystem: ls_zip, dds_ms, ls_s3, dds ...; "" when not told.
        available: False: listed, but cannot be requested at the moment.
    """

    entity_id: str
    product_id: str
    system: str
    available: bool = True


class WantedFile(Value, frozen=True):
    """One file that the user selected, with every route to it; the best comes first.

    Attributes:
        name: USGS file name: `<display id>.tar`, or the display id of a single file.
        scene_entity_id: Entity id of its scene.
        scene_display_id: Display id of its scene.
        kind: "bundle", "file", "product" (chosen by its product name; the server names the file), or "measure" (a
            QA_PIXEL that is fetched for the clouds in the area alone).
        routes: Ways to ask for it, the best first.
        bytes_nominal: Size the service lists, often rounded; a file that is far from it needs more proof. None = not
            told.
        folder: Folder below the output directory, from the layout template; "" = flat.
        group_dataset: Alias of the secondary dataset when the file is asked for as part of a file group; else None.
        file_groups: File groups that list this file; empty unless asked for by group.
        bytes_whole: Of a window: listed size of the file that it is cut from, while `bytes_nominal` is an estimate.
            None otherwise.
    """

    name: str
    scene_entity_id: str
    scene_display_id: str
    kind: str
    routes: tuple[Route, ...]
    bytes_nominal: int | None = None
    folder: str = ""
    group_dataset: str | None = None
    file_groups: tuple[str, ...] = ()
    bytes_whole: int | None = None

    @property
    def relpath(self) -> str:
        """Path below the output directory, with forward slashes: the `file` of JSON lines."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


class WindowRecord(Value, frozen=True):
    """How a window came to be: what the program remembers of it beside size and SHA-256.

    Attributes:
        source: USGS name of the file that it was cut from.
        source_bytes: Size of that file.
        validator: ETag, else Last-Modified, of the answers; "" = none.
        transport: "ranges", "ranges, weakly tied" or "whole": how the bytes came.
        whole_proof: How far the whole file was proven where it was fetched; "" where it was not.
        tiles: How many stored tiles it took, each with its checksum.
        box: Column, row, width and height in the image that it was cut from.
    """

    source: str
    source_bytes: int
    validator: str
    transport: str
    whole_proof: str
    tiles: int
    box: tuple[int, int, int, int]


class Unavailable(Value, frozen=True):
    """Something that was selected and cannot be had, by name.

    Attributes:
        file: File, scene or band, as the user would name it.
        reason: Why it cannot be had.
        hint: What to do now; "" when the reason says it all.
    """

    file: str
    reason: str
    hint: str = ""


class DroppedScene(Value, frozen=True):
    """A scene of the search result that the user's filters leave out.

    Attributes:
        scene: The scene.
        reason: The filter that leaves it out.
    """

    scene: Scene
    reason: str


publish(Proof, Identity, Scene, Route, WantedFile, Unavailable, DroppedScene)
