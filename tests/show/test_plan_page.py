"""`plan` is one screen at any size; `snapshots/plan-*.txt` holds what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from landsat_async.errors import FolderBusy
from landsat_async.events import LeftOut
from landsat_async.model import DroppedScene, Scene, Unavailable, WantedFile
from landsat_async.run.plan import Plan, PlannedFile
from landsat_async.show.plan_page import plan_page
from landsat_async.show.program import SameJob

GIB, MIB = 1 << 30, 1 << 20
SNAPSHOTS = Path(__file__).parent / "snapshots"
AGAIN = SameJob("config.toml")
BANDS = {"SR_B2": 70, "SR_B3": 72, "SR_B4": 75, "SR_B5": 80, "QA_PIXEL": 3, "ANG": 1}
REASONS = ("cloud cover 44 % is not within 0..10", "older version of LC08_L2SP_004053_20240705_20240714_02_RT")


def many(scenes: int, *, years: int = 1, places: int = 1, here: int = 0, bands: dict[str, int] = BANDS, **more):
    """A plan of so many scenes, the first of which are here."""
    found, files = [], []
    for i in range(scenes):
        day = f"{2024 - i % years}{i // years % 12 + 1:02}{i % 28 + 1:02}"
        display_id = f"LC0{8 + i % 2}_L2SP_{4 + i % places:03}{53:03}_{day}_{day}_02_T1"
        acquired = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        found.append(Scene(f"LC8{i:018}", display_id, acquired, 4.0))
        for band, size in bands.items():
            name = f"{display_id}.tar" if band == "bundle" else f"{display_id}_{band}.TIF"
            wanted = WantedFile(name, found[-1].entity_id, display_id, "file", (), size * MIB)
            files.append(PlannedFile(wanted, "here" if i < here else "missing"))
    nominal = sum(p.file.bytes_nominal for p in files)
    left = sum(p.file.bytes_nominal for p in files if p.state != "here")
    dropped = [DroppedScene(found[0], REASONS[i % 2]) for i in range(scenes // 2)] if found else []
    given = {"rate_bytes_s": 41.0 * MIB, "unavailable": [], "dropped": dropped, **more}
    return Plan(found, given.pop("dropped"), files, given.pop("unavailable"), nominal, left, 120 * GIB, **given)


def page(plan: Plan, width: int = 80) -> list[str]:
    return plan_page(plan, keep_bytes=GIB, width=width, again=AGAIN)


SIZES = {
    "3": many(3, here=1),
    "300": many(300, years=2, places=3, here=100),
    "3000": many(3000, years=12, places=40, bands={f"SR_B{i}": 70 for i in range(22)}, bytes_short=GIB),
}


@pytest.mark.faults("P39")
@pytest.mark.parametrize("width", [40, 60, 80, 1000])
@pytest.mark.parametrize("size", SIZES)
def test_P39_a_plan_is_one_screen_at_any_size(size, width):
    lines = page(SIZES[size], width)
    assert len(lines) <= (22 if width >= 60 else 30)  # two lines are for the area and a warning
    assert all(len(line) <= width for line in lines if not line.startswith("next:"))
    if width not in (40, 80):
        return
    kept = SNAPSHOTS / f"plan-{size}-{width}.txt"
    text = "\n".join(lines) + "\n"
    if not kept.exists():
        kept.write_text(text, encoding="utf-8")
        pytest.fail(f"{kept.name} was missing and is written now: look at it")
    assert text == kept.read_text(encoding="utf-8")


def test_nothing_found_says_what_to_widen():
    empty = Plan([], [DroppedScene(Scene("E", "D"), "cloud cover is not known")] * 9, [], [], 0, 0, GIB)
    lines = page(empty)
    assert lines[0] == "no scene matches"
    assert "left out: 9 scenes · 9 cloud cover is not known" in lines
    assert lines[-1] == "next: widen dates, area or cloud cover"


def test_everything_here_needs_nothing():
    lines = page(many(3, here=3))
    assert lines[1] == "already here: 18, about 903 MiB · nothing to fetch"
    assert not any(line.startswith("time:") for line in lines)
    assert lines[-1] == "next: nothing; landsat-async status --paths config.toml lists the files"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"busy": FolderBusy("busy")}, "exit code 8: another run holds the folder"),
        ({"bytes_short": GIB}, "exit code 9: the disk would be full before all is here"),
        ({"unavailable": [Unavailable("SR_B99", "no such band", "see the names")]}, "exit code 4: 1 cannot be had"),
    ],
)
def test_what_run_would_end_with_is_said(more, said):
    text = "\n".join(page(many(3, **more)))
    assert said in text
    if "unavailable" in more:
        assert "cannot be had (1):\n  SR_B99: no such band -> see the names" in text


def test_what_is_lacking_is_bounded():
    lines = page(
        many(
            3,
            unavailable=[Unavailable(f"SR_B{i}", "no such band") for i in range(50)],
            left_out=tuple(LeftOut(f"B{i}", "they have no such band", 3, "LC08") for i in range(9)),
        )
    )
    assert "  ... and 47 more; --json tells all" in lines
    assert "... and 6 more bands that some scenes lack" in lines


def test_states_of_files_that_are_not_here_are_told():
    plan = many(1)
    states = ["partial", "preparing", "unverified", "refused", "missing", "missing"]
    plan.files[:] = [PlannedFile(p.file, s) for p, s in zip(plan.files, states, strict=True)]
    text = " ".join(" ".join(page(plan)).split())
    assert (
        "(1 begun, 1 being prepared by USGS, 1 found on disk, to be verified, "
        "1 not possible, something is in the way)" in text
    )


@pytest.mark.faults("P68")
def test_P68_of_a_plan_of_which_nothing_can_be_had_no_rest_comes_and_no_run_is_next():
    nothing = Plan([], [], [], [Unavailable("LC80040532024187LGN99", "there is no such scene")], 0, 0, GIB)
    lines = page(nothing)
    assert "run would end with exit code 4: 1 cannot be had" in lines
    assert not any("next:" in line for line in lines)
