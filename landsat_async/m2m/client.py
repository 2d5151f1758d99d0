"""`M2MClient`: the USGS Machine-to-Machine API as typed coroutines; usable alone.

    async with M2MClient(url, Credentials(username, token)) as m2m:
        async for scene in m2m.scene_search("landsat_ot_c2_l2", scene_filter):
            ...

What is sent and read is in `payloads`, how a call is carried through all faults in `caller`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread

from landsat_async.errors import BadReply, LandsatError, M2MError, TooManyHits
from landsat_async.m2m import payloads
from landsat_async.m2m.caller import TIDY_LIMIT_S, ApiWait, Caller, Gate
from landsat_async.m2m.download_request import download_request
from landsat_async.m2m.payloads import DataGroup
from landsat_async.m2m.replies import (
    HITS_MAX,
    Dataset,
    DatasetFilter,
    DownloadReply,
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
from landsat_async.m2m.transport import Transport, tls_context
from landsat_async.model import Scene
from landsat_async.public import publish
from landsat_async.rules.observed import Fact

if TYPE_CHECKING:
    import ssl

    import aiohttp

    from landsat_async.credentials import Credentials

EXIT_LIMIT_S = 3.0
"""For the logout and the closing of connections, also after a cancellation."""
OPTIONS_BATCH = 500
"""Scenes per download-options call: about 25 MB of answer."""


class M2MClient:
    """One account at one M2M service. Logs in at the first call, logs out at exit.

    Calls wait for each other; any number of tasks may share a client. All calls raise `CredentialsError` when the
    account cannot do this and `ServiceError` when the service refuses or stays away for longer than `patience_s`.

    A run uses a part of the calls. `logout`, `notifications`, `dataset_file_groups`, `grid2ll`,
    `scene_metadata`, `scene_list_get`, `download_remove`, `download_labels`, `download_summary`, `download_order_load`
    and `download_order_remove` are there for users of the library: they are tested against recorded answers and the
    simulator, and nothing in this package calls them.

    Args:
        url: address of the service, up to and with the version (".../json/stable/").
        credentials: user name and application token.
        session: an aiohttp session whose connector is shared; it is never closed, and none of its headers, cookies
            and limits are used. None = connections of our own.
        ca_bundle: PEM file with certificates that are trusted beside the system's.
        patience_s: how long a service that is down is waited for; 0 = a few quick tries.
        on_wait: called before each wait; must return at once.
        trust_env: use the proxies of the environment. ~/.netrc is never used.
        gate: shared by all clients of one account; None = a gate of our own.
        on_unusable: called with each row of an answer that cannot be used; None = logged as a warning. Rows of
            download-request and download-retrieve stand in the answers themselves.
        observe: called with what answers show of how the service behaves, to be iterated over once, now or later; see
            `rules.observed`.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        session: aiohttp.ClientSession | None = None,
        ca_bundle: str | None = None,
        patience_s: float = 0.0,
        on_wait: Callable[[ApiWait], None] | None = None,
        trust_env: bool = True,
        gate: Gate | None = None,
        on_unusable: Callable[[FailedItem], None] | None = None,
        observe: Callable[[Iterable[Fact]], None] | None = None,
    ) -> None:
        self._url = url
        self._ca_bundle = ca_bundle
        self._make_transport = partial(Transport, url, session=session, trust_env=trust_env)
        self._make_caller = partial(
            Caller, credentials=credentials, gate=gate or Gate(), patience_s=patience_s, on_wait=on_wait,
            on_unusable=on_unusable, observe=observe,
        )  # fmt: skip
        self.tls: ssl.SSLContext | None = None
        """What certificates are verified with, once it is open; None = as aiohttp does."""
        self._transport: Transport | None = None
        self._caller: Caller | None = None
        self.pages_read = self.scenes_read = 0
        """Pages of scene-search that have come, and rows on them: how far a long search is."""

    def __repr__(self) -> str:
        state = "closed" if self._transport is None else "open"
        return f"<M2MClient {self._url} {state}>"

    async def __aenter__(self) -> Self:
        if self._ca_bundle is not None or self._url.lower().startswith("https:"):
            self.tls = await anyio.to_thread.run_sync(tls_context, self._ca_bundle)
        self._transport = self._make_transport(context=self.tls)
        self._caller = self._make_caller(self._transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        caller, self._caller = self._caller, None
        transport, self._transport = self._transport, None
        if caller is None or transport is None:
            return
        with anyio.move_on_after(EXIT_LIMIT_S, shield=True):
            try:
                await caller.log_out()
            except LandsatError:
                pass  # the key dies by itself after two idle hours
        with anyio.move_on_after(EXIT_LIMIT_S, shield=True):
            await transport.close()

    @property
    def _open(self) -> Caller:
        if self._caller is None:
            raise RuntimeError("M2MClient is an async context manager: use `async with M2MClient(...) as m2m:`")
        return self._caller

    # -- session

    async def login(self) -> None:
        """Get a key now; calls do it by themselves when they need one."""
        await self._open.call(payloads.login())

    async def logout(self) -> None:
        """End the key now; the next call would log in again."""
        await self._open.log_out()

    async def permissions(self) -> tuple[str, ...]:
        """Return the roles of the account; "download" comes with the MACHINE role."""
        return await self._open.call(payloads.permissions())

    async def rate_limit_summary(self) -> RateLimits:
        """Return what is left of the account's limits."""
        return await self._open.call(payloads.rate_limit_summary())

    async def notifications(self, system_id: str = "M2M") -> tuple[Notification, ...]:
        """Return the messages of USGS to the users of a system."""
        return await self._open.call(payloads.notifications(system_id))

    # -- datasets

    async def dataset(self, name: str | None = None, *, dataset_id: str | None = None) -> Dataset:
        """Return one dataset by alias or id; DatasetRefused when there is none."""
        found = await self._open.call(payloads.dataset(name, dataset_id))
        if found is None:
            raise BadReply("dataset: the answer lacks datasetId or datasetAlias")
        return found

    async def dataset_search(self, text: str | None = None) -> tuple[Dataset, ...]:
        """Return the datasets whose names contain `text`; all without it."""
        return await self._open.call(payloads.dataset_search(text))

    async def dataset_filters(self, name: str) -> tuple[DatasetFilter, ...]:
        """Return the metadata fields of a dataset that a search can filter on."""
        return await self._open.call(payloads.dataset_filters(name))

    async def dataset_products(self, name: str) -> tuple[str, ...]:
        """Return the names of the products that the scenes of a dataset have, each once."""
        return await self._open.call(payloads.dataset_products(name))

    async def dataset_file_groups(self, name: str) -> tuple[FileGroup, ...]:
        """Return the groups of files that can be requested together."""
        return await self._open.call(payloads.dataset_file_groups(name))

    async def grid2ll(self, path: int, row: int, *, grid: str = "WRS2", shape: str = "polygon") -> GridCell:
        """Return where a WRS cell lies; `shape` is point or polygon."""
        return await self._open.call(payloads.grid2ll(grid, path, row, shape))

    # -- scenes

    async def scene_search(
        self,
        dataset: str,
        scene_filter: Mapping[str, object] | None = None,
        *,
        page_size: int = 1000,
        metadata_type: str | None = None,
        time_limit_s: float | None = None,
        hits_max: int = HITS_MAX,
        pages_max: int | None = None,
    ) -> AsyncIterator[Scene]:
        """Yield every scene that matches, each (entity id, display id) once, in the order of the service.

        No more than `pages_max` pages are asked for; None = all.

        Raises:
            TooManyHits: before the first scene, when the service counts more than `hits_max`, which is at most what it
                hands out (50,000).
        """
        seen: set[tuple[str, str]] = set()
        start: int | None = 1
        page: ScenePage | None = None
        pages = 0
        while start is not None and (pages_max is None or pages < pages_max):
            pages += 1
            ask = payloads.scene_search(
                dataset,
                scene_filter,
                start=start,
                page_size=page_size,
                metadata_type=metadata_type,
                limit_s=time_limit_s,
            )
            try:
                following = await self._open.call(ask)
            except M2MError:
                if page is not None and page.total_hits is not None and page.is_past_end(start):
                    return  # the service had counted right after all
                raise
            page = following
            self.pages_read, self.scenes_read = self.pages_read + 1, self.scenes_read + len(page.scenes)
            if start == 1 and page.total_hits is not None and page.total_hits > min(hits_max, HITS_MAX):
                raise _too_many(dataset, page.total_hits)
            new = [scene for scene in page.scenes if (scene.entity_id, scene.display_id) not in seen]
            start = page.next_start(start=start, new=len(new), page_size=page_size)
            for scene in new:
                key = (scene.entity_id, scene.display_id)
                if key not in seen:
                    seen.add(key)
                    yield scene

    async def scene_metadata(
        self, dataset: str, entity_id: str, *, id_type: str = "entityId", metadata_type: str = "full"
    ) -> SceneMetadata:
        """Return one scene with its metadata; `id_type` is entityId, displayId or orderingId."""
        return await self._open.call(payloads.scene_metadata(dataset, entity_id, id_type, metadata_type))

    async def scene_list_add(
        self,
        list_id: str,
        dataset: str,
        entity_ids: Sequence[str],
        *,
        id_field: str = "entityId",
        time_to_live: str = "P1D",
    ) -> int:
        """Add scenes to a list at the service and return what it counts; use a fresh list id for each run."""
        return await self._open.call(payloads.scene_list_add(list_id, dataset, entity_ids, id_field, time_to_live))

    async def scene_list_get(self, list_id: str, dataset: str | None = None) -> tuple[ListedScene, ...]:
        """Return the content of a list."""
        return await self._open.call(payloads.scene_list_get(list_id, dataset))

    async def scene_metadata_list(self, list_id: str, dataset: str) -> tuple[Scene, ...]:
        """Return the scenes of a list that belong to a dataset."""
        return await self._open.call(payloads.scene_metadata_list(list_id, dataset))

    async def scene_list_remove(self, list_id: str, *, once: bool = False) -> None:
        """Remove a list; also fine when it is gone already. `once`: as in `download_complete_proxied`."""
        ask = payloads.scene_list_remove(list_id)
        await (self._open.try_once(ask) if once else self._open.call(ask))

    # -- downloads

    async def download_options(
        self,
        dataset: str,
        *,
        entity_ids: Sequence[str] | None = None,
        list_id: str | None = None,
        include_secondary_file_groups: bool = False,
        time_limit_s: float | None = None,
    ) -> list[ProductOption]:
        """Return what can be requested for scenes, given by ids (asked in portions) or by a list at the service."""
        batches: list[Sequence[str] | None] = [None]
        if entity_ids is not None:
            batches = [entity_ids[at : at + OPTIONS_BATCH] for at in range(0, len(entity_ids), OPTIONS_BATCH)]
        options: list[ProductOption] = []
        for batch in batches:
            ask = payloads.download_options(
                dataset,
                batch,
                list_id,
                with_file_groups=include_secondary_file_groups,
                limit_s=time_limit_s,
            )
            options += await self._open.call(ask)
        return options

    async def download_request(
        self,
        *,
        label: str,
        downloads: Sequence[tuple[str, str]] = (),
        data_groups: Sequence[DataGroup] = (),
        time_limit_s: float | None = None,
    ) -> DownloadReply:
        """Ask for files: (entity id, product id) pairs, or file groups of scene lists. Write the label down first.

        Raises:
            OutcomeUnknown: the answer got lost; look under the label before asking again.
            QuotaReached: at once, without waiting.
        """
        return await self._open.call(download_request(label, downloads, data_groups, limit_s=time_limit_s))

    async def download_retrieve(self, label: str, *, time_limit_s: float | None = None) -> RetrieveReply:
        """Return the state of the downloads of a label; an item with a url can be fetched."""
        return await self._open.call(payloads.download_retrieve(label, time_limit_s))

    async def download_search(self, label: str | None = None, active_only: bool | None = None) -> list[QueueItem]:
        """Return rows of the account's queue, without links."""
        return list(await self._open.call(payloads.download_search(label, active_only)))

    async def download_remove(self, download_id: int) -> bool:
        """Take a download out of the queue; True even when it was not there."""
        return await self._open.call(payloads.download_remove(download_id))

    async def download_complete_proxied(
        self, items: Sequence[tuple[int, int]], *, once: bool = False, limit_s: float = TIDY_LIMIT_S
    ) -> int:
        """Report fetched proxied downloads as (download id, bytes); return how many the service took.

        `once`: one try of `limit_s`, and none while the service is down; other calls do not wait for its failure.
        """
        ask = payloads.download_complete_proxied(items)
        return await (self._open.try_once(ask, limit_s) if once else self._open.call(ask))

    async def download_labels(self) -> tuple[LabelInfo, ...]:
        """Return the labels of the queue."""
        return await self._open.call(payloads.download_labels())

    async def download_summary(self, label: str) -> LabelSummary:
        """Return counts of a label; zeros when it is unknown."""
        return await self._open.call(payloads.download_summary(label))

    async def download_order_load(self, label: str) -> list[QueueItem]:
        """Return the rows of an order; nothing when it is unknown."""
        return list(await self._open.call(payloads.download_order_load(label)))

    async def download_order_remove(self, label: str) -> int:
        """Forget an order; return how many rows it had."""
        return await self._open.call(payloads.download_order_remove(label))


publish(M2MClient)


def _too_many(dataset: str, total_hits: int) -> TooManyHits:
    return TooManyHits(
        f"scene-search: {total_hits} hits in {dataset}, M2M hands out {HITS_MAX} at most",
        total_hits=total_hits,
        hint="Narrow the search, for example by date.",
    )
