"""The parser of the command line, made from the table of commands. A slip of the pen is answered with what is meant."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import NoReturn

from landsat_async import __version__
from landsat_async.rules.similar import similar
from landsat_async.show import begin_commands, commands, shell_commands  # noqa: F401  (they fill the table)
from landsat_async.show.command_table import COMMANDS, Command
from landsat_async.show.help_pages import command_page, main_page, usage_lines
from landsat_async.show.page_width import page_width
from landsat_async.show.program import PROGRAM

_ELSEWHERE = {
    "download": "run", "fetch": "run", "get": "run", "resume": "run", "continue": "run", "start": "run",
    "search": "scenes", "find": "scenes", "list": "scenes", "dry-run": "plan", "check": "verify",
    "update": "sync", "viz": "report", "map": "report", "auth": "login",
}  # fmt: skip
"""Words of other programs for what a command does here."""
_ALIKE = 0.65
"""Commands are few and short: "rum" and "run" have 0.67."""
_OPTIONS_ELSEWHERE = {
    "--dry-run": "the command plan", "--no-action": "the command plan",
    "--output-dir": "--directory", "--out": "--directory", "--dest": "--directory",
    "--max-workers": "--workers", "--concurrency": "--workers", "--jobs": "--workers", "--threads": "--workers",
    "--force": "--overwrite", "--silent": "--quiet", "--ids": "--scenes",
}  # fmt: skip
"""Options of other programs, and what does the same here."""


class UsageError(Exception):
    """A command line that cannot be understood; its text says what is likely meant."""


class CommandParser(argparse.ArgumentParser):
    """A parser that raises `UsageError` in place of printing all that it knows."""

    command: Command | None = None
    """None for the program as a whole."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving."""
        raise UsageError(message)

    def format_help(self) -> str:
        """Return the page of the command, as wide as the terminal."""
        width = page_width()
        return main_page(COMMANDS.values(), width) if self.command is None else command_page(self.command, width)


class _Version(argparse.Action):
    """Prints the version."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        parser.exit()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line, with the `Command` in `.command`.

    Raises:
        UsageError: it cannot be understood.
        SystemExit: --help or --version have been answered.
    """
    line = list(arguments)
    if not line or line[0] in ("-h", "--help", "--version"):
        _program_parser().parse_args(line[:1])
    if line[0].startswith("-"):
        name = next((word for word in line if word in COMMANDS), None)
        after = f"; options stand behind the command: {PROGRAM} {name} {line[0]}" if name else ""
        raise UsageError(f"there is no option {_shown(line[0])} before the command{after}")
    if line[0] not in COMMANDS:
        raise UsageError(_unknown_command(line[0]))
    command = COMMANDS[line[0]]
    parser = command_parser(command)
    given = _joined_values(line[1:])
    _refuse_unknown_options(parser, command, given)
    try:
        options, rest = parser.parse_known_args(given)
    except UsageError as error:
        raise UsageError(f"{error}\n{usage_lines(command)}") from None
    if rest and command.name == "login":  # what is too much may be the token
        raise UsageError(f"login takes no arguments: it asks, or reads the token from stdin\n{usage_lines(command)}")
    if rest:
        too_many = " ".join(_shown(word) for word in rest)
        raise UsageError(f"{command.name} does not know what to do with {too_many}\n{usage_lines(command)}")
    options.command = command
    return options


def command_parser(command: Command) -> CommandParser:
    """Return the parser of one command."""
    parser = CommandParser(prog=f"{PROGRAM} {command.name}", allow_abbrev=False)
    parser.command = command
    parser.add_argument("--version", action=_Version)
    for one in command.all_options():
        parser.add_argument(*one.names, **one.settings)
    return parser


def _program_parser() -> CommandParser:
    parser = CommandParser(prog=PROGRAM, allow_abbrev=False)
    parser.add_argument("--version", action=_Version)
    return parser


def _unknown_command(word: str) -> str:
    known = [name for name, command in COMMANDS.items() if not command.hidden]
    meant = _ELSEWHERE.get(word) or similar(word, known, alike=_ALIKE)
    if meant in known:
        return f"there is no command {_shown(word)}; did you mean {meant}?\ntry: {PROGRAM} {meant} --help"
    if word.endswith(".toml"):
        return f"the command is missing before {_shown(word)}\ntry: {PROGRAM} plan {word}"
    return f"there is no command {_shown(word)}; known are {', '.join(known)}\ntry: {PROGRAM} --help"


def _refuse_unknown_options(parser: CommandParser, command: Command, line: Sequence[str]) -> None:
    """Say which option is likely meant, before argparse takes the value of an unknown one for the config."""
    known = parser._option_string_actions
    for word in line:
        if word == "--":
            return
        name = word.partition("=")[0]
        if not word.startswith("-") or word == "-" or name in known or _is_number(word):
            continue
        if not word.startswith("--") and all(f"-{letter}" in known for letter in word[1:]):
            continue  # -qv
        raise UsageError(_unknown_option(name, command, [one for one in known if one.startswith("--")]))


def _unknown_option(name: str, command: Command, known: Sequence[str]) -> str:
    if name in ("--token", "--password", "--api-key"):
        other = "every user of this computer can see command lines; `landsat-async login` asks for the token"
        return f"{command.name} has no option {name}\n{other}"
    meant = similar(name, known) if name.startswith("--") else None
    elsewhere = _OPTIONS_ELSEWHERE.get(name, "")
    if meant is None and (elsewhere in known or not elsewhere.startswith("-")):
        meant = elsewhere or None
    guess = f"; did you mean {meant}?" if meant is not None else ""
    return f"{command.name} has no option {_shown(name)}{guess}\n{usage_lines(command)}"


def _joined_values(line: Sequence[str]) -> list[str]:
    """Return the words with values that begin with a minus joined to their options: argparse takes them for such."""
    given: list[str] = []
    at = 0
    while at < len(line):
        word = line[at]
        at += 1
        if word == "--bbox":
            numbers: list[str] = []
            while at < len(line) and len(numbers) < 4 and all(map(_is_number, _parts(line[at]))):
                numbers += _parts(line[at])
                at += 1
            if numbers:
                word = f"--bbox={','.join(numbers)}"
        elif word == "--bands" and at < len(line) and not line[at].startswith("-"):
            names = _bands_at(line[at:])
            at += len(names)
            word = f"--bands={','.join(names)}"
        elif word in ("--start", "--end") and at < len(line) and re.match(r"-\s*\d", line[at]):
            word = f"{word}={line[at]}"  # "-60 days"
            at += 1
        given.append(word)
    return given


def _bands_at(line: Sequence[str]) -> list[str]:
    """Return the words that a list of bands begins with, commas or not: the first, and what else is no path."""
    from landsat_async.rules.bands import is_band

    options = takewhile(lambda word: not word.startswith("-"), line[1:])
    more = takewhile(lambda word: all(map(is_band, filter(None, word.split(",")))), options)
    return [line[0], *more]


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _shown(word: str) -> str:
    return word[:60] if word.isprintable() else ascii(word)[1:61]
