"""Tables in plain text: whole file names on a wide screen, stacked rows on a narrow one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import chain

from landsat_async.events import Failed, Finished, LeftOut, Verified
from landsat_async.model import Proof
from landsat_async.show.formatting import clean, count_text, size_text, span_text
from landsat_async.show.output import SafeStream
from landsat_async.show.run_summary import RunOverview

UNNAMED = "identity none: no evidence is recorded that the file is the one that it is named after"
_NO_TERMINAL_COLUMNS = 1000


def width_of(stream: SafeStream) -> int:
    """Return the columns of the stream: COLUMNS, the terminal's own, or as good as no limit for files and pipes."""
    if stream.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(20, shutil.get_terminal_size().columns)
    return _NO_TERMINAL_COLUMNS


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, right: Sequence[int] = ()) -> list[str]:
    """Lay rows out in columns; where they do not fit, each row becomes a line and an indented rest.

    Args:
        head: Titles of the columns.
        rows: Cells as text; cleaned here.
        width: Columns of the screen.
        right: Indices of the columns that are set flush right.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in chain([head], cells)) for i in range(len(head))]
    if _total(widths) > width:
        return list(chain.from_iterable(_stacked(row) for row in cells))

    def laid(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return [laid(head), *map(laid, cells)]


def more(shown: int, total: int, noun: str) -> list[str]:
    """Return the line that stands for rows which are not shown; nothing when all are."""
    return [f"... and {count_text(total - shown, noun).replace(noun, 'more ' + noun)}"] if total > shown else []


def proven_lines(files: Sequence[Verified], total: int, width: int) -> list[str]:
    """Return the table of proven files and what its proof levels mean."""
    if not files:
        return []
    head, rows = ["file", "size", "proof"], sorted([f.file, size_text(f.size_bytes), f.proof] for f in files)
    more_of = {f.file: (f.sha256[:12], f.identity) for f in files}
    if _total([max(map(len, more_of)), 8, 9, 12, 9]) <= width:  # on a narrow screen `--json` and the ledger have them
        head, rows = [*head, "sha256", "identity"], [[*row, *more_of[row[0]]] for row in rows]
    levels = [level for level in Proof if any(f.proof == level for f in files)]
    return [
        *columns(head, rows, width, right=(1,)),
        *more(len(files), total, "file"),
        *(f"{level}: {level.meaning}" for level in levels),
        *([UNNAMED] if "identity" in head and any(f.identity == "none" for f in files) else []),
    ]


def failed_lines(files: Sequence[Failed], overview: RunOverview, width: int) -> list[str]:
    """Return the table of failed files with reason and next step; kinds of failure when there are many."""
    if not files:
        return []
    rows = [(f.file, f.reason, f.hint) for f in files]
    lines = [
        *columns(("failed", "reason", "what to do"), rows, width),
        *more(len(files), overview.failed_count, "file"),
    ]
    if overview.failed_count > len(files):
        lines += [f"{count:>7,} x {clean(kind)}" for kind, count in overview.failure_kinds.most_common(10)]
    return lines


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """Return a line for each band that some scenes lack."""
    return [
        clean(f"left out: {one.what} of {count_text(one.scenes, 'scene')}: {one.reason} (for example {one.example})")
        for one in left_out
    ]


def totals_line(end: Finished) -> str:
    """Return the one line that sums a run up."""
    parts = [count_text(end.files_total, "file") + f": {end.files_verified:,} fetched and proven"]
    if end.files_skipped:
        parts.append(f"{end.files_skipped:,} here already")
    if end.files_failed:
        parts.append(f"{end.files_failed:,} failed")
    if end.files_pending:
        parts.append(f"{end.files_pending:,} left")
    received = f"; {size_text(end.bytes_received)} received in {span_text(end.elapsed_s)}"
    return ", ".join(parts) + received


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _stacked(row: Sequence[str]) -> list[str]:
    rest = [cell for cell in row[1:] if cell]
    return [row[0], *([f"  {'  '.join(rest)}"] if rest else [])]
