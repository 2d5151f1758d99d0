"""What `plan` shows: one screen at any size. Pure; lists of scenes and files are told when they are asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from statistics import median
from typing import TYPE_CHECKING

from landsat_async.disk.target import NO_LIMIT_BYTES
from landsat_async.model import WantedFile
from landsat_async.rules.product_id import parse_product_id
from landsat_async.rules.quantities import about_text, count_text, rate_text, size_text
from landsat_async.show.formatting import band_name, clean, flow, wrap
from landsat_async.show.tables import columns, left_out_lines

if TYPE_CHECKING:
    from landsat_async.run.plan import Plan, PlannedFile
    from landsat_async.show.program import SameJob

ROWS_BESIDE, ROWS_BELOW = 7, 3
"""Rows of the two tables, side by side or one below the other."""
REASONS = 3
BESIDE = "    "
_ID = re.compile(r"\bL[A-Z]\d\d_\S+")


def plan_page(result: Plan, *, keep_bytes: int, width: int, again: SameJob) -> list[str]:
    """Return the plan as one screen; `keep_bytes` stay free on the disk; `again`: the job, for what is next."""
    lines = [
        *_scenes_and_files(result, width),
        *_windows(result, width),
        *_disk(result, keep_bytes, width),
        *_time(result, width),
        *_area(result, width),
        *_tables(result, width),
        *_left_out(result, width),
        *_lacking(result, width),
    ]
    return [*lines, *_ending(result, again, width)]


def _scenes_and_files(result: Plan, width: int) -> list[str]:
    if not result.scenes:
        return ["no scene matches"]
    days = sorted(scene.acquired for scene in result.scenes if scene.acquired)
    parts = [
        count_text(len(result.scenes), "scene"),
        count_text(len(result.files), "file"),
        f"about {size_text(result.bytes_nominal)}",
    ]
    if days:
        parts.append(days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}")
    here = [planned for planned in result.files if planned.state == "here"]
    left = sum(planned.is_open for planned in result.files)
    states = Counter(planned.state for planned in result.files)
    of_them = [
        (states["partial"], "begun"),
        (states["preparing"], "being prepared by USGS"),
        (states["unverified"], "found on disk, to be verified"),
        (states["refused"], "not possible, something is in the way"),
    ]
    some = ", ".join(f"{count:,} {what}" for count, what in of_them if count)
    to_fetch = f"to fetch: {left:,}, about {size_text(result.bytes_left)}" if left else "nothing to fetch"
    already = "already here: nothing"
    if here:
        size = f", about {size_text(_bytes(here))}"
        already = f"already here: {len(here):,}{'' if _bundles_pass(result) else size}"
    if states["empty"]:
        already += f", {states['empty']:,} without data in the area"
    return [
        *flow(parts, width, " · ", "  "),
        *flow([already, to_fetch + (f" ({some})" if some else "")], width, " · ", "  "),
    ]


def _windows(result: Plan, width: int) -> list[str]:
    """Say what windows save, and what that rests on."""
    if result.bytes_whole is None or not result.files:
        return []
    if _bundles_pass(result):
        come = f"windows of the area: whole bundles come, {size_text(result.bytes_whole)}, and only windows are kept"
        return flow([come, 'single bands come by ranges (type = "band")'], width, "; ", "  ")
    saved = f"windows of the area: about {size_text(result.bytes_nominal)} in place of {size_text(result.bytes_whole)}"
    return flow([saved, "if the hosts give ranges", "else whole files come and are cut here"], width, ", ", "  ")


def _bundles_pass(result: Plan) -> bool:
    return any(planned.bundle is not None for planned in result.files)


def _disk(result: Plan, keep_bytes: int, width: int) -> list[str]:
    if result.free_bytes >= NO_LIMIT_BYTES:
        spool = result.spool_free_bytes
        free = [] if spool is None else [f"{size_text(spool)} free now on the disk of the spool"]
        kept = f"{size_text(keep_bytes)} are kept free" + (" on the disk of the spool" if spool is None else " there")
        return flow(["disk: no limit of the store is known", *free, kept], width, ", ", "  ")
    after = result.free_bytes - result.bytes_left
    parts = [f"disk: {size_text(result.free_bytes)} free now"]
    if result.bytes_left and not _bundles_pass(result):
        parts.append(f"about {size_text(after)} after it" if after >= 0 else "not enough for all of it")
    return flow([*parts, f"{size_text(keep_bytes)} are kept free"], width, ", ", "  ")


def _time(result: Plan, width: int) -> list[str]:
    if not result.bytes_left or result.rate_bytes_s is None:
        return []
    took = about_text(result.bytes_left / result.rate_bytes_s)
    rate = rate_text(result.rate_bytes_s)
    return flow([f"time: about {took} at {rate} (last measured)", "plus preparing by USGS"], width, ", ", "  ")


def _area(result: Plan, width: int) -> list[str]:
    """Say how cloudy the area is in the scenes that are measured, and how many are not."""
    percents = [count.cloud_percent for count in result.measured.values() if count.cloud_percent is not None]
    parts = []
    if percents:
        parts.append(f"area: cloud measured in {count_text(len(result.measured), 'scene')}")
        parts.append(f"{min(percents):.1f} to {max(percents):.1f} %, median {median(percents):.1f} %")
    if result.unmeasured:
        text = f"not measured yet in {count_text(result.unmeasured, 'scene')}, which may be left out (plan --measure)"
        parts.append(text if parts else f"area: {text}")
    return flow(parts, width, ", ", "  ") if parts else []


# -- the two tables ----------------------------------------------------------------------------------------------------


def _tables(result: Plan, width: int) -> list[str]:
    if not result.files:
        return []
    years = {_year(planned.file) for planned in result.files}
    by_place = len(years) == 1
    first = _table("path/row" if by_place else "year", result, _place if by_place else _year, ROWS_BESIDE)
    second = _table("band", result, band_of, ROWS_BESIDE, by_name=False)
    left_width = max(map(len, first))
    if left_width + len(BESIDE) + max(map(len, second)) <= width:
        pairs = zip_longest(first, second, fillvalue="")
        return ["", *(f"{a.ljust(left_width)}{BESIDE}{b}".rstrip() for a, b in pairs)]
    first = _table("path/row" if by_place else "year", result, _place if by_place else _year, ROWS_BELOW)
    return ["", *first, *_table("band", result, band_of, ROWS_BELOW, by_name=False)]


def _table(
    title: str, result: Plan, key: Callable[[WantedFile], str], rows_most: int, *, by_name: bool = True
) -> list[str]:
    """Count files by a key: in the order of the names, or of the sizes; what has no room is summed up."""
    groups: dict[str, list[PlannedFile]] = {}
    for planned in result.files:
        groups.setdefault(key(planned.file), []).append(planned)
    order = sorted(groups) if by_name else sorted(groups, key=lambda name: (-_own_bytes(groups[name]), name))
    bundles = [] if by_name else _bundle_rows(result.files)
    rows_most -= len(bundles)
    if len(order) > rows_most:
        rest = order[rows_most - 1 :]
        shown = [(clean(name), groups[name]) for name in order[: rows_most - 1]]
        shown.append((f"{len(rest):,} more", [planned for name in rest for planned in groups[name]]))
    else:
        shown = [(clean(name), groups[name]) for name in order]
    with_scenes = title != "band"
    head = [title, *(["scenes"] if with_scenes else []), "files", "size", "here"]
    rows = bundles
    for name, group in shown:
        scenes = [f"{len({p.file.scene_display_id for p in group}):,}"] if with_scenes else []
        here = sum(planned.state == "here" for planned in group)
        in_bundles = not with_scenes and all(planned.bundle is not None for planned in group)
        size = "in them" if in_bundles else size_text(_bytes(group) if with_scenes else _own_bytes(group))
        rows.append([name, *scenes, f"{len(group):,}", size, f"{here:,}"])
    return columns(head, rows, 1000, right=range(1, len(head)))


def _bundle_rows(files: Sequence[PlannedFile]) -> list[list[str]]:
    """Return the row of the bundles that come and are not kept: their bytes are those of no band."""
    members = [planned for planned in files if planned.bundle is not None]
    count = len({planned.bundle for planned in members})
    return [["bundles", f"{count:,}", size_text(_bytes(members)), "not kept"]] if members else []


def file_rows(files: Sequence[PlannedFile], states: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return name, size and state of each file, and of each bundle before what is taken out of it."""
    sizes: Counter[str] = Counter()
    for planned in files:
        if planned.bundle is not None:
            sizes[planned.bundle] += planned.file.bytes_nominal or 0
    rows, told = [], set[str]()
    for planned in files:
        if (bundle := planned.bundle) is None:
            rows.append((planned.file.relpath, size_text(planned.file.bytes_nominal), states[planned.state]))
            continue
        if bundle not in told:
            told.add(bundle)
            rows.append((bundle, size_text(sizes[bundle]), "not kept; of it:"))
        rows.append((planned.file.relpath, "in it", states[planned.state]))
    return rows


