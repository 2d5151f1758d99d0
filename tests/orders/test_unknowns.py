"""Whatever nobody knows of the service: each plausible behaviour alone, through the whole pipeline in virtual time.

The program may take its time; it may not lose a file, ask for one twice without need, or end with a fault.
"""

from __future__ import annotations

from collections import Counter

import pytest

from landsat_async.events import Retrying
from landsat_async.run import plan
from landsat_async.run.matching import speaks_of_limits
from landsat_async.sim.script import Script

LONG_WAITS = True
FILES = 18
SLOW = {"rate_bytes_s": 20_000}
"""Files take seconds, so that links wait."""

VARIANTS = {
    "links live for seconds": {"link_lifetime_s": 5, **SLOW},
    "links work once": {"link_uses": 1},
    "a dead link is answered by 401": {"link_lifetime_s": 5, "expired_answer": "401", **SLOW},
    "a dead link is answered by 410": {"link_lifetime_s": 5, "expired_answer": "410", **SLOW},
    "a dead link leads to the login page": {"link_lifetime_s": 5, "expired_answer": "login-page", **SLOW},
    "a dead link is answered by a web page": {"link_lifetime_s": 5, "expired_answer": "html", **SLOW},
    "a dead link is answered by JSON": {"link_lifetime_s": 5, "expired_answer": "json", **SLOW},
    "answers lack the limits and the new records": {"missing": ("remainingLimits", "newRecords", "numInvalidScenes")},
    "duplicates are never told": {"duplicates": "never"},
    "duplicates stand in duplicateProducts alone": {"duplicates": "only-listed"},
    "duplicates stand in both": {"duplicates": "also-listed"},
    "duplicates are those of a label": {"duplicates": "only-listed", "duplicates_scope": "label"},
    "errors come with their HTTP status": {"status_mode": "matching", "key_lifetime_s": 20.0, "staging_s": 300},
    "limits refuse whole requests": {"recent_limit": 8, "recent_window_s": 60.0},
    "limits refuse a part of a request": {"recent_limit": 8, "recent_window_s": 60.0, "over_limit": "part"},
    "limits come with Retry-After": {"recent_limit": 8, "recent_window_s": 60.0, "retry_after": "70"},
    "limits allow few pending downloads": {"pending_limit": 3, "unattempted_limit": 3, "staging_s": 30},
    "staging takes hours": {"staging_s": 20_000},
    "staging links answer 503": {"staging_url": "staging", "staging_answer": "503", "staging_s": 200},
    "staging links answer a page": {"staging_url": "staging", "staging_answer": "html", "staging_s": 200},
    "staging links answer without a length": {
        "staging_url": "staging",
        "staging_answer": "no-length",
        "staging_s": 200,
    },
    "staging links answer nothing": {"staging_url": "staging", "staging_answer": "empty", "staging_s": 200},
    "staging items have no member url": {"staging_url": "absent", "staging_s": 100},
    "proxied items are available": {"proxied_list": "available"},
    "proxied items stand in both lists": {"proxied_list": "both"},
    "ready items are requested": {"staged_list": "requested"},
    "ready items stand in both lists": {"staged_list": "both"},
    "lists are empty right after a request": {"retrieve_lag_polls": 3, "duplicates": "only-listed"},
    "the whole account is listed": {"labels_mix": True},
    "no ETag, no date": {"etag": "none", "last_modified": "none"},
    "ETags change": {"etag": "changing", **SLOW},
    "ranges are ignored": {"ranges": False, **SLOW},
    "no Content-Disposition": {"disposition": False},
    "nextRecord is null": {"next_record": "null"},
    "nextRecord is 0": {"next_record": "zero"},
    "nextRecord stays the same": {"next_record": "same"},
    "totalHits is too high": {"hits": "more"},
    "totalHits is too low": {"hits": "fewer"},
    "pages repeat": {"repeat_pages": True},
    "cloud cover is text": {"cloud_cover": "string"},
    "cloud cover has decimals": {"cloud_cover": "number"},
    "unknown cloud cover is -1": {"unknown_cloud": "-1"},
    "unknown cloud cover is absent": {"unknown_cloud": "absent"},
    "scenes have their summary": {"default_metadata": "summary"},
    "footprints are absent": {"footprints": "none"},
    "footprints are invalid": {"footprints": "invalid"},
    "download ids are text": {"ids": "string"},
    "empty maps are null": {"empty_map": "null"},
    "empty maps are objects": {"empty_map": "object"},
    "a session id and no version": {"session_id": True, "version_null": True},
    "single files have two rows": {"secondary_rows": "both"},
    "sizes are 0": {"sizes": "zero"},
    "sizes are null": {"sizes": "null"},
    "sizes are negative": {"sizes": "negative"},
    "sizes are huge": {"sizes": "huge"},
    "one key at a time": {"one_key": True, "key_lifetime_s": 40.0, "staging_s": 300},
}


