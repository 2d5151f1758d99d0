"""The pages of the command line: start page, list of commands, one command, exit codes. Pure: text for a width."""

from __future__ import annotations

from collections.abc import Iterable

from landsat_async import __version__
from landsat_async.show.command_table import GROUPS, Command, Option
from landsat_async.show.page_width import two_columns, wrapped
from landsat_async.show.program import as_started, program_of_pages

_WHAT = "Download Landsat Collection 2 from the USGS M2M service: resumable, verified, nothing twice."
EXIT_CODES = (
    (0, "every selected file is here and verified, also when nothing matched"),
    (1, "a bug of this program"),
    (2, "usage or config: the message names the option, key or file"),
    (3, "credentials, or the account lacks the MACHINE role"),
    (4, "some files failed and are named; the rest is here"),
    (6, "the service or the network is down; run it again later"),
    (7, "interrupted with work left; the same command continues"),
    (8, "another run or program holds the output folder"),
    (9, "no room left: disk, threads, memory or descriptors"),
    (130, "interrupted twice; the same command continues"),
)
"""What a command ends with, and what that means."""


def main_page(commands: Iterable[Command], width: int) -> str:
    """Return the page of `--help`: all commands, in groups."""
    shown = [command for command in commands if not command.hidden]
    lines = [*wrapped(_WHAT, width), "", *wrapped(f"usage: {program_of_pages()} COMMAND [options]", width)]
    for group in GROUPS:
        rows = [(command.name, command.text) for command in shown if command.group == group]
        if rows:
            lines += ["", f"{group}:", *two_columns(rows, width, first=14)]
    more = [
        (f"{program_of_pages()} COMMAND --help", "options and examples of one command"),
        (f"{program_of_pages()} help exit-codes", "what the exit codes mean"),
        (f"{program_of_pages()} --version", "the version"),
    ]
    lines += ["", "More:", *two_columns(more, width, first=34)]
    return "\n".join(lines) + "\n"


def command_page(command: Command, width: int) -> str:
    """Return the page of one command: what it does, its options, examples."""
    text = command.text[0].upper() + command.text[1:] + "."
    lines = [*wrapped(text, width), "", *wrapped(f"usage: {_usage(command)}", width)]
    for paragraph in command.more.split("\n\n"):
        if paragraph:
            lines += ["", *wrapped(paragraph, width)]
    common = command.common_options()
    own = [one for one in command.all_options() if one not in common]
    if own:
        lines += ["", "Options:", *_option_rows(own, width)]
    lines += ["", "Options of all commands:" if own else "Options:", *_option_rows(common, width)]
    lines += two_columns([("-h, --help", "show this page"), ("--version", "print the version")], width, first=28)
    if command.examples:
        lines += ["", "Examples:"]
    for line, purpose in command.examples:
        lines += [
            *wrapped(purpose, width, indent="  # "),
            *_command_lines(f"{program_of_pages()} {as_started(line, program_of_pages())}", width),
        ]
    lines += ["", *wrapped(f"Exit codes: {program_of_pages()} help exit-codes", width)]
    return "\n".join(lines) + "\n"


def exit_codes_page(width: int) -> str:
    """Return the page of the exit codes."""
    rows = [(str(code), meaning) for code, meaning in EXIT_CODES]
    ends = (
        "`plan` and `doctor` end with the code that `run` would end with, as far as they can know. "
        "In a script: 0 is done, 7 and 6 are worth the same command again, 2 and 3 need you."
    )
    return "\n".join(["Exit codes:", "", *two_columns(rows, width, first=8), "", *wrapped(ends, width)]) + "\n"


def start_page(width: int, *, config_here: bool, logged_in: bool) -> str:
    """Return what is shown without arguments: what this is, three commands to try, and the next step.

    Args:
        width: Of the page.
        config_here: There is a ./config.toml.
        logged_in: There is a token that commands would use.
    """
    first = 34
    begin = [
        (f"{program_of_pages()} login", "keep user name and token for yourself"),
        (f"{program_of_pages()} init", "write a config.toml: where, when, which files"),
        (f"{program_of_pages()} plan", "see what would be fetched; nothing is ordered"),
    ]
    lines = [
        f"{program_of_pages()} {__version__}",
        *wrapped(_WHAT, width),
        "",
        "Without an account, without a network:",
        *two_columns([(f"{program_of_pages()} demo", "a whole run against a built-in simulator")], width, first=first),
        "",
        *wrapped("With an account (free, https://ers.cr.usgs.gov):", width),
        *two_columns(begin, width, first=first),
        "",
        *wrapped(f"next: {_next(config_here, logged_in)}", width),
        *wrapped(f"all commands: {program_of_pages()} --help", width),
    ]
    return "\n".join(lines) + "\n"


def _next(config_here: bool, logged_in: bool) -> str:
    if config_here and logged_in:
        return f"{program_of_pages()} plan    (there is a config.toml here)"
    if logged_in:
        return f"{program_of_pages()} init    (there is no config.toml here)"
    return f"{program_of_pages()} demo, or with an account: {program_of_pages()} login"


def usage_lines(command: Command) -> str:
    """Return the form of a command, and where its options stand, for a message about a mistake: a line each."""
    return f"usage: {_usage(command)}\noptions: {program_of_pages()} {command.name} --help"


def _usage(command: Command) -> str:
    arguments = [one for one in command.all_options() if not one.names[0].startswith("-")]
    form = [program_of_pages(), command.name, "[options]"]
    for one in arguments:
        name = str(one.settings.get("metavar") or one.names[0])
        form.append(f"[{name}]" if one.settings.get("nargs") == "?" else name)
    return " ".join(form)


def _option_rows(options: Iterable[Option], width: int) -> list[str]:
    return two_columns([(option_name(one), str(one.settings.get("help", ""))) for one in options], width, first=28)


def _command_lines(line: str, width: int) -> list[str]:
    """Return a command line that can be copied, broken before options only."""
    lines: list[str] = []
    for number, part in enumerate(line.split(" --")):
        word = part if number == 0 else f"--{part}"
        if lines and len(lines[-1]) + len(word) + 3 <= width:
            lines[-1] += f" {word}"
        else:
            lines = [*lines[:-1], *([f"{lines[-1]} \\"] if lines else [])]
            lines.append(f"      {word}" if lines else f"  {word}")
    return lines


def option_name(option: Option) -> str:
    """Return an option as a person writes it: `--workers N`."""
    name = ", ".join(option.names)
    if not option.names[0].startswith("-"):
        return str(option.settings.get("metavar") or name)
    if option.settings.get("action") in ("store_true", "store_const"):
        return name
    value = option.settings.get("metavar")
    if value is None and (choices := option.settings.get("choices")):
        value = "{" + "|".join(choices) + "}"
    return f"{name} {value or option.names[-1].lstrip('-').upper()}"
