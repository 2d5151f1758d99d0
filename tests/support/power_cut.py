"""Every state in which a power cut may leave the files and the ledger of a recorded run.

What a file system promises is little: bytes are durable after an fsync of their file, names after an fsync of their
folder, a rename happens as a whole or not at all. Of everything else any part may be lost, in any order; a write may
leave its bytes, a part of them, zeros in their place, or nothing. SQLite promises that a commit that has returned is
durable (synchronous=FULL), or only that the commits that survive are the first ones (NORMAL); one that has not
returned may be there or not.

`violations` looks at each moment of a tape and asks of every such state whether the promise holds. Files do not share
anything, so it asks for each file by itself, which covers all combinations.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from landsat_async.disk.folder import LEDGER_NAME, STATE_FOLDER
from tests.support.tape import Committed, Committing, FolderSynced, Named, Part, Row, Rows, Synced, Tape, Wrote

PARTS = f"{STATE_FOLDER}/parts"
SECTOR_BYTES = 4096
MOST_STATES = 4096

Belief = Callable[[bytes | None, Part | None], bytes]
"""What a recovery keeps of a part, given its bytes and the checkpoint."""


def by_digest(content: bytes | None, part: Part | None) -> bytes:
    """As the program does it: the bytes that the checkpoint speaks of, if they have its SHA-256."""
    kept = by_length(content, part)
    return kept if part is not None and hashlib.sha256(kept).hexdigest() == part.sha256 else b""


def by_length(content: bytes | None, part: Part | None) -> bytes:
    """Without the second guard: as many bytes as the checkpoint says, whatever they are."""
    return content[: part.durable] if content is not None and part is not None and len(content) >= part.durable else b""


def by_size(content: bytes | None, part: Part | None) -> bytes:
    """The mistake of most downloaders: all that is there."""
    return content or b""


@dataclass(frozen=True, slots=True)
class Violation:
    point: int
    """Events before the power cut."""
    relpath: str
    what: str


@dataclass
class Findings:
    points: int = 0
    states: int = 0
    violations: list[Violation] = field(default_factory=list)


@dataclass
class Disk:
    """What is durable, and what has happened since."""

    contents: dict[int, bytes]
    names: dict[str, int]
    writes: dict[int, list[tuple[int, Wrote]]] = field(default_factory=dict)
    renames: list[tuple[int, Named]] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=lambda: [{}])
    """Rows that the ledger may have after a cut."""
    ever: dict[str, set[int]] = field(default_factory=dict)
    """Files that a path has named."""

    @classmethod
    def of(cls, tape: Tape) -> Disk:
        disk = cls(dict(tape.contents), dict(tape.before))
        for path, file in tape.before.items():
            disk.ever[path] = {file}
        return disk

    def feed(self, number: int, event: object) -> None:
        match event:
            case Wrote(file):
                self.writes.setdefault(file, []).append((number, event))
            case Named(names):
                self.renames.append((number, event))
                for path, file in names:
                    if file is not None:
                        self.ever.setdefault(path, set()).add(file)
            case Synced(file, since, under_way):
                self._sync(file, lambda n: n < since and n not in under_way)
            case FolderSynced(folder, since):
                self._sync_folder(folder, since)
            case Committing(rows):
                self.rows.append(rows)
            case Committed(rows, durable):
                if durable:
                    self.rows = [rows]

    def _sync(self, file: int, covered: Callable[[int], bool]) -> None:
        pending = self.writes.get(file, [])
        self.contents[file] = apply(self.contents.get(file, b""), [(w, "all") for n, w in pending if covered(n)])
        self.writes[file] = [(n, w) for n, w in pending if not covered(n)]

    def _sync_folder(self, folder: str, since: int) -> None:
        """What has changed in this folder is durable; so is what had to happen before to the same names."""
        folder = "" if folder == "." else folder
        for number, event in self.renames:
            if number < since and event.touches(folder):
                rename(self.names, event)
        self.renames = [(n, e) for n, e in self.renames if not (n < since and e.touches(folder))]


def rename(names: dict[str, int], event: Named) -> None:
    for path, file in event.names:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


def apply(content: bytes, steps: Iterable[tuple[Wrote, str]]) -> bytes:
    """Bytes of a file after some of its writes: `all` of a write, `none`, `zeros` in its place, or its `first` part."""
    result = bytearray(content)
    for write, how in steps:
        if how == "none":
            continue
        if write.data is None:
            result = result[: write.offset] + bytes(max(0, write.offset - len(result)))
            continue
        data = write.data
        if how == "zeros":
            data = bytes(len(data))
        elif how == "first":
            data = data[: len(data) // 2 // SECTOR_BYTES * SECTOR_BYTES]
        if write.offset > len(result):
            result += bytes(write.offset - len(result))
        result[write.offset : write.offset + len(data)] = data
    return bytes(result)


def _fates(write: Wrote) -> tuple[str, ...]:
    return ("all", "none") if write.data is None else ("all", "none", "zeros", "first")


def contents(durable: bytes, pending: Sequence[Wrote], limit: int, rng: random.Random) -> Iterator[bytes]:
    """Yield what a file may hold: all combinations when they are few, else the extremes and a sample."""
    options = [_fates(write) for write in pending]
    number = 1
    for option in options:
        number *= len(option)
    if number <= limit:
        ways: Iterable[Sequence[str]] = itertools.product(*options)
    else:
        ways = itertools.chain(
            ([how] * len(pending) for how in ("all", "none")),
            (
                [how if i == at else other for i in range(len(pending))]
                for at in range(len(pending))
                for how, other in (("none", "all"), ("all", "none"), ("zeros", "all"))
                if how in options[at]
            ),
            ([rng.choice(option) for option in options] for _ in range(limit)),
        )
        ways = itertools.islice(ways, limit)
    for way in ways:
        yield apply(durable, zip(pending, way, strict=True))


def violations(
    tape: Tape,
    truth: Callable[[str], Collection[bytes]],
    *,
    belief: Belief = by_digest,
    honest: bool = True,
    seed: int = 0,
    most: int = MOST_STATES,
    only_one: bool = False,
) -> Findings:
    """Try every power cut of a tape; `truth` gives the contents that a final name may have.

    `honest`: servers have sent no wrong bytes, so that a part may hold none. `only_one`: one violation is enough.
    """
    disk, findings, rng = Disk.of(tape), Findings(), random.Random(seed)
    # What was there before is the user's, until it is replaced.
    allowed = {path: frozenset({tape.contents[file]}) for path, file in tape.before.items()}
    for number, event in enumerate(tape.events):
        disk.feed(number, event)
        findings.points += 1
        for item_id, relpath in _touched(disk, event):
            others = allowed.get(relpath, frozenset())
            check = _Check(disk, item_id, relpath, truth(relpath), others, belief, honest, rng, most)
            for what in check.run():
                findings.violations.append(Violation(number + 1, relpath, what))
            findings.states += check.states
            if only_one and findings.violations:
                return findings
    return findings


def _touched(disk: Disk, event: object) -> Iterator[tuple[int, str]]:
    """Items that have new possible states by this event. The end of a sync or of a commit only makes them fewer."""
    known = {item_id: row.relpath for rows in disk.rows for item_id, row in rows.items()}
    match event:
        case Wrote(file):
            paths = {path for path, files in disk.ever.items() if file in files}
        case Named(names):
            paths = {path for path, _ in names}
        case Committing(rows):
            before = disk.rows[-2]
            yield from ((item_id, row.relpath) for item_id, row in rows.items() if row != before.get(item_id))
            return
        case _:
            return
    for item_id, relpath in known.items():
        if any(_is_of(path, item_id, relpath) for path in paths):
            yield item_id, relpath


def _is_of(path: str, item_id: int, relpath: str) -> bool:
    aside = path.startswith(f"{STATE_FOLDER}/changed/") and path.endswith(f"-{os.path.basename(relpath)}")
    return path == relpath or path.startswith(f"{PARTS}/{item_id}.") or aside


class _Check:
    """All states of one file at one point."""

    def __init__(
        self, disk: Disk, item_id: int, relpath: str, right: Collection[bytes], users: Collection[bytes],
        belief: Belief, honest: bool, rng: random.Random, most: int,
    ) -> None:  # fmt: skip
        self._disk, self._item_id, self._relpath, self._right, self._users = disk, item_id, relpath, right, users
        self._belief, self._honest, self._rng, self._most = belief, honest, rng, most
        self.states = 0

    def run(self) -> set[str]:
        found: set[str] = set()
        rows = list(dict.fromkeys(rows.get(self._item_id) for rows in self._disk.rows))
        for row, names in itertools.product(rows, self._name_states()):
            if self.states >= self._most:
                break
            found.update(self._look(row, names))
        return found

    def _name_states(self) -> list[dict[str, int]]:
        mine = [event for _, event in self._disk.renames if any(self._is_mine(path) for path, _ in event.names)]
        base = {path: file for path, file in self._disk.names.items() if self._is_mine(path)}
        states: list[dict[str, int]] = []
        subsets = itertools.product((True, False), repeat=len(mine))
        for subset in itertools.islice(subsets, 256):
            names = dict(base)
            for event, happened in zip(mine, subset, strict=True):
                if happened:
                    rename(names, event)
            if names not in states:
                states.append(names)
        return states

    def _changed(self) -> int | None:
        """Return the finished file that the user had changed before the run, if it is one."""
        for file in self._disk.ever.get(self._relpath, ()):
            content = self._disk.contents.get(file)
            if content in self._users and content not in self._right:
                return file
        return None

    def _is_mine(self, path: str) -> bool:
        return _is_of(path, self._item_id, self._relpath)

    def _look(self, row: Row | None, names: dict[str, int]) -> Iterator[str]:
        final, changed = names.get(self._relpath), self._changed()
        if changed is not None and changed not in names.values():
            yield "N2: a file that the user has changed is nowhere"
        if changed is not None and changed == final and row is not None and row.state != "done":
            yield "N2: a file that the user has changed was forgotten before it was put aside"
        if row is not None and row.state == "done" and final is None and changed is None:
            self.states += 1
            yield "N3: done in the ledger, and not there"
        if final is not None:
            for content in self._contents(final, None):
                if content in self._users:
                    continue
                if content not in self._right:
                    yield f"N1: {len(content)} wrong bytes under the final name"
                elif row is not None and row.state == "done" and hashlib.sha256(content).hexdigest() != row.sha256:
                    yield "N3: done in the ledger, and another file there"
        if row is None or row.state == "done":
            return
        part = next((names[p] for p in self._part_paths(row) if p in names), None)
        if part is None:
            self.states += 1
            return
        reach = None if self._belief is by_size else row.part.durable if row.part else 0
        for content in self._contents(part, reach):
            kept = self._belief(content, row.part)
            if any(whole.startswith(kept) for whole in self._right):
                continue
            as_received = row.part is not None and hashlib.sha256(kept).hexdigest() == row.part.sha256
            if self._honest or not as_received:
                yield f"N1: would go on from {len(kept)} wrong bytes"

    def _part_paths(self, row: Row) -> Iterator[str]:
        if row.part is not None:
            yield f"{PARTS}/{row.part.name}"
        for gen in (row.gen, row.gen - 1):
            yield f"{PARTS}/{self._item_id}.{gen}.part"

    def _contents(self, file: int, reach: int | None) -> Iterator[bytes]:
        """What a file may hold; with `reach`, only what matters to its first bytes."""
        pending = [
            write
            for _, write in self._disk.writes.get(file, [])
            if reach is None or write.offset < reach or write.data is None
        ]
        durable, room = self._disk.contents.get(file, b""), max(1, self._most - self.states)
        for content in contents(durable, pending, room, self._rng):
            self.states += 1
            yield content


def lay_out(tape: Tape, point: int, root: Path, rng: random.Random) -> str:
    """Make one of the states after `point` events real, in an empty folder; returns what it is like, in words."""
    disk = Disk.of(tape)
    databases: list[bytes | None] = [tape.database]
    for number, event in enumerate(tape.events):
        if number < point:
            disk.feed(number, event)
        if isinstance(event, Committed):
            if number < point:
                databases = [event.database]
            elif isinstance(tape.events[point - 1], Committing) and len(databases) < 2:
                databases.append(event.database)
    names = dict(disk.names)
    for _, event in disk.renames:
        if rng.random() < 0.5:
            rename(names, event)
    parts = root / PARTS
    parts.mkdir(parents=True, mode=0o700)
    laid: dict[int, Path] = {}
    for path, file in sorted(names.items()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if file in laid:
            os.link(laid[file], target)
            continue
        laid[file] = target
        pending = [write for _, write in disk.writes.get(file, [])]
        fate = [(write, rng.choice(_fates(write))) for write in pending]
        target.write_bytes(apply(disk.contents.get(file, b""), fate))
    database = rng.choice(databases)
    if database is not None:
        (root / STATE_FOLDER / LEDGER_NAME).write_bytes(database)
    finals = sorted(path for path in names if not path.startswith(STATE_FOLDER))
    return f"point {point}: finals {finals}, parts {sorted(set(names) - set(finals))}, ledger {database is not None}"
