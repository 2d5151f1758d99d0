"""The configuration: one frozen tree, read from TOML, refused early and completely.

Three layers, later ones win: the file, environment variables LANDSAT_ASYNC__TABLE__KEY, overrides
`table.key=value`. Every key has one reader in `_READERS`; a reader returns the value or raises ValueError
with what is wrong. All problems are collected and raised together, so that a file is mended in one go.

Only msgspec and the standard library are imported here: `--help` must stay quick.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from landsat_async import config_readers as read
from landsat_async.errors import ConfigError
from landsat_async.model import Proof
from landsat_async.public import publish
from landsat_async.rules.naming import check_layout
from landsat_async.rules.search_dataset import choose_dataset
from landsat_async.rules.select_type import choose_type
from landsat_async.user_files import Unreadable, read_user_file

SERVICE_URL = "https://m2m.cr.usgs.gov/api/api/json/stable/"
ENVIRONMENT_PREFIX = "LANDSAT_ASYNC__"
EXAMPLE_TOML = (Path(__file__).parent / "config.example.toml").read_text(encoding="utf-8")

_FILE_BYTES_MAX = 4 * 1024**2
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
    file_hosts: tuple[str, ...] = ("*.usgs.gov",)
    """Hosts that files may come from, besides the host of `url`."""


class SearchConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which scenes. `scenes`, when given, decides alone."""

    dataset: str | None = None
    """Alias; filled in after the checks, also from `scenes`. None only where their ids name several datasets."""
    aoi: str | None = None
    """Absolute path of the area file."""
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
    path_row: tuple[tuple[int, int], ...] = ()
    tiers: tuple[str, ...] = ()
    """T1, T2, RT; empty = all."""
    min_coverage: float = 0.0
    """Share of the AOI that a footprint must cover, 0..1."""
    limit: int = 0
    """0 = all scenes."""
    order: Literal["newest", "oldest", "least_cloud"] = "newest"
    """Which scenes a limit takes."""
    scenes: tuple[str, ...] = ()
    """Entity or display ids."""


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

    @property
    def may_replace_bundles(self) -> bool:
        """Whether `bundle_fallback` says something: only bundles are replaced."""
        return self.bundle_fallback and self.type == "bundle"


class DownloadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, and how hard."""

    directory: str = "data"
    """Absolute path."""
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
    min_free_bytes: int = 1024**3
    """The disk is never filled beyond this."""
    proof: str = Proof.STRUCTURE.value
    """What a file is held against before it gets its final name, where its kind allows it:
    structure, content or published, see `Proof`."""


_READERS: dict[str, dict[str, read.Reader]] = {
    "service": {
        "url": read.service_url,
        "username": read.text(),
        "credentials_file": read.path,
        "ca_bundle": read.path,
        "token_command": read.command,
        "patience_s": read.number(0.0, _YEAR_S),
        "file_hosts": read.texts(read.host_pattern, 'host names like "*.usgs.gov"'),
    },
    "search": {
        "dataset": read.text(pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", form='a name like "landsat_ot_c2_l2"'),
        "aoi": read.path,
        "bbox": read.bbox,
        "start": read.day,
        "end": read.day,
        "cloud_cover": read.percent_span,
        "include_unknown_cloud": read.flag,
        "months": read.months,
        "path_row": read.path_rows,
        "tiers": read.texts(read.tier, 'tiers like "T1"'),
        "min_coverage": read.number(0.0, 1.0),
        "limit": read.whole(0, 10_000_000),
        "order": read.choice("newest", "oldest", "least_cloud"),
        "scenes": read.texts(read.scene_id, "scene ids"),
    },
    "select": {
        "type": read.choice("bundle", "band", "band_group", "all", "product"),
        "bands": read.texts(read.band_pattern, 'bands like "SR_B3"'),
        "products": read.texts(read.product_pattern, 'products like "*Surface Reflectance*"'),
        "file_groups": read.texts(read.plain_word, 'file groups like "ls_c2l2_sr_band"'),
        "bundle_fallback": read.flag,
    },
    "download": {
        "directory": read.path,
        "layout": read.text(check=check_layout, empty_ok=True),
        "workers": read.whole(1, 64),
        "queue_size": read.whole(1, 100_000),
        "connections_per_file": read.whole(1, 16),
        "poll_interval_s": read.number(0.001, 86400.0),
        "staging_timeout_s": read.number(0.001, _YEAR_S),
        "attempts": read.whole(1, 1000),
        "stall_timeout_s": read.number(0.001, 86400.0),
        "min_free_bytes": read.size_bytes,
        "proof": read.choice(*[level.value for level in Proof if level is not Proof.LENGTH]),
    },
}
_PATH_KEYS = {"service.credentials_file", "service.ca_bundle", "search.aoi", "download.directory"}


class _Given(NamedTuple):
    """One value, and where it was written."""

    source: str
    """File path, variable name or "override": the first part of every problem text."""
    table: str
    key: str
    value: object
    raw: str | None = None
    """The text before it was read as TOML; None for values of the file."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration; every value is checked and every path absolute.

    Attributes:
        service: Where the service is and who asks: table [service].
        search: Which scenes: table [search].
        select: Which files of each scene: table [select].
        download: Where to, and how hard: table [download].
        path: Absolute path of the file; None when there was none.
        notes: What the user should know about how the configuration was read.
    """

    service: ServiceConfig
    search: SearchConfig
    select: SelectConfig
    download: DownloadConfig
    path: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None,
        *,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> Config:
        """Read a file, then the environment, then `table.key=value` overrides.

        `path` None = no file: relative paths are then relative to the working directory.

        Raises:
            ConfigError: with every fault found in `problems`.
        """
        name = "environment" if path is None else os.fspath(path)
        file = None if path is None else os.path.abspath(path)
        problems: list[str] = []
        given = list(_from_table(_read_toml(name), name, problems)) if path is not None else []
        given += _from_environment(os.environ if environ is None else environ)
        given += _from_overrides(overrides, problems)
        base_dir = os.path.dirname(file) if file is not None else os.getcwd()
        return _build(given, problems, source=name, base_dir=base_dir, path=file)

    @classmethod
    def from_dict(cls, data: Mapping[str, object], *, base_dir: str | os.PathLike[str] = ".") -> Config:
        """Check a nested dict of the same shape as the file; relative paths are relative to `base_dir`.

        Raises:
            ConfigError: with every fault found in `problems`.
        """
        if not isinstance(data, Mapping):
            raise _config_error([f"configuration: must be tables with keys (a dict), not {type(data).__name__}"])
        problems: list[str] = []
        given = list(_from_table(data, "configuration", problems))
        return _build(given, problems, source="configuration", base_dir=os.path.abspath(base_dir), path=None)


publish(Config)


def write_example(path: str | os.PathLike[str]) -> None:
    """Write the commented example; never over a file that is there."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(EXAMPLE_TOML)
    except FileExistsError:
        hint = "Nothing was changed; give another name."
        raise ConfigError(f"{os.fspath(path)} is already there", hint=hint, reference="file-exists") from None
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)} cannot be written: {error.strerror}") from None


