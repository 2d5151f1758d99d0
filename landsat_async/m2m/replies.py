"""What the calls of `M2MClient` return: frozen values that hold no JSON.

What is one row of an answer is decoded straight into its class here, so these classes carry the service's names of
their members; a download-options answer for 500 scenes has 22,000 of them. Types such as `TextOrNone` (`str | None`)
take every spelling of a value, see `tolerant`. Rows that cannot be used do not disappear: each becomes a `FailedItem`
whose message names call, row and field.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from landsat_async.m2m.tolerant import (
    FailedItem,
    LinkOrNone,
    QuotedOrNone,
    SizeOrNone,
    Text,
    TextOrEmpty,
    TextOrNone,
    Whole,
    WholeOrNone,
    WholeOrZero,
)
from landsat_async.model import Scene
from landsat_async.value import Value

HITS_MAX = 50_000
"""The service hands out no more for one search."""

_Text = Annotated[str, Meta(min_length=1)]
_Size = Annotated[int, Meta(gt=0, lt=2**50)]


class _Row(Struct, frozen=True, rename="camel"):
    """One row of an answer."""


class ScenePage(Value, frozen=True):
    """One page of a scene search."""

    scenes: tuple[Scene, ...]
    unusable: tuple[FailedItem, ...]
    rows: int
    """Rows that the page really has, usable or not."""
    total_hits: int | None
    """What the service claims; often an estimate."""

    def next_start(self, *, start: int, new: int, page_size: int) -> int | None:
        """Return the startingNumber of the next page; None when this was the last.

        The rows themselves decide. nextRecord points at the last record of the last page (recorded 2020 to 2023), so
        following it repeats that record for ever; a server may hand out shorter pages than asked for.

        Args:
            start: startingNumber of this page (1-based).
            new: scenes on it that were not seen before.
            page_size: maxResults that was asked for.
        """
        repeats = new == 0 and not self.unusable
        following = start + self.rows
        if self.rows == 0 or repeats or following > 2 * HITS_MAX:
            return None
        # A full page goes on even past the claimed total: one call too many costs less than a lost scene.
        short = self.rows < page_size
        return None if short and self.is_past_end(following) else following

    def is_past_end(self, start: int) -> bool:
        """Tell whether the service claims fewer hits than `start`, or says nothing of their number."""
        return self.total_hits is None or start > self.total_hits


class SceneMetadata(Value, frozen=True):
    """One scene with its metadata fields."""

    scene: Scene
    fields: tuple[tuple[str, str], ...]
    """(label, value) in the order of the service."""


class DownloadItem(_Row, frozen=True):
    """A download that `download-request` accepted."""

    download_id: Whole
    entity_id: TextOrNone = None
    """None in answers before 2025."""
    url: LinkOrNone = None
    product_id: TextOrNone = None
    display_id: TextOrNone = None
    eula: TextOrNone = field(name="eulaCode", default=None)
    """Code of a licence that has to be accepted; Landsat has none."""


class Remaining(_Row, frozen=True):
    """What is left of the account's limits: the smaller of the user's and the address's; None = not given."""

    recent: WholeOrNone = field(name="recentDownloadCount", default=None)
    """Downloads that may still be requested in this quarter of an hour."""
    pending: WholeOrNone = field(name="pendingDownloadCount", default=None)
    unattempted: WholeOrNone = field(name="unattemptedDownloadCount", default=None)


class DownloadReply(Value, frozen=True):
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


class QueueItem(_Row, frozen=True):
    """One row of the account's download queue."""

    download_id: Whole
    entity_id: TextOrNone = None
    display_id: TextOrNone = None
    product_code: TextOrNone = None
    url: LinkOrNone = None
    """Present as soon as the file can be fetched, whichever list the row stands in."""
    status_code: TextOrNone = None
    """A available, P proxied, C complete; other letters exist."""
    status_text: QuotedOrNone = None
    label: TextOrNone = None
    bytes_nominal: SizeOrNone = field(name="filesize", default=None)
    eula: TextOrNone = field(name="eulaCode", default=None)
    """Code of a licence that has to be accepted; Landsat has none."""


