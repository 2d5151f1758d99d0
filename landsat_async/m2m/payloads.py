"""One builder per endpoint: what is sent, how the answer is read, and how the call may be treated.

That of download-request stands with its reader, in `download_request`.

`effects` marks the call that must never be plainly repeated when its answer got lost. Setting lists, removing things
and reporting transfers leave the same state when done twice, so they are not marked. `input_matters` marks calls whose
own input can be what makes the service fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from landsat_async.m2m import read_datasets, read_downloads, read_scenes
from landsat_async.m2m.replies import (
    Dataset,
    DatasetFilter,
    FileGroup,
    GridCell,
    LabelInfo,
    LabelSummary,
    ListedScene,
    Notification,
    ProductOption,
    QueueItem,
    RateLimits,
    RetrieveReply,
    SceneMetadata,
    ScenePage,
)
from landsat_async.m2m.tolerant import FailedItem
from landsat_async.model import Scene
from landsat_async.value import Value

APPLICATION = "M2M"
LOGIN = "login-token"
LOGOUT = "logout"
PERMISSIONS = "permissions"
SCENE_SEARCH = "scene-search"
LIMIT_S = 120.0
SEARCH_LIMIT_S = 300.0
MAX_BYTES = 64 * 2**20
SEARCH_MAX_BYTES = 256 * 2**20

T_co = TypeVar("T_co", covariant=True)


class Call(Value, Generic[T_co], frozen=True):
    """One API call, ready to be sent."""

    endpoint: str
    payload: Mapping[str, object] | None
    read: Callable[[msgspec.Raw, list[FailedItem]], T_co]
    limit_s: float = LIMIT_S
    """From the first byte sent to the last byte received."""
    max_bytes: int = MAX_BYTES
    effects: bool = False
    input_matters: bool = False
    usual: Callable[[bytearray], T_co | None] | None = None
    """Reads a whole answer in which all is as promised, in one pass; None where anything is not, and on errors. The
    calls whose answers are long have one."""


class DataGroup(msgspec.Struct, frozen=True):
    """File groups of all scenes of one list, as download-request takes them."""

    dataset: str
    """Alias of the secondary dataset."""
    file_groups: tuple[str, ...]
    list_id: str
    """Scene list at the service."""


def _given(**members: object) -> dict[str, object]:
    """Leave out what is None: the service tells absent from null in places."""
    return {name: value for name, value in members.items() if value is not None}


# -- session


def login_token(username: str, token: str) -> Call[str | None]:
    """The only login that still exists."""
    return Call(LOGIN, {"username": username, "token": token}, read_downloads.read_text)


def login() -> Call[None]:
    """A call that needs nothing but a key."""
    return Call(LOGIN, None, read_downloads.read_nothing)


def logout() -> Call[None]:
    """Ends the key."""
    return Call(LOGOUT, None, read_downloads.read_nothing)


def permissions() -> Call[tuple[str, ...]]:
    """Roles of the account."""
    return Call(PERMISSIONS, None, read_datasets.read_permissions)


def rate_limit_summary() -> Call[RateLimits]:
    """Limits of the account."""
    return Call("rate-limit-summary", {}, read_datasets.read_limits)


def notifications(system_id: str) -> Call[tuple[Notification, ...]]:
    """Messages of USGS."""
    return Call("notifications", {"systemId": system_id}, read_datasets.read_notifications)


# -- datasets


def dataset(name: str | None, dataset_id: str | None) -> Call[Dataset | None]:
    """One dataset by alias or id."""
    payload = _given(datasetName=name, datasetId=dataset_id)
    return Call("dataset", payload, read_datasets.read_dataset, input_matters=True)


def dataset_search(text: str | None) -> Call[tuple[Dataset, ...]]:
    """Datasets whose names contain the text; all without it."""
    return Call("dataset-search", _given(datasetName=text), read_datasets.read_datasets, input_matters=True)


def dataset_filters(name: str) -> Call[tuple[DatasetFilter, ...]]:
    """Metadata fields of a dataset."""
    return Call("dataset-filters", {"datasetName": name}, read_datasets.read_filters, input_matters=True)


def dataset_file_groups(name: str) -> Call[tuple[FileGroup, ...]]:
    """File groups of a dataset."""
    return Call("dataset-file-groups", {"datasetName": name}, read_datasets.read_file_groups, input_matters=True)


def dataset_products(name: str) -> Call[tuple[str, ...]]:
    """Names of the products that the scenes of a dataset have."""
    payload = {"datasetName": name}
    return Call("dataset-download-options", payload, read_datasets.read_product_names, input_matters=True)


def grid2ll(grid: str, path: int, row: int, shape: str) -> Call[GridCell]:
    """Position of a WRS cell."""
    payload = {"gridType": grid, "responseShape": shape, "path": f"{path}", "row": f"{row}"}
    return Call("grid2ll", payload, read_datasets.read_grid, input_matters=True)


# -- scenes


def scene_search(
    name: str,
    scene_filter: Mapping[str, object] | None,
    *,
    start: int,
    page_size: int,
    metadata_type: str | None,
    limit_s: float | None,
) -> Call[ScenePage]:
    """One page, from `start` (1-based)."""
    payload = _given(
        datasetName=name,
        maxResults=page_size,
        startingNumber=start,
        metadataType=metadata_type,
        sceneFilter=scene_filter,
    )
    return Call(
        SCENE_SEARCH,
        payload,
        read_scenes.read_scene_page,
        limit_s=limit_s or SEARCH_LIMIT_S,
        max_bytes=SEARCH_MAX_BYTES,
        input_matters=True,
        usual=read_scenes.usual_scene_page,
    )


def scene_metadata(name: str, entity_id: str, id_type: str, metadata_type: str) -> Call[SceneMetadata]:
    """One scene with its metadata."""
    payload = {
        "datasetName": name,
        "entityId": entity_id,
        "idType": id_type,
        "metadataType": metadata_type,
    }
    return Call("scene-metadata", payload, read_scenes.read_scene_metadata, input_matters=True)


def scene_list_add(list_id: str, name: str, entity_ids: Sequence[str], id_field: str, time_to_live: str) -> Call[int]:
    """Adds to a list. `entityIds` has to be an array even for one: a bare text ends in HTTP 500."""
    payload = {
        "listId": list_id,
        "datasetName": name,
        "idField": id_field,
        "entityIds": list(entity_ids),
        "timeToLive": time_to_live,
    }
    return Call("scene-list-add", payload, read_downloads.read_added, input_matters=True)


def scene_list_get(list_id: str, name: str | None) -> Call[tuple[ListedScene, ...]]:
    """Content of a list."""
    return Call("scene-list-get", _given(listId=list_id, datasetName=name), read_scenes.read_listed)


def scene_metadata_list(list_id: str, name: str) -> Call[tuple[Scene, ...]]:
    """The scenes of a list that belong to one dataset."""
    payload = {"listId": list_id, "datasetName": name, "metadataType": "summary"}
    return Call(
        "scene-metadata-list",
        payload,
        read_scenes.read_metadata_list,
        limit_s=SEARCH_LIMIT_S,
        max_bytes=SEARCH_MAX_BYTES,
    )


def scene_list_remove(list_id: str) -> Call[None]:
    """Removes a whole list."""
    return Call("scene-list-remove", {"listId": list_id}, read_downloads.read_nothing)


# -- downloads


def download_options(
    name: str,
    entity_ids: Sequence[str] | None,
    list_id: str | None,
    *,
    with_file_groups: bool,
    limit_s: float | None,
) -> Call[tuple[ProductOption, ...]]:
    """Products of scenes."""
    payload = _given(
        datasetName=name,
        entityIds=None if entity_ids is None else list(entity_ids),
        listId=list_id,
        includeSecondaryFileGroups=True if with_file_groups else None,
    )
    return Call(
        "download-options",
        payload,
        read_downloads.read_options,
        limit_s=limit_s or LIMIT_S,
        input_matters=True,
        usual=read_downloads.usual_options,
    )


def download_retrieve(label: str, limit_s: float | None) -> Call[RetrieveReply]:
    """State of the downloads of one label. Without a label the service would send the whole account."""
    payload = {"label": label, "downloadApplication": APPLICATION}
    return Call("download-retrieve", payload, read_downloads.read_retrieved, limit_s=limit_s or LIMIT_S)


def download_search(label: str | None, active_only: bool | None) -> Call[tuple[QueueItem, ...]]:
    """Rows of the queue, without links."""
    payload = _given(label=label, activeOnly=active_only, downloadApplication=APPLICATION)
    return Call("download-search", payload, read_downloads.read_queue)


def download_order_load(label: str) -> Call[tuple[QueueItem, ...]]:
    """Rows of one order."""
    payload = {"label": label, "downloadApplication": APPLICATION}
    return Call("download-order-load", payload, read_downloads.read_queue)


def download_order_remove(label: str) -> Call[int]:
    """Forgets one order."""
    payload = {"label": label, "downloadApplication": APPLICATION}
    return Call("download-order-remove", payload, read_downloads.read_count)


def download_remove(download_id: int) -> Call[bool]:
    """Takes one download out of the queue; the service says true even for an unknown id."""
    return Call("download-remove", {"downloadId": download_id}, read_downloads.read_flag, input_matters=True)


def download_complete_proxied(items: Sequence[tuple[int, int]]) -> Call[int]:
    """Tells that proxied downloads have been fetched: (download id, bytes)."""
    rows = [{"downloadId": download_id, "downloadedSize": size} for download_id, size in items]
    return Call(
        "download-complete-proxied", {"proxiedDownloads": rows}, read_downloads.read_completed, input_matters=True
    )


def download_labels() -> Call[tuple[LabelInfo, ...]]:
    """Labels of the queue."""
    return Call("download-labels", {"downloadApplication": APPLICATION}, read_datasets.read_labels_of_queue)


def download_summary(label: str) -> Call[LabelSummary]:
    """Counts of one label."""
    payload = {"label": label, "downloadApplication": APPLICATION, "sendEmail": False}
    return Call("download-summary", payload, read_datasets.read_summary)
