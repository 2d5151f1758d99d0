"""The configuration: one frozen tree, read from TOML, refused early and completely.

Three layers, later ones win: the file, environment variables LANDSAT_ASYNC__TABLE__KEY, overrides
`table.key=value`. Every key has one reader in `config_tables.READERS`; a reader returns the value or raises ValueError
with what is wrong. All problems are collected and raised together, so that a file is mended in one go.

Only msgspec and the standard library are imported here: `--help` must stay quick.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from landsat_async import config_readers as read
from landsat_async.config_area import AreaText
from landsat_async.config_checks import check_together, check_window, cluster_together, ids_decide, store_together
from landsat_async.config_store import StoreConfig
from landsat_async.config_tables import (
    PATH_KEYS,
    READERS,
    DownloadConfig,
    HooksConfig,
    OutputConfig,
    ScaleConfig,
    SearchConfig,
    SelectConfig,
    ServiceConfig,
    SyncConfig,
)
from landsat_async.errors import ConfigError
from landsat_async.public import publish
from landsat_async.rules.select_type import choose_type
from landsat_async.rules.shards import Shard
from landsat_async.rules.store_url import is_store_url
from landsat_async.rules.toml_hint import toml_hint
from landsat_async.user_files import Unreadable, near_name, read_user_file, text_of

_FOLDERS = {"directory": "data", "spool": "spool", "state_dir": ".landsat_async"}
"""Defaults, beside the config file."""
ENVIRONMENT_PREFIX = "LANDSAT_ASYNC__"
EXAMPLE_TOML = (Path(__file__).parent / "config.example.toml").read_text(encoding="utf-8")

_FILE_BYTES_MAX = 4 * 1024**2


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
        output: What is made of the files after a run: table [output].
        sync: What becomes of files that a newer version has replaced: table [sync].
        hooks: What is done with complete scenes: table [hooks].
        store: How an object store is spoken to: table [store].
        scale: Other processes that transfer files: table [scale].
        path: Absolute path of the file; None when there was none.
        shard: The part of the selection that this run takes (`--shard`); None = all of it.
        notes: What the user should know about how the configuration was read.
        remarks: What was worked out while it was read, such as the day that "-60 days" means.
    """

    service: ServiceConfig
    search: SearchConfig
    select: SelectConfig
    download: DownloadConfig
    output: OutputConfig = OutputConfig()
    sync: SyncConfig = SyncConfig()
    hooks: HooksConfig = HooksConfig()
    store: StoreConfig = StoreConfig()
    scale: ScaleConfig = ScaleConfig()
    path: str | None = None
    shard: Shard | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

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
        given += _from_environment(os.environ if environ is None else environ, problems)
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

    def sharded(self, shard: str | None) -> Config:
        """Return the same configuration for one part `i/n` of the selection; None = for all of it.

        Raises:
            ConfigError: what was written is no part.
        """
        try:
            return msgspec.structs.replace(self, shard=None if shard is None else Shard.read(shard))
        except ValueError as error:
            raise _config_error([f"shard: {error}"]) from None


publish(Config)


def _read_toml(path: str) -> dict[str, Any]:
    try:
        body = read_user_file(path, _FILE_BYTES_MAX)
    except FileNotFoundError:
        meant = near_name(path)
        name = "" if path == "config.toml" else f" {shlex.quote(path)}"
        hint = "" if meant else f"`landsat-async init{name}` writes one to start from."
        raise ConfigError(f"{path}: there is no such file{meant}", hint=hint, reference="config-missing") from None
    except Unreadable as error:
        hint = "It is a folder: name the file in it." if os.path.isdir(path) else ""
        raise ConfigError(f"{path}: {error}", hint=hint, reference="config-unreadable") from None
    if len(body) > _FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than 4 MiB; this is not a configuration")
    try:
        text = text_of(body)  # Notepad writes a byte order mark
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
        hint = toml_hint(line, reason)
    except RecursionError:
        reason = "nested too deeply"
    except (ValueError, OverflowError):  # a number of thousands of digits
        reason = "holds a number that is far too long"
    raise ConfigError(f"{path}: not valid TOML: {reason}", hint=hint, reference="config-syntax")


def _from_table(data: Mapping[str, object], source: str, problems: list[str]) -> Iterator[_Given]:
    for table, content in ((str(name), content) for name, content in data.items()):
        if table in READERS and not isinstance(content, Mapping):
            problems.append(f"{source}: {table}: must be a table, [{table}]")
        elif isinstance(content, Mapping):
            if table not in READERS:
                problems.append(f"{source}: unknown table [{read.shown_key(table)}]{read.nearest(table, READERS)}")
                continue
            for key, value in content.items():
                yield _Given(source, table, str(key), value)
        else:
            yield _Given(source, "", table, content)


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> Iterator[_Given]:
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            table, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            if table and key:
                yield _Given(name, table, key, _toml_value(environ[name]), environ[name])
            else:
                problems.append(f"{read.shown_key(name)}: must have the form {ENVIRONMENT_PREFIX}TABLE__KEY")


