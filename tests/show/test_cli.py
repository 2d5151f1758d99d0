from __future__ import annotations

import json
import logging
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import landsat_async.run.opening
from landsat_async import events as e
from landsat_async.errors import FolderBusy, LandsatError, ServiceDown
from landsat_async.show.cli import main
from landsat_async.show.command_line import COMMANDS
from tests.show.fake_run import SHA, finished, opener

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def play(monkeypatch):
    """Let `run` play a script; returns the list of (run, config, options)."""

    def play(*script, error=None):
        opened = []
        monkeypatch.setattr(landsat_async.run.opening, "open_run", opener(script, opened, error), raising=False)
        return opened

    return play


def test_version_and_help_are_everywhere(capsys):
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    for arguments in ([], *([command] for command in COMMANDS)):
        assert main([*arguments, "--version"]) == 0
        assert capsys.readouterr().out == f"landsat-async {version}\n"
        assert main([*arguments, "--help"]) == 0
        assert "usage: landsat-async" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["run", "c.toml", "--workers", "x"], ["run", "--js"], ["run", "a", "b"]])
def test_usage_errors_are_exit_2_on_stderr(arguments, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "usage:" in said.err


def test_help_and_version_import_nothing_heavy():
    """Start-up stays within 0.15 s of bare Python only without these."""
    heavy = ["aiohttp", "anyio", "asyncio", "msgspec", "rich", "shapely", "sqlite3", "numpy", "dataclasses"]
    code = (
        "import sys; from landsat_async.show.cli import main; code = main([sys.argv[1]]);"
        f"bad = sorted(set({heavy!r}) & set(sys.modules)); assert not bad, bad; sys.exit(code)"
    )
    for option in ("--help", "--version"):
        done = subprocess.run([sys.executable, "-c", code, option], cwd=PROJECT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_end_of_a_command_looks_for_no_garbage_in_what_was_imported():
    code = "import gc, landsat_async.__main__ as program; program.main(); print(gc.get_freeze_count() > 1000)"
    done = subprocess.run([sys.executable, "-c", code, "--version"], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.endswith("True\n"), done.stderr


def test_a_run_without_area_and_windows_loads_neither_numpy_nor_shapely():
    """They take a tenth of a second each, which is much of a run over a few small files."""
    loaded = "{'numpy', 'shapely'} & set(sys.modules)"
    code = f"import sys, landsat_async.run.opening; assert not {loaded}, {loaded}"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_status_loads_nothing_that_asks_a_service():
    code = (
        "import sys, landsat_async.show.ledger_commands, landsat_async.run.verify; assert 'aiohttp' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_run_ends_in_a_few_lines_and_with_the_code_of_the_run(play, config_file, capsys):
    play(
        e.Planned(1, 3, 100),
        e.Verified("a.tar", 1024, SHA, "structure"),
        e.Skipped("b.tar", "already here"),
        e.Failed("c.tar", "no bundle", "choose band"),
        finished(4, verified=1, skipped=1, failed=1, received=1024),
    )
    assert main(["run", str(config_file)]) == 4
    said = capsys.readouterr()
    out = " ".join(said.out.split())
    assert out.startswith("1 new, 1 already here, 1 failed · 1.0 KiB in 2 s")
    assert out.endswith("/out/ proof: 1 structure")
    assert said.err.splitlines()[1:4] == ["failed (1):", "  c.tar: no bundle", "    -> choose band"]
    assert said.err.splitlines()[4].startswith("next: landsat-async run ")


def test_with_json_stdout_holds_json_lines_only_and_finished_last(play, config_file, capsys):
    play(
        e.Notice("small talk"),
        e.Notice("looks swapped", "warning"),
        e.Planned(1, 1, 100),
        e.Transferred("a.tar", 1, None),
        *(e.Progress(0, 1, i, None, 0.0) for i in range(50)),
        e.Verified("a.tar", 1024, SHA, "structure"),
        finished(0, verified=1),
    )
    assert main(["run", "--json", str(config_file)]) == 0
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["event"] for line in lines] == ["planned", "progress", "verified", "finished"]
    assert said.err == "warning: looks swapped\n"


def test_quiet_is_silent_on_success_and_tells_failures(play, config_file, capsys):
    play(e.Planned(1, 1, 1), e.Verified("a.tar", 1, SHA, "length"), finished(0, verified=1))
    assert main(["run", "-q", str(config_file)]) == 0
    assert capsys.readouterr() == ("", "")
    play(e.Failed("a.tar", "gone", "ask"), finished(4, failed=1))
    assert main(["run", "-q", str(config_file)]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "a.tar" in said.err


def test_options_override_the_file(play, config_file, tmp_path, monkeypatch):
    opened = play(finished())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    assert (
        main(["run", str(config_file), "--workers", "9", "--directory", 'deep/o"ut é', "--set", "search.limit=3"]) == 0
    )
    (_, config, options) = opened[0]
    assert config.download.workers == 9
    assert config.search.limit == 3
    assert config.download.directory == str(tmp_path / 'deep/o"ut é')
    assert options.pop("on_wait")
    assert options == {"overwrite": False, "credentials": None, "sync": None}
    assert main(["run", str(config_file), "--overwrite"]) == 0
    assert opened[1][2]["overwrite"] is True


def test_config_faults_are_exit_2_and_all_told(tmp_path, capsys):
    path = tmp_path / "bad.toml"
    path.write_text("[search]\ndatasett = 'x'\nmonths = [13]\n")
    assert main(["run", "--json", str(path)]) == 2
    said = capsys.readouterr()
    assert "search.datasett" in said.err
    assert "search.months" in said.err
    (line,) = said.out.splitlines()
    assert json.loads(line)["reference"] == "config"
    assert main(["plan", str(tmp_path / "none.toml")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_a_refused_folder_is_told_once_with_its_code(monkeypatch, config_file, capsys):
    def open_run(*_, **__):
        raise FolderBusy("another run holds out", hint="wait for it")

    monkeypatch.setattr(landsat_async.run.opening, "open_run", open_run, raising=False)
    assert main(["run", str(config_file)]) == 8
    assert capsys.readouterr().err == "error: another run holds out [folder-busy]\n  wait for it\n"


@pytest.mark.parametrize("options", [[], ["--json"], ["-q"]])
def test_an_error_that_ends_a_run_is_told_once_and_the_counts_still_come(play, config_file, capsys, options):
    error = ServiceDown("no answer since 14:02", hint="run it again")
    play(
        e.Planned(1, 3, 0),
        e.Verified("a.tar", 1, SHA, "length"),
        e.Error(error.reference, str(error), error.hint),
        finished(6, verified=1, pending=2),
        error=error,
    )
    assert main(["run", *options, str(config_file)]) == 6
    said = capsys.readouterr()
    assert said.err.count("error: no answer since 14:02 [service-down]\n  run it again\n") == 1
    if options == ["--json"]:
        assert [json.loads(line)["event"] for line in said.out.splitlines()] == [
            *["planned", "verified", "error", "finished"],
        ]
    else:
        assert "1 new, 0 already here, 0 failed" in said.out + said.err
        assert "not here yet: 2 waiting" in said.out or options == ["-q"]


def test_an_error_before_anything_was_planned_comes_without_empty_counts(play, config_file, capsys):
    error = ServiceDown("no answer")
    play(e.Error(error.reference, str(error), ""), finished(6), error=error)
    assert main(["run", str(config_file)]) == 6
    assert capsys.readouterr() == ("", "error: no answer [service-down]\n")


@pytest.mark.parametrize(("options", "shown"), [([], False), (["-v"], True)])
def test_log_records_are_shown_with_verbose_only_and_masked(play, config_file, capsys, options, shown):
    async def log(_):
        logging.getLogger("landsat_async.m2m").debug("asking %s", "https://host/x?sig=SECRET")
        logging.getLogger("asyncio").error("unclosed")

    play(log, finished())
    assert main(["run", *options, str(config_file)]) == 0
    said = capsys.readouterr()
    assert ("DEBUG landsat_async.m2m: asking https://host/***" in said.err) is shown
    assert ("ERROR asyncio: unclosed" in said.err) is shown
    assert "SECRET" not in said.err
    assert "Traceback" not in said.err
    assert logging.getLogger("landsat_async").level == logging.NOTSET


def test_a_bug_inside_a_run_has_a_traceback_only_with_verbose(play, config_file, capsys):
    bug = LandsatError("Internal error: KeyError.")
    bug.__cause__ = KeyError("x")
    for options, shown in (([], False), (["-v"], True)):
        play(e.Error(bug.reference, str(bug), ""), finished(1), error=bug)
        assert main(["run", *options, str(config_file)]) == 1
        assert ("Traceback" in capsys.readouterr().err) is shown


@pytest.mark.faults("M08")
def test_M08_counts_that_do_not_add_up_are_a_bug_and_not_a_success(play, config_file, capsys):
    play(e.Finished(5, 1, 1, 1, 1, 0, 1.0, 0))
    assert main(["run", str(config_file)]) == 1
    assert "do not add up" in capsys.readouterr().err


def test_a_run_that_ends_without_its_last_event_is_a_bug(play, config_file):
    play(e.Planned(1, 1, 1))
    assert main(["run", str(config_file)]) == 1


@pytest.mark.faults("L04")
async def test_L04_inside_a_running_loop_the_library_is_named_instead(play, config_file, capsys):
    opened = play(finished())
    assert main(["run", str(config_file)]) == 2
    assert "await landsat_async.download" in capsys.readouterr().err
    assert opened == []


def test_init_writes_an_example_that_loads_and_never_overwrites(tmp_path, monkeypatch, capsys):
    from landsat_async.config import Config

    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    Config.load("config.toml")
    Path("config.toml").write_text("mine")
    capsys.readouterr()
    assert main(["init"]) == 2
    assert Path("config.toml").read_text() == "mine"
    assert "[file-exists]" in capsys.readouterr().err


@pytest.mark.faults("L45")
def test_L45_a_reader_that_goes_away_stops_the_run_in_one_line_and_without_a_traceback(config_file):
    """`run --json | head -1`: a run that is over all the same keeps its own exit code, if it is so in time."""
    command = [sys.executable, "-m", "tests.show.fake_run", "many-lines", "run", "--json", str(config_file)]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as child:
        assert b'"ready"' in child.stdout.readline()
        child.stdout.close()
        err = child.stderr.read()
        assert child.wait(30) in (4, 7)
    assert err == b"stopping: nobody reads the JSON lines any more (stdout was closed)\n"


@pytest.mark.faults("I07")
def test_I07_closed_streams_from_the_start_are_no_fault(config_file):
    command = f'exec "{sys.executable}" -m tests.show.fake_run short run "{config_file}" >&- 2>&-'
    done = subprocess.run(["bash", "-c", command], cwd=PROJECT, timeout=60)
    assert done.returncode == 0


@pytest.mark.faults("M03")
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_M03_every_encoding_of_stdout_will_do(config_file, encoding):
    command = [sys.executable, "-m", "tests.show.fake_run", "short", "run", str(config_file)]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, timeout=60, env={"PYTHONIOENCODING": encoding, "PATH": "/usr/bin"}
    )
    assert done.returncode == 0, done.stderr
    assert b"1 new, 0 already here" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.faults("N26")
@pytest.mark.parametrize("command", ["run", "plan", "status", "verify", "doctor"])
def test_N26_without_a_name_the_config_of_this_folder_is_used(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[search]\nno_such_key = 1\n")
    assert main([command]) == 2
    told = capsys.readouterr()
    assert "no_such_key" in told.err + told.out


@pytest.mark.faults("N26")
@pytest.mark.parametrize("command", ["run", "plan", "status", "verify", "doctor", "datasets"])
def test_N26_every_command_that_reads_the_config_takes_what_overrides_it(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[search]\ndataset = "landsat_ot_c2_l2"\n')
    assert main([command, "--no-progress", "--directory", "data", "--set", "download.workers=0"]) == 2
    told = capsys.readouterr()
    assert "download.workers: 0 is not in" in told.err + told.out
