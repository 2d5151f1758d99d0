"""Rows of the ledger, and the one place that writes their states.

`move` takes one row through one step, `move_alike` several with the same values, `move_many` several, each with values
of its own, `move_all` every row that a condition names, and `put` puts files into a run. All of it is made from
rules/lifecycle.TRANSITIONS; nothing else assigns a state (tests/test_structure.py).

Several rows are changed by one statement: for SQLite a statement is a small transaction of its own, which costs as
much as the change of a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from landsat_async.model import Route, WantedFile, WindowRecord
from landsat_async.rules.lifecycle import SOURCES, TARGET, State, Step


class Item(msgspec.Struct, frozen=True):
    """One wanted file as the ledger knows it."""

    state: State
    routes: tuple[Route, ...]
    file_groups: tuple[str, ...]
    superseded_ids: tuple[int, ...]
    """Downloads that were given up: their rows in answers are not ours any more."""
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
    route: int
    group_dataset: str | None
    bytes_nominal: int | None
    generation: int
    """Raised by each claim; parts of earlier ones are not written to any more."""
    label: str | None
    download_id: int | None
    requested_at: float | None
    request_attempts: int
    """Requests in a row that the service did not answer for this file."""
    link_renewals: int
    """New links asked for because the old one was refused."""
    absent_polls: int
    """Poll rounds in a row in which the service did not list it."""
    next_try: float
    reason: str
    hint: str


class FinishedFile(msgspec.Struct, frozen=True):
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
    window: WindowRecord | None = None
    """How it was cut, when it has just been cut."""
    no_data: str = ""
    """Why there is no file: a window of nothing but fill."""


class SavedPart(msgspec.Struct, frozen=True):
    """The last checkpoint of an unfinished file."""

    name: str
    """Of the part, when it was saved; a later generation may have renamed it."""
    facts: bytes
    """As they were saved."""


class Move(msgspec.Struct, frozen=True):
    """A change of state that is in the ledger."""

    item_ids: list[int]
    """The files that were in the same state before, and are in the same one now."""
    before: State
    step: Step


_COLUMNS = {
    "superseded_ids": "spent", "generation": "gen", "requested_at": "asked_at", "request_attempts": "asks",
    "link_renewals": "fresh", "absent_polls": "missed",
}  # fmt: skip
"""Field -> its column, where they differ: so they are called since format 2, and older ledgers are taken over."""
ITEM_COLUMNS = ", ".join(f"item.{_COLUMNS.get(name, name)}" for name in Item.__struct_fields__)
_encode = msgspec.json.Encoder().encode
_STATES: dict[str, State] = {str(state): state for state in State}
ROUTES = msgspec.json.Decoder(tuple[Route, ...])
NAMES = msgspec.json.Decoder(tuple[str, ...])
_numbers = msgspec.json.Decoder(tuple[int, ...])


def item_of(row: Sequence[Any]) -> Item:
    """Read a row that was selected with ITEM_COLUMNS."""
    state, routes, groups, superseded, *rest = row
    known = _STATES.get(state) or State(state)
    return Item(known, ROUTES.decode(routes), NAMES.decode(groups), _numbers.decode(superseded), *rest)


def read_items(connection: sqlite3.Connection, condition: str, arguments: Sequence[object]) -> list[Item]:
    """The files that fulfil a condition, which may end with an order and a limit."""
    rows = connection.execute(f"SELECT {ITEM_COLUMNS} FROM item WHERE {condition}", arguments)
    return list(map(item_of, rows))


def read_item(connection: sqlite3.Connection, item_id: int) -> Item:
    """One file, which must exist."""
    (item,) = read_items(connection, "item_id=?", (item_id,))
    return item


def among(item_ids: Sequence[int]) -> tuple[str, object]:
    """A condition for these ids, and its one argument: so there are two texts of each statement, not one a length."""
    if len(item_ids) == 1:
        return "item.item_id=?", item_ids[0]
    return "item.item_id IN(SELECT value FROM json_each(?))", json(list(item_ids))


def moved_ids(moves: Sequence[Move]) -> list[int]:
    """The files that have moved."""
    return list(chain.from_iterable(map(_ITEM_IDS, moves)))


def superseded(item: Item, download_id: int | None) -> str:
    """The column `spent` of a file whose download is given up, so that its rows are not taken for the next one's."""
    more = () if download_id is None or download_id in item.superseded_ids else (download_id,)
    return json(item.superseded_ids + more)


def json(value: object) -> str:
    """How a column holds a sequence."""
    return _encode(value).decode()


def marks(values: Sequence[object]) -> str:
    """Question marks for an IN (...) of these values."""
    return ",".join("?" * len(values))


def _in(states: Iterable[State]) -> str:
    return "state IN(" + ",".join(f"'{state}'" for state in states) + ")"


_SET = {step: f"UPDATE item SET state='{TARGET[step]}', updated=?{{}} WHERE " for step in Step}
_SET_EACH = {
    step: f"UPDATE item SET state='{TARGET[step]}', updated=?{{}} FROM json_each(?) AS one WHERE " for step in Step
}
_STATES_OF = "SELECT item_id, state FROM item WHERE "
_ITEM_IDS, _LAST = attrgetter("item_ids"), itemgetter(-1)


