"""What a run gives back: its counts, and its verified files."""

import datetime as dt
import fnmatch
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from landsat_async.model import Unavailable, geometry_of
from landsat_async.public import publish
from landsat_async.value import Value


class VerifiedFile(Value, frozen=True):
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


class RunFiles(Protocol):
    """What a summary knows of the files of its run; `run.results` has it."""

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
        shapes = [geometry_of(file.footprint) for file in self.files]
        shapely = _import("shapely.geometry", "to_geodataframe")
        footprints = [None if shape is None else shapely.shape(shape) for shape in shapes]
        return geopandas.GeoDataFrame(self.to_dataframe(), geometry=footprints, crs="EPSG:4326")

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from html import escape  # with all its entities, for notebooks alone

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


publish(VerifiedFile, RunSummary)
