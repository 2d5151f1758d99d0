"""What `status` shows: a line for the whole job, its scenes as a matrix, and what to do now. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from landsat_async.rules.quantities import count_text
from landsat_async.show.formatting import band_name, clean, clock_text, flow, scene_name, wrap
from landsat_async.show.sync_tables import lineage_lines

if TYPE_CHECKING:
    from landsat_async.run.verify import FileStatus, LedgerStatus
    from landsat_async.show.program import SameJob

ROWS = 14
"""Scenes that are shown; with what stands round them a screen of 24 lines is enough."""
_ENDS = {
    0: "everything was there at its end",
    3: "the account was refused",
    4: "some files failed",
    6: "the service was down",
    7: "it was stopped",
    9: "there was no room left",
    130: "it was interrupted twice",
}
_ORDER = ("here", "empty", "failed", "coming", "partly", "at USGS", "waiting")
_NOTHING_LEFT = {"here", "empty"}
"""Empty is a window that holds nothing but fill, of which there is no file."""


def status_page(known: LedgerStatus, directory: str, width: int, again: SameJob) -> list[str]:
    """Return what is known of a folder; `again`: the job, for the command that goes on."""
    if not known.ledger:
        return [*wrap(f"{directory}: nothing has been downloaded here yet", width), f"next: {again.command('run')}"]
    if not known.files:
        return [*wrap(f"{directory}: no files are wanted here", width), *wrap(_last_run(known), width)]
    states = {file.file: state_of(file, running=known.held_by is not None) for file in known.files}
    totals = Counter(states.values())
    scenes = _by_scene(known.files)
    counts = ", ".join(f"{totals[state]:,} {state}" for state in _ORDER if totals[state])
    head = f"{directory} · {count_text(len(scenes), 'scene')}, {count_text(len(known.files), 'file')}: {counts}"
    return [
        *flow(head.split(" · "), width, " · "),
        *wrap(_last_run(known), width),
        "",
        *_matrix(scenes, states, width),
        *lineage_lines(known.superseded, width),
        *_next(totals, known.held_by is not None, again),
    ]


def state_of(file: FileStatus, *, running: bool) -> str:
    """Return the condition of a file in a word; what only a run could be doing needs a run that is at work."""
    match file.state:
        case "done":
            return "empty" if file.is_empty else "here"
        case "failed":
            return "failed"
        case "preparing":
            return "at USGS"
        case "active" if running:
            return "coming"
        case _:
            return "partly" if file.durable_bytes else "waiting"


def _by_scene(files: list[FileStatus]) -> dict[str, list[FileStatus]]:
    scenes: dict[str, list[FileStatus]] = {}
    for file in files:
        scenes.setdefault(file.scene, []).append(file)
    return scenes


def _matrix(scenes: dict[str, list[FileStatus]], states: dict[str, str], width: int) -> list[str]:
    """Scenes by bands, what is unfinished first; where the bands do not fit, the counts of each scene."""

    def rank(scene: str) -> tuple[bool, str, str]:
        return all(states[file.file] in _NOTHING_LEFT for file in scenes[scene]), scene[17:25], scene

    order = sorted(scenes, key=rank)
    shown = order[:ROWS]
    names = _names(shown)
    cells = {scene: {_band(file): states[file.file] for file in scenes[scene]} for scene in shown}
    bands = list(dict.fromkeys(band for scene in shown for band in cells[scene]))
    first = max([5, *map(len, names.values())])
    widths = [max(len(band), *(len(cells[scene].get(band, "")) for scene in shown)) for band in bands]
    if first + sum(widths) + 2 * len(widths) <= width:
        rows = [["scene", *bands], *([names[s], *(cells[s].get(band, "-") for band in bands)] for s in shown)]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, [first, *widths], strict=True)).rstrip() for row in rows
        ]
    else:
        lines = list[str]()
        shown_scenes = 0
        for scene in shown:
            below = flow([names[scene].ljust(first), _sum(cells[scene])], width, indent="    ")
            if lines and len(lines) + len(below) > ROWS:
                break
            lines, shown_scenes = lines + below, shown_scenes + 1
        shown = shown[:shown_scenes]
    rest = order[len(shown) :]
    if rest:
        unfinished = sum(any(states[f.file] not in _NOTHING_LEFT for f in scenes[scene]) for scene in rest)
        told = f"{unfinished:,} of them unfinished" if unfinished else "all here"
        lines += wrap(f"... and {count_text(len(rest), 'more scene')}, {told}", width)
    return lines


def _sum(cells: dict[str, str]) -> str:
    """The counts of one scene, and the bands that are not here where they are few."""
    texts = []
    for state in _ORDER:
        bands = [band for band, its_state in cells.items() if its_state == state]
        if bands:
            texts.append(
                f"{len(bands)} {state}" + (f" ({', '.join(bands)})" if state != "here" and len(bands) < 4 else "")
            )
    return ", ".join(texts)


def _names(scenes: list[str]) -> dict[str, str]:
    """A short name for each scene, or the whole id where the short one would mean two."""
    short = Counter(map(scene_name, scenes))
    return {scene: clean(scene_name(scene) if short[scene_name(scene)] == 1 else scene) for scene in scenes}


def _band(file: FileStatus) -> str:
    return clean(band_name(file.file.rpartition("/")[2], file.scene) or file.file)


def _last_run(known: LedgerStatus) -> str:
    if known.held_by is not None:
        return f"a run is at work{known.held_by}"
    if known.last_run_started is None:
        return "no run yet"
    begun = clock_text(known.last_run_started, 0.0)
    code = known.last_exit_code
    end = "it was killed" if code is None else _ENDS.get(code, "it ended with an error")
    return f"last run: {begun}, {end}" + ("" if code is None else f" (exit code {code})")


def _next(totals: Counter[str], running: bool, again: SameJob) -> list[str]:
    lines = []  # not broken to the width of the page: what is pasted must be one line
    if totals["failed"]:
        lines.append(f"why they failed: {again.command('status', '--failed')}")
    if running:
        return lines
    if totals.keys() <= _NOTHING_LEFT:
        lines.append(f"next: {again.command('status', '--paths')} lists the files")
    else:
        lines.append(f"next: {again.command('run')} fetches what is not here")
    return lines
