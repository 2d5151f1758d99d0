"""Where a run stands, in words: how far it is, what runs, what waits for what, and for how long.

Pure. Every text follows one rule: nothing that cannot flow is counted as if it did. A time is told for what can come
now, and none at all while nothing comes.
"""

from __future__ import annotations

from landsat_async.events import Progress
from landsat_async.rules.quantities import (
    about_text,
    count_text,
    part_of_size_text,
    rate_text,
    size_text,
    span_text,
    stopwatch_text,
)
from landsat_async.show.formatting import clock_text

YOU_MAY_STOP = "you may stop"
"""What is here stays, and the same command goes on."""


def share_of(p: Progress) -> float | None:
    """Return how far a run is, 0..1, by bytes where the sizes are known; None when nothing is known.

    Never 1 before the last file is here.
    """
    if not p.files_total:
        return None
    share = p.files_done / p.files_total
    if p.bytes_total is not None and p.bytes_total >= p.bytes_done:
        share = p.bytes_done / max(1, p.bytes_total)
    return share if p.files_done == p.files_total else min(share, 0.99)


def waiting_files(p: Progress) -> int:
    """Return how many files are neither here nor failed, nor running, nor at USGS."""
    return max(0, p.files_total - p.files_done - p.files_failed - p.files_running - p.files_preparing)


def is_flowing(p: Progress) -> bool:
    """Tell whether bytes are coming."""
    return p.files_running > 0 and p.rate_bytes_s > 0


def left_text(p: Progress, *, held_up: bool = False) -> str | None:
    """Return the time that is left at this speed, for what can come; None while nothing comes or a size is unknown.

    `held_up`: the service, or a host, cannot be asked just now; only files that have a link can come.
    """
    if not is_flowing(p) or p.bytes_total is None or p.bytes_total <= p.bytes_done:
        return None
    still_open = p.files_total - p.files_done - p.files_failed
    with_link = p.files_running + p.files_ready
    can_come = with_link if held_up or p.quota_s is not None else p.files_running + waiting_files(p)
    can_come = max(1, min(can_come, still_open))
    left_s = (p.bytes_total - p.bytes_done) * can_come / max(1, still_open) / p.rate_bytes_s
    return f"{span_text(left_s)} left" if can_come == still_open else f"{span_text(left_s)} for what can come now"


def headline(p: Progress, *, held_up: bool = False) -> list[str]:
    """Return the parts of the first line: share, files, bytes, speed, time left."""
    share = share_of(p)
    parts = [] if share is None or p.bytes_total is None else [f"{int(100 * share)} %"]
    parts.append(f"{p.files_done:,}/{p.files_total:,} files")
    if p.bytes_total is not None and p.bytes_total >= p.bytes_done:
        parts.append(part_of_size_text(p.bytes_done, p.bytes_total))
    else:
        parts.append(size_text(p.bytes_done))
    if is_flowing(p):
        limit = f" of {rate_text(p.max_rate_bytes_s)} allowed" if p.max_rate_bytes_s else ""
        parts.append(rate_text(p.rate_bytes_s) + limit)
    left = left_text(p, held_up=held_up)
    return [*parts, left] if left else parts


def counts(p: Progress) -> list[str]:
    """Return how many files are in which condition, without those that are here."""
    named = (
        (p.files_running, "running"),
        (waiting_files(p), "waiting"),
        (p.files_preparing, "at USGS"),
        (p.files_failed, "failed"),
    )
    return [f"{count:,} {name}" for count, name in named if count]


def staging_text(p: Progress, since_s: float = 0.0) -> str | None:
    """Return what is told while USGS prepares files; None when it prepares none.

    Args:
        p: What was told last.
        since_s: Seconds since then.
    """
    if not p.files_preparing or p.staging_for_s is None:
        return None
    files = "1 file is" if p.files_preparing == 1 else f"{p.files_preparing:,} files are"
    parts = [
        f"{files} being prepared by USGS, for {stopwatch_text(p.staging_for_s + since_s)} so far "
        f"(limit {about_text(p.staging_limit_s)})"
    ]
    if p.staging_eta_s:
        parts.append(f"usually ready in {about_text(p.staging_eta_s)}")
    if p.next_look_s is not None:
        look_s = p.next_look_s - since_s
        parts.append(f"next look in {span_text(look_s)}" if look_s >= 1 else "looking now")
    return " · ".join([*parts, f"{YOU_MAY_STOP}, USGS goes on"])


def quota_text(p: Progress, now_s: float, since_s: float = 0.0) -> str | None:
    """Return what is told while the account may ask for no more; None when it may. `now_s` is unix time."""
    if p.quota_s is None:
        return None
    wait_s, files = max(0.0, p.quota_s - since_s), max(0, waiting_files(p) - p.files_ready)
    what = f"{count_text(files, 'file')} wait" if files != 1 else "1 file waits"
    goes_on = f"goes on at {clock_text(now_s + wait_s, now_s)} (in {about_text(wait_s)})"
    return f"{what} for your quota · {goes_on} · {YOU_MAY_STOP}"


def hook_text(p: Progress, since_s: float = 0.0) -> str | None:
    """Return what is told while a program of the user is at work; None when none is. `since_s` as in `staging_text`."""
    if not p.hook:
        return None
    at_work = stopwatch_text(p.hook_for_s + since_s)
    return f"hook {p.hook} is at work, for {at_work} so far (limit {about_text(p.hook_limit_s)})"


def next_try_text(reason: str, until_s: float, now_s: float, *, holds_all: bool = True) -> str:
    """Return a wait with its reason, the time of the next try, and how long that is. Times are unix times.

    `holds_all`: the whole run waits, so it also tells what its user may do.
    """
    text = f"{reason} · next try at {clock_text(until_s, now_s)} (in {span_text(until_s - now_s)})"
    return f"{text} · {YOU_MAY_STOP}" if holds_all else text
