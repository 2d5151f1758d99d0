from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys

import pytest

from landsat_async import errors
from landsat_async.disk.fs import local_fs
from landsat_async.show import init_command, login_command, report_command, scene_output
from landsat_async.show.error_report import first_cause, report
from landsat_async.show.run_command import near


def test_every_error_ends_with_the_exit_code_of_its_class_and_says_what_to_do(hear):
    for error, code in (
        (errors.ConfigError("bad"), 2),
        (errors.CredentialsError("no token", hint="set USGS_TOKEN"), 3),
        (errors.ServiceDown("no answer"), 6),
        (errors.FolderBusy("in use"), 8),
        (errors.DiskFull("full"), 9),
    ):
        heard = hear()
        assert report(error, heard.output) == code
        assert heard.err.startswith(f"error: {error} [{error.reference}]\n")
        assert error.hint in heard.err
        assert "Traceback" not in heard.err


@pytest.mark.faults("W91")
def test_a_working_folder_that_has_gone_is_told_by_what_it_is(hear, tmp_path):
    gone = tmp_path / "gone"
    program = "import os, sys; os.rmdir(os.getcwd()); from landsat_async.__main__ import main; sys.exit(main())"
    for line in ([], ["config.toml"]):
        gone.mkdir()
        done = subprocess.run([sys.executable, "-c", program, "run", *line], cwd=gone, capture_output=True, text=True)
        assert done.returncode == 2
        assert "the folder that this command was started in is not there any more" in done.stderr
        assert "cd" in done.stderr


@pytest.mark.faults("W91")
def test_a_run_goes_on_where_its_working_folder_is_removed(monkeypatch):
    def gone():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    assert near("/data/lake") == "/data/lake/"


@pytest.mark.faults("Y97")
def test_a_working_folder_that_may_not_be_looked_up_is_no_traceback(hear, monkeypatch):
    def hidden():
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "getcwd", hidden)
    heard = hear()
    assert report(FileNotFoundError(errno.ENOENT, "No such file or directory"), heard.output) == 2
    assert "error: No such file or directory" in heard.err


def test_all_problems_of_a_config_are_printed(hear):
    heard = hear()
    problems = ("c.toml: search.clouds: unknown", "c.toml: search.months: 13")
    report(errors.ConfigError("2 problems:\n  " + "\n  ".join(problems), problems=problems), heard.output)
    assert heard.err.splitlines() == ["error: 2 problems: [config]", *(f"  {problem}" for problem in problems)]
    heard = hear()
    report(errors.ConfigError("2 problems", problems=problems), heard.output)
    assert heard.err.splitlines()[1:] == [f"  {problem}" for problem in problems]


def test_the_request_id_is_given_for_a_mail_to_usgs(hear):
    heard = hear()
    error = errors.M2MError("refused", code="X", endpoint="download-request", request_id=42)
    assert report(error, heard.output) == 6
    assert "request 42 of download-request" in heard.err


def test_with_json_the_error_is_one_line_on_stdout_and_told_once(hear):
    heard = hear(json=True)
    error = errors.DiskFull("full", hint="free space")
    report(error, heard.output)
    report(error, heard.output)
    (text,) = heard.out.splitlines()
    values = json.loads(text)
    assert {k: values[k] for k in ("event", "reference", "message", "hint")} == {
        "event": "error",
        "reference": "disk-full",
        "message": "full",
        "hint": "free space",
    }
    assert heard.err.count("full") == 2  # the message and its reference


@pytest.mark.faults("I10")
def test_I10_groups_are_flattened_and_the_first_cause_is_told(hear):
    def fail():
        try:
            try:
                raise errors.DiskFull("the disk is full")
            finally:
                raise RuntimeError("clean-up failed too")
        except RuntimeError as error:
            raise ExceptionGroup("tasks", [ExceptionGroup("inner", [error])]) from None

    with pytest.raises(ExceptionGroup) as caught:
        fail()
    heard = hear()
    assert report(caught.value, heard.output) == 9
    assert "the disk is full" in heard.err
    assert "Group" not in heard.err


def test_an_error_of_ours_comes_before_foreign_ones_in_a_group():
    ours = errors.CredentialsError("no")
    assert first_cause(ExceptionGroup("g", [ValueError(), ours])) is ours
    bug = KeyError("x")
    assert first_cause(ExceptionGroup("g", [bug, ValueError()])) is bug


def test_a_hidden_context_stays_hidden():
    bug = KeyError("x")
    bug.__context__ = errors.DiskFull("old")
    bug.__suppress_context__ = True
    assert first_cause(bug) is bug


def _bug():
    raise KeyError("https://landsatlook.usgs.gov/gen-bundle?sig=SECRET")


@pytest.mark.parametrize("verbose", [False, True])
def test_a_bug_is_one_message_a_traceback_only_with_verbose_and_never_a_secret(hear, verbose):
    heard = hear(verbose=verbose)
    with pytest.raises(KeyError) as caught:
        _bug()
    assert report(caught.value, heard.output) == 1
    assert heard.err.startswith("error: this is a bug of landsat_async: KeyError at ")
    assert ("Traceback" in heard.err) is verbose
    assert "SECRET" not in heard.err


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 9), (errno.EACCES, 2), (errno.EROFS, 2)])
def test_faults_of_the_file_system_are_no_bugs(hear, number, code):
    heard = hear()
    assert report(OSError(number, "reason", "/data/x"), heard.output) == code
    assert "/data/x: reason" in heard.err
    assert "bug" not in heard.err


@pytest.mark.faults("P63")
@pytest.mark.parametrize(
    "place",
    [
        lambda: init_command.init("new.toml", init_command.Wishes(), None),
        lambda: login_command._write(os.path.abspath("logins"), {}, local_fs()),
        lambda: asyncio.run(scene_output.write_scenes("ids.txt", [])),
        lambda: asyncio.run(report_command._write("report.html", "")),
    ],
)
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.ENOSPC, 9, "Free some space"),
        (errno.EDQUOT, 9, "Free some space"),
        (errno.EACCES, 2, "cannot be written"),
    ],
)
def test_P63_a_file_that_was_asked_for_and_has_no_room_ends_as_a_full_disk(
    place, number, code, said, hear, monkeypatch, tmp_path
):
    def full(*_, **__):
        raise OSError(number, os.strerror(number), "some-part")

    monkeypatch.chdir(tmp_path)
    for module in (init_command, login_command, scene_output, report_command):
        monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(errors.LandsatError) as caught:
        place()
    heard = hear()
    assert report(caught.value, heard.output) == code
    assert said in heard.err
    assert os.strerror(number) in heard.err
    assert "some-part" not in heard.err
    assert len(heard.err.splitlines()) == 2  # and what to do now
