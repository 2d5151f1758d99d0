"""Signals, with real processes and a run made of scripted events."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def program(scenario, *arguments):
    return [sys.executable, "-m", "tests.show.fake_run", scenario, *map(str, arguments)]


@contextmanager
def running(scenario, config_file, *options, **settings):
    """Start a run with JSON lines and wait until it works."""
    command = program(scenario, "run", "--json", *options, config_file)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup would have children ignore it, rightly
    try:
        child = subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    with child:
        try:
            while '"progress"' not in child.stdout.readline():
                assert child.poll() is None, child.stderr.read()
            yield child
        finally:
            child.kill()


@pytest.mark.faults("I04", "I06", "I07")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_I04_I06_the_first_signal_stops_cleanly_with_finished_last_and_exit_7(config_file, number):
    with running("until-stopped", config_file) as child:
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 7
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["exit_code"], last["files_pending"]) == ("finished", 7, 2)
    assert err.startswith("stopping: ")


@pytest.mark.faults("I05")
@pytest.mark.parametrize("scenario", ["deaf", "blocked"])
def test_I05_the_second_signal_leaves_even_when_the_loop_hangs(config_file, scenario):
    """Within half a second: `benchmarks.stops` measures it."""
    with running(scenario, config_file) as child:
        child.send_signal(signal.SIGINT)
        assert child.stderr.readline().startswith("stopping: ")
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 130


@pytest.mark.faults("I11")
@pytest.mark.parametrize(
    ("numbers", "code"), [([signal.SIGTERM] * 2, 130), ([signal.SIGINT] * 2, 130), ([signal.SIGINT], 7)]
)
def test_I11_a_thread_that_never_ends_keeps_the_process_neither_from_a_second_signal_nor_from_the_limit(
    config_file, numbers, code
):
    with running("hung-thread", config_file) as child:
        child.send_signal(numbers[0])
        while '"finished"' not in child.stdout.readline():
            assert child.poll() is None
        for number in numbers[1:]:
            time.sleep(0.1)  # into the interpreter's exit, where nothing can be waited for
            child.send_signal(number)
        assert child.wait(60) == code
        assert "Traceback" not in child.stderr.read()


def test_a_stop_that_hangs_ends_at_the_hard_limit_with_exit_7(config_file):
    with running("deaf", config_file) as child:
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 7


def test_nohup_is_respected(config_file):
    def ignore_hangup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with running("until-stopped", config_file, preexec_fn=ignore_hangup) as child:
        child.send_signal(signal.SIGHUP)
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 7
    assert json.loads(out.splitlines()[-1])["exit_code"] == 7
    assert err.count("stopping") == 1


class Terminal:
    """A program on a pseudo terminal."""

    def __init__(self, command, **environment):
        self.seen = b""
        self._master, slave = pty.openpty()
        self.child = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "30", **environment},
        )
        os.close(slave)

    def read_until(self, text, timeout_s=60.0):
        """Read until `text` was seen; None reads to the end."""
        end = time.monotonic() + timeout_s
        while text is None or text not in self.seen:
            assert time.monotonic() < end, self.seen
            if not select.select([self._master], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(self._master, 65536)
            except OSError:  # the other side has closed
                break
            if not chunk:
                break
            self.seen += chunk
        assert text is None or text in self.seen

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self._master)


@pytest.fixture
def terminal():
    opened = []

    def make(*arguments, **environment):
        opened.append(Terminal(*arguments, **environment))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.mark.faults("I04")
def test_I04_on_a_terminal_the_display_is_removed_and_the_cursor_comes_back(terminal, config_file):
    screen = terminal(program("until-stopped", "run", config_file))
    screen.read_until(b"004/053 2024-07-05 SR_B3")
    assert b"\x1b[?25l" in screen.seen
    screen.child.send_signal(signal.SIGINT)
    screen.read_until(None)
    assert screen.child.wait(60) == 7
    assert screen.seen.rindex(b"\x1b[?25h") > screen.seen.rindex(b"\x1b[?25l")
    assert b"goes on where it was" in screen.seen


@pytest.mark.faults("I05")
def test_I05_after_the_second_signal_the_terminal_is_restored(terminal, config_file):
    screen = terminal(program("blocked", "run", config_file))
    screen.read_until(b"004/053 2024-07-05 SR_B3")
    screen.child.send_signal(signal.SIGINT)
    screen.read_until(b"stopping: ")
    screen.child.send_signal(signal.SIGINT)
    screen.read_until(None)
    assert screen.child.wait(60) == 130
    assert screen.seen.rindex(b"\x1b[?25h") > screen.seen.rindex(b"\x1b[?25l")


@pytest.mark.faults("M03")
def test_M03_a_dumb_terminal_gets_plain_lines_and_no_color_no_colours(terminal, config_file):
    dumb = terminal(program("short", "run", config_file), TERM="dumb")
    dumb.read_until(None)
    assert b"planned 2 files" in dumb.seen
    assert b"\x1b" not in dumb.seen
    grey = terminal(program("short", "run", config_file), NO_COLOR="1")
    grey.read_until(None)
    assert b"1 new, 0 already here" in grey.seen
    assert not any(f"\x1b[{code}m".encode() in grey.seen for code in range(30, 38))
    narrow = terminal(program("short", "run", config_file), COLUMNS="20", PYTHONIOENCODING="cp1252")
    narrow.read_until(None)
    assert narrow.child.wait(60) == 0


INTERRUPT_AT_IMPORT = """
import os, runpy, signal, sys

