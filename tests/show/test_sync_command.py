"""`sync` on the command line: once, and again and again."""

from __future__ import annotations

import pytest

from landsat_async.config import Config
from landsat_async.disk.ledger_sync import PutAway
from landsat_async.errors import ConfigError
from landsat_async.events import Finished, Planned, Superseded, Synced
from landsat_async.show import run_command, sync_command
from landsat_async.show.jsonlines import json_line
from landsat_async.show.program import SameJob
from landsat_async.show.run_summary import RunOverview
from landsat_async.show.sync_command import Job, read_interval, watch_folder
from landsat_async.show.sync_tables import lineage_lines

OLD, NEW = "LC08_L1GT_004053_20240705_20240705_02_RT", "LC08_L1TP_004053_20240705_20240720_02_T1"


@pytest.mark.parametrize(
    ("text", "seconds"), [("6h", 21600), ("30m", 1800), ("1d", 86400), ("0.5s", 0.5), (" 90 S", 90)]
)
def test_an_interval_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert read_interval(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "0s", "-1h", "2x", "1000d", "nan", "1e3s"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_interval(text)
    assert (caught.value.exit_code, "6h" in caught.value.hint) == (2, True)


def test_the_end_of_a_synchronisation_says_what_was_replaced(hear):
    overview = RunOverview()
    for event in (
        Planned(3, 0, 0),
        Superseded(OLD, NEW, 2, "move"),
        Synced(1, 1, 2, 1),
        Finished(0, 0, 0, 0, 0, 0, 1.0, 0),
    ):
        overview.note(event)
    heard = hear()
    assert run_command.conclude(overview, heard.output, config(1)) == 0
    assert "scenes: 1 new, 1 replaced, 1 unchanged, 2 not listed any more (kept)" in heard.out.splitlines()
    assert "LC08 004/053 2024-07-05  L1GT RT 2024-07-05  L1TP T1 2024-07-20  2 moved" in heard.out.splitlines()


def test_both_are_json_lines():
    assert f'"old": "{OLD}", "new": "{NEW}", "files": 2, "action": "keep"' in (
        json_line(Superseded(OLD, NEW, 2, "keep")) or ""
    )
    assert '"event": "synced"' in (json_line(Synced(1, 0, 0, 2)) or "")


class Stopper:
    """Says stop after so many waits."""

    asked = False

    def __init__(self, waits):
        self.waits = waits

    def calling(self, call):
        from contextlib import contextmanager

        @contextmanager
        def block():
            self.waits -= 1
            if self.waits < 0:
                self.asked = True
                call()
            yield

        return block()


@pytest.fixture
def jobs(monkeypatch):
    """What each synchronisation ends with, and how it was asked for."""
    codes, asked = [0, 4, 6, 0], []

    async def job(config, output, stopper, *, overwrite, sync):
        asked.append((config.search.limit, sync))
        overview = RunOverview()
        overview.finished = Finished(0, 0, 0, 0, 0, 0, 0.0, codes[len(asked) - 1])
        return overview

    monkeypatch.setattr(sync_command, "do_job", job)
    return codes, asked


def config(number):
    return Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2", "limit": number}})


async def watch(output, stopper, load):
    job = Job(load, SameJob("lake.toml"), full=True)
    return await watch_folder(job, config(1), 0.001, output, stopper)


async def test_watching_goes_on_after_faults_that_may_pass_and_reads_the_config_anew(hear, jobs):
    _, asked = jobs
    configs = map(config, (2, 3, 4))
    heard = hear()
    assert await watch(heard.output, Stopper(3), lambda: next(configs)) == 0
    assert asked == [(1, "full"), (2, "new"), (3, "new"), (4, "new")]
    assert heard.err.count("next synchronisation at") == 4


@pytest.mark.parametrize("code", [1, 2, 3])
async def test_watching_ends_where_waiting_mends_nothing(hear, jobs, code):
    codes, asked = jobs
    codes[1] = code
    assert await watch(hear().output, Stopper(3), lambda: config(2)) == code
    assert len(asked) == 2


async def test_a_config_that_has_become_wrong_ends_it(hear, jobs):
    def load():
        raise ConfigError("config.toml: broken")

    heard = hear()
    assert await watch(heard.output, Stopper(3), load) == 2
    assert "broken" in heard.err


def test_status_shows_which_version_was_replaced_by_which():
    rest = (OLD, NEW, "move", "superseded/x", 1, "0" * 64, 1.7e9)
    files = [PutAway(f"{OLD}_{band}.TIF", *rest) for band in ("B4", "B5")]
    more = PutAway("x", "other", "newer", "delete", "", 1, "0" * 64, 1.6e9)
    assert lineage_lines([*files, more], 90) == [
        "",
        "replaced                 was                 is now              files      on",
        "LC08 004/053 2024-07-05  L1GT RT 2024-07-05  L1TP T1 2024-07-20  2 moved    11-14",
        "other                    other               newer               1 removed  09-13",
    ]
    assert max(map(len, lineage_lines(files, 80))) == 79
    assert lineage_lines([], 80) == []
    assert max(map(len, lineage_lines(files, 40))) <= 40
