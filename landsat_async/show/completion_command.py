"""`completion` prints a script for a shell; `__complete` is what those scripts ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from landsat_async.show.command_table import Command
from landsat_async.show.completion import SCRIPTS, offer, offer_lines
from landsat_async.show.output import Output


def print_script(shell: str, output: Output) -> int:
    """Print the script for a shell; its indentation counts."""
    output.out.write(SCRIPTS[shell])
    output.out.flush()
    return 0


def complete(line: Sequence[str], commands: Mapping[str, Command]) -> str:
    """Return what is offered for the last word of a line, as the scripts read it."""
    return "\n".join(offer_lines(offer(line, commands, _keys))) + "\n"


def _keys() -> Iterator[tuple[str, str]]:
    """Yield the keys of the config; loads its tables, which takes a while."""
    from landsat_async.config_schema import config_schema

    for table, content in config_schema()["properties"].items():
        for key, value in content["properties"].items():
            yield f"{table}.{key}", str(value.get("description", ""))
