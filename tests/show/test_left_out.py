"""Bands that some scenes lack, as the end of a run and a plan tell them."""

from __future__ import annotations

import json

import pytest

from landsat_async.config import Config
from landsat_async.events import Finished, LeftOut, Planned
from landsat_async.model import Scene
from landsat_async.run.plan import Plan
from landsat_async.show import plan_command, run_command
from landsat_async.show.plan_page import plan_page
from landsat_async.show.program import SameJob
from landsat_async.show.run_summary import RunOverview

LACK = LeftOut("ST_B10", "these scenes have no such band", 12, "LC08_L2SR_084024_20160111_20200907_02_T1")
LINE = (
    "left out: ST_B10 of 12 scenes: these scenes have no such band "
    "(for example LC08_L2SR_084024_20160111_20200907_02_T1)"
)


@pytest.mark.faults("M32")
def test_M32_the_end_of_a_run_names_the_band_and_the_number_of_scenes(hear):
    overview = RunOverview()
    for event in (Planned(12, 0, 0), LACK, Finished(0, 0, 0, 0, 0, 0, 1.0, 0)):
        overview.note(event)
    heard = hear()
    assert run_command.conclude(overview, heard.output, Config.from_dict({"search": {"dataset": "x"}})) == 0
    assert LINE in heard.out.splitlines()


@pytest.mark.faults("M32")
def test_M32_a_plan_names_it_too_on_the_screen_and_as_json(hear):
    plan = Plan([Scene("E", "D")], [], [], [], 0, 0, 1 << 40, left_out=(LACK,))
    heard = hear(json=True)
    plan_command.write_json(plan, heard.output)
    events = [json.loads(line) for line in heard.out.splitlines()]
    assert [(event["event"], event.get("what")) for event in events][1:] == [("left_out", "ST_B10"), ("planned", None)]
    assert LINE in plan_page(plan, keep_bytes=0, width=200, again=SameJob("config.toml"))
