"""The command line: one command is parsed, run, and its exit code returned.

The commands stand in `commands`, what is said about a mistake in `command_line`. `--help` and `--version` must be
quick, so nothing heavy is imported here; every command imports what it needs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from landsat_async.show.command_line import UsageError, parse
from landsat_async.show.command_table import COMMANDS, FETCH


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        if not arguments:
            return _start()
        if arguments[0] == "__complete":  # a shell asks, in the middle of a line: nothing here may be refused
            return _complete(arguments[1:])
        options = parse(arguments)
    except SystemExit as done:  # --help or --version, which argparse has answered
        _flush()
        return done.code if isinstance(done.code, int) else 2
    except UsageError as error:
        return _refuse(error)
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    from landsat_async.show.error_report import report
    from landsat_async.show.logs import showing_logs
    from landsat_async.show.output import Output, OutputOptions
    from landsat_async.show.signals import STOPPED

    output_options = OutputOptions(
        json=getattr(options, "json", False),
        quiet=options.quiet,
        verbose=options.verbose,
        progress=not getattr(options, "no_progress", False),
    )
    output = Output(output_options)
    try:
        with showing_logs(output):
            code = int(options.command.call(options, output))
        return output.checked(code) if options.command.group != FETCH else code  # what a run fetches is there
    except KeyboardInterrupt:
        output.message("interrupted; the same command continues", urgent=True)
        return STOPPED
    except Exception as error:
        return report(error, output)
    finally:
        output.close()


def _start() -> int:
    """Show what this is and what to type next."""
    from landsat_async.show.start_page import show_start_page

    show_start_page()
    return 0


def _complete(line: Sequence[str]) -> int:
    """Offer what could come next on a command line."""
    from landsat_async.show.completion_command import complete
    from landsat_async.show.safe_stream import SafeStream

    out = SafeStream(sys.stdout)
    out.write(complete(line, COMMANDS))
    out.flush()
    return 0


def _refuse(error: UsageError) -> int:
    """Say what is wrong with the command line; exit code 2."""
    from landsat_async.show.formatting import wrap
    from landsat_async.show.program import as_started
    from landsat_async.show.safe_stream import SafeStream

    err = SafeStream(sys.stderr)
    first, *others = as_started(str(error)).split("\n")
    width = shutil.get_terminal_size().columns if err.isatty() else sys.maxsize
    lines = [*wrap(f"error: {first} [usage]", width), *(line for text in others for line in wrap(text, width, "  "))]
    err.write("".join(f"{line}\n" for line in lines))
    err.flush()
    return 2


def _flush() -> None:
    """Flush what argparse printed; a reader that has gone is no fault."""
    from landsat_async.show.safe_stream import SafeStream

    SafeStream(sys.stdout).flush()
    SafeStream(sys.stderr).flush()