class RetrieveReply(Value, frozen=True):
    """Answer of download-retrieve."""

    available: tuple[QueueItem, ...] = ()
    requested: tuple[QueueItem, ...] = ()
    queue_size: int = 0
    unusable: tuple[FailedItem, ...] = ()


class Dataset(Value, frozen=True):
    """One dataset."""

    dataset_id: str
    alias: str
    """The name that other calls take (landsat_ot_c2_l2)."""
    name: str
    """Collection name for people; "" when not given."""
    scene_count: int | None
    acquisition_start: str | None
    acquisition_end: str | None
    """None for a dataset that still grows."""
    supports_cloud_cover: bool
    bounds: tuple[float, float, float, float] | None
    """west, south, east, north in degrees, as sent: east may exceed 180."""
    temporal_coverage: tuple[str, str] | None = None
    """First and last day that the service counts, YYYY-MM-DD; None when not given."""


class DatasetFilter(Value, frozen=True):
    """One metadata field that a search can filter on."""

    filter_id: str
    label: str
    kind: str
    """Text, Range or Select; "" when not given."""
    values: tuple[tuple[str, str], ...] = ()
    """(code, label) of a Select."""


class FileGroup(Value, frozen=True):
    """A group of files that can be requested together."""

    dataset_id: str
    """The secondary dataset; "" for a primary group."""
    group_id: str
    label: str
    files: tuple[str, ...]
    """Short names as listed (ANG.txt)."""


class ListedScene(_Row, frozen=True):
    """One entry of a scene list at the service."""

    entity_id: Text
    dataset: TextOrEmpty = field(name="datasetName", default="")


class LabelInfo(_Row, frozen=True):
    """One label of the download queue."""

    label: Text
    entered_unix_ms: WholeOrNone = field(name="dateEntered", default=None)
    downloads: WholeOrZero = field(name="downloadCount", default=0)
    complete: WholeOrZero = field(name="totalComplete", default=0)


class LabelSummary(_Row, frozen=True):
    """Counts of one label."""

    label: TextOrEmpty = ""
    scenes: WholeOrZero = field(name="sceneCount", default=0)
    downloads: WholeOrZero = field(name="downloadCount", default=0)
    bytes_nominal: SizeOrNone = field(name="totalEstimatedSize", default=None)


class RateLimits(Value, frozen=True):
    """Limits of the account; whose they are is left out on purpose."""

    initial: Remaining | None
    remaining: Remaining | None


class GridCell(Value, frozen=True):
    """A WRS cell on the map."""

    shape: str
    points: tuple[tuple[float, float], ...]
    """(longitude, latitude) in degrees."""


class Notification(_Row, frozen=True):
    """A message of USGS to its users, as written: not safe to print without cleaning."""

    subject: TextOrEmpty = ""
    text: TextOrEmpty = field(name="messageContent", default="")
    severity: TextOrEmpty = field(name="severityText", default="")
    updated: TextOrNone = field(name="dateUpdated", default=None)


class SecondaryFile(Struct, frozen=True, gc=False):
    """One single file of a scene, as one storage system offers it."""

    entity_id: _Text = field(name="entityId")
    """Identifier of the file (L2SR_<product id>_SR_B3_TIF), for `download-request`."""
    display_id: _Text = field(name="displayId")
    """File name (<product id>_SR_B3.TIF)."""
    product_id: _Text = field(name="id")
    system: str = field(name="downloadSystem")
    """downloadSystem: ls_s3, dds ...; "" when not given."""
    available: bool
    bytes_nominal: _Size | None = field(name="filesize")
    """Size as listed, often rounded; None when absent."""
    dataset_id: _Text | None = field(name="datasetId")
    """Secondary dataset; None when not given."""
    file_groups: tuple[_Text, ...] | None = field(name="fileGroups", default=None)
    """Groups that list the file; None unless asked for."""


class ProductOption(Struct, frozen=True, gc=False):
    """One product row of a scene: a bundle, a folder or a browse image."""

    entity_id: str
    display_id: str
    product_id: str
    product_name: str
    system: str
    """downloadSystem: ls_zip, dds_ms, folder, ls_frb, wms ...; "" when not given."""
    available: bool
    bytes_nominal: int | None
    dataset_id: str | None
    secondary: tuple[SecondaryFile, ...] = ()
    """The service hangs the same list under every row of a scene."""