def _from_overrides(overrides: Sequence[str], problems: list[str]) -> Iterator[_Given]:
    for text in overrides:
        dotted, equals, raw = text.partition("=")
        table, _, key = dotted.strip().partition(".")
        if equals and table and key:
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
    values: dict[str, dict[str, Any]] = {table: {} for table in READERS}
    values["download"] = {key: os.path.join(base_dir, name) for key, name in _FOLDERS.items()}
    refused: set[str] = set()
    said: dict[str, tuple[list[str], list[str]]] = {}  # of each key by its last source alone: the others do not count
    for item in given:
        dotted = f"{item.table}.{item.key}" if item.table else item.key
        reader = READERS.get(item.table, {}).get(item.key)
        if reader is None:
            problems.append(f"{item.source}: {_unknown(item)}")
            continue
        said[dotted] = [], []
        try:
            value = reader(read.Written(item.value, item.raw, said[dotted][0], dotted, said[dotted][1]))
        except ValueError as error:
            problems.append(f"{item.source}: {dotted}: {error}")
            refused.add(dotted)
            continue
        given_itself = value == "" or isinstance(value, AreaText) or is_store_url(str(value))
        if dotted in PATH_KEYS and not given_itself:
            value = _for_this_system(os.path.abspath(os.path.join(base_dir, os.path.expanduser(str(value)))))
        values[item.table][item.key] = value
    notes = [text for own, _ in said.values() for text in own]
    remarks = [text for _, own in said.values() for text in own]
    search = values["search"]
    _read_scenes(search, given, refused, source, problems)
    search["relative"] = tuple(_relative(search, given))
    check_together(search, refused, source, problems, remarks)
    if "select.type" not in refused:
        wrong, idle = choose_type(values["select"], refused)
        problems += [f"{source}: {problem}" for problem in wrong]
        notes += idle
    problems += [f"{source}: {problem}" for problem in (*store_together(values), *cluster_together(values))]
    wrong, idle = check_window(search, values["select"], refused)
    problems += [f"{source}: {problem}" for problem in wrong]
    notes += idle
    if problems:
        raise _config_error(problems)
    if search.get("scenes"):
        asked = any(one.source == "override" and one.key in ("scenes", "scenes_file") for one in given)
        notes += [] if asked else ids_decide(search)  # who names ids on the command line knows that
    elif search.get("min_coverage", 0.0) > 0 and not {"aoi", "bbox"} & set(search):
        notes.append("search.min_coverage has no effect without search.aoi or search.bbox")
    output = OutputConfig(**values["output"])
    if output.stac or output.vrt:  # without the metadata file an item says little
        values["select"]["metadata"] = True
    return Config(
        service=ServiceConfig(**values["service"]),
        search=SearchConfig(**search),
        select=SelectConfig(**values["select"]),
        download=DownloadConfig(**values["download"]),
        output=output,
        sync=SyncConfig(**values["sync"]),
        hooks=HooksConfig(**values["hooks"]),
        store=StoreConfig(**values["store"]),
        scale=ScaleConfig(**values["scale"]),
        path=path,
        notes=tuple(notes),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _read_scenes(
    search: dict[str, Any], given: Sequence[_Given], refused: set[str], source: str, problems: list[str]
) -> None:
    """Read the ids of `scenes_file`. Beside `scenes` the later source counts; both in one are a fault."""
    sources = {item.key: item.source for item in given if item.table == "search"}
    order = [item.key for item in given if item.table == "search" and item.key in ("scenes", "scenes_file")]
    if {"scenes", "scenes_file"} <= set(search):
        if sources["scenes"] == sources["scenes_file"]:
            problems.append(f"{source}: search.scenes_file: cannot be used together with search.scenes; remove one")
            return
        del search["scenes" if order[-1] == "scenes_file" else "scenes_file"]
    path = search.get("scenes_file")
    if path is None:
        return
    from landsat_async.scene_files import read_scenes_file  # with what reads tables: few searches name a file

    try:
        found = read_scenes_file(path)
    except ValueError as error:
        problems.append(f"{sources['scenes_file']}: search.scenes_file: {path}: {error}")
        refused.add("search.scenes")
        return
    search["scenes"] = found.ids
    if found.dataset is not None and not {"dataset", "sensors", "level"} & set(search):
        search["dataset"] = (found.dataset,)


def _relative(search: Mapping[str, Any], given: Sequence[_Given]) -> Iterator[str]:
    """What was written of days that are counted from today; the last source counts."""
    last = {item.key: item.value for item in given if item.table == "search" and item.key in search}
    for key in ("start", "end"):
        value = last.get(key)
        if isinstance(value, str) and not value.strip()[:4].isdigit():
            yield f"{key} = {value.strip()}"


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
    if item.table and item.table not in READERS:
        return f"unknown table [{read.shown_key(item.table)}]{read.nearest(item.table, READERS)}"
    everywhere = {key: f"{table}.{key}" for table, keys in READERS.items() for key in keys}
    if item.key in everywhere:
        return f"unknown key {dotted}; did you mean {everywhere[item.key]}?"
    return f"unknown key {dotted}{read.nearest(item.key, READERS.get(item.table) or everywhere)}"
