"""What a synchronisation looks at, and what its results mean."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from landsat_async.config_tables import SearchConfig, SelectConfig
from landsat_async.model import Scene, Unavailable
from landsat_async.run.sync_plan import (
    LastSuccess,
    only_new,
    same_band,
    scenes_with_gaps,
    scope_of,
    search_mark,
    successors,
    vanished,
)

DAY_S = 86400.0
NOW_S = 1_725_000_000.0  # 2024-08-30
SEARCH = SearchConfig(datasets=("landsat_ot_c2_l2",))
LAST = LastSuccess("m", NOW_S - DAY_S, NOW_S - 3 * DAY_S)


def version(level: str = "L1TP", processed: str = "20240714", tier: str = "T1", place: str = "004053") -> str:
    return f"LC08_{level}_{place}_20240705_{processed}_02_{tier}"


RT, T1, AGAIN = version("L1GT", "20240705", "RT"), version(), version("L1TP", "20250101")


def scene(display_id: str, acquired: str = "2024-07-05") -> Scene:
    return Scene("LC80040532024187LGN00", display_id, acquired)


@pytest.mark.parametrize(
    ("last", "mark", "search", "full", "why"),
    [
        (LAST, "m", {}, True, "--full"),
        (None, "m", {}, False, "no earlier"),
        (LAST, "other", {}, False, "has changed"),
        (LAST, "m", {"limit": 5}, False, "a limit"),
        (LAST, "m", {"scenes": ("LC80040532024187LGN00",)}, False, "a list of scenes"),
        (replace(LAST, full_s=NOW_S - 7 * DAY_S + 3600), "m", {}, False, "a week has passed"),
        (replace(LAST, full_s=NOW_S + 2 * DAY_S), "m", {}, False, "a week has passed"),
    ],
)
def test_everything_is_looked_at_where_what_is_new_would_not_do(
    last: LastSuccess | None, mark: str, search: dict[str, Any], full: bool, why: str
) -> None:
    scope = scope_of(last, mark, msgspec.structs.replace(SEARCH, **search), NOW_S, full=full)
    assert (scope.since, why in scope.why) == (None, True)


def test_what_is_new_begins_a_week_before_the_last_success() -> None:
    assert scope_of(LAST, "m", SEARCH, NOW_S, full=False).since == dt.date(2024, 8, 22)
    ahead = replace(LAST, began_s=NOW_S + DAY_S)
    assert scope_of(ahead, "m", SEARCH, NOW_S, full=False).since == dt.date(2024, 8, 23)


def test_the_mark_changes_with_what_is_asked_for_and_not_with_the_day() -> None:
    select = SelectConfig(type="band", bands=("red",))
    relative = msgspec.structs.replace(SEARCH, relative=("start = -60 days",))
    marks = [
        search_mark(msgspec.structs.replace(relative, start=dt.date(2024, 6, day)), select, "", b"area")
        for day in (1, 2)
    ]
    others = [
        search_mark(msgspec.structs.replace(SEARCH, start=dt.date(2024, 6, 1)), select, "", b"area"),
        search_mark(SEARCH, select, "", b"area"),
        search_mark(SEARCH, select, "{year}", b"area"),
        search_mark(SEARCH, SelectConfig(), "", b"area"),
        search_mark(SEARCH, select, "", b"other"),
    ]
    assert marks[0] == marks[1]
    assert len({marks[0], *others}) == 6


def test_only_what_is_not_known_is_new_and_no_older_version() -> None:
    found = [scene(RT), scene(T1), scene(version(place="005053"))]
    assert only_new(found, {T1}) == ([found[2]], frozenset())
    assert only_new(found, {RT}) == ([found[1], found[2]], frozenset({RT}))
    assert only_new([scene(RT)], {AGAIN}) == ([], frozenset())
    assert only_new([Scene("X", "no landsat id")], set())[0] != []


def test_the_newest_current_version_is_the_successor_of_every_older_one() -> None:
    assert successors([RT, T1], [AGAIN, version("L2SP", "20260101")]) == {RT: AGAIN, T1: AGAIN}
    assert successors([AGAIN], [T1, RT]) == {}
    both_ways = version("L2SR"), version("L2SP", "20240801")
    assert successors(both_ways[:1], both_ways[1:]) == {both_ways[0]: both_ways[1]}
    tiles = [f"LC08_CU_008001_20240705_{day}_02" for day in ("20240716", "20250716")]
    assert successors(tiles, tiles[1:]) == {tiles[0]: tiles[1]}
    assert successors(["x"], ["y"]) == {}


def test_scenes_with_gaps_are_found_by_the_names_of_what_is_missing() -> None:
    gaps = [Unavailable(f"{T1}_B4.TIF", "r"), Unavailable(f"{AGAIN}.tar", "r"), Unavailable("pan", "r")]
    assert scenes_with_gaps([T1, AGAIN, RT], gaps) == {T1, AGAIN}
    assert scenes_with_gaps([RT], [Unavailable(RT, "lists nothing"), Unavailable("", "?")]) == {RT}


def test_what_has_vanished_and_what_time_has_left_behind() -> None:
    known = {one: scene(one) for one in (RT, T1)} | {"old": scene("old", "2022-01-01")}
    search = msgspec.structs.replace(SEARCH, start=dt.date(2024, 1, 1))
    assert vanished(known, {T1}, search) == ([RT], ["old"])
    assert vanished(known, {T1}, SEARCH) == ([RT, "old"], [])


def test_a_file_has_a_successor_when_the_same_band_is_there() -> None:
    names = {f"{AGAIN}_B4.TIF", f"{AGAIN}.tar"}
    assert same_band(f"{T1}_B4.TIF", T1, names, AGAIN)
    assert same_band(f"{T1}.tar", T1, names, AGAIN)
    assert not same_band(f"{T1}_B5.TIF", T1, names, AGAIN)
