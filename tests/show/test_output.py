from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landsat_async.events import Error, Notice, Planned
from landsat_async.show.cli import main
from landsat_async.show.error_report import tell_error
from landsat_async.show.output import Output, OutputOptions, reader_has_gone
from landsat_async.show.safe_stream import SafeStream
from tests.show.fake_run import finished

PROJECT = Path(__file__).parents[2]


class Broken(io.StringIO):
    """A pipe or file that fails at the n-th write."""

    def __init__(self, error):
        super().__init__()
        self.error = error
        self.writes = 0

    def write(self, text):
        self.writes += 1
        raise self.error


@pytest.mark.faults("I07")
@pytest.mark.parametrize("code", [errno.EPIPE, errno.EBADF, errno.EIO, errno.ENOSPC])
def test_I07_a_stream_that_fails_goes_quiet_and_is_not_tried_again(code):
    broken = Broken(OSError(code, "gone"))
    stream = SafeStream(broken)
    for _ in range(3):
        stream.write("text")
        stream.flush()
    assert broken.writes == 1
    assert stream.failed is not None


def test_lost_data_is_told_unless_the_reader_closed_the_pipe():
    for code, told in ((errno.ENOSPC, True), (errno.EPIPE, False)):
        stderr = io.StringIO()
        output = Output(OutputOptions(quiet=True), stdout=Broken(OSError(code, "reason")), stderr=stderr)
        output.data("line")
        output.close()
        assert ("could not be written" in stderr.getvalue()) is told


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


@pytest.mark.faults("Y96")
@pytest.mark.parametrize("width", [40, 200])
def test_Y96_what_is_next_is_broken_between_commands_alone(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    err = Terminal()
    output = Output(OutputOptions(), stdout=io.StringIO(), stderr=err)
    output.message("next: landsat-async run a.toml tries them again; landsat-async status --failed a.toml names each")
    output.message("next: edit area and dates in it, then: landsat-async plan a.toml")
    broken = err.getvalue()
    assert broken.replace("\n  ", " ").count("\n") == 2
    assert ("\n  landsat-async status --failed a.toml names each\n" in broken) is (width == 40)
    assert ("then:\n  landsat-async plan a.toml\n" in broken) is (width == 40)


@pytest.mark.faults("X151")
@pytest.mark.parametrize("width", [40, 80])
def test_X151_sentences_of_errors_and_on_stdout_are_broken_between_words(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    out, err = Terminal(), Terminal()
    output = Output(OutputOptions(), stdout=out, stderr=err)
    hint = "Make an application token: sign in at https://ers.cr.usgs.gov, then run `landsat-async login` with it. " * 3
    tell_error(output, Error("token-refused", "USGS did not accept it", hint))
    output.sentence(
        "left out: LC08_L2SP_005053_20240712: data in 75.0 % of the area (aoi_valid = 0.8) " * 2, indent="  "
    )
    for text in (out.getvalue(), err.getvalue()):
        assert max(map(len, text.splitlines())) <= width
    assert err.getvalue().count("`landsat-async login`") == 3  # a command is pasted: it stays whole
    assert " ".join(err.getvalue().split()).endswith(hint.strip())
    assert "\n  Make an application token" in err.getvalue()


def test_sentences_stay_as_they_are_in_files_and_pipes():
    out, err = io.StringIO(), io.StringIO()
    output = Output(OutputOptions(), stdout=out, stderr=err)
    output.sentence("word " * 40)
    output.message("word " * 40, indent="  ")
    assert (out.getvalue().count("\n"), err.getvalue().count("\n")) == (1, 1)
    assert err.getvalue().startswith("  word")


@pytest.mark.faults("W28")
def test_W28_on_windows_a_closed_pipe_is_an_invalid_argument():
    assert reader_has_gone(OSError(errno.EINVAL, "Invalid argument"), "win32")
    assert not reader_has_gone(OSError(errno.EINVAL, "Invalid argument"), "linux")
    assert reader_has_gone(BrokenPipeError(errno.EPIPE, "Broken pipe"), "linux")
    assert not reader_has_gone(OSError(errno.ENOSPC, "full"), "win32")


@pytest.mark.faults("W28")
def test_W28_who_closes_the_pipe_of_json_lines_on_windows_stops_the_run(monkeypatch):
    monkeypatch.setattr("landsat_async.show.output.reader_has_gone", lambda error: reader_has_gone(error, "win32"))
    told = []
    output = Output(OutputOptions(json=True), stdout=Broken(OSError(errno.EINVAL, "no")), stderr=io.StringIO())
    output.when_reader_goes(lambda: told.append("gone"))
    output.json("{}")
    output.json("{}")
    assert told == ["gone"]
    assert output.lost is None


def test_closed_and_missing_streams_are_no_fault():
    closed = io.StringIO()
    closed.close()
    for stream in (SafeStream(closed), SafeStream(None)):
        stream.write("x")
        stream.flush()
        assert not stream.isatty()


@pytest.mark.faults("M03", "W31")
@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "cp437"])
def test_M03_letters_that_the_terminal_does_not_know_become_question_marks(encoding):
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding=encoding, newline=""))
    with pytest.raises(UnicodeEncodeError):
        "✓".encode(encoding)
    stream.write("done ✓ é ł\n")
    stream.flush()
    assert raw.getvalue() == "done ok é ?\n".encode(encoding)


@pytest.mark.faults("K09")
def test_K09_no_line_carries_a_control_character_to_the_terminal(hear):
    heard = hear()
    heard.output.data("  file\x1b[2Jname")
    heard.output.message("LC08\x07[/red]")
    assert heard.out == "  file [2Jname\n"
    assert heard.err == "LC08 [/red]\n"


def test_with_json_or_quiet_only_urgent_talk_is_said(hear):
    for output_options in ({"json": True}, {"quiet": True}):
        heard = hear(**output_options)
        heard.output.message("small talk")
        heard.output.message("warning", urgent=True)
        assert heard.err == "warning\n"
        assert heard.out == ""


def test_nothing_follows_the_finished_line(hear):
    heard = hear(json=True)
    heard.output.event(Planned(1, 2, 3))
    heard.output.event(Notice("talk"))
    heard.output.event(finished())
    heard.output.event(Error("x", "late", ""))
    assert [line.split('"')[3] for line in heard.out.splitlines()] == ["planned", "finished"]


@pytest.mark.faults("M09")
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_M09_where_standard_output_is_full_the_summary_goes_to_stderr_and_the_exit_code_stays(config_file, options):
    command = [sys.executable, "-m", "tests.show.fake_run", "short", "run", *options, str(config_file)]
    with_room = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30)
    with open("/dev/full", "w") as full:
        without = subprocess.run(command, cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert "No space left on device" in without.stderr
    assert without.returncode == with_room.returncode
    assert "1 new, 0 already here" in without.stderr.splitlines()[-2]
    assert "Traceback" not in without.stderr


@pytest.mark.faults("P66")
@pytest.mark.parametrize(
    ("number", "code", "checked"),
    [(errno.ENOSPC, 0, 9), (errno.EDQUOT, 0, 9), (errno.EIO, 0, 2), (errno.EPIPE, 0, 0), (errno.ENOSPC, 4, 4)],
)
def test_P66_half_a_list_is_no_success(number, code, checked):
    output = Output(OutputOptions(), stdout=Broken(OSError(number, "reason")), stderr=io.StringIO())
    output.path("/data/a.tif")
    assert output.checked(code) == checked


@pytest.mark.faults("P66")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_P66_a_command_whose_list_has_no_room_ends_with_9(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        try:
            assert main(["schema"]) == 9
        finally:
            monkeypatch.undo()
