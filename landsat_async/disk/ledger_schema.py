"""Tables of the ledger, and opening them.

No URL, token, user name or contact id has a column. Times are unix seconds (UTC).
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePath
from typing import Any

import msgspec

from landsat_async.disk.fs import NEW, FileInUse, Fs, local_fs
from landsat_async.disk.ledger_writer import BUSY_STEP_S, translate
from landsat_async.errors import LedgerError
from landsat_async.model import Identity, Proof, Route
from landsat_async.rules.lifecycle import State

VERSION = 5
_NEW_SINCE = {
    2: {"replaced", "settled"},
    3: {"evidence", "stranger", "named"},
    4: {
        "footprint",
        "hook_ended",
        "hook_due",
        "item_scene",
        "sync_mark",
        "sync_scene",
        "sync_item",
        "superseded",
        "observed",
        "speed",
        "window",
        "measured",
    },
    5: {"item_waiting"},
}
"""Version -> what it has that the one before had not; opening for writing adds it."""
_GONE_SINCE = {5: {"item_label", "item_entity"}}
"""Version -> what the one before had and it has not; opening for writing takes it away."""

BUSY_OPENING_S = 3.0
"""For so long others may hold the ledger while it is opened: nothing can be reported yet, so the wait is short."""


def _listed(names: Iterable[str]) -> str:
    return ",".join(f"'{name}'" for name in names)


_STATES = " OR ".join(f"state='{state}'" for state in State)
_STATES_UNTIL_4 = f"state IN({_listed(State)})"
"""Says the same; but for an IN of more than two SQLite makes a table of its own each time that a row changes."""
TABLES = f"""
CREATE TABLE IF NOT EXISTS run(
  run_id TEXT PRIMARY KEY, started REAL NOT NULL, ended REAL, exit_code INTEGER);