def _own_bytes(group: Sequence[PlannedFile]) -> int:
    return sum(planned.file.bytes_nominal or 0 for planned in group if planned.bundle is None)


def _bytes(group: Sequence[PlannedFile]) -> int:
    return sum(planned.file.bytes_nominal or 0 for planned in group)


_product = lru_cache(maxsize=4096)(parse_product_id)  # files of a scene follow each other


def _year(file: WantedFile) -> str:
    product = _product(file.scene_display_id)
    return str(product.acquired.year) if product else "?"


def _place(file: WantedFile) -> str:
    product = _product(file.scene_display_id)
    return f"{product.region or ''}{product.path:03}/{product.row:03}" if product else "?"


def band_of(file: WantedFile) -> str:
    """Return which of the files of its scene it is: SR_B4, bundle, MTL."""
    return band_name(file.name, file.scene_display_id)


# -- what does not come ------------------------------------------------------------------------------------------------


def _left_out(result: Plan, width: int) -> list[str]:
    """Scenes that the filters leave out, by reason with numbers, and bands that some scenes lack."""
    counts = Counter(_kind_of(dropped.reason) for dropped in result.dropped)
    lines = []
    if counts:
        told = [f"{count:,} {clean(reason)}" for reason, count in counts.most_common(REASONS)]
        if len(counts) > REASONS:
            told.append(f"{counts.total() - sum(n for _, n in counts.most_common(REASONS)):,} for other reasons")
        lines = flow([f"left out: {count_text(counts.total(), 'scene')}", *told], width, " · ", "  ")
    lacks = left_out_lines(result.left_out[:REASONS])
    if len(result.left_out) > REASONS:
        lacks.append(f"... and {count_text(len(result.left_out) - REASONS, 'more band')} that some scenes lack")
    lines += [line for text in lacks for line in wrap(text, width)]
    return ["", *lines] if lines else []


