"""What is told of a run in each condition: never a time for what cannot flow, never a wait without reason and time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landsat_async.events import Progress
from landsat_async.show import standing

GIB, MIB = 1 << 30, 1 << 20
FLOWING = Progress(130, 207, 12 * GIB, 19 * GIB, 41.0 * MIB, files_running=5, files_ready=10, files_failed=2)
STAGING = replace(FLOWING, files_preparing=15, staging_for_s=32.0, staging_limit_s=86400.0, next_look_s=7.0)
ONLY_STAGING = Progress(43, 44, 9 * MIB, 10 * MIB, 0.0, files_preparing=1, staging_for_s=90.0, staging_limit_s=86400.0)
NOW_S = 1_700_000_000.0


def test_the_headline_tells_share_files_bytes_speed_and_time():
    assert standing.headline(FLOWING) == [
        "63 %",
        "130/207 files",
        "12.0 of about 19.0 GiB",
        "41.0 MiB/s",
        "2:55 min left",
    ]
    assert standing.counts(STAGING) == ["5 running", "55 waiting", "15 at USGS", "2 failed"]


@pytest.mark.faults("P33")
@pytest.mark.parametrize(
    ("progress", "held_up", "said"),
    [
        (FLOWING, False, "2:55 min left"),
        (STAGING, False, "2:20 min for what can come now"),
        (FLOWING, True, "35 s for what can come now"),
        (replace(FLOWING, quota_s=800.0), False, "35 s for what can come now"),
        (ONLY_STAGING, False, None),
        (replace(FLOWING, files_running=0), False, None),
        (replace(FLOWING, rate_bytes_s=0.0), False, None),
        (replace(FLOWING, bytes_total=None), False, None),
        (replace(FLOWING, bytes_done=19 * GIB), False, None),
    ],
)
def test_P33_a_time_is_told_for_what_can_come_and_none_while_nothing_comes(progress, held_up, said):
    assert standing.left_text(progress, held_up=held_up) == said


@pytest.mark.faults("P33")
@pytest.mark.parametrize("progress", [ONLY_STAGING, replace(FLOWING, files_running=0, quota_s=800.0)])
def test_P33_during_a_wait_there_is_neither_a_speed_nor_a_time_left(progress):
    text = " ".join(standing.headline(progress))
    assert "left" not in text
    assert "/s" not in text


def test_staging_tells_how_long_until_when_and_that_one_may_stop():
    assert standing.staging_text(STAGING, 3.0) == (
        "15 files are being prepared by USGS, for 0:35 so far (limit 24 h) · next look in 4 s"
        " · you may stop, USGS goes on"
    )
    assert standing.staging_text(replace(ONLY_STAGING, staging_eta_s=600.0)) == (
        "1 file is being prepared by USGS, for 1:30 so far (limit 24 h) · usually ready in 10 min"
        " · you may stop, USGS goes on"
    )
    assert standing.staging_text(FLOWING) is None


@pytest.mark.faults("P61")
def test_a_hook_at_work_is_told_by_name_with_its_time_and_its_limit():
    works = replace(FLOWING, hook="on_scene of LC08", hook_for_s=61.0, hook_limit_s=3600.0)
    assert standing.hook_text(works, 4.0) == "hook on_scene of LC08 is at work, for 1:05 so far (limit 60 min)"
    assert standing.hook_text(FLOWING) is None


def test_a_quota_pause_tells_how_many_files_wait_and_when_they_go_on():
    text = standing.quota_text(replace(FLOWING, quota_s=840.0), NOW_S)
    assert text.startswith("60 files wait for your quota · goes on at ")
    assert text.endswith(" (in 14 min) · you may stop")
    assert standing.quota_text(FLOWING, NOW_S) is None


@pytest.mark.faults("P34")
def test_P34_a_try_that_comes_on_another_day_has_its_date():
    assert "-" not in standing.next_try_text("M2M is down", NOW_S + 1, NOW_S)
    assert " 20" in standing.next_try_text("M2M is down", NOW_S + 86400, NOW_S)


def test_the_limit_of_the_rate_stands_beside_the_rate():
    assert "41.0 MiB/s of 50.0 MiB/s allowed" in standing.headline(replace(FLOWING, max_rate_bytes_s=50 * MIB))


@pytest.mark.parametrize(
    ("progress", "share"),
    [
        (Progress(0, 0, 0, None, 0.0), None),
        (Progress(1, 4, 0, None, 0.0), 0.25),
        (Progress(3, 4, 100, 100, 0.0), 0.99),
        (Progress(4, 4, 100, 100, 0.0), 1.0),
    ],
)
def test_the_share_is_whole_only_when_every_file_is_here(progress, share):
    assert standing.share_of(progress) == share
