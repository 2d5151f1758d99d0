"""What the rows of an answer say, and which file each belongs to.

Answers of the service may lack the entity id (before 2025), may list files of other runs (an old label, no label at
all), and hardly ever repeat the product id on the way out. An answer is taken only if nothing in it contradicts the
file.

Several products of one scene or tile share entity id and display id. Product id or download id
keep them apart where the answer has one; they are requested in different requests (`of_one_request`) where it has none.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar

import msgspec

from landsat_async.m2m.replies import DownloadReply, QueueItem
from landsat_async.rules.links import SecretUrl
from landsat_async.rules.naming import is_planned, name_from_url, window_source
from landsat_async.rules.observed import Fact

_OVER_LIMIT = (
    r"(?i)rate.?limit|quota|limit[a-z]* (has |have )?(been )?(reached|exceeded)"
    r"|exceed(s|ed|ing)? (the |your )?([a-z]+ ){0,3}(limit|number|downloads)"
)
"""Compiled when something is refused, which most runs never see."""
PROXIED = "ls_"
"""Download systems that begin so: the service cannot see their files transferred, and wants a report of each."""


class Asked(Protocol):
    """What is needed of a file that waits for an answer."""

    @property
    def item_id(self) -> int: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def entity_id(self) -> str: ...  # noqa: D102
    @property
    def product_id(self) -> str: ...  # noqa: D102
    @property
    def download_id(self) -> int | None: ...  # noqa: D102
    @property
    def superseded_ids(self) -> Sequence[int]: ...  # noqa: D102


class Refusal(enum.Enum):
    """Why the service does not give a file."""

    LICENCE = enum.auto()
    """It has to be accepted first, which nobody but the user may do."""
    DISABLED = enum.auto()
    """Out of order for now, or its download system is."""
    LIMITS = enum.auto()
    """The account has requested as much as it may."""
    OTHER = enum.auto()


class AnswerRow(msgspec.Struct, frozen=True):
    """One row of an answer, whatever call it came from."""

    download_id: int | None
    entity_id: str | None
    name: str | None
    """File name or display id, where the row or its link tells; None when it does not."""
    url: SecretUrl | None = None
    """None: not ready."""
    label: str | None = None
    """Where the service says that it stands; None = where it was looked for."""
    refusal: Refusal | None = None
    """Why the service does not give it; None when it does."""
    message: str = ""
    """What the service says with a refusal."""
    product_id: str | None = None
    """Where the row tells which product of the entity it is; None when it does not."""
    proxied: bool = False
    """The service cannot see the transfer and wants a report of its end."""


def from_request(reply: DownloadReply) -> list[AnswerRow]:
    """Rows of an answer to download-request; links of what is being prepared do not work yet."""
    rows = []
    for listed, ready in ((reply.available, True), (reply.preparing, False)):
        for row in listed:
            number, eula = row.download_id, row.eula
            name = row.display_id or (name_from_url(row.url.reveal()) if row.url else None)
            url, old_label = row.url if ready else None, reply.duplicates.get(number)
            refusal = Refusal.LICENCE if eula else None
            rows.append(AnswerRow(number, row.entity_id, name, url, old_label, refusal, eula or "", row.product_id))
    for one in reply.failed:
        ids, said = (one.download_id, one.entity_id, None), one.message
        rows.append(AnswerRow(*ids, refusal=refusal_of(said), message=said, product_id=one.product_id))
    return rows


def from_queue(rows: Iterable[QueueItem]) -> list[AnswerRow]:
    """Rows of download-retrieve or download-search: ready is what has a link, whatever list it stands in."""
    return [
        AnswerRow(
            row.download_id,
            row.entity_id,
            row.display_id,
            row.url,
            refusal=Refusal.LICENCE if row.eula else None,
            message=row.eula or "",
            proxied=row.status_code == "P",
        )
        for row in rows
    ]


def refusal_of(message: str) -> Refusal:
    """Read what the service means by a refusal: it has words for that and no codes."""
    if speaks_of_limits(message):
        return Refusal.LIMITS
    return Refusal.DISABLED if "temporarily disabled" in message.lower() else Refusal.OTHER


def speaks_of_limits(message: str) -> bool:
    """Whether the reason of a refused file is the account's limits: whether they refuse whole requests is not known."""
    return re.search(_OVER_LIMIT, message) is not None