CREATE TABLE IF NOT EXISTS scene(
  display_id TEXT PRIMARY KEY, entity_id TEXT NOT NULL, dataset TEXT NOT NULL,
  acquired TEXT, cloud_cover REAL, published TEXT, seen REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS item(
  item_id INTEGER PRIMARY KEY, relpath TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT NOT NULL, kind TEXT NOT NULL,
  scene_entity_id TEXT NOT NULL, scene_display_id TEXT NOT NULL, entity_id TEXT NOT NULL, product_id TEXT NOT NULL,
  system TEXT NOT NULL, routes TEXT NOT NULL, route INTEGER NOT NULL DEFAULT 0,
  group_dataset TEXT, file_groups TEXT NOT NULL DEFAULT '[]', bytes_nominal INTEGER,
  state TEXT NOT NULL CHECK({_STATES}),
  gen INTEGER NOT NULL DEFAULT 0, run_id TEXT NOT NULL, label TEXT, download_id INTEGER, asked_at REAL,
  spent TEXT NOT NULL DEFAULT '[]',
  asks INTEGER NOT NULL DEFAULT 0, fresh INTEGER NOT NULL DEFAULT 0, missed INTEGER NOT NULL DEFAULT 0,
  next_try REAL NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', hint TEXT NOT NULL DEFAULT '',
  updated REAL NOT NULL);
CREATE INDEX IF NOT EXISTS item_state ON item(run_id, state, next_try);
CREATE INDEX IF NOT EXISTS item_waiting ON item(label) WHERE state IN('requested','preparing');
CREATE TABLE IF NOT EXISTS request(
  label TEXT PRIMARY KEY, run_id TEXT NOT NULL, created REAL NOT NULL, downloads INTEGER NOT NULL,
  foreign_label INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS asked(at REAL NOT NULL, downloads INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS part(
  item_id INTEGER PRIMARY KEY, name TEXT NOT NULL, durable INTEGER NOT NULL, facts BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS file(
  item_id INTEGER PRIMARY KEY, size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, proof TEXT NOT NULL,
  mtime_ns INTEGER NOT NULL, done REAL NOT NULL, report INTEGER NOT NULL DEFAULT 0, download_id INTEGER);
CREATE INDEX IF NOT EXISTS file_report ON file(report) WHERE report = 1;
CREATE TABLE IF NOT EXISTS evidence(
  item_id INTEGER PRIMARY KEY, identity TEXT NOT NULL, adopted INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stranger(relpath TEXT PRIMARY KEY COLLATE NOCASE, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named(planned TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS observed(
  host TEXT NOT NULL, topic TEXT NOT NULL, value TEXT NOT NULL, count INTEGER NOT NULL, low REAL, high REAL,
  first REAL NOT NULL, last REAL NOT NULL, PRIMARY KEY(host, topic, value)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staged(system TEXT NOT NULL, waited_s REAL NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS replaced(display_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settled(
  display_id TEXT NOT NULL, item_id INTEGER NOT NULL, choice TEXT NOT NULL, files INTEGER NOT NULL, at REAL NOT NULL,
  PRIMARY KEY(display_id, item_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS footprint(display_id TEXT PRIMARY KEY, geometry TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS item_scene ON item(scene_display_id);
CREATE TABLE IF NOT EXISTS hook_due(display_id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hook_ended(
  display_id TEXT PRIMARY KEY, files TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sync_mark(
  mark TEXT PRIMARY KEY, began REAL NOT NULL, full_at REAL NOT NULL, fields TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sync_scene(
  display_id TEXT PRIMARY KEY, entity_id TEXT NOT NULL, dataset TEXT NOT NULL, acquired TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sync_item(item_id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS superseded(
  relpath TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL, action TEXT NOT NULL, moved_to TEXT NOT NULL,
  size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, at REAL NOT NULL, done INTEGER NOT NULL,
  PRIMARY KEY(relpath, new)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS speed(
  run_id TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, flowing_s REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS window(
  item_id INTEGER PRIMARY KEY, source TEXT NOT NULL, source_bytes INTEGER NOT NULL, validator TEXT NOT NULL,
  transport TEXT NOT NULL, whole_proof TEXT NOT NULL, tiles INTEGER NOT NULL, box TEXT NOT NULL, no_data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS measured(
  display_id TEXT NOT NULL, area TEXT NOT NULL, counts TEXT NOT NULL, pixels INTEGER NOT NULL, valid INTEGER NOT NULL,
  cloud INTEGER NOT NULL, shadow INTEGER, snow INTEGER, at REAL NOT NULL,
  PRIMARY KEY(display_id, area, counts)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scene_list(list_id TEXT PRIMARY KEY, created REAL NOT NULL);
"""


_IMPOSSIBLE = (
    "item WHERE state='done' AND item_id NOT IN(SELECT item_id FROM file)",
    "item WHERE relpath<>name AND relpath NOT LIKE '%/'||name OR kind NOT IN('bundle','file','product','measure')",
    "item WHERE gen NOT BETWEEN 0 AND 1e9",
    f"file WHERE length(sha256)<>64 OR size_bytes<0 OR proof NOT IN({_listed(Proof)})",
    "measured WHERE NOT(0<=cloud AND cloud<=valid AND valid<=pixels)",
    f"evidence WHERE identity NOT IN({_listed(Identity)})",
)
"""What no run writes: a name that is not the end of the path would let a file be proven as something else."""


class LedgerNewer(LedgerError):
    """The database of the folder was made by a newer version of this program."""

    exit_code = 2
    default_reference = "ledger-newer"


class LedgerDamaged(LedgerError):
    """The ledger cannot be read; a run sets it aside and goes on without it."""


def connect(path: Path, fs: Fs | None = None) -> sqlite3.Connection:
    """Open (and create) the ledger for writing; for the ledger thread.

    WAL with synchronous=FULL makes each commit durable on a local disk. File systems that refuse WAL (several network
    and FUSE ones do, some only at the first write) get the rollback journal, which is durable there as far as they are.
    A damaged file is set aside as `.bad-<time>`: what is on disk is proven again, so history is lost, never data.
    """
    fs = fs or local_fs()
    connection = _open(path, fs)
    try:
        _prepare(connection)
    except LedgerNewer:
        connection.close()
        raise
    except (sqlite3.DatabaseError, msgspec.DecodeError, UnicodeDecodeError) as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and not _means_damage(error):
            raise
        set_aside(path, fs)
        connection = _open(path, fs)
        _prepare(connection)
    connection.execute(f"PRAGMA busy_timeout={1000 * BUSY_STEP_S:.0f}")
    return connection


def _means_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open for reading only, also while a run is going on. Raises LedgerError, here and for what the block reads."""
    try:
        connecting = sqlite3.connect(
            reading_uri(path.absolute()), uri=True, timeout=BUSY_OPENING_S, isolation_level=None
        )
        with contextlib.closing(connecting) as connection:
            connection.row_factory = sqlite3.Row
            _check(connection)
            _stand_in_for_younger_tables(connection)
            yield connection
    except (sqlite3.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        if isinstance(error, sqlite3.Error) and not _means_damage(error):
            raise translate(error, path.name) from None
        raise LedgerDamaged(
            f"The database {path.name} is damaged.",
            hint="The next run sets it aside and verifies again what is on disk; history is lost, never data.",
        ) from None


def _stand_in_for_younger_tables(connection: sqlite3.Connection) -> None:
    """Give a ledger of an older version, which must not be written to, empty tables in place of those that it lacks."""
    here = {name for name, _ in _tables_of(connection)}
    for name, sql in _tables_of_this_version():
        if name not in here and sql.startswith("CREATE TABLE"):
            connection.execute(sql.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))


def reading_uri(path: PurePath) -> str:
    """Return the URI with which SQLite opens an absolute path for reading only."""
    uri = path.as_uri()
    if path.drive.startswith("\\\\"):  # a share of Windows: SQLite takes no server as the authority of a URI
        uri = f"file:////{uri.removeprefix('file://')}"
    return f"{uri}?mode=ro"


def set_aside(path: Path, fs: Fs) -> None:
    """Rename a damaged ledger and its companions. Raises LedgerError while another program has it open."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    for suffix in ("", "-wal", "-shm", "-journal"):
        try:
            fs.replace(f"{path}{suffix}", f"{path}.bad-{stamp}{suffix}")
        except FileNotFoundError:
            pass
        except FileInUse:
            raise LedgerError(
                f"The database {path} is damaged, and open in another program.",
                hint="Close that program (status, a database viewer) and run the same command again.",
            ) from None


def _open(path: Path, fs: Fs) -> sqlite3.Connection:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISLNK(fs.lstat(str(path)).st_mode):
            raise LedgerError(
                f"The database {path} is a symbolic link.", hint="Remove the link; the database lies there itself."
            )
    with contextlib.suppress(FileExistsError):
        fs.close(fs.open(str(path), NEW))
    connection = sqlite3.connect(path, timeout=BUSY_OPENING_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    for name in ("fullfsync", "checkpoint_fullfsync"):  # macOS: past the drive's cache; elsewhere without effect
        connection.execute(f"PRAGMA {name}=1")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    _check(connection)
    give_up_s = time.monotonic() + BUSY_OPENING_S
    while True:
        try:
            _write_tables(connection, "WAL")
            return
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_BUSY and time.monotonic() > give_up_s):
                raise
            if code != sqlite3.SQLITE_BUSY:
                _write_tables(connection, "DELETE")
                return
        time.sleep(0.02)  # a change of the journal does not wait for others by itself


def _check(connection: sqlite3.Connection) -> None:
    """Raise when the database is not what a run of this program has left, as far as that can be seen.

    SQLite has no checksums. Its own check finds wrong trees and indexes, not wrong values; those are found here where
    believing them would do harm.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise LedgerNewer(
            f"The database was made by a newer version of landsat_async (format {version}, this one knows {VERSION}).",
            hint="Update landsat_async, or use another output folder.",
        )
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise _Damaged(verdict)
    tables = _tables_of(connection)
    if not tables:
        return  # new
    pattern = set(_tables_of_this_version())
    lacking = {name for name, _ in pattern.difference(tables)}
    younger, gone = _later(_NEW_SINCE, version), _later(_GONE_SINCE, version)
    if not pattern.issuperset(one for one in tables if one[0] not in gone) or not lacking <= younger:
        raise _Damaged("other tables than this program makes")
    for name in (name for name, sql in tables if sql.startswith("CREATE TABLE")):
        wrong = " OR ".join(map(_is_of_wrong_type, connection.execute(f"PRAGMA table_info({name})")))
        if connection.execute(f"SELECT 1 FROM {name} WHERE {wrong} LIMIT 1").fetchone():
            raise _Damaged(f"a value of {name} has a wrong type")
    for what in _IMPOSSIBLE:
        if what.partition(" ")[0] in lacking:
            continue
        if connection.execute(f"SELECT 1 FROM {what} LIMIT 1").fetchone():
            raise _Damaged(f"impossible: {what}")
    for routes, groups in connection.execute("SELECT CAST(routes AS BLOB), CAST(file_groups AS BLOB) FROM item"):
        _read_routes(routes)
        _read_names(groups)


def _later(changes: Mapping[int, Set[str]], version: int) -> set[str]:
    return set[str]().union(*(names for since, names in changes.items() if since > version))


def _tables_of_this_version() -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as pattern:
        pattern.executescript(TABLES)
        return _tables_of(pattern)


def _tables_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(name, sql.replace(_STATES_UNTIL_4, _STATES)) for name, sql in rows]


def _is_of_wrong_type(column: Sequence[Any]) -> str:
    _, name, declared, not_null, _, primary = column
    allowed = [declared.lower(), *([] if not_null or primary else ["null"])]
    return f"typeof({name}) NOT IN({','.join(map(repr, allowed))})"


_read_routes = msgspec.json.Decoder(tuple[Route, ...]).decode
_read_names = msgspec.json.Decoder(tuple[str, ...]).decode


def _write_tables(connection: sqlite3.Connection, journal: str) -> None:
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("PRAGMA synchronous=FULL")
    old = "".join(f"DROP INDEX IF EXISTS {name};" for names in _GONE_SINCE.values() for name in sorted(names))
    connection.executescript(f"BEGIN IMMEDIATE; {TABLES}{old} PRAGMA user_version={VERSION}; COMMIT;")


class _Damaged(sqlite3.DatabaseError):
    sqlite_errorcode = sqlite3.SQLITE_CORRUPT
