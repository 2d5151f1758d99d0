"""Guesses for unknown keys: the known one that is meant, or none."""

import pytest

from landsat_async.config_readers import nearest

SEARCH = (
    "dataset", "aoi", "bbox", "start", "end", "cloud_cover", "include_unknown_cloud", "months", "path_row", "tiers",
    "min_coverage", "limit", "scenes",
)  # fmt: skip
DOWNLOAD = (
    "directory", "layout", "workers", "queue_size", "connections_per_file", "poll_interval_s", "staging_timeout_s",
    "attempts", "stall_timeout_s", "min_free_bytes", "proof",
)  # fmt: skip


@pytest.mark.faults("M31")
@pytest.mark.parametrize("word", ["exclude", "sort", "collection", "season", "sensor_id", "nodata", "name", "x"])
def test_M31_no_guess_is_better_than_a_wrong_one(word):
    assert nearest(word, SEARCH) == f"; known are {', '.join(SEARCH)}"


@pytest.mark.faults("M31")
@pytest.mark.parametrize("word", ["output", "retries", "overwrite", "resume", "timeout", "folder", "rate"])
def test_M31_nor_among_the_keys_of_a_download(word):
    assert nearest(word, DOWNLOAD).startswith("; known are ")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("cloudcover", SEARCH, "cloud_cover"),
        ("cloud-cover", SEARCH, "cloud_cover"),
        ("max_cloud_cover", SEARCH, "cloud_cover"),
        ("start_date", SEARCH, "start"),
        ("end_date", SEARCH, "end"),
        ("datasets", SEARCH, "dataset"),
        ("tier", SEARCH, "tiers"),
        ("Month", SEARCH, "months"),
        ("coverage", SEARCH, "min_coverage"),
        ("wrokers", DOWNLOAD, "workers"),
        ("max_workers", DOWNLOAD, "workers"),
        ("min_free", DOWNLOAD, "min_free_bytes"),
        ("poll_interval", DOWNLOAD, "poll_interval_s"),
        ("connections", DOWNLOAD, "connections_per_file"),
    ],
)
def test_a_slip_or_a_longer_form_is_recognised(word, known, meant):
    assert nearest(word, known) == f"; did you mean {meant}?"
