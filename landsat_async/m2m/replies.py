"""What the calls of `M2MClient` return: frozen values, free of JSON.

Rows that cannot be used do not disappear: each becomes a `FailedItem` whose message names call, row and field.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from landsat_async.model import Scene, SecretUrl


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that the service refused, or a row of an answer that cannot be used."""

    entity_id: str | None
    product_id: str | None
    download_id: int | None
    message: str


@dataclass(frozen=True, slots=True)
class ScenePage:
    """One page of a scene search."""

    scenes: tuple[Scene, ...]
    unusable: tuple[FailedItem, ...]
    rows: int
    """Rows that the page really has, usable or not."""
    total_hits: int | None
    """What the service claims; often an estimate."""


@dataclass(frozen=True, slots=True)
class SceneMetadata:
    """One scene with its metadata fields."""

    scene: Scene
    fields: tuple[tuple[str, str], ...]
    """(label, value) in the order of the service."""


@dataclass(frozen=True, slots=True)
class DownloadItem:
    """A download that `download-request` accepted."""

    download_id: int
    entity_id: str | None
    """None in answers before 2025."""
    url: SecretUrl | None
    label: str | None
    """From newRecords, when the service says it."""
    product_id: str | None = None
    display_id: str | None = None
    eula: str | None = None
    """Code of a licence that has to be accepted; Landsat has none."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of the account's limits: the smaller of the user's and the address's; None = not told."""

    recent: int | None
    """Downloads that may still be requested in this quarter of an hour."""
    pending: int | None
    unattempted: int | None


@dataclass(frozen=True, slots=True)
class DownloadReply:
    """Answer of download-request."""

    available: tuple[DownloadItem, ...] = ()
    preparing: tuple[DownloadItem, ...] = ()
    failed: tuple[FailedItem, ...] = ()
    """Refused by the service, and rows that cannot be used."""
    duplicates: dict[int, str] = field(default_factory=dict)
    """Download id to the label under which it was requested before."""
    new_records: dict[int, str] = field(default_factory=dict)
    """Download id to label."""
    invalid_scenes: int = 0
    remaining: Remaining | None = None


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One row of the account's download queue."""

    download_id: int
    entity_id: str | None
    display_id: str | None
    product_code: str | None
    url: SecretUrl | None
    """Present as soon as the file can be fetched, whichever list the row stands in."""
    status_code: str | None
    """A available, P proxied, C complete; other letters exist."""
    status_text: str | None
    label: str | None
    bytes_nominal: int | None
    eula: str | None = None
    """Code of a licence that has to be accepted; Landsat has none."""


@dataclass(frozen=True, slots=True)
class RetrieveReply:
    """Answer of download-retrieve."""

    available: tuple[QueueItem, ...] = ()
    requested: tuple[QueueItem, ...] = ()
    queue_size: int = 0
    unusable: tuple[FailedItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset."""

    dataset_id: str
    alias: str
    """The name that other calls take (landsat_ot_c2_l2)."""
    name: str
    """Collection name for people; "" when not told."""
    scene_count: int | None
    acquisition_start: str | None
    acquisition_end: str | None
    """None for a dataset that still grows."""
    supports_cloud_cover: bool
    bounds: tuple[float, float, float, float] | None
    """west, south, east, north in degrees, as sent: east may exceed 180."""
    temporal_coverage: tuple[str, str] | None = None
    """First and last day that the service counts, YYYY-MM-DD; None when not told."""


@dataclass(frozen=True, slots=True)
class DatasetFilter:
    """One metadata field that a search can filter on."""

    filter_id: str
    label: str
    kind: str
    """Text, Range or Select; "" when not told."""
    values: tuple[tuple[str, str], ...] = ()
    """(code, label) of a Select."""


@dataclass(frozen=True, slots=True)
class FileGroup:
    """A group of files that can be requested together."""

    dataset_id: str
    """The secondary dataset; "" for a primary group."""
    group_id: str
    label: str
    files: tuple[str, ...]
    """Short names as listed (ANG.txt)."""


@dataclass(frozen=True, slots=True)
class ListedScene:
    """One entry of a scene list at the service."""

    entity_id: str
    dataset: str


@dataclass(frozen=True, slots=True)
class LabelInfo:
    """One label of the download queue."""

    label: str
    entered_unix_ms: int | None
    downloads: int
    complete: int


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """Counts of one label."""

    label: str
    scenes: int
    downloads: int
    bytes_nominal: int | None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits of the account; whose they are is left out on purpose."""

    initial: Remaining | None
    remaining: Remaining | None


@dataclass(frozen=True, slots=True)
class GridCell:
    """A WRS cell on the map."""

    shape: str
    points: tuple[tuple[float, float], ...]
    """(longitude, latitude) in degrees."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A message of USGS to its users."""

    subject: str
    text: str
    severity: str
    updated: str | None