def _kind_of(reason: str) -> str:
    """Return a reason without what is a single scene's: ids, and figures of the area."""
    reason = re.sub(r"^[\d.]+ % (?=cloud in the area)", "too much or too little ", reason)
    return _ID.sub("the same scene", re.sub(r"(?<=data in )[\d.]+ %(?= of the area)", "too little", reason))


def _lacking(result: Plan, width: int) -> list[str]:
    """What was asked for by name and cannot be had."""
    if not result.unavailable:
        return []
    lines = [f"cannot be had ({len(result.unavailable):,}):"]
    for one in result.unavailable[:REASONS]:
        lines += wrap(clean(f"{one.file}: {one.reason}" + (f" -> {one.hint}" if one.hint else "")), width - 2, "  ")
    if len(result.unavailable) > REASONS:
        lines.append(f"  ... and {len(result.unavailable) - REASONS:,} more; --json tells all")
    return lines


def _ending(result: Plan, again: SameJob, width: int) -> list[str]:
    """Say what `run` would end with, unless that is 0, and what to do next."""
    if result.without_role is not None:
        return []
    if not result.scenes and not result.exit_code:
        return wrap("next: widen dates, area or cloud cover", width)
    if result.files and not any(planned.is_open for planned in result.files) and not result.exit_code:
        return [f"next: nothing; {again.command('status', '--paths')} lists the files"]
    if not result.exit_code:
        return [f"next: {again.command('run')}"]
    told = f"run would end with exit code {result.exit_code}: {exit_reason(result)}"
    comes = any(planned.is_open and planned.state != "refused" for planned in result.files)
    return [*wrap(told, width), *([f"next: {again.command('run')}"] if result.exit_code == 4 and comes else [])]


def room_lacking(result: Plan) -> tuple[str, str]:
    """Return that there is too little room, and what to do about it, for a plan that is short of bytes."""
    about = f"about {size_text(result.bytes_short)} too little"
    if result.spool_free_bytes is None:
        return f"no room for all of it: {about}", "free space, choose less, or lower [download] min_free_bytes"
    what = f"no room in the spool for the files that come at a time: {about}"
    return what, "free space, use fewer workers, or set [download] spool to a folder on another disk"


def exit_reason(result: Plan) -> str:
    """Return why a run would not end with 0; "" when it would."""
    refused = sum(1 for planned in result.files if planned.state == "refused")
    lacking = [
        *([f"{len(result.unavailable):,} cannot be had"] if result.unavailable else []),
        *([f"{count_text(refused, 'file')} cannot come because something is in the way"] if refused else []),
    ]
    rest = ", the rest comes" if len(result.files) > refused else ""
    reasons = {
        8: "another run holds the folder",
        9: "the disk would be full before all is here"
        if result.spool_free_bytes is None
        else "the disk of the spool would be full while files come",
        4: f"{' and '.join(lacking)}{rest}",
    }
    return reasons.get(result.exit_code, "")