def _read_toml(path: str) -> dict[str, Any]:
    try:
        body = read_user_file(path, _FILE_BYTES_MAX)
    except FileNotFoundError:
        hint = "`python -m landsat_async init` writes one to start from."
        raise ConfigError(f"{path}: there is no such file", hint=hint, reference="config-missing") from None
    except Unreadable as error:
        raise ConfigError(f"{path}: {error}", reference="config-unreadable") from None
    if len(body) > _FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than 4 MiB; this is no configuration")
    try:
        text = body.decode("utf-8-sig")  # Notepad writes a byte order mark
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        hint = "Save the file with the encoding UTF-8."
        raise ConfigError(f"{path}: line {line} is not UTF-8", hint=hint, reference="config-syntax") from None
    return _parse_toml(text, path)


def _parse_toml(text: str, path: str) -> dict[str, Any]:
    hint = ""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        at = re.search(r"at line (\d+)", reason)
        line = text.split("\n")[int(at[1]) - 1] if at else ""
        if re.search(r'"[^"]*\\', line):
            hint = r"In double quotes \ starts an escape: write the path in single quotes ('C:\data') or with /."
    except RecursionError:
        reason = "nested too deeply"
    except (ValueError, OverflowError):  # a number of thousands of digits
        reason = "holds a number that is far too long"
    raise ConfigError(f"{path}: no valid TOML: {reason}", hint=hint, reference="config-syntax")


def _from_table(data: Mapping[str, object], source: str, problems: list[str]) -> Iterator[_Given]:
    for table, content in ((str(name), content) for name, content in data.items()):
        if table in _READERS and not isinstance(content, Mapping):
            problems.append(f"{source}: {table}: must be a table, [{table}]")
        elif isinstance(content, Mapping):
            if table not in _READERS:
                problems.append(f"{source}: unknown table [{read.shown_key(table)}]{read.nearest(table, _READERS)}")
                continue
            for key, value in content.items():
                yield _Given(source, table, str(key), value)
        else:
            yield _Given(source, "", table, content)


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            table, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            yield _Given(name, table, key, _toml_value(environ[name]), environ[name])


def _from_overrides(overrides: Sequence[str], problems: list[str]) -> Iterator[_Given]:
    for text in overrides:
        dotted, equals, raw = text.partition("=")
        table, dot, key = dotted.strip().partition(".")
        if equals and dot:
            yield _Given("override", table, key, _toml_value(raw), raw)
        else:
            problems.append(f"override {read.shown_key(dotted)}: must have the form table.key=value")


