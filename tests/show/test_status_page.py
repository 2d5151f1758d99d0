from __future__ import annotations

import json

import pytest

from landsat_async.run.verify import FileStatus, LedgerStatus
from landsat_async.show import ledger_commands
from landsat_async.show.doctor_page import Check, verdict_lines
from landsat_async.show.program import SameJob
from landsat_async.show.status_page import state_of, status_page

SCENE = "LC09_L2SP_004053_202407{:02}_20240720_02_T1"
AGAIN = SameJob("config.toml")


def file(name, state, *, scene=SCENE.format(13), durable_bytes=0, reason="", hint=""):
    return FileStatus(name, state, None, durable_bytes, None, None, reason, hint, scene)


def known(*files, code=7, **more):
    counts = {}
    for one in files:
        counts[one.state] = counts.get(one.state, 0) + 1
    return LedgerStatus("/data", counts, list(files), 1_700_000_000.0, code, **more)


def bands(day, **states):
    return [file(f"{SCENE.format(day)}_{band}.TIF", state, scene=SCENE.format(day)) for band, state in states.items()]


def page(status, width=80):
    return status_page(status, "data/", width, AGAIN)


def test_scenes_are_a_matrix_of_their_bands_and_what_is_unfinished_comes_first():
    status = known(*bands(12, SR_B3="done", SR_B5="done"), *bands(13, SR_B3="failed", SR_B5="preparing"))
    lines = page(status)
    assert lines[0] == "data/ · 2 scenes, 4 files: 2 here, 1 failed, 1 at USGS"
    assert lines[1].startswith("last run: 2023-11-1")
    assert lines[1].endswith(", it was stopped (exit code 7)")
    assert lines[3:] == [
        "scene                    SR_B3   SR_B5",
        "LC09 004/053 2024-07-13  failed  at USGS",
        "LC09 004/053 2024-07-12  here    here",
        "why they failed: landsat-async status --failed config.toml",
        "next: landsat-async run config.toml fetches what is not here",
    ]


def test_where_the_bands_do_not_fit_each_scene_has_its_counts():
    states = {f"SR_B{i}": "done" for i in range(20)} | {"ST_B10": "failed", "ANG": "planned"}
    lines = page(known(*bands(13, **states)), 60)
    assert lines[3:6] == ["LC09 004/053 2024-07-13", "    20 here, 1 failed (ST_B10), 1 waiting (ANG)", lines[5]]


@pytest.mark.faults("P38")
@pytest.mark.parametrize(
    ("state", "durable_bytes", "running", "told"),
    [
        ("active", 0, True, "coming"),
        ("active", 0, False, "waiting"),
        ("active", 99, False, "partly"),
        ("ready", 0, True, "waiting"),
        ("planned", 99, True, "partly"),
        ("requested", 0, False, "waiting"),
        ("preparing", 0, False, "at USGS"),
        ("done", 0, False, "here"),
        ("failed", 99, True, "failed"),
    ],
)
def test_P38_nothing_is_told_as_coming_when_no_run_is_at_work(state, durable_bytes, running, told):
    assert state_of(file("a", state, durable_bytes=durable_bytes), running=running) == told


@pytest.mark.faults("P38")
def test_P38_a_run_that_is_at_work_is_told_in_place_of_the_last_one():
    lines = page(known(*bands(13, SR_B3="active"), code=None, held_by=" (process 7 on host, since 2026-11-28)"))
    assert lines[1] == "a run is at work (process 7 on host, since 2026-11-28)"
    assert not any(line.startswith("next:") for line in lines)
    assert page(known(*bands(13, SR_B3="active"), code=None))[1].endswith(", it was killed")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_three_thousand_scenes_are_one_screen(width):
    files = [one for i in range(3000) for one in bands(i % 28 + 1, SR_B3="done", ANG="done" if i % 3 else "planned")]
    files = [
        FileStatus(f"{i}/{one.file}", one.state, None, 0, None, None, "", "", f"{one.scene[:11]}{i:05}{one.scene[16:]}")
        for i, one in enumerate(files)
    ]
    lines = page(known(*files), width)
    assert len(lines) <= 24
    assert all(len(line) <= width for line in lines if not line.startswith(("next:", "why")))
    assert any(line.startswith("... and ") for line in lines)


def test_an_empty_folder_and_one_where_everything_is_here_say_what_comes_next():
    nothing = LedgerStatus("/data", {}, [], None, None, ledger=False)
    assert page(nothing) == ["data/: nothing has been downloaded here yet", "next: landsat-async run config.toml"]
    assert page(known(code=0))[0] == "data/: no files are wanted here"
    assert page(known(*bands(13, SR_B3="done"), code=0))[-1] == (
        "next: landsat-async status --paths config.toml lists the files"
    )


def test_failures_are_told_each_with_its_reason_and_what_to_do():
    status = known(file("gone.tar", "failed", reason="no bundle", hint="choose band"), file("a.tar", "done"))
    assert ledger_commands.failures(status, 80) == ["gone.tar: no bundle", "  -> choose band"]
    assert ledger_commands.failures(known(), 80) == ["nothing has failed"]


def test_json_tells_the_states_of_the_lifecycle_and_whether_a_run_is_at_work(hear):
    heard = hear(json=True)
    ledger_commands.write_json(known(file("a", "failed"), file("b", "done"), held_by=""), heard.output, failed=True)
    lines = [json.loads(line) for line in heard.out.splitlines()]
    assert [(line["event"], line.get("file")) for line in lines] == [("file", "a"), ("status", None)]
    assert lines[0]["scene"] == SCENE.format(13)
    assert lines[1]["running"] is True


def test_paths_are_absolute_and_nothing_else_is_on_stdout(config_file, hear, monkeypatch):
    async def read(config):
        return known(file("2024/a.tar", "done"), file("b.tar", "failed"))

    monkeypatch.setattr("landsat_async.run.verify.status", read)
    heard = hear()
    assert ledger_commands.status(config_file, (), heard.output, paths=True) == 0
    (line,) = heard.out.splitlines()
    assert line.startswith("/")
    assert line.endswith("/out/2024/a.tar")


@pytest.mark.faults("P67")
def test_P67_a_command_to_paste_is_never_broken_to_the_width_of_the_page():
    job = SameJob("my fields/lake of the north.toml", (("--directory", "/data/lake"),))
    for files, commands in (
        (bands(13, SR_B3="failed"), ("status", "run")),
        (bands(13, SR_B3="done"), ("status",)),
    ):
        lines = status_page(known(*files), "data/", 40, job)
        for one in commands:
            assert sum(job.command(one).split(one)[1] in line for line in lines) >= 1
    ok, bad = Check("search", "ok", ""), Check("lock", "fail", "", "", 8)
    assert verdict_lines([ok], job, 40) == ["No problems.", f"Next: {job.command('run')}"]
    assert verdict_lines([ok, bad], job, 40)[-3:] == [
        "Next: wait for the other run, or look",
        "  with:",
        f"  {job.command('status')}",
    ]
    wordy = (
        Check("store", "fail", "", "", 6),
        Check("folder", "fail", "", "", 2),
        Check("certificate", "fail", "", "", 6),
    )
    for one in wordy:
        for line in verdict_lines([one], SameJob(), 40):
            assert len(line) <= 40
    assert verdict_lines([ok], SameJob(), 80) == ["No problems. Next: landsat-async run"]
