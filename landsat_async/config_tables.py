"""The tables of the configuration: which keys each has, their defaults, and the reader of each key.

A new key is a field of its struct and a reader in `READERS`; a new table is a struct, its readers, and a field of
`config.Config`. Reading, layers and what must hold together stand in `config` and `config_checks`.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from landsat_async import config_readers as read
from landsat_async import config_scene_readers as scenes
from landsat_async.config_area import area
from landsat_async.config_store import STORE_READERS, place
from landsat_async.model import Proof
from landsat_async.rules.naming import check_layout

SERVICE_URL = "https://m2m.cr.usgs.gov/api/api/json/stable/"
_YEAR_S = 366 * 86400.0


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service is and who asks."""

    url: str = SERVICE_URL
    """https, or http to a loopback address; ends with a slash."""
    username: str | None = None
    credentials_file: str | None = None
    """Absolute path."""
    ca_bundle: str | None = None
    """Absolute path of extra CA certificates, added to the system's."""
    token_command: tuple[str, ...] | None = None
    """Program and arguments; the first line that it prints is the token."""
    patience_s: float = 86400.0
    """How long a run waits for a service or host that is down; 0 = a few quick tries."""
    share: float = 1.0
    """Part of the account's limits that this run may use; several runs of one account share them."""
    file_hosts: tuple[str, ...] = ("*.usgs.gov",)
    """Hosts that files may come from, besides the host of `url`."""


class SearchConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which scenes. `scenes`, when given, decides alone."""

    datasets: tuple[str, ...] = ()
    """Aliases, from `dataset`, `sensors` and `level`, or from the ids of `scenes`; all are searched together."""
    satellites: tuple[int, ...] = ()
    """Numbers, sorted; empty = all."""
    aoi: str | None = None
    """Absolute path of the area file, or the area itself as GeoJSON text (`AreaText`)."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees; west > east crosses the 180° meridian."""
    start: dt.date | None = None
    """First day, inclusive."""
    end: dt.date | None = None
    """Last day, inclusive."""
    cloud_cover: tuple[float, float] | None = None
    """Percent, inclusive."""
    include_unknown_cloud: bool = False
    months: tuple[int, ...] = ()
    """1..12, sorted; empty = all."""
    relative: tuple[str, ...] = ()
    """What was written of `start` and `end` in relation to the day of the run: "start = -60 days"."""
    path_row: tuple[tuple[int, int], ...] = ()
    tiles: tuple[tuple[str, int, int], ...] = ()
    """Tiles of the ARD grid: region, horizontal and vertical number."""
    day_night: Literal["day", "night"] | None = None
    """None = both."""
    tiers: tuple[str, ...] = ()
    """T1, T2, RT; empty = all."""
    min_coverage: float = 0.0
    """Share of the AOI that a footprint must cover, 0..1."""
    limit: int = 0
    """0 = all scenes."""
    order: Literal["newest", "oldest", "least_cloud"] = "newest"
    """Which scenes a limit takes."""
    aoi_cloud: tuple[float, float] | None = None
    """Percent of the valid pixels of the area, inclusive, from QA_PIXEL; None = any."""
    aoi_valid: float = 0.0
    """Share of the area that must have data, 0..1."""
    aoi_cloud_counts: tuple[str, ...] = ("cloud", "dilated", "shadow", "cirrus")
    """What counts as cloud in the area."""
    scenes: tuple[str, ...] = ()
    """Entity or display ids; also those of `scenes_file`."""
    scenes_file: str | None = None
    """Absolute path of the list that `scenes` was read from."""

    @property
    def measures(self) -> bool:
        """Whether scenes are measured in the area before they are fetched."""
        return (self.aoi_cloud is not None or self.aoi_valid > 0) and not self.scenes


class SelectConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which files of each scene."""

    type: Literal["bundle", "band", "band_group", "all", "product"] = "bundle"
    bands: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    """Names of products as M2M gives them, with wildcards; empty with type "product" = refuse, and list them."""
    file_groups: tuple[str, ...] = ()
    """Empty = every group that the scenes have."""
    bundle_fallback: bool = False
    """Single files in place of a bundle whose storage systems are all down or refuse it."""
    window: Literal["off", "pixels", "tiles"] = "off"
    """Only the pixels of the area: its box on the grid of the band, or the stored tiles that touch it."""
    window_buffer_m: float = 0.0
    """So many metres more on each side of the area."""
    metadata: bool = False
    """With single bands, MTL.txt too; [output] stac and vrt set it."""

    @property
    def may_replace_bundles(self) -> bool:
        """Whether `bundle_fallback` says something: only bundles are replaced."""
        return self.bundle_fallback and self.type == "bundle" and not self.cuts_bundles

    @property
    def cuts_bundles(self) -> bool:
        """Windows of some members of each bundle are wanted, in place of the bundle."""
        return self.type == "bundle" and self.window != "off"


class DownloadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, and how hard."""

    directory: str = "data"
    """Absolute path, or the address of a store: s3://bucket/prefix, gs://, az://."""
    spool: str = "spool"
    """With a store: absolute path of the folder of unfinished files."""
    state_dir: str = ".landsat_async"
    """With a store: absolute path of the folder of what is known of its files."""
    layout: str = ""
    """Folder template below `directory`; "" = flat."""
    workers: int = 5
    """Files at a time."""
    queue_size: int = 64
    """Upper bound on downloads that wait between the poller and the workers."""
    connections_per_file: int = 1
    poll_interval_s: float = 30.0
    staging_timeout_s: float = 86400.0
    """A download that is still preparing after this is reported as failed."""
    attempts: int = 8
    """In a row without progress, for one file."""
    stall_timeout_s: float = 60.0
    """No byte for so long is a fault."""
    max_rate: int = 0
    """Bytes a second that the whole run may receive; 0 = no limit."""
    min_free_bytes: int = 1024**3
    """The disk is never filled beyond this."""
    proof: str = Proof.STRUCTURE.value
    """What a file is held against before it gets its final name, where its kind allows it:
    structure, content or published, see `Proof`."""


class OutputConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is made of the files after a run."""

    stac: bool = False
    """STAC items, collections and a catalogue in `stac/`."""
    vrt: bool = False
    """`<display id>.vrt` beside the files of each scene."""
    table: Literal["", "csv", "geojson", "parquet"] = ""
    """A table of the scenes, `scenes.<table>`; "" = none."""

    @property
    def wanted(self) -> bool:
        """Whether anything is to be made."""
        return self.stac or self.vrt or bool(self.table)


class SyncConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What `sync` does with the files of a version that a newer one has replaced."""

    superseded: Literal["move", "keep", "delete"] = "move"
    """move: to the folder "superseded" below the output folder."""


class HooksConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with complete scenes, and after a run."""

    on_scene: tuple[str, ...] = ()
    """Program and arguments, called for each complete scene; () = none."""
    on_run: tuple[str, ...] = ()
    """Program and arguments, called when a run has come to its end; () = none."""
    force_queue: str = ""
    """Absolute path of the queue of FORCE; "" = none."""
    timeout_s: float = 3600.0
    """A hook that takes longer is ended, and counts as failed."""


class ScaleConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Other processes that transfer files."""

    scheduler: str = ""
    """Address of the scheduler of a dask cluster; "" = this process transfers by itself."""


READERS: dict[str, dict[str, read.Reader]] = {
    "service": {
        "url": read.service_url,
        "username": read.text(),
        "credentials_file": read.path,
        "ca_bundle": read.path,
        "token_command": read.command,
        "patience_s": read.number(0.0, _YEAR_S),
        "share": read.number(0.0001, 1.0),
        "file_hosts": read.texts(read.host_pattern, 'host names like "*.usgs.gov"'),
    },
    "search": {
        "dataset": scenes.datasets,
        "sensors": read.texts(scenes.sensor, 'sensors like "OLI"'),
        "level": read.whole(1, 2),
        "satellites": scenes.satellites,
        "aoi": area,
        "bbox": scenes.bbox,
        "start": scenes.day,
        "end": scenes.day,
        "cloud_cover": scenes.percent_span,
        "include_unknown_cloud": read.flag,
        "months": scenes.months,
        "path_row": scenes.path_rows,
        "tiles": scenes.tiles,
        "day_night": read.choice("day", "night"),
        "tiers": read.texts(scenes.tier, 'tiers like "T1"'),
        "min_coverage": read.number(0.0, 1.0),
        "limit": read.whole(0, 10_000_000),
        "order": read.choice("newest", "oldest", "least_cloud"),
        "aoi_cloud": scenes.percent_span,
        "aoi_valid": read.number(0.0, 1.0),
        "aoi_cloud_counts": read.texts(scenes.cloud_flag, 'flags like "cloud"'),
        "scenes": read.texts(scenes.scene_id, "scene ids"),
        "scenes_file": read.path,
    },
    "select": {
        "type": read.choice("bundle", "band", "band_group", "all", "product"),
        "bands": read.texts(scenes.band_pattern, 'bands like "SR_B3"'),
        "products": read.texts(scenes.product_pattern, 'products like "*Surface Reflectance*"'),
        "file_groups": read.texts(read.plain_word, 'file groups like "ls_c2l2_sr_band"'),
        "bundle_fallback": read.flag,
        "window": read.choice("off", "pixels", "tiles"),
        "window_buffer_m": read.number(0.0, 100_000.0),
        "metadata": read.flag,
    },
    "download": {
        "directory": place,
        "spool": read.path,
        "state_dir": read.path,
        "layout": read.text(check=check_layout, empty_ok=True),
        "workers": read.whole(1, 64),
        "queue_size": read.whole(1, 100_000),
        "connections_per_file": read.whole(1, 16),
        "poll_interval_s": read.number(0.001, 86400.0),
        "staging_timeout_s": read.number(0.001, _YEAR_S),
        "attempts": read.whole(1, 1000),
        "stall_timeout_s": read.number(0.001, 86400.0),
        "max_rate": read.rate_bytes_s,
        "min_free_bytes": read.size_bytes,
        "proof": read.choice(*[level.value for level in Proof if level not in (Proof.LENGTH, Proof.WINDOW)]),
    },
    "store": STORE_READERS,
    "scale": {
        "scheduler": read.text(
            empty_ok=True, pattern=r"((tcp|tls|ws|wss|ucx)://[^\s/@]+)?", form='an address like "tls://host:8786"'
        ),
    },
    "output": {
        "stac": read.flag,
        "vrt": read.flag,
        "table": read.choice("", "csv", "geojson", "parquet"),
    },
    "sync": {
        "superseded": read.choice("move", "keep", "delete"),
    },
    "hooks": {
        "on_scene": read.hook_command(*read.HOOK_FIELDS),
        "on_run": read.hook_command("directory"),
        "force_queue": read.text(empty_ok=True),
        "timeout_s": read.number(0.001, _YEAR_S),
    },
}
PATH_KEYS = {
    "hooks.force_queue",
    "service.credentials_file",
    "service.ca_bundle",
    "search.aoi",
    "search.scenes_file",
    "download.directory",
    "download.spool",
    "download.state_dir",
}
