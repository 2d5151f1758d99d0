"""Ours among the programs of `python -m benchmarks.comparison`: never a wrong file with a success."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest

from benchmarks import comparison
from benchmarks.comparison import FAULTS, RIGHT, SAID_SO, WRONG, Fault, Program, Verdict, judge, make_files, render
from landsat_async import Config, download
from landsat_async.errors import LandsatError
from landsat_async.run import outcomes, worker
from landsat_async.transfer import speed
from landsat_async.transfer.types import TransferPolicy
from tests.support.virtual_loop import VirtualLoop

ONLY_BAD = {
    "page in place of the file, status 200",
    "closed early, no length given",
    "encoded although identity was asked",
    "403 with a page",
    "redirect to a login page",
    "login page for ever, status 200",
    "empty answer, status 200",
    "a byte a second, for ever",
    "another band under its own name",
    "an image without a stored strip",
}
"""Faults of servers that never send the file."""


@dataclass(frozen=True, slots=True)
class Here(Program):
    """Ours, in this process."""

    async def start(self, task):
        try:
            return (await download(Config.load(task.config, environ={}))).exit_code
        except LandsatError as error:
            return error.exit_code


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture
def quick(monkeypatch):
    policy = partial(TransferPolicy, backoff_cap_s=0.01, min_rate_window_s=1.5)
    monkeypatch.setattr(worker, "TransferPolicy", policy)
    monkeypatch.setattr(speed, "FLOOR_WINDOW_S", 4.0)
    monkeypatch.setattr(outcomes, "RENEWAL_WAITS_S", (0.0, 0.01, 0.01))


@pytest.fixture(scope="module")
def files():
    return make_files()


@pytest.mark.faults("F04", "F05", "F07", "F08", "F09", "F12", "F16", "F17", "F19", "F20", "F26", "F31", "F34")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_ours_is_right_or_says_so(tmp_path, files, quick, fault):
    verdict = await judge(Here("landsat_async", lambda: True, lambda task: ()), fault, files, tmp_path)
    assert verdict.word == (SAID_SO if fault.name in ONLY_BAD else RIGHT), verdict
    assert verdict.requests > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # it runs in a process of its own
async def test_a_program_that_is_content_with_anything_is_found_out(tmp_path, files):
    save = "import sys, urllib.request as u; open(sys.argv[2], 'wb').write(u.urlopen(sys.argv[1]).read())"
    program = comparison._program("python3", "-c", save, each=("{url}", "{file}"))
    page = next(fault for fault in FAULTS if fault.name.startswith("page in place"))
    assert (await judge(program, page, files, tmp_path)).word == WRONG


def test_the_table_has_sums():
    words = {("a", "one"): RIGHT, ("a", "two"): WRONG, ("b", "one"): SAID_SO, ("b", "two"): SAID_SO}
    table = render(["a", "b"], {key: Verdict(word, 0, 1, 1) for key, word in words.items()})
    assert [line.split()[-2:] for line in table.splitlines()[-3:]] == [["1", "0"], ["0", "2"], ["1", "0"]]


def test_the_faults_have_names_of_their_own():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 12
    assert all(isinstance(fault, Fault) for fault in FAULTS)
    assert {fault.name for fault in FAULTS} >= ONLY_BAD