@pytest.mark.faults("A23", "E04", "F10", "C10")
@pytest.mark.parametrize("variant", VARIANTS)
async def test_whatever_the_service_does_every_file_comes(opened, variant):
    async with opened(script=Script(**VARIANTS[variant])) as world:
        config = world.config(service={"patience_s": 7200}, download={"poll_interval_s": 30, "queue_size": 4})
        result = await world.run(config)

        assert result.summary.exit_code == 0, result.reasons
        assert len(result.verified) == FILES
        times = Counter(world.asked())
        assert max(times.values()) <= (3 if "limit" in variant or "link" in variant else 1), times

        asked = len(world.asked())
        again = await world.run(config)
        assert again.summary.exit_code == 0
        assert len(again.skipped) == FILES
        assert len(world.asked()) == asked


@pytest.mark.parametrize(
    ("message", "over"),
    [
        ("RATE_LIMIT_USER_DL", True),
        ("You have exceeded the number of downloads in the last 15 minutes", True),
        ("Download limit reached", True),
        ("The limits have been exceeded", True),
        ("user quota used up", True),
        ("exceeds the download limit", True),
        ("The product is not available for download", False),
        ("This download has been temporarily disabled", False),
        ("The scene exceeds the area", False),
    ],
)
@pytest.mark.faults("A16")
def test_limits_are_told_from_other_refusals(message, over):
    assert speaks_of_limits(message) is over


@pytest.mark.faults("A16")
async def test_A16_files_beyond_the_limit_of_a_request_wait_and_do_not_fail(opened):
    script = Script(**VARIANTS["limits refuse a part of a request"])
    async with opened(script=script) as world:
        result = await world.run(world.config(download={"poll_interval_s": 30, "queue_size": 6}))

        assert len(world.log.of("download-request")) > 3
        assert any("quota" in event.reason and event.wait_s >= 900 for event in result.of(Retrying))
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("E07", "A12")
async def test_answers_to_requests_without_entity_ids_are_matched_all_the_same(opened):
    async with opened(script=Script(staging_s=100)) as world:
        fault = world.script.fault_api(
            "download-request", "replace", text='"entityId":', value='"entityIdWas":', times=None
        )
        result = await world.run(world.config(download={"poll_interval_s": 30}))

        assert fault.served
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert max(Counter(world.asked()).values()) == 1


@pytest.mark.faults("A12")
async def test_A12_scenes_that_cannot_be_read_are_told_and_no_success(opened):
    async with opened() as world:
        world.script.fault_api("scene-search", "replace", text='"entityId":', value='"entityIdWas":', times=None)
        shown = await plan.plan(world.config(), credentials=world.credentials)
        assert not shown.scenes
        assert "entityId" in shown.unavailable[0].reason

        result = await world.run(world.config())
        assert result.summary.exit_code == 4
        ((name, reason),) = result.failed.items()
        assert name.endswith("scenes of the search")
        assert "row 1" in reason
        assert "entityId" in reason
