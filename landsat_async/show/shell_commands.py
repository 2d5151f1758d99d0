"""Commands for the shell and the editor. As in `commands`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from landsat_async.show.command_table import COMMANDS, SHELL, command, option

if TYPE_CHECKING:
    from landsat_async.show.output import Output


@command(
    "schema",
    SHELL,
    "print the JSON schema of config.toml, for editors",
    examples=(
        ("schema > config.schema.json", "write it beside your config"),
        ("schema | jq '.properties | keys'", "the names of the tables"),
        ("schema | jq .properties.search", "look at one table"),
    ),
    data=False,
    more="A file that `init` writes names the schema in its first line, for editors with Taplo (Even Better TOML).",
)
def schema(options: argparse.Namespace, output: Output) -> int:
    """Print the schema."""
    from landsat_async.show.schema_command import schema

    return schema(output)


@command(
    "completion",
    SHELL,
    "print a script that completes commands and options after TAB",
    examples=(
        ("completion bash > ~/.local/share/bash-completion/completions/landsat-async", "for bash"),
        ("completion zsh > ~/.zfunc/_landsat_async", "for zsh, with ~/.zfunc in fpath"),
        ("completion fish > ~/.config/fish/completions/landsat-async.fish", "for fish"),
    ),
    options=(option("shell", choices=("bash", "zsh", "fish", "powershell"), metavar="SHELL", help="the shell"),),
    data=False,
    more="For PowerShell, put this into $PROFILE: landsat-async completion powershell | Out-String | Invoke-Expression",
)
def completion(options: argparse.Namespace, output: Output) -> int:
    """Print a script for a shell."""
    from landsat_async.show.completion_command import print_script

    return print_script(options.shell, output)


@command(
    "help",
    SHELL,
    "show the page of a command, or of the exit codes",
    examples=(
        ("help run", "options and examples of run"),
        ("help exit-codes", "what the exit codes mean"),
        ("help man > landsat-async.1", "the manual page, for man"),
    ),
    options=(option("topic", nargs="?", metavar="TOPIC", help="a command, exit-codes, or man (the manual page)"),),
    data=False,
)
def help_(options: argparse.Namespace, output: Output) -> int:
    """Show a page."""
    from landsat_async.show.help_command import show_help

    return show_help(options.topic, COMMANDS, output)
