"""What a shell offers after TAB. Pure: words of a command line in, candidates out; from the table of commands alone.

The scripts for the shells hold no names: they ask this program (`landsat-async __complete WORDS`), so they never lag
behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from landsat_async.show.command_table import Command, Option

TEXT_MOST = 70
EMPTY = ":"
"""Stands for an empty word: some shells cannot hand one over."""


class Choices(NamedTuple):
    """What is offered."""

    candidates: list[tuple[str, str]]
    """Words, and what they mean."""
    files: str = ""
    """ "file" or "folder": the shell completes names of these as well."""


def offer(
    line: Sequence[str], commands: Mapping[str, Command], keys: Callable[[], Iterable[tuple[str, str]]]
) -> Choices:
    """Return what is offered for the last word of a line, which may be empty.

    Args:
        line: The words behind the name of the program.
        commands: All commands.
        keys: Yields the keys of the config with what they mean, for --set; asked only then.
    """
    *before, current = ["" if word == EMPTY else word for word in line] or [""]
    shown = {name: command for name, command in commands.items() if not command.hidden}
    if not before:
        general = [("--help", "all commands"), ("--version", "the version")]
        return Choices(_beginning(current, [*((name, one.text) for name, one in shown.items()), *general]))
    command = commands.get(before[0])
    if command is None:
        return Choices([])
    options = {name: one for one in command.all_options() for name in one.names if name.startswith("-")}
    previous = options.get(before[-1]) if len(before) > 1 else None
    if previous is not None and _takes_value(previous):
        return _of_value(previous, current, shown, keys)
    name, equals, value = current.partition("=")
    if equals and name in options:
        found = _of_value(options[name], value, shown, keys)
        return Choices([(f"{name}={word}", text) for word, text in found.candidates], found.files)
    if current.startswith("-"):
        said = [(name, str(one.settings.get("help", ""))) for name, one in options.items() if name.startswith("--")]
        return Choices(
            _beginning(current, [*said, ("--help", "the page of this command"), ("--version", "the version")])
        )
    arguments = [one for one in command.all_options() if not one.names[0].startswith("-")]
    given = _without_values(before[1:], options)
    if len(given) >= len(arguments):
        return Choices([])
    return _of_value(arguments[len(given)], current, shown, keys)


def _of_value(
    option: Option, current: str, commands: Mapping[str, Command], keys: Callable[[], Iterable[tuple[str, str]]]
) -> Choices:
    """Return what is offered as the value of an option or argument."""
    if "--set" in option.names:
        return Choices([] if "=" in current else _beginning(current, [(f"{key}=", text) for key, text in keys()]))
    if choices := option.settings.get("choices"):
        return Choices(_beginning(current, [(str(one), "") for one in choices]))
    if option.names[0] == "topic":
        return Choices(_beginning(current, [*((name, one.text) for name, one in commands.items()), ("exit-codes", "")]))
    return Choices([], option.files)


def _takes_value(option: Option) -> bool:
    return option.settings.get("action", "append") in ("append", "store")


def _without_values(typed: Sequence[str], options: Mapping[str, Option]) -> list[str]:
    """Return what was typed, without options and their values."""
    left: list[str] = []
    value = False
    for word in typed:
        if value:
            value = False
        elif word.startswith("-") and word != "-":
            value = word in options and _takes_value(options[word])
        else:
            left.append(word)
    return left


def _beginning(current: str, candidates: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(word, text) for word, text in candidates if word.startswith(current)]


def offer_lines(found: Choices) -> list[str]:
    """Return an offer as the scripts read it: a word, a tab, what it means; and last which files."""
    lines = [f"{word}\t{' '.join(text.split())[:TEXT_MOST]}" for word, text in found.candidates]
    return [*lines, f":{found.files or 'none'}"]


_BASH = """\
# landsat-async completion for bash: put it into ~/.local/share/bash-completion/completions/landsat-async
_landsat_async() {
    local value help
    COMPREPLY=()
    while IFS=$'\\t' read -r value help; do
        case $value in
            :file) compopt -o default ;;
            :folder) compopt -o dirnames ;;
            :none) ;;
            *=) compopt -o nospace; COMPREPLY+=("$value") ;;
            *) COMPREPLY+=("$value") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _landsat_async landsat-async
"""
_ZSH = """\
#compdef landsat-async
# landsat-async completion for zsh: put it as _landsat_async into a folder of $fpath
_landsat_async() {
    local line files=none
    local -a values
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            :*) files=${line#:} ;;
            *) values+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}") ;;
        esac
    done
    (( $#values )) && _describe 'landsat-async' values
    case $files in
        file) _files ;;
        folder) _files -/ ;;
    esac
}
if [ "$funcstack[1]" = "_landsat_async" ]; then
    _landsat_async "$@"
else
    compdef _landsat_async landsat-async
fi
"""
_FISH = """\
# landsat-async completion for fish: put it into ~/.config/fish/completions/landsat-async.fish
function __landsat_async_offer
    set -l line (commandline -opc)
    set -l current (commandline -ct)
    test -z "$current"; and set current ':'
    for found in (landsat-async __complete $line[2..-1] "$current" 2>/dev/null)
        switch $found
            case ':file'
                __fish_complete_path (commandline -ct)
            case ':folder'
                __fish_complete_directories (commandline -ct)
            case ':none'
            case '*'
                printf '%s\\n' $found
        end
    end
end
complete -c landsat-async -f -a '(__landsat_async_offer)'
"""
_POWERSHELL = """\
# landsat-async completion for PowerShell: landsat-async completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName landsat-async -ScriptBlock {
    param($word, $ast, $position)
    $line = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($word -eq '') { $line += ':' }
    & landsat-async __complete @line 2>$null | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if ($value -notlike ':*') {
            if (-not $help) { $help = $value }
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
        }
    }
}
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "powershell": _POWERSHELL}
"""By shell."""
