"""Tables in plain text: whole file names on a wide screen, stacked rows on a narrow one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import chain

from landsat_async.events import Failed, Finished, LeftOut
from landsat_async.model import Proof
from landsat_async.rules.quantities import count_text, size_text, span_text
from landsat_async.show.formatting import clean, wrap
from landsat_async.show.run_summary import RunOverview
from landsat_async.show.safe_stream import SafeStream
from landsat_async.show.signals import STOPPED

_NO_TERMINAL_COLUMNS = 1000
FAILED_NAMED = 5
"""So many failures, or reasons, are told at the end; `status --failed` tells all."""


def width_of(stream: SafeStream) -> int:
    """Return the columns of the stream: COLUMNS, the terminal's own, or as good as no limit for files and pipes."""
    if stream.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(20, shutil.get_terminal_size().columns)
    return _NO_TERMINAL_COLUMNS


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, right: Sequence[int] = ()) -> list[str]:
    """Lay rows out in columns; where they do not fit, each cell becomes a line with its heading.

    Args:
        head: Titles of the columns.
        rows: Cells as text; cleaned here.
        width: Columns of the screen.
        right: Indices of the columns that are set flush right.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in chain([head], cells)) for i in range(len(head))]
    if _total(widths) > width:
        return list(chain.from_iterable(_stacked(head, row) for row in cells))

    def laid(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return [laid(head), *map(laid, cells)]


def more(shown: int, total: int, noun: str) -> list[str]:
    """Return the line that stands for rows which are not shown; nothing when all are."""
    return [f"... and {count_text(total - shown, noun).replace(noun, 'more ' + noun)}"] if total > shown else []


def failed_lines(overview: RunOverview, width: int) -> list[str]:
    """Return what has failed with reason and next step: each file when they are few, else each reason once."""
    if not overview.failed_count:
        return []
    lines = [f"failed ({overview.failed_count:,}):"]
    if overview.failed_count <= FAILED_NAMED:
        told = [(f.file, f.reason, f.hint) for f in overview.failures]
    else:
        kinds = overview.failure_kinds.most_common(FAILED_NAMED)
        told = [_of_kind(overview.failure_examples[kind], count) for kind, count in kinds]
    for what, reason, hint in told:
        lines += wrap(clean(f"{what}: {reason}"), width - 2, "  ")
        if hint:
            lines += wrap(clean(f"-> {hint}"), width - 4, "    ")
    rest = len(overview.failure_kinds) - len(told)
    if overview.failed_count > FAILED_NAMED and rest > 0:
        lines.append(f"  ... and {count_text(rest, 'more reason')}")
    return lines


def _of_kind(example: Failed, count: int) -> tuple[str, str, str]:
    if count == 1:
        return example.file, example.reason, example.hint
    return f"{count:,} x", f"{example.reason} (for example {example.file})", example.hint


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """Return a line for each band that some scenes lack, and for each scene without a clear view of the area."""
    return [
        clean(
            f"left out: {one.what}: {one.reason}"
            if one.what == one.example
            else f"left out: {one.what} of {count_text(one.scenes, 'scene')}: {one.reason} (for example {one.example})"
        )
        for one in left_out
    ]


def end_lines(end: Finished, overview: RunOverview, directory: str) -> list[str]:
    """Return the lines that sum a run up; what has failed, and what comes next, is told apart."""
    empty = min(overview.empty_count, end.files_skipped)
    here = f"{end.files_skipped - empty:,} already here"
    counts = [f"{end.files_verified:,} new", here, f"{end.files_failed:,} failed"]
    counts += [f"{empty:,} without data in the area"] if empty else []
    parts = [", ".join(counts)]
    if end.files_verified or end.bytes_received:
        parts.append(f"{size_text(end.bytes_received)} in {span_text(end.elapsed_s)}")
    lines = [" · ".join([*parts, f"in {directory}"])]
    if overview.proofs:
        lines.append("proof: " + ", ".join(f"{overview.proofs[p]:,} {p}" for p in Proof if overview.proofs[p]))
    if end.files_pending:
        at_usgs = min(overview.preparing, end.files_pending)
        rest = [(at_usgs, "at USGS"), (end.files_pending - at_usgs, "waiting")]
        lines.append("not here yet: " + ", ".join(f"{count:,} {where}" for count, where in rest if count))
    elif end.exit_code == STOPPED and end.files_total and not end.files_failed:
        lines.append("every file is here; left is what comes after the files: hooks, [output], old versions")
    return lines


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _stacked(head: Sequence[str], row: Sequence[str]) -> list[str]:
    """A row of a table that is too wide: a line for each cell, with its heading."""
    return [row[0], *(f"  {name}: {cell}" for name, cell in zip(head[1:], row[1:], strict=True) if cell)]
