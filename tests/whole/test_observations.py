"""What runs against the simulator's variants note of it: what can be seen from outside, and nothing that is anybody's.

The variants are those of the list of what is not known about USGS's service.
"""

from __future__ import annotations

import io
import re

import pytest

from landsat_async import Config, Credentials, LandsatError, download
from landsat_async.disk.ledger_reader import LedgerReader
from landsat_async.run.choose_target import target_for
from landsat_async.show.observations import observation_lines, tell_observations
from landsat_async.show.output import Output, OutputOptions
from landsat_async.sim.script import Script
from landsat_async.sim.server import open_simulator

BOX = [-68.01, 9.99, -67.49, 10.34]


async def seen(tmp_path, script, *, select=None, faults=(), search=None, runs=1, patience_s=0.0):
    """Run against a simulator and return what was noted, as a text, and all that must not be in it."""
    async with open_simulator(script=script) as sim:
        for fault in faults:
            fault(sim)
        tables = {
            "service": {"url": sim.service_url, "patience_s": patience_s},
            "search": {"dataset": "landsat_ot_c2_l2", "bbox": BOX, "limit": 2, **(search or {})},
            "select": select or {"bands": ["SR_B3", "QA_PIXEL"]},
            "download": {"directory": str(tmp_path), "poll_interval_s": 0.05, "min_free_bytes": 0, "attempts": 2},
        }
        config = Config.from_dict(tables)
        credentials = Credentials(sim.username, sim.token)
        for _ in range(runs):
            try:
                await download(config, credentials=credentials)
            except LandsatError:
                pass
        secrets = [sim.token, sim.username, "LC08", "LC8", "LC09", "LC9", "http://", "landsat_async-", "landsat_ot"]
    found = await LedgerReader(target_for(config).folder).observations()
    text = "\n".join(observation_lines(found))
    for secret in secrets:
        assert secret not in text.partition("\n\n")[2]
    assert re.search(r"\d{6,}|[0-9a-f]{12,}", text.partition("\n\n")[2]) is None
    return text


VARIANTS = [
    (
        "file groups",
        {},
        {"file_groups": ["ls_c2l2_sr_band"]},
        [r"data groups bring files of no scenes but those of the list"],
    ),
    ("links that live so long", {"link_lifetime_s": 0.0}, {}, [r"refused at this age", r"HTTP 403, [\w/ ]+, "]),
    (
        "an expired link leads to a login page",
        {"link_lifetime_s": 0.0, "expired_answer": "login-page"},
        {},
        [r"tiff: text/html"],
    ),
    (
        "an expired link brings JSON",
        {"link_lifetime_s": 0.0, "expired_answer": "json"},
        {},
        [r"tiff: application/json"],
    ),
    ("an expired link is 410", {"link_lifetime_s": 0.0, "expired_answer": "410"}, {}, [r"HTTP 410"]),
    ("weak validators", {"etag": "weak"}, {}, [r"tiff: weak ETag, Last-Modified there"]),
    ("no validators", {"etag": "none", "last_modified": "none"}, {}, [r"tiff: no ETag, Last-Modified missing"]),
    ("no ranges", {"ranges": False}, {}, [r"tiff: Accept-Ranges missing or none"]),
    ("no names", {"disposition": False}, {}, [r"tiff: Content-Disposition missing"]),
    ("preparing", {"staging_polls": 2}, {"type": "bundle"}, [r"time of preparation, in seconds\n +dds"]),
    (
        "staged list",
        {"staging_polls": 1, "staged_list": "requested"},
        {"type": "bundle"},
        [r"requested: [A-Z]+ \([a-z. ]+\) with a link"],
    ),
    ("null covers", {"unknown_cloud": "null"}, {}, [r"cloudCover is a number"]),
    ("text covers", {"cloud_cover": "string"}, {}, [r"cloudCover is a text"]),
    (
        "tars",
        {},
        {"type": "bundle"},
        [r"ends with zeros up to a multiple of 10240 bytes", r"in a tar: tiles of 128 x 128"],
    ),
    ("rows of lists", {}, {}, [r"a row of (available|preparing)Downloads has downloadId", r"newRecords is an object"]),
    ("form of the area", {}, {}, [r"an area as (mbr|Polygon): rows"]),
    ("logout", {}, {}, [r"logout answers null"]),
    ("speed of answers", {}, {}, [r"time of an answer, in seconds\n"]),
    (
        "rows that quote a link",
        {"indiscreet": ["*_SR_B3.TIF"], "failed_rows": "full"},
        {},
        [r"a row of failed has [a-zA-Z, ]*errorMessage", r"refused: "],
    ),
]


@pytest.mark.faults("P09")
@pytest.mark.parametrize(("name", "script", "select", "wanted"), VARIANTS, ids=[one[0] for one in VARIANTS])
async def test_P09_a_run_notes_how_the_service_behaves(tmp_path, name, script, select, wanted):
    text = await seen(tmp_path, Script(**script), select=select or None)
    for pattern in wanted:
        assert re.search(pattern, text), (pattern, text)


@pytest.mark.faults("P09")
async def test_P09_errors_limits_and_lost_bytes_are_noted(tmp_path):
    def limit(sim):
        sim.script.fault_api("permissions", "error", code="RATE_LIMIT_USER", times=1)
        sim.script.fault_api("scene-search", "error", code="SERVER_ERROR", times=1)
        sim.script.fault_file("*.tar", "cut", fraction=0.5, times=1)

    text = await seen(tmp_path, Script(staging_polls=0), select={"type": "bundle"}, faults=[limit])
    assert "RATE_LIMIT_USER: HTTP" in text
    assert "SERVER_ERROR: HTTP" in text
    assert "a range of a tar with If-Range: HTTP 206" in text
    assert "the same bytes" in text


def test_nothing_seen_is_said():
    out, err = io.StringIO(), io.StringIO()
    tell_observations([], Output(OutputOptions(), stdout=out, stderr=err))
    assert out.getvalue() == ""
    assert "nothing was seen yet" in err.getvalue()