class Interrupter:
    left = int(sys.argv.pop(1))

    def find_spec(self, name, path=None, target=None):
        if Interrupter.left <= 0 or not (name == "landsat_async.show" or "landsat_async.show" in sys.modules):
            return
        Interrupter.left -= 1
        if not Interrupter.left:
            os.kill(os.getpid(), int(number))

number = sys.argv.pop(1)
sys.meta_path.insert(0, Interrupter())
sys.argv[0] = "landsat-async"
runpy.run_module("landsat_async", run_name="__main__", alter_sys=True)
"""


@pytest.mark.faults("L44", "I04")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("count", [1, 2, 9, 40, 120, 250, 400])
def test_L44_a_signal_while_modules_are_still_imported_leaves_no_traceback(config_file, count, number):
    command = [sys.executable, "-c", INTERRUPT_AT_IMPORT, str(count), str(int(number)), "run", str(config_file)]
    environment = {**os.environ, "LANDSAT_ASYNC__SERVICE__URL": "http://127.0.0.1:9/", "USGS_TOKEN": "t" * 30}
    before = signal.signal(number, signal.SIG_DFL)  # shells have what runs in the background ignore SIGINT, rightly
    try:
        done = subprocess.run(
            command, cwd=PROJECT, env=environment | {"USGS_USERNAME": "ana"}, capture_output=True, text=True, timeout=60
        )
    finally:
        signal.signal(number, before)
    assert done.returncode == 7
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.splitlines()[0].startswith(("interrupted; the same command continues", "stopping: "))


@pytest.mark.faults("L45")
def test_L45_who_closes_stdout_while_json_lines_are_written_stops_the_run(config_file):
    with running("talks-until-stopped", config_file) as child:
        child.stdout.close()  # as `head` does
        assert child.wait(20) == 7
        talk = child.stderr.read()
    assert talk.startswith("stopping: nobody reads the JSON lines any more")
    assert "Traceback" not in talk
    assert "BrokenPipe" not in talk


LATE = """
import os, sys
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), write=os.write):
        write(1, b"late\\n")
        if number:
            kill(pid, number)
number = int(sys.argv[1])
sys.late = Late()  # what is taken down last
sys.argv[1:] = ["--version"]
from landsat_async.__main__ import main, program
"""


def ended(code, number):
    return subprocess.run(
        [sys.executable, "-c", LATE + code, str(int(number))], cwd=PROJECT, capture_output=True, text=True, timeout=30
    )


@pytest.mark.faults("N24")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_N24_a_signal_while_the_interpreter_is_taken_down_changes_no_exit_code(number):
    done = ended("sys.exit(main())", number)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("landsat-async ")
    assert done.stdout.endswith("\nlate\n")


def test_a_program_ends_without_being_taken_down():
    done = ended("program()", 0)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("landsat-async ")
    assert "late" not in done.stdout


def test_what_others_have_registered_for_the_end_of_a_program_comes():
    done = ended("import atexit; atexit.register(print, 'registered'); program()", 0)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nregistered\nlate\n")
