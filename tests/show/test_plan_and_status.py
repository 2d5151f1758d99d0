from __future__ import annotations

import json

import pytest

from landsat_async.errors import FolderBusy
from landsat_async.events import Notice
from landsat_async.model import DroppedScene, Scene, Unavailable, WantedFile
from landsat_async.run.plan import Plan, PlannedFile
from landsat_async.show import ledger_commands, plan_command
from landsat_async.show.cli import main
from landsat_async.show.doctor import file_system, file_system_of

GIB = 1 << 30


def scene(i=0, **values):
    return Scene(f"LC8{i:018}", f"LC08_{i}", **values)


def planned(count, state="missing"):
    return [PlannedFile(WantedFile(f"{i}.tar", "E", "D", "bundle", (), GIB), state) for i in range(count)]


def make(**values):
    defaults = {"scenes": [], "dropped": [], "files": [], "unavailable": []}
    figures = {"bytes_nominal": 0, "bytes_left": 0, "free_bytes": 100 * GIB}
    return Plan(**{**defaults, **figures, **values})


def test_the_area_and_other_notes_are_told(config_file, hear, monkeypatch):
    async def plan(config, **_):
        return make(notes=("area: 1,000 km² around 10.16° N 67.75° W", "search.min_coverage has no effect"))

    monkeypatch.setattr("landsat_async.run.plan.plan", plan)
    heard = hear()
    assert plan_command.plan(config_file, (), heard.output) == 0
    assert heard.err.splitlines() == [
        "area: 1,000 km² around 10.16° N 67.75° W",
        "search.min_coverage has no effect",
    ]
    assert "no scene matches" in heard.out


@pytest.mark.faults("M33")
@pytest.mark.parametrize(
    ("values", "code", "said"),
    [
        ({}, 0, ""),
        ({"files": planned(2)}, 0, ""),
        ({"unavailable": [Unavailable("SR_B99", "no such band")]}, 4, "SR_B99"),
        ({"files": planned(1, "refused")}, 4, "exit code 4"),
        ({"bytes_short": 2 * GIB}, 9, "no room for all of it: about 2.0 GiB too little"),
        ({"bytes_short": 1, "unavailable": [Unavailable("SR_B99", "no such band")]}, 9, "no room"),
        ({"bytes_short": 1, "busy": FolderBusy("Another run is using /data.")}, 8, "Another run is using /data."),
    ],
)
@pytest.mark.parametrize("quiet", [False, True])
def test_M33_a_plan_ends_with_the_code_of_the_run_and_says_why(
    config_file, hear, monkeypatch, values, code, said, quiet
):
    async def plan(config, **_):
        return make(**values)

    monkeypatch.setattr("landsat_async.run.plan.plan", plan)
    heard = hear(quiet=quiet)
    assert plan_command.plan(config_file, (), heard.output) == code
    assert said in heard.out + heard.err
    assert heard.out == "" or not quiet
    if quiet and not code:
        assert heard.err == ""


@pytest.mark.faults("M33")
def test_M33_the_json_of_a_plan_says_it_before_planned(hear):
    heard = hear(json=True)
    plan_command.write_json(make(bytes_short=GIB, busy=FolderBusy("busy")), heard.output)
    lines = [json.loads(line) for line in heard.out.splitlines()]
    assert [(line["event"], line.get("reference")) for line in lines] == [
        ("error", "folder-busy"),
        ("error", "disk-full"),
        ("planned", None),
    ]


@pytest.mark.parametrize(("options", "events"), [({"list_scenes": True}, "LC08_"), ({"list_files": True}, ".tar")])
def test_lists_are_told_on_request_and_whole(config_file, hear, monkeypatch, options, events):
    async def plan(config, **_):
        return make(scenes=[scene(i) for i in range(500)], files=planned(500))

    monkeypatch.setattr("landsat_async.run.plan.plan", plan)
    heard = hear()
    assert plan_command.plan(config_file, (), heard.output, **options) == 0
    assert sum(events in line for line in heard.out.splitlines()) == 500
    assert len(heard.out.splitlines()) == 501


