"""Data that can only be the answer to another call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.m2m.response import SHAPES, foreign_shape

pytestmark = pytest.mark.faults("K43")
OPTIONS = [{"id": "5e83", "entityId": "LC8", "displayId": "LC08", "downloadSystem": "ls_s3", "available": True}]
REQUESTED = {"availableDownloads": [], "preparingDownloads": [], "failed": []}


@pytest.mark.parametrize(
    ("endpoint", "data", "came"),
    [
        ("scene-list-add", OPTIONS, "a list"),
        ("scene-list-add", "eyJjaWQiOjEyMywicyI6IjE3MzAwMDAwMDAifQ", "a text"),
        ("scene-list-add", REQUESTED, "other data"),
        ("download-options", 12, "a number"),
        ("download-options", ["user", "download"], None),  # rows that cannot be used: the reader tells them
        ("download-options", [{"datasetAlias": "landsat_ot_c2_l2"}], "other data"),
        ("download-options", REQUESTED, "other data"),
        ("download-request", OPTIONS, "a list"),
        ("download-request", {"available": [], "requested": [], "queueSize": 0}, "other data"),
        ("download-retrieve", REQUESTED, "other data"),
        ("download-retrieve", True, "true or false"),
        ("download-order-remove", OPTIONS, "a list"),
        ("download-order-remove", "a key", "a text"),
        ("scene-search", 3, "a number"),
        ("login-token", OPTIONS, "a list"),
        ("download-complete-proxied", {"results": []}, "other data"),
    ],
)
def test_what_another_call_would_bring_is_a_foreign_shape(endpoint, data, came):
    assert foreign_shape(endpoint, json.dumps(data).encode()) == came


@pytest.mark.parametrize(
    ("endpoint", "data"),
    [
        ("scene-list-add", 12),
        ("scene-list-add", "12"),
        ("scene-list-add", {"sceneCount": 12}),
        ("download-options", OPTIONS),
        ("download-options", {"1": OPTIONS[0], "3": OPTIONS[0]}),
        ("download-request", REQUESTED),
        ("download-remove", True),
        ("scene-list-remove", OPTIONS),
        ("no-such-endpoint", 5),
        *((endpoint, empty) for endpoint in SHAPES for empty in (None, [], {}, "")),
    ],
)
def test_what_the_call_itself_brings_in_any_spelling_is_none(endpoint, data):
    assert foreign_shape(endpoint, json.dumps(data).encode()) is None


@given(st.sampled_from(sorted(SHAPES)), st.binary(max_size=80))
def test_anything_can_be_asked_about(endpoint, data):
    foreign_shape(endpoint, data)