def fact_of_groups(scenes: Collection[str], rows: Sequence[AnswerRow]) -> Fact:
    """Return what an answer to a request for file groups shows: whether the list of scenes bounds it.

    Args:
        scenes: Display ids of the scenes on the list.
        rows: The answer.
    """
    strange = any(row.name is not None and not row.name.startswith(tuple(scenes)) for row in rows)
    whose = "also of scenes that the list has not" if strange else "of no scenes but those of the list"
    return Fact("request", f"data groups bring files {whose}", float(len(rows)))


A = TypeVar("A", bound=Asked)


def match(files: Sequence[A], answers: Iterable[AnswerRow]) -> dict[int, tuple[A, AnswerRow]]:
    """Pair files with answers: item id -> (file, answer). A row with a link wins over one without.

    By entity id, unless the names contradict each other; by name where the row has no entity id. Names are compared by
    their stems: bundles are listed by display id and saved as `<display id>.tar`.
    """
    by_entity: dict[str, list[tuple[A, str]]] = {}
    by_stem: dict[str, A] = {}
    for file in files:
        stem = window_source(file.name).casefold().removesuffix(".tar")
        by_entity.setdefault(file.entity_id, []).append((file, stem))
        by_stem[stem] = file
    pairs: dict[int, tuple[A, AnswerRow]] = {}
    for answer in answers:
        found = _find(answer, by_entity, by_stem)
        if found is None or answer.download_id in found.superseded_ids:
            continue
        known = pairs.get(found.item_id)
        if known is None or (known[1].url is None and answer.url is not None):
            pairs[found.item_id] = (found, answer)
    return pairs


def without_ids(unanswered: Sequence[A], reply: DownloadReply) -> dict[int, tuple[A, AnswerRow]]:
    """Rows of `failed` may lack all ids: they are the files that got no other answer, if the numbers agree."""
    rows = [row for row in reply.failed if row.entity_id is None and row.download_id is None]
    unreadable = any(row.call is not None for row in rows)  # nothing is refused there: the poller will look
    if reply.duplicates or unreadable or not rows or len(rows) != len(unanswered):
        return {}
    texts = " / ".join(sorted({row.message for row in rows}))
    row = AnswerRow(None, None, None, refusal=refusal_of(texts), message=texts)
    return {item.item_id: (item, row) for item in unanswered}


def _find(answer: AnswerRow, by_entity: dict[str, list[tuple[A, str]]], by_stem: dict[str, A]) -> A | None:
    """Return the file that a row answers; of those with its entity id, given with the stems of their USGS names."""
    given = None if answer.name is None else answer.name.casefold().removesuffix(".tar")
    if answer.entity_id is None:
        return None if given is None else by_stem.get(given)
    candidates = by_entity.get(answer.entity_id, [])
    of_product: list[tuple[A, str]] = []
    of_download: list[tuple[A, str]] = []
    fitting: list[A] = []
    for one in candidates:
        file, stem = one
        if file.product_id == answer.product_id:
            of_product.append(one)
        if file.download_id == answer.download_id is not None:
            of_download.append(one)
        if stem == given or _agree(stem, given):
            fitting.append(file)
    for known in (of_product, of_download):  # by the product, else by the download, where the row tells it
        if len(known) == 1:
            file, stem = known[0]  # called by its name, or by the display id that it begins with
            return file if _agree(stem, given) or stem.startswith(given or "") else None
    return fitting[0] if len(fitting) == 1 else None


def product_apart(file: Asked) -> str:
    """What has to be requested apart: answers repeat no product id, and products of a tile share all other ids."""
    return file.product_id if file.kind == "product" else ""


def of_one_request(files: Sequence[A]) -> list[A]:
    """Return the files that may stand in one request, under one label, with the first: one for each entity id."""
    chosen: dict[str, A] = {}
    apart = product_apart(files[0]) if files else ""
    for file in files:
        if product_apart(file) == apart:
            chosen.setdefault(file.entity_id, file)
    return list(chosen.values())


def _agree(own: str, given: str | None) -> bool:
    """Whether a name of an answer may be that of a file, both given by their stems.

    The bare displayId says no more than the entity id: all products of a tile have it. So does whatever begins with it
    for a file whose name is not known yet.
    """
    if given is None or own == given:
        return True
    if is_planned(own):
        return given.startswith(own.partition(".")[0])
    return own.startswith(given) and own[len(given)] in "._"
