"""`status` and `verify`: what the ledger of an output folder knows, and whether it is still true. Both offline."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.show.formatting import count_text, size_text
from landsat_async.show.jsonlines import line, moment_text
from landsat_async.show.output import Output
from landsat_async.show.render import follow
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.tables import columns, failed_lines, more, proven_lines, width_of

if TYPE_CHECKING:
    from landsat_async.run.verify import FileStatus, LedgerStatus


ROWS = 40
_ORDER = ("failed", "active", "ready", "preparing", "requested", "planned", "done")
"""What a person looks for first."""


def status(path: str, overrides: tuple[str, ...], output: Output) -> int:
    """Tell how many files are in which state, and the state of each."""
    config = Config.load(path, overrides=overrides)

    async def work(_: Stopper) -> int:
        from landsat_async.run.verify import status as read_status

        known = await read_status(config)
        if output.output_options.json:
            write_json(known, output)
        elif not output.output_options.quiet:
            for text in lines(known, width_of(output.out)):
                output.data(text)
        return 0

    return run_async(output, work)


def write_json(known: LedgerStatus, output: Output) -> None:
    """Write one `file` line a file, then `status`."""
    for file in known.files:
        output.json(line("file", asdict(file)))
    values = {
        "directory": known.directory,
        "counts": known.counts,
        "last_run_started": None if known.last_run_started is None else moment_text(known.last_run_started),
        "last_exit_code": known.last_exit_code,
    }
    output.json(line("status", values))


def lines(known: LedgerStatus, width: int) -> list[str]:
    """Return the ledger's view for people: unfinished files first."""
    if not known.ledger:
        return [f"{known.directory}: no ledger yet; `run` makes it"]
    if not known.files:
        return [f"{known.directory}: the ledger holds no files", _last_run(known)]
    order = sorted(known.files, key=lambda file: _ORDER.index(file.state))
    rows = [(file.file, file.state, _size(file), _proof(file), file.hint) for file in order[:ROWS]]
    counts = [f"{known.counts[state]:,} {state}" for state in reversed(_ORDER) if known.counts.get(state)]
    return [
        *columns(("file", "state", "size", "proof or reason", "what to do"), rows, width, right=(2,)),
        *more(len(rows), len(known.files), "file"),
        f"{count_text(len(known.files), 'file')}: {', '.join(counts)}",
        _last_run(known),
    ]


def _proof(file: FileStatus) -> str:
    return f"{file.proof}, identity {file.identity}" if file.proof else file.reason


def _size(file: FileStatus) -> str:
    if file.size_bytes is not None:
        return size_text(file.size_bytes)
    return f"{size_text(file.durable_bytes)} kept" if file.durable_bytes else ""


def _last_run(known: LedgerStatus) -> str:
    if known.last_run_started is None:
        return "no run yet"
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known.last_run_started))
    if known.last_exit_code is None:
        return f"last run: began {begun}; still running, or killed"
    return f"last run: began {begun}, exit code {known.last_exit_code}"


def verify(path: str, overrides: tuple[str, ...], content: bool, output: Output) -> int:
    """Check every finished file against the ledger; 4 if one is missing or changed. `content`: prove it anew."""
    config = Config.load(path, overrides=overrides)

    async def work(_: Stopper) -> int:
        from landsat_async.run.verify import verify as check_files

        overview = await follow(check_files(config, content=content), output)
        if overview.finished is None:
            return 1
        if output.output_options.json:
            return overview.finished.exit_code
        for text in failed_lines(overview.failures, overview, width_of(output.err)):
            output.message(text, urgent=True)
        if not output.output_options.quiet:
            for text in proven_lines(overview.verified, overview.verified_count, width_of(output.out)):
                output.data(text)
            wrong = f", {overview.failed_count:,} missing or changed" if overview.failed_count else ""
            nothing = "" if overview.finished.files_total else " (nothing was verified)"
            checked = f"{count_text(overview.finished.files_total, 'file')} checked"
            output.data(f"{checked}: {overview.verified_count:,} unchanged{wrong}{nothing}")
        return overview.finished.exit_code

    return run_async(output, work)
