"""What a command is: its name, its words, its options and what it calls. The commands stand in `commands`.

A new command is one function there, under the decorator `command` with its options. Parser, help, did-you-mean,
completion and the man page are made from this table. Imports nothing heavy: `--help` must stay quick, so these are
tuples with names: `dataclasses` would take a fifth of the time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from landsat_async.show.output import Output

CONFIG_FILE = "config.toml"
"""What every command that reads a config takes where none is named."""

BEGIN = "Begin"
LOOK = "Look before anything is ordered"
FETCH = "Download"
KEEP = "Look at what is here"
SHELL = "Shell and editor"
GROUPS = (BEGIN, LOOK, FETCH, KEEP, SHELL)
"""Headings of the list of commands, in their order."""


class Option(NamedTuple):
    """One option or argument of a command.

    Attributes:
        names: As argparse takes them: ("-q", "--quiet"), or one name without dashes for an argument.
        settings: What else argparse is told.
        files: What the shell completes after it: "file", "folder", or "" for nothing.
    """

    names: tuple[str, ...]
    settings: dict[str, Any]
    files: str = ""


def option(*names: str, files: str = "", **settings: Any) -> Option:
    """Return an option or argument; `settings` are those of `ArgumentParser.add_argument`."""
    return Option(names, settings, files)


class Command(NamedTuple):
    """One command.

    Attributes:
        name: As it is typed.
        group: The heading under which the list of commands has it.
        text: What it does, in one line that begins with a small letter.
        examples: Pairs of a command line and what it is for.
        call: Runs it and returns its exit code.
        options: Its own, besides those that all have.
        config: It takes the path of a config, and of nothing where none is named.
        service: It reads a config or asks the service, and knows the options that override the file.
        scenes: It takes a list of scene ids in place of a search.
        data: It prints data, and has --json.
        more: What its help says below the first line.
        hidden: Not in the list: for programs.
    """

    name: str
    group: str
    text: str
    examples: tuple[tuple[str, str], ...]
    call: Callable[[argparse.Namespace, Output], int]
    options: tuple[Option, ...] = ()
    config: bool = False
    service: bool = False
    scenes: bool = False
    data: bool = True
    more: str = ""
    hidden: bool = False

    def all_options(self) -> tuple[Option, ...]:
        """Return its own options and those that commands of its kind share."""
        shared: tuple[Option, ...] = ()
        if self.config:
            shared += (_CONFIG,)
        own = (*shared, *self.options)
        if self.scenes:
            own += (_SCENES,)
        return (*own, *self.common_options())

    def common_options(self) -> tuple[Option, ...]:
        """Return the options that commands of its kind share."""
        return (
            *((_DIRECTORY, _SET) if self.service else ()),
            *((_JSON,) if self.data else ()),
            *((_NO_PROGRESS,) if self.data else ()),
            _QUIET,
            _VERBOSE,
        )


_CONFIG = option("config", nargs="?", metavar=CONFIG_FILE, files="file", help="the job's file; default: ./config.toml")
_SCENES = option("--scenes", metavar="FILE", files="file", help="fetch these ids only: a list, a CSV; - = stdin")
_JSON = option("--json", action="store_true", help="JSON lines on stdout and nothing else there")
_QUIET = option("-q", "--quiet", action="store_true", help="say nothing on success")
_VERBOSE = option("-v", "--verbose", action="store_true", help="say more, with tracebacks for bugs")
_NO_PROGRESS = option("--no-progress", action="store_true", help="no progress display")
_DIRECTORY = option("--directory", metavar="PATH", files="folder", help="output folder, instead of the file's")
_SET = option(
    "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="override one key of the file (TOML value)"
)

COMMANDS: dict[str, Command] = {}
"""All commands by name, in the order of `commands`."""


def command(
    name: str,
    group: str,
    text: str,
    *,
    examples: tuple[tuple[str, str], ...] = (),
    options: tuple[Option, ...] = (),
    config: bool = False,
    service: bool = False,
    scenes: bool = False,
    data: bool = True,
    more: str = "",
    hidden: bool = False,
) -> Callable[[Callable[[argparse.Namespace, Output], int]], Callable[[argparse.Namespace, Output], int]]:
    """Put the function below into the table of commands; what the arguments mean stands at `Command`."""

    def add(call: Callable[[argparse.Namespace, Output], int]) -> Callable[[argparse.Namespace, Output], int]:
        COMMANDS[name] = Command(
            name, group, text, examples, call, options, config, service or config, scenes, data, more, hidden
        )
        return call

    return add
