"""`status` and `verify`: what is here of a job, and whether it is still as it was. Both offline."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from landsat_async.config import Config
from landsat_async.config_store import place_below
from landsat_async.rules.quantities import count_text
from landsat_async.show.formatting import clean, wrap
from landsat_async.show.jsonlines import line, moment_text
from landsat_async.show.output import Output
from landsat_async.show.plain import tell_wait
from landsat_async.show.program import SameJob
from landsat_async.show.render import follow
from landsat_async.show.run_command import near
from landsat_async.show.signals import Stopper, run_async
from landsat_async.show.status_page import status_page
from landsat_async.show.sync_tables import lineage
from landsat_async.show.tables import failed_lines, width_of

if TYPE_CHECKING:
    from landsat_async.run.verify import LedgerStatus
    from landsat_async.show.run_summary import RunOverview


def status(
    path: str,
    overrides: tuple[str, ...],
    output: Output,
    *,
    failed: bool = False,
    paths: bool = False,
    again: SameJob | None = None,
) -> int:
    """Tell what is here and what is not; `failed`: only what has failed, and why, `paths`: only the paths of files."""
    config = Config.load(path, overrides=overrides)
    job = again or SameJob(path)

    async def work(_: Stopper) -> int:
        from landsat_async.run.verify import status as read_status

        known = await read_status(config)
        if output.output_options.json:
            write_json(known, output, failed=failed, paths=paths)
        elif paths:
            for file in known.files:
                if file.state == "done" and not file.is_empty:
                    output.path(place_below(config.download.directory, file.file))
        elif not output.output_options.quiet:
            width = width_of(output.out)
            for text in failures(known, width) if failed else status_page(known, near(known.directory), width, job):
                output.data(text)
        return 0

    return run_async(output, work)


def write_json(known: LedgerStatus, output: Output, *, failed: bool = False, paths: bool = False) -> None:
    """Write one `file` line a file, then `status`."""
    only = {"failed"} if failed else {"done"} if paths else set(known.counts)
    for file in known.files:
        if file.state in only and not (paths and file.is_empty):
            output.json(line("file", {**asdict(file), "empty": file.is_empty}))
    for old, new, action, count, at in lineage(known.superseded):
        values = {"old": old, "new": new, "files": count, "action": action, "at": moment_text(at)}
        output.json(line("superseded", values))
    values = {
        "directory": known.directory,
        "counts": known.counts,
        "last_run_started": None if known.last_run_started is None else moment_text(known.last_run_started),
        "last_exit_code": known.last_exit_code,
        "running": known.held_by is not None,
    }
    output.json(line("status", values))


def failures(known: LedgerStatus, width: int) -> list[str]:
    """Return every file that has failed with its reason, and what to do now."""
    lines: list[str] = []
    for file in known.files:
        if file.state == "failed":
            lines += wrap(clean(f"{file.file}: {file.reason}"), width)
            if file.hint:
                lines += wrap(clean(f"-> {file.hint}"), width - 2, "  ")
    return lines or ["nothing has failed"]


def verify(
    path: str, overrides: tuple[str, ...], content: bool, output: Output, *, again: SameJob | None = None
) -> int:
    """Verify every finished file again; 4 if one is missing or changed. `content`: pixels and identity too."""
    config = Config.load(path, overrides=overrides)

    async def work(_: Stopper) -> int:
        from landsat_async.run.verify import verify as check_files

        events = check_files(config, content=content, on_wait=partial(tell_wait, output))
        overview = await follow(events, output, doing="verifying")
        if overview.finished is None:
            return 1
        if output.output_options.json:
            return overview.finished.exit_code
        for text in failed_lines(overview, width_of(output.err)):
            output.message(text, urgent=True)
        if not output.output_options.quiet:
            for text in verified_lines(overview, near(config.download.directory)):
                for line in wrap(text, width_of(output.out)):
                    output.data(line)
            if overview.failed_count:
                output.message(f"next: {(again or SameJob(path)).command('run')} fetches them again", urgent=True)
        return overview.finished.exit_code

    return run_async(output, work)


def verified_lines(overview: RunOverview, directory: str) -> list[str]:
    """Return what `verify` has found, in a few lines."""
    total = overview.verified_count + overview.failed_count
    if not total:
        return [f"nothing was verified: no finished file is recorded in {directory}"]
    wrong = f", {overview.failed_count:,} missing or changed" if overview.failed_count else ""
    lines = [f"{count_text(total, 'file')} verified in {directory}: {overview.verified_count:,} as they were{wrong}"]
    for what, found in (("proof", overview.proofs), ("identity", overview.identities)):
        if found:
            lines.append(f"{what}: " + ", ".join(f"{count:,} {level}" for level, count in sorted(found.items())))
    return lines
