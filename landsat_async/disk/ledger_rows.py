"""Rows of the ledger, the compare-and-set that alone changes a state, and the way into its thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from landsat_async.disk.ledger_schema import connect
from landsat_async.disk.ledger_writer import LedgerThread
from landsat_async.errors import FolderBusy
from landsat_async.model import Route
from landsat_async.rules.lifecycle import State, Step, advance, sources

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """One wanted file as the ledger knows it."""

    item_id: int
    relpath: str
    name: str
    kind: str
    scene_entity_id: str
    scene_display_id: str
    entity_id: str
    """Of the route in use."""
    product_id: str
    system: str
    routes: tuple[Route, ...]
    route: int
    group_dataset: str | None
    file_groups: tuple[str, ...]
    bytes_nominal: int | None
    state: State
    gen: int
    label: str | None
    download_id: int | None
    asked_at: float | None
    spent: tuple[int, ...]
    """Downloads that were given up: their rows in answers are not ours any more."""
    asks: int
    """Requests in a row that the service did not answer for this file."""
    fresh: int
    """New links asked for because the old one was refused."""
    missed: int
    """Poll rounds in a row in which the service did not list it."""
    next_try: float
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """What is recorded of a proven file."""

    item_id: int
    relpath: str
    size_bytes: int
    sha256: str
    proof: str
    mtime_ns: int
    identity: str = "none"
    """What evidence there was that it is the file that it is named after (`model.Identity`)."""
    adopted: bool = False
    """It was found on disk and not fetched by us: its owner may do with it what he likes."""


@dataclass(frozen=True, slots=True)
class SavedPart:
    """The last checkpoint of an unfinished file."""

    name: str
    """Of the part, when it was saved; a later generation may have renamed it."""
    facts: bytes
    """As they were saved."""


ITEM_COLUMNS = ", ".join(f"item.{name}" for name in Item.__dataclass_fields__)
ROUTES = msgspec.json.Decoder(tuple[Route, ...])
NAMES = msgspec.json.Decoder(tuple[str, ...])
_numbers = msgspec.json.Decoder(tuple[int, ...])


def item_of(row: sqlite3.Row) -> Item:
    """Read a row that was selected with ITEM_COLUMNS, and maybe more behind them."""
    values = dict(zip(Item.__dataclass_fields__, row, strict=False))
    values["routes"] = ROUTES.decode(values["routes"])
    values["file_groups"] = NAMES.decode(values["file_groups"])
    values["spent"] = _numbers.decode(values["spent"])
    values["state"] = State(values["state"])
    return Item(**values)


def without_download(item: Item, download_id: int | None) -> dict[str, Any]:
    """Columns of a file whose download is given up, so that its rows are not taken for those of the next one."""
    given_up = () if download_id is None or download_id in item.spent else (download_id,)
    return {"label": None, "download_id": None, "spent": msgspec.json.encode(item.spent + given_up).decode()}


def marks(values: Sequence[object]) -> str:
    """Question marks for an IN (...) of these values."""
    return ",".join("?" * len(values))


def compare_and_set(
    connection: sqlite3.Connection, item_id: int, step: Step, now: float, columns: Mapping[str, Any]
) -> State | None:
    """Apply one step to one row if its state allows it; the state it came from, or None when it did not."""
    row = connection.execute("SELECT state FROM item WHERE item_id=?", (item_id,)).fetchone()
    return None if row is None else move(connection, item_id, row["state"], step, now, columns)


def move(
    connection: sqlite3.Connection, item_id: int, found: str, step: Step, now: float, columns: Mapping[str, Any]
) -> State | None:
    """Do the same to a row of which this transaction has already read that it is in the state `found`."""
    before = State(found)
    if before not in sources(step):
        return None
    assignments = "".join(f", {name}=?" for name in columns)
    connection.execute(
        f"UPDATE item SET state=?, updated=?{assignments} WHERE item_id=?",
        (advance(before, step), now, *columns.values(), item_id),
    )
    return before


class LedgerCore:
    """The connection, its thread, and the fence against a second run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._run_id: str | None = None
        self._thread = LedgerThread(lambda: connect(path), path.name, self._may_go_on)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` in the next transaction of the ledger thread.

        Raises FolderBusy when a later run has begun on this folder, which only a lock that lies allows. From then on
        the later run alone decides, so that the two cannot undo each other's steps.
        """
        return await self._thread.call(function)

    def _may_go_on(self, c: sqlite3.Connection) -> None:
        if self._run_id is None:
            return
        newest = c.execute("SELECT run_id FROM run ORDER BY rowid DESC LIMIT 1").fetchone()
        if newest["run_id"] != self._run_id:
            raise FolderBusy(
                f"Another run has begun on {self.path.parent.parent} and goes on with it.",
                hint="Nothing is lost. This file system does not keep two runs apart: start one only.",
            )

    async def _write(self, sql: str, arguments: Sequence[Any]) -> None:
        def write(c: sqlite3.Connection) -> None:
            c.execute(sql, arguments)

        await self.call(write)
