"""The nouns of the field, as plain frozen values that cross layers."""

from __future__ import annotations

import datetime as dt
import enum
import fnmatch
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Protocol, Self

from landsat_async.public import publish


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


@dataclass(frozen=True, slots=True)
class Scene:
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
        return _geometry_of(self.footprint)

    @property
    def __geo_interface__(self) -> dict[str, Any]:
        """A GeoJSON feature: shapely, geopandas and folium take a scene as it is."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _TOLD_OF_SCENES}
        return {"type": "Feature", "id": self.display_id, "geometry": self.geometry, "properties": values}


_TOLD_OF_SCENES = ("entity_id", "display_id", "acquired", "cloud_cover", "coverage", "dataset")


def _geometry_of(text: str | None) -> dict[str, Any] | None:
    try:
        geometry = json.loads(text) if text else None
    except ValueError:
        return None
    return geometry if isinstance(geometry, dict) and "type" in geometry else None


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A verified file of a run, where it is now.

    Attributes:
        path: Absolute path; an address where the files are in an object store.
        scene: Display id of its scene.
        band: Which of the scene's files it is: SR_B4, MTL, bundle.
        names: Common names of the band: red, nir08; empty where it has none.
        size_bytes: Size of the file.
        sha256: Hex digest of its bytes.
        proof: Level of its proof: length, structure, content or published.
        identity: Evidence that it is the file that it is named after: published, content, named or none.
        acquired: Day of acquisition; None when it is not known.
        cloud_cover: Of the scene, percent; None when it is not known.
        footprint: Of the scene, GeoJSON text; None when it is not known.
    """

    path: str
    scene: str
    band: str
    names: tuple[str, ...]
    size_bytes: int
    sha256: str
    proof: str
    identity: str
    acquired: dt.date | None = None
    cloud_cover: float | None = None
    footprint: str | None = None


MEASURE = "measure"
"""The kind of a QA_PIXEL that is fetched for its figure alone."""


@dataclass(frozen=True, slots=True)
class Route:
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


@dataclass(frozen=True, slots=True)
class WantedFile:
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


