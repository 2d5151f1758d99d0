"""`help`: the pages of the command line."""

from __future__ import annotations

from collections.abc import Mapping

from landsat_async.errors import ConfigError
from landsat_async.rules.similar import similar
from landsat_async.show.command_table import Command
from landsat_async.show.formatting import clean
from landsat_async.show.help_pages import command_page, exit_codes_page, main_page
from landsat_async.show.man_page import man_page
from landsat_async.show.output import Output
from landsat_async.show.page_width import page_width

EXIT_CODES = "exit-codes"
MAN = "man"


def show_help(topic: str | None, commands: Mapping[str, Command], output: Output) -> int:
    """Print the page of a topic; None is the list of commands.

    Raises:
        ConfigError: there is no such page.
    """
    width = page_width()
    if topic is None:
        page = main_page(commands.values(), width)
    elif topic == EXIT_CODES:
        page = exit_codes_page(width)
    elif topic == MAN:
        page = man_page(commands.values())
    elif topic in commands:
        page = command_page(commands[topic], width)
    else:
        known = [*(name for name, command in commands.items() if not command.hidden), EXIT_CODES, MAN]
        meant = similar(topic, known, alike=0.65)
        hint = f"did you mean {meant}?" if meant else f"pages: {', '.join(known)}"
        raise ConfigError(f"there is no page {clean(topic)[:60]}", hint=hint, reference="usage")
    for line in page.splitlines():
        output.data(line)
    return 0