def test_the_json_has_all(hear):
    plan = make(
        scenes=[scene(i) for i in range(500)],
        files=planned(500),
        unavailable=[Unavailable("LC08_X SR_B9", "no such band", "see the names")],
        dropped=[DroppedScene(scene(900), "cloud")],
    )
    heard = hear(json=True)
    plan_command.write_json(plan, heard.output)
    events = [json.loads(line)["event"] for line in heard.out.splitlines()]
    assert events == ["scene"] * 500 + ["file"] * 500 + ["dropped", "failed", "planned"]


def test_a_footprint_that_is_no_json_is_null(hear):
    heard = hear(json=True)
    plan_command.write_json(make(scenes=[scene(footprint="{"), scene(footprint='{"type": "Point"}')]), heard.output)
    assert [json.loads(line).get("geometry") for line in heard.out.splitlines()[:2]] == [None, {"type": "Point"}]


def test_verify_without_a_ledger_says_that_nothing_was_verified(config_file, hear):
    heard = hear()
    assert ledger_commands.verify(config_file, (), False, heard.output) == 0
    assert heard.err.strip().endswith("out: nothing is recorded here, so nothing was verified")
    assert "nothing was verified: no finished file is recorded in " in heard.out
    quiet = hear(quiet=True)
    ledger_commands.verify(config_file, (), False, quiet.output)
    assert "nothing is recorded here" in quiet.err


MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:30 / /mnt/my\\040share rw - nfs4 server:/x rw
31 22 0:31 / /mnt rw shared:1 - xfs /dev/sdb rw
broken line
"""


def test_the_file_system_is_that_of_the_longest_mount_point(tmp_path):
    assert file_system_of("/mnt/my share/data", MOUNTS) == "nfs4"
    assert file_system_of("/mnt/other", MOUNTS) == "xfs"
    assert file_system_of("/mntx", MOUNTS) == "ext4"
    assert file_system_of("/data", "") == ""


@pytest.mark.parametrize("content", [False, True])
def test_verify_proves_content_where_it_is_asked_to(config_file, monkeypatch, content):
    asked = []
    monkeypatch.setattr(ledger_commands, "verify", lambda _, __, content, *___, **____: asked.append(content) or 0)
    assert main(["verify", str(config_file), *(["--content"] if content else [])]) == 0
    assert asked == [content]


@pytest.mark.parametrize(
    ("kind", "is_remote", "state", "words"),
    [
        ("NTFS", False, "ok", "NTFS"),
        ("NTFS", True, "warn", "network file system (NTFS)"),
        ("", True, "warn", "of unknown kind"),
        ("exFAT", False, "warn", "on exFAT"),
        ("FAT32", False, "warn", "on FAT32"),
        ("vfat", False, "warn", "on vfat"),
        ("ext4", False, "ok", "ext4"),
    ],
)
def test_the_kind_of_file_system_is_told_with_what_it_means(kind, is_remote, state, words):
    check = file_system("data", kind, is_remote=is_remote)
    assert (check.state, words in check.message) == (state, True)
    assert ("4 GiB" in check.hint) is (kind in ("FAT32", "vfat"))
    assert file_system("data", "", is_remote=False) is None


@pytest.mark.faults("P65")
def test_P65_a_note_that_measuring_has_told_is_not_told_again_by_the_plan(config_file, hear, monkeypatch):
    async def measure(config, *, on_event):
        on_event(Notice("area: 1,000 km²"))

    async def plan(config, **_):
        return make(notes=("area: 1,000 km²", "search.min_coverage has no effect"))

    monkeypatch.setattr("landsat_async.run.measure_first.measure", measure)
    monkeypatch.setattr("landsat_async.run.plan.plan", plan)
    heard = hear()
    assert plan_command.plan(config_file, (), heard.output, measure=True) == 0
    assert (heard.out + heard.err).count("area: 1,000 km²") == 1
    assert "min_coverage" in heard.err
