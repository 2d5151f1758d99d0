from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.m2m.answer_facts import BODY_BYTES_MOST, facts_of_answer
from landsat_async.rules.observed import HIDDEN, TOPICS, safe


def facts(endpoint, data=None, payload=None, *, status=200, code=None, message="", body=None, retry_after_s=None):
    if body is None:
        body = json.dumps(
            {"requestId": 1, "version": "x", "data": data, "errorCode": code, "errorMessage": message}
        ).encode()
    found = list(
        facts_of_answer(
            endpoint, payload, status=status, content_type="application/json; charset=x", body=body,
            retry_after_s=retry_after_s, took_s=0.5,
        )
    )  # fmt: skip
    assert all(fact.topic in TOPICS and safe(fact.value) != HIDDEN for fact in found)
    return [f"{fact.topic}: {fact.value}" for fact in found if fact.topic != "time"]


def row(day, **more):
    return {"entityId": "LC8x", "temporalCoverage": {"startDate": f"{day} 00:00:00"}, "cloudCover": 3, **more}


@pytest.mark.faults("P09")
@pytest.mark.parametrize(
    ("endpoint", "data", "payload", "said"),
    [
        ("logout", None, {}, "session: logout answers null"),
        ("scene-search", {"results": [], "totalHits": 0, "nextRecord": 0}, {}, "search: no rows: nextRecord 0"),
        ("scene-search", {"results": [], "totalHits": 0, "nextRecord": None}, {}, "search: no rows: nextRecord null"),
        (
            "scene-search",
            {"results": [], "totalHits": 7, "nextRecord": 8},
            {},
            "search: no rows, beyond the last hit: nextRecord a number",
        ),
        ("scene-search", {"results": [row("2024-01-01", cloudCover=-1)]}, {}, "search: cloudCover is -1 as a number"),
        ("scene-search", {"results": [row("2024-01-01", cloudCover="3")]}, {}, "search: cloudCover is a text"),
        ("scene-search", {"results": [row("2024-01-01", cloudCover=None)]}, {}, "search: cloudCover is null"),
        ("scene-search", {"results": [{}]}, {}, "search: cloudCover is missing"),
        (
            "scene-search",
            {"results": [row("2024-01-01", metadata=[])]},
            {},
            "search: metadata without metadataType: an empty list",
        ),
        ("scene-search", {"results": [row(f"2024-01-0{n}") for n in (3, 2, 1)]}, {}, "search: order: newest first"),
        ("scene-search", {"results": [row(f"2024-01-0{n}") for n in (3, 1, 2)]}, {}, "search: order: none by day"),
        (
            "scene-search",
            {"results": [row("2024-01-01")]},
            {"sceneFilter": {"acquisitionFilter": {"end": "2024-01-01"}}},
            "search: the last day of acquisitionFilter is included",
        ),
        ("scene-list-add", 2, {"entityIds": ["a", "b"]}, "list: the answer is as many as were sent"),
        ("scene-list-add", 1, {"entityIds": ["a", "b"]}, "list: the answer is fewer"),
        ("scene-list-add", {"sceneCount": 1}, {"entityId": "a"}, "list: the answer is an object"),
        (
            "download-options",
            [{"entityId": "a", "downloadSystem": "ls_zip", "available": True}],
            {},
            "options: ls_zip: available",
        ),
        (
            "download-options",
            [{"entityId": b, "downloadSystem": "dds"} for b in "ba"],
            {"entityIds": ["a", "b"]},
            "options: rows come in another order than asked for",
        ),
        (
            "download-options",
            [
                {
                    "downloadSystem": "dds",
                    "secondaryDownloads": [
                        {
                            "entityId": "L2SR_LC08_L2SP_004053_20240705_20240714_02_T1_QA_PIXEL_TIF",
                            "displayId": "LC08_L2SP_004053_20240705_20240714_02_T1_QA_PIXEL.TIF",
                        }
                    ],
                }
            ],
            {},
            "options: entity id of QA_PIXEL begins with L2SR",
        ),
        (
            "download-request",
            {"failed": [{"entityId": "x", "errorMessage": "Download not available"}]},
            {},
            "request: a row of failed has entityId, errorMessage",
        ),
        (
            "download-request",
            {"failed": [{"errorMessage": "Download not available for LC80040532024187LGN00"}]},
            {},
            "request: refused: download not available for ...",
        ),
        (
            "download-request",
            {"availableDownloads": [{"downloadId": 5}], "duplicateProducts": {"5": "label"}},
            {},
            "request: duplicates stand also in the lists",
        ),
        (
            "download-request",
            {"preparingDownloads": [], "duplicateProducts": {"5": "label"}},
            {},
            "request: duplicates stand in duplicateProducts alone",
        ),
        (
            "download-retrieve",
            {"requested": [{"statusCode": "P", "statusText": "Proxied", "url": "x"}], "queueSize": 1},
            {},
            "retrieve: requested: P (proxied) with a link",
        ),
        (
            "download-retrieve",
            {"available": [{}], "requested": [{}], "queueSize": 2},
            {},
            "retrieve: queueSize counts both lists",
        ),
        (
            "download-retrieve",
            {"available": "?", "requested": 3},
            {},
            "error: download-retrieve: data of an unknown shape",
        ),
    ],
)
def test_P09_what_is_not_documented_is_seen_in_answers(endpoint, data, payload, said):
    assert said in facts(endpoint, data, payload)


@pytest.mark.faults("P09")
def test_P09_errors_have_their_status_their_words_and_retry_after():
    found = facts(
        "download-request",
        None,
        status=429,
        code="RATE_LIMIT_USER_DL",
        message="Rate limit exceeded for ana",
        retry_after_s=30,
    )
    assert found == [
        "limits: Retry-After with HTTP 429",
        "error: RATE_LIMIT_USER_DL: HTTP 429",
        "error: text: rate limit exceeded for ...",
    ]
    assert facts("permissions", body=b"<html>", status=503) == [
        "error: no envelope: HTTP 503, application/json content type, a body"
    ]


ENDPOINTS = ["scene-search", "download-request", "download-retrieve", "download-options", "scene-list-add"]
MEMBERS = ["results", "available", "requested", "failed", "queueSize", "duplicateProducts", "url", "statusText"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda one: (
        st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), one, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.faults("P08")
@given(VALUES, st.sampled_from(ENDPOINTS))
def test_P08_any_answer_gives_facts_that_may_be_shown_and_none_raises(data, endpoint):
    facts(endpoint, data, {"entityIds": ["x"]})


def test_large_answers_are_not_read():
    assert facts("scene-search", body=b" " * (BODY_BYTES_MOST + 1)) == []
