"""Signals where the event loop takes none, and events of a console: Windows, and as far as that goes anywhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from landsat_async.show.console import CLOSED, CTRL_BREAK, CTRL_C, LOGGED_OFF, SHUT_DOWN, answer_to, handler_of
from landsat_async.show.console import ConsoleAnswer as A

pytestmark = pytest.mark.portable
PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("event", "asked", "answer"),
    [
        (CTRL_C, False, A.SIGNAL),
        (CTRL_BREAK, False, A.SIGNAL),
        (CTRL_C, True, A.LEAVE),
        (CTRL_BREAK, True, A.LEAVE),
        *((event, asked, A.STOP) for event in (CLOSED, LOGGED_OFF, SHUT_DOWN) for asked in (False, True)),
        (99, False, A.SIGNAL),
    ],
)
def test_what_is_done_about_an_event_of_the_console(event, asked, answer):
    assert answer_to(event, asked=asked) is answer


class Recorder:
    asked = False

    def __init__(self):
        self.calls = []

    def on_signal(self):
        self.calls.append("stop")

    def leave_at_once(self):
        self.calls.append("leave")


@pytest.mark.faults("W26")
async def test_W26_a_closed_console_asks_for_a_stop_and_windows_has_to_wait_for_it():
    stopper, loop = Recorder(), asyncio.get_running_loop()
    assert handler_of(stopper, loop, hold_s=0.0)(CLOSED) is True
    assert stopper.calls == []  # the loop calls it, not the thread of Windows
    await asyncio.sleep(0)
    assert stopper.calls == ["stop"]


@pytest.mark.faults("W26")
def test_W26_a_console_that_is_closed_at_the_very_end_is_no_error():
    stopper, loop = Recorder(), asyncio.new_event_loop()
    loop.close()
    assert handler_of(stopper, loop, hold_s=0.0)(CLOSED) is True


@pytest.mark.faults("W24", "W25")
async def test_W24_W25_the_second_ctrl_c_leaves_from_the_thread_of_windows_whatever_the_loop_does():
    stopper = Recorder()
    handler = handler_of(stopper, asyncio.get_running_loop(), hold_s=0.0)
    assert (handler(CTRL_C), handler(CTRL_BREAK), stopper.calls) == (False, False, [])
    stopper.asked = True
    assert handler(CTRL_BREAK) is True
    assert stopper.calls == ["leave"]


# A run on an event loop that takes no signals, which raises signals in itself when files say so.
RAISING = """
import asyncio, os, signal, sys, threading, time
loop, scenario, config, *numbers = sys.argv[1:]
if sys.platform == "win32":
    if loop == "selector":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
else:
    def refuse(*_): raise NotImplementedError
    asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = refuse
    asyncio.unix_events._UnixSelectorEventLoop.remove_signal_handler = refuse

def listen():
    for at, number in enumerate(numbers):  # no reading of stdin: on Windows that locks it for the whole process
        while not os.path.exists(f"{config}.{at}"):
            time.sleep(0.01)
        signal.raise_signal(getattr(signal, number))

threading.Thread(target=listen, daemon=True).start()
sys.argv[1:] = [scenario, "run", "--json", config]
from tests.show import fake_run
sys.exit(fake_run.main())
"""
LOOPS = ("proactor", "selector") if sys.platform == "win32" else ("selector",)
BREAK = "SIGBREAK" if sys.platform == "win32" else "SIGTERM"


@pytest.fixture
def interrupted(tmp_path):
    """Run a scenario and raise one signal after the other in it; returns its end and what it wrote."""

    def run(loop, scenario, *numbers):
        config = tmp_path / "config.toml"
        config.write_text('[search]\ndataset = "landsat_ot_c2_l2"\n[download]\ndirectory = "out"\n')
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", RAISING, loop, scenario, str(config), *numbers]
        with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
            try:
                while '"progress"' not in child.stdout.readline():
                    assert child.poll() is None, child.stderr.read()
                for at, _ in enumerate(numbers):
                    config.with_name(f"{config.name}.{at}").touch()
                    said = child.stderr.readline()
                out, err = child.communicate(timeout=30)
                return child.returncode, out, said + err
            finally:
                child.kill()

    return run


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", ["SIGINT", BREAK])
@pytest.mark.faults("W24", "W25")
@pytest.mark.faults("I09")
def test_W24_W25_ctrl_c_and_ctrl_break_stop_a_run_on_a_loop_that_takes_no_signals(interrupted, loop, number):
    code, out, said = interrupted(loop, "until-stopped", number)
    assert said.startswith("stopping: ")
    assert json.loads(out.splitlines()[-1])["exit_code"] == code == 7


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.faults("W24", "W25")
def test_W24_W25_the_second_one_leaves_at_once(interrupted, loop):
    assert interrupted(loop, "deaf", "SIGINT", BREAK)[0] == 130