def move(
    connection: sqlite3.Connection, item_id: int, step: Step, now: float, changes: str = "", *arguments: object
) -> list[Move]:
    """Take a file through one step by compare-and-set, with `changes` (", column=?") of other columns.

    Returns the move; nothing when its state does not allow the step.
    """
    return move_alike(connection, step, now, changes, arguments, (item_id,))


def move_alike(
    connection: sqlite3.Connection, step: Step, now: float, changes: str, values: Sequence[object],
    item_ids: Sequence[int], found: Mapping[int, str] | None = None,
) -> list[Move]:  # fmt: skip
    """Take files through one step as `move` does, all with the same `values` of `changes`.

    Returns the moves. `found` are their states if this transaction has read them already.
    """
    moves = _allowed(connection, step, item_ids, found)
    if moves:
        condition, ids = among(moved_ids(moves))
        connection.execute(_SET[step].format(changes) + condition, (now, *values, ids))
    return moves


def move_many(
    connection: sqlite3.Connection, step: Step, now: float, changes: str, rows: Sequence[tuple[Any, ...]]
) -> list[Move]:
    """Take files through one step as `move` does; returns the moves.

    Each of `rows` holds the values of `changes` and the item id. They pass as JSON: whole numbers, text and None.
    Of a file that is there twice the first row counts.
    """
    by_id = dict(zip(map(_LAST, reversed(rows)), reversed(rows), strict=True))
    moves = _allowed(connection, step, list(by_id))
    if moves:
        connection.execute(_set_each(step, changes), (now, json(list(map(by_id.__getitem__, moved_ids(moves))))))
    return moves


@cache
def _set_each(step: Step, changes: str) -> str:
    first, *more = changes.split("?")
    columns = first + "".join(f"json_extract(one.value, '$[{n}]'){text}" for n, text in enumerate(more))
    return f"{_SET_EACH[step].format(columns)}item_id=json_extract(one.value, '$[{len(more)}]')"


def _allowed(
    connection: sqlite3.Connection, step: Step, item_ids: Sequence[int], found: Mapping[int, str] | None = None
) -> list[Move]:
    """Look which of these files may take a step, each once, by their states; `found` are these if they are known."""
    if found is None:
        condition, ids = among(item_ids)
        found = dict(connection.execute(_STATES_OF + condition, (ids,)).fetchall())
    sources = SOURCES[step]
    moves: dict[State, Move] = {}
    for item_id in dict.fromkeys(item_ids):
        before = _STATES.get(found.get(item_id, ""))
        if before in moves:
            moves[before].item_ids.append(item_id)
        elif before in sources:
            moves[before] = Move([item_id], before, step)
    return list(moves.values())


def move_all(
    connection: sqlite3.Connection, step: Step, now: float, changes: str, values: Sequence[object], condition: str,
    arguments: Sequence[object],
) -> int:  # fmt: skip
    """Take every file that fulfils `condition` and whose state allows the step through it. Returns how many."""
    sql = f"{_SET[step].format(changes)}{_in(SOURCES[step])} AND {condition}"
    return connection.execute(sql, (now, *values, *arguments)).rowcount


def take_over(connection: sqlite3.Connection, condition: str, arguments: Sequence[object], now: float) -> int:
    """What is in flight and has a label is looked up by it, the rest is asked for; returns how many have one.

    Whose answer never came may have been sent just now: its absence counts from now on.
    """
    looked_up = move_all(
        connection, Step.REATTACH, now, ", missed=0, asked_at=iif(state='requested', ?, min(asked_at, ?))",
        (now, now), f"label IS NOT NULL AND {condition}", arguments,
    )  # fmt: skip
    move_all(connection, Step.RELEASE, now, "", (), f"label IS NULL AND {condition}", arguments)
    return looked_up


def put(connection: sqlite3.Connection, files: Iterable[WantedFile], run_id: str, now: float) -> None:
    """Put files into a run; see `Ledger.select`."""
    rows = []
    for file in files:
        first = file.routes[0]
        row = (
            file.relpath, file.name, file.kind, file.scene_entity_id, file.scene_display_id, first.entity_id,
            first.product_id, first.system, json(file.routes), file.group_dataset,
            json(file.file_groups), file.bytes_nominal, run_id, now,
        )  # fmt: skip
        rows.append(row)
    connection.executemany(_PUT, rows)


_FAILED = _in([State.FAILED])
_ROUTES_ARE_OLD = f"{_in([State.PLANNED, State.DONE])} OR {_FAILED} AND label IS NULL"
"""No request is under way, so the newest answer of the service counts."""
_PUT = f"""INSERT INTO item(relpath, name, kind, scene_entity_id, scene_display_id, entity_id, product_id,
     system, routes, group_dataset, file_groups, bytes_nominal, state, run_id, updated)
   VALUES(?,?,?,?,?,?,?,?,?,?,?,?,'{State.PLANNED}',?,?)
   ON CONFLICT(relpath) DO UPDATE SET run_id=excluded.run_id, bytes_nominal=excluded.bytes_nominal,
     group_dataset=excluded.group_dataset, file_groups=excluded.file_groups, fresh=0, asks=0, next_try=0,
     state=CASE WHEN NOT {_FAILED} THEN state
       WHEN label IS NULL THEN '{TARGET[Step.RENEW]}' ELSE '{TARGET[Step.RESUME]}' END""" + "".join(
    f", {column}=CASE WHEN {_ROUTES_ARE_OLD} THEN excluded.{column} ELSE {column} END"
    for column in ("routes", "route", "entity_id", "product_id", "system")
)