@dataclass(frozen=True, slots=True)
class WindowRecord:
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


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Something that was selected and cannot be had, by name.

    Attributes:
        file: File, scene or band, as the user would name it.
        reason: Why it cannot be had.
        hint: What to do now; "" when the reason says it all.
    """

    file: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class DroppedScene:
    """A scene of the search result that the user's filters leave out.

    Attributes:
        scene: The scene.
        reason: The filter that leaves it out.
    """

    scene: Scene
    reason: str


class RunFiles(Protocol):
    """What a summary knows of the files of its run; `run.run_files` has it."""

    def to_xarray(
        self, bands: Sequence[str] | None, scale: bool, mask: Sequence[str], options: Mapping[str, Any]
    ) -> Any:
        """Return them as a Dataset."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Counts of a run. files_total = verified + skipped + failed + pending, always.

    Attributes:
        scenes: Scenes left after all filters.
        files_total: Files that were wanted.
        files_verified: Fetched and proven by this run.
        files_skipped: Already here and proven by an earlier run.
        files_failed: Failed with a reason.
        files_pending: Left for the next run.
        bytes_received: Body bytes received from file hosts.
        elapsed_s: Seconds from start to end, or until now.
        exit_code: What the command line would end with.
        failures: The first failed files with their reasons (bounded; the ledger has all).
        run_files: Where the files of the run are looked up; None when there was none.
        read_files: Reads what `files` gives; None where nothing is recorded.
    """

    scenes: int = 0
    files_total: int = 0
    files_verified: int = 0
    files_skipped: int = 0
    files_failed: int = 0
    files_pending: int = 0
    bytes_received: int = 0
    elapsed_s: float = 0.0
    exit_code: int = 0
    failures: tuple[Unavailable, ...] = field(default=())
    run_files: RunFiles | None = field(default=None, repr=False, compare=False)
    read_files: Callable[[], tuple[VerifiedFile, ...]] | None = field(default=None, repr=False, compare=False)

    def to_xarray(
        self, bands: Sequence[str] | None = None, *, scale: bool = True, mask: Sequence[str] = (), **options: Any
    ) -> Any:
        """Return the rasters of the run as one lazy xarray Dataset, over all sensors; needs the extra `cube`.

        Args:
            bands: Common names ("red", "nir08", "lwir", "qa_pixel"); None = every raster that is here.
            scale: Physical values: reflectance, kelvin, radiance of level 1; fill is NaN. False = stored numbers.
                Bits of quality bands are never scaled.
            mask: What becomes NaN: of cloud, shadow, dilated, cirrus, snow, water. Needs QA_PIXEL among the files.
            options: For `odc.stac.load`: crs, resolution, bbox, chunks, groupby ...

        Raises:
            ImportError: odc-stac is not installed.
            ValueError: an unknown mask, or no file here has what was asked for.
        """
        if self.run_files is None:
            raise ValueError("this summary is of no run whose files are known")
        return self.run_files.to_xarray(bands, scale, mask, options)

    @property
    def files(self) -> tuple[VerifiedFile, ...]:
        """Every verified file of the run, those of earlier runs too; read anew from the output folder each time."""
        return self.read_files() if self.read_files is not None else ()

    def paths(self, band: str | None = None) -> list[str]:
        """Return the sorted paths of the files; of a band by name (SR_B4), pattern (SR_B*) or common name (red)."""
        wanted = (band or "*").casefold()
        return sorted(
            file.path
            for file in self.files
            if any(fnmatch.fnmatchcase(name.casefold(), wanted) for name in (file.band, *file.names))
        )

    def to_dataframe(self) -> Any:
        """Return the files as a pandas.DataFrame: path, scene, band, acquired, cloud cover, size, proof.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        pandas = _import("pandas", "to_dataframe")
        rows = [{name: getattr(file, name) for name in _COLUMNS} for file in self.files]
        frame = pandas.DataFrame(rows, columns=list(_COLUMNS))
        frame["acquired"] = pandas.to_datetime(frame["acquired"])
        return frame

    def to_geodataframe(self) -> Any:
        """Return the same with the footprints of the scenes as a geopandas.GeoDataFrame in longitude and latitude.

        Raises:
            ModuleNotFoundError: geopandas is not installed.
        """
        geopandas = _import("geopandas", "to_geodataframe")
        shapes = [_geometry_of(file.footprint) for file in self.files]
        shapely = _import("shapely.geometry", "to_geodataframe")
        footprints = [None if shape is None else shapely.shape(shape) for shape in shapes]
        return geopandas.GeoDataFrame(self.to_dataframe(), geometry=footprints, crs="EPSG:4326")

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        counts = (
            ("new", self.files_verified), ("already here", self.files_skipped), ("failed", self.files_failed),
            ("not here yet", self.files_pending),
        )  # fmt: skip
        rows = "".join(f"<tr><td>{name}</td><td style='text-align:right'>{n:,}</td></tr>" for name, n in counts)
        failed = "".join(f"<li>{escape(one.file)}: {escape(one.reason)}</li>" for one in self.failures[:5])
        return f"<table>{rows}</table>" + (f"<ul>{failed}</ul>" if failed else "")


_COLUMNS = ("path", "scene", "band", "acquired", "cloud_cover", "size_bytes", "sha256", "proof", "identity")


def _import(name: str, wanted_by: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        package = name.partition(".")[0]
        raise ModuleNotFoundError(f"{wanted_by}() needs {package}: pip install {package}", name=package) from None


class SecretUrl:
    """A link that is a credential: with it anybody can fetch the file. Masked wherever it is shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the link itself, byte for byte, for the request line and nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "SecretUrl('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


publish(Proof, Identity, Scene, VerifiedFile, Route, WantedFile, Unavailable, DroppedScene, RunSummary, SecretUrl)
