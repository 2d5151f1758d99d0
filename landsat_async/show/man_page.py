"""The manual page, made from the table of commands: roff for man. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from landsat_async import __version__
from landsat_async.show.command_table import GROUPS, Command, Option
from landsat_async.show.help_pages import EXIT_CODES, option_name

_ENVIRONMENT = (
    ("USGS_USERNAME, USGS_TOKEN", "user name and application token; they come first"),
    ("LANDSAT_ASYNC__TABLE__KEY", "a key of the config, for example LANDSAT_ASYNC__DOWNLOAD__WORKERS=8"),
    ("HTTPS_PROXY, NO_PROXY", "the proxy"),
    ("NO_COLOR, FORCE_COLOR", "no colours, or colours also where no terminal is"),
)
_FILES = (
    ("./config.toml", "the job, where no other file is named"),
    ("~/.config/landsat_async/logins.json", "what login keeps"),
    ("~/.netrc", "machine m2m.cr.usgs.gov login NAME password TOKEN"),
)


def man_page(commands: Iterable[Command]) -> str:
    """Return the page."""
    shown = [command for command in commands if not command.hidden]
    lines = [
        f'.TH LANDSAT-ASYNC 1 "" "landsat-async {__version__}" "User Commands"',
        ".SH NAME",
        _text("landsat-async - download Landsat Collection 2 from the USGS M2M service"),
        ".SH SYNOPSIS",
        ".B landsat-async",
        _text("COMMAND [options] [config.toml]"),
        ".SH DESCRIPTION",
        _text(
            "Searches, selects, requests, waits for what USGS has to prepare, downloads, and verifies every file "
            "before it gets its final name. The same command goes on where it was, and fetches nothing twice."
        ),
        ".SH COMMANDS",
    ]
    for group in GROUPS:
        for command in (one for one in shown if one.group == group):
            lines += _of_command(command)
    lines += [".SH OPTIONS OF ALL COMMANDS", *_options(max(shown, key=lambda one: one.service).common_options())]
    lines += [".SH EXIT STATUS", *_rows((str(code), text) for code, text in EXIT_CODES)]
    lines += [".SH ENVIRONMENT", *_rows(_ENVIRONMENT), ".SH FILES", *_rows(_FILES)]
    return "\n".join(lines) + "\n"


def _of_command(command: Command) -> list[str]:
    common = command.common_options()
    lines = [f'.SS "{_text(command.name)}"', _text(f"{command.text[0].upper()}{command.text[1:]}.")]
    lines += [line for part in command.more.split("\n\n") if part for line in (".PP", _text(part))]
    lines += _options(one for one in command.all_options() if one not in common)
    for line, purpose in command.examples:
        lines += [".PP", _text(f"{purpose[0].upper()}{purpose[1:]}:"), ".RS 4", ".nf"]
        lines += [_text(f"landsat-async {line}"), ".fi", ".RE"]
    return lines


def _options(options: Iterable[Option]) -> list[str]:
    return _rows((option_name(one), str(one.settings.get("help", ""))) for one in options)


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [line for name, text in rows for line in (".TP", f".B {_text(name)}", _text(text))]


def _text(text: str) -> str:
    """Return a text that roff takes as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