def _toml_value(raw: str) -> object:
    """Read a value as TOML; what does not parse is a plain string."""
    try:
        document = tomllib.loads(f"value = {raw}")
    except (ValueError, RecursionError, OverflowError):
        return raw
    return document["value"] if len(document) == 1 else raw


def _build(given: Sequence[_Given], problems: list[str], *, source: str, base_dir: str, path: str | None) -> Config:
    values: dict[str, dict[str, Any]] = {table: {} for table in _READERS}
    values["download"]["directory"] = os.path.join(base_dir, "data")
    refused: set[str] = set()
    notes: list[str] = []
    for item in given:
        dotted = f"{item.table}.{item.key}" if item.table else item.key
        reader = _READERS.get(item.table, {}).get(item.key)
        if reader is None:
            problems.append(f"{item.source}: {_unknown(item)}")
            continue
        try:
            value = reader(read.Written(item.value, item.raw, notes, dotted))
        except ValueError as error:
            problems.append(f"{item.source}: {dotted}: {error}")
            refused.add(dotted)
            continue
        if dotted in _PATH_KEYS:
            value = _for_this_system(os.path.abspath(os.path.join(base_dir, os.path.expanduser(str(value)))))
        values[item.table][item.key] = value
    search = values["search"]
    _check_together(search, refused, source, problems)
    if "select.type" not in refused:
        wrong, idle = choose_type(values["select"], refused)
        problems += [f"{source}: {problem}" for problem in wrong]
        notes += idle
    if problems:
        raise _config_error(problems)
    if search.get("scenes"):
        notes += _ids_decide(search)
    elif search.get("min_coverage", 0.0) > 0 and not {"aoi", "bbox"} & set(search):
        notes.append("search.min_coverage has no effect without search.aoi or search.bbox")
    return Config(
        service=ServiceConfig(**values["service"]),
        search=SearchConfig(**search),
        select=SelectConfig(**values["select"]),
        download=DownloadConfig(**values["download"]),
        path=path,
        notes=tuple(notes),
    )


def _for_this_system(path: str) -> str:
    """Return a path as calls of the system take it: in UTF-8, also where the locale (LC_ALL=C) says ASCII."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return os.fsdecode(path.encode("utf-8", "surrogateescape"))
    return path


def _config_error(problems: list[str]) -> ConfigError:
    unique = tuple(dict.fromkeys(problems))
    head = unique[0] if len(unique) == 1 else f"{len(unique)} problems in the configuration:\n  " + "\n  ".join(unique)
    return ConfigError(head, problems=unique)


def _unknown(item: _Given) -> str:
    dotted = read.shown_key(f"{item.table}.{item.key}" if item.table else item.key)
    if "passw" in item.key.lower():
        return f"{dotted}: {read.PASSWORDS_ENDED}"
    if item.key.lower() in ("token", "api_key", "apikey"):
        return (
            f"{dotted}: a token does not belong in this file; put it in the variable USGS_TOKEN, or in a file of "
            "its own that service.credentials_file names"
        )
    if item.table and item.table not in _READERS:
        return f"unknown table [{read.shown_key(item.table)}]{read.nearest(item.table, _READERS)}"
    everywhere = {key: f"{table}.{key}" for table, keys in _READERS.items() for key in keys}
    if item.key in everywhere:
        return f"unknown key {dotted}; did you mean {everywhere[item.key]}?"
    return f"unknown key {dotted}{read.nearest(item.key, _READERS.get(item.table) or everywhere)}"


def _check_together(search: dict[str, Any], refused: set[str], source: str, problems: list[str]) -> None:
    """Find what is wrong only in combination; nothing is said about a value that was refused by itself."""
    if "aoi" in search and "bbox" in search:
        problems.append(f"{source}: search.bbox: cannot be used together with search.aoi; remove one of them")
    if re.match("landsat_(ot|etm|tm)_", search.get("dataset", "")):
        for wrs_path, wrs_row in search.get("path_row", ()):
            if wrs_path > read.WRS2_PATH_MAX:
                where = f"{wrs_path:03}/{wrs_row:03} does not exist in WRS-2, which Landsat 4 to 9 follow"
                problems.append(f"{source}: search.path_row: {where}; paths are 1 to {read.WRS2_PATH_MAX}")
    if "start" in search and "end" in search and search["start"] > search["end"]:
        problems.append(f"{source}: search.start: {search['start']} is later than search.end, {search['end']}")
    if "start" in search and search["start"] > dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1):
        problems.append(f"{source}: search.start: {search['start']} lies in the future")
    if refused & {"search.dataset", "search.scenes"}:
        return
    problems += [f"{source}: {problem}" for problem in choose_dataset(search)]


def _ids_decide(search: Mapping[str, object]) -> list[str]:
    filters = sorted(set(search) - {"dataset", "scenes"})
    if not filters:
        return []
    return [f"search.scenes decides alone: {', '.join(filters)} not applied as a filter"]
