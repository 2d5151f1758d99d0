"""Recorded bodies decode; broken rows are named and cost nothing but themselves."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from landsat_async.errors import BadReply, DatasetRefused, OutcomeUnknown, ServiceError, SessionExpired
from landsat_async.m2m import payloads, read_downloads
from landsat_async.m2m.download_request import download_request
from landsat_async.m2m.response import open_envelope, understand
from landsat_async.m2m.transport import ApiReply

RECORDED = Path(__file__).resolve().parent.parent / "recorded"
ANY = {"limit_s": None}
CALLS = {
    "dataset-search": payloads.dataset_search(None),
    "dataset-filters": payloads.dataset_filters("x"),
    "dataset-file-groups": payloads.dataset_file_groups("x"),
    "dataset": payloads.dataset("x", None),
    "scene-search": payloads.scene_search("x", None, start=1, page_size=100, metadata_type=None, **ANY),
    "scene-metadata": payloads.scene_metadata("x", "y", "entityId", "full"),
    "scene-list-add": payloads.scene_list_add("l", "x", ["e"], "entityId", "P1D"),
    "scene-list-get": payloads.scene_list_get("l", None),
    "scene-list-remove": payloads.scene_list_remove("l"),
    "download-options": payloads.download_options("x", ["e"], None, with_file_groups=True, **ANY),
    "download-request": download_request("l", [("e", "p")], (), **ANY),
    "download-retrieve": payloads.download_retrieve("l", None),
    "download-search": payloads.download_search("l", None),
    "download-order-load": payloads.download_order_load("l"),
    "download-order-remove": payloads.download_order_remove("l"),
    "download-remove": payloads.download_remove(1),
    "download-complete-proxied": payloads.download_complete_proxied([(1, 2)]),
    "download-labels": payloads.download_labels(),
    "download-summary": payloads.download_summary("l"),
    "login-token": payloads.login_token("u", "t"),
    "permissions": payloads.permissions(),
    "rate-limit-summary": payloads.rate_limit_summary(),
    "grid2ll": payloads.grid2ll("WRS2", 1, 1, "point"),
    "notifications": payloads.notifications("EE"),
}
# Endpoints that a downloader does not need, and fragments of answers.
NOT_OURS = [
    "data-owner", "dataset-browse", "dataset-bulk-products", "dataset-catalogs", "dataset-categories",
    "dataset-coverage", "dataset-clear-customization", "dataset-download-options", "dataset-get-customization",
    "dataset-messages", "dataset-metadata", "dataset-order-products", "download-eula", "login-app-guest",
    "login-sso", "order-products", "order-submit", "scene-list-summary", "scene-list-types", "scene-metadata-list",
    "scene-metadata-xml", "scene-search-delete", "tram-order-details", "tram-order-search", "tram-order-status",
    "tram-order-units", "user-preference-get", "user-preference-set",
]  # fmt: skip


def read(endpoint, body, status=200):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return understand(CALLS[endpoint], ApiReply(status, "application/json", bytearray(raw), None, None), ())


def envelope(data):
    return {"requestId": 1, "version": "stable", "data": data, "errorCode": None, "errorMessage": None}


def recorded_bodies():
    for path in sorted(RECORDED.glob("*.json")):
        kind, _, rest = path.stem.partition("_")
        if kind not in ("rec", "doc"):
            continue
        name = rest.partition("_")[2] if kind == "rec" else rest
        endpoint = name.partition("_")[0].replace("scene-search-secondary", "scene-search")  # same shape
        content = json.loads(path.read_text())
        if endpoint in NOT_OURS or endpoint in ("stac", "error") or "fragment" in name or "payload" in name:
            continue
        body = content["response"] if kind == "doc" else content
        # Some recordings are the data, or the filter entries, without their envelope.
        if isinstance(body, dict) and "errorCode" not in body:
            first = next(iter(body.values()))  # one recording holds many answers, by scene
            body = first if isinstance(first, dict) and "errorCode" in first else body
        if not (isinstance(body, dict) and "errorCode" in body):
            body = envelope(body)
        yield pytest.param(endpoint, body, id=path.stem)


def test_every_recorded_body_belongs_to_a_call_or_is_listed_as_not_ours():
    taken = {param.id for param in recorded_bodies()}
    left = {path.stem for path in RECORDED.glob("*.json") if path.stem.startswith(("rec_", "doc_"))} - taken
    unknown = [
        stem
        for stem in left
        if not any(name in stem for name in (*NOT_OURS, "landsatlook", "error", "fragment", "payload"))
    ]
    assert not unknown
    assert len(taken) >= 45


def test_every_documented_envelope_opens():
    opened = 0
    for path in RECORDED.glob("doc_*.json"):
        content = json.loads(path.read_text())
        body = content.get("response") if isinstance(content, dict) else None
        if not isinstance(body, dict) or "errorCode" not in body:
            continue  # a payload or a fragment
        frame = open_envelope(json.dumps(body).encode())
        assert frame.code is None
        assert json.loads(bytes(frame.data)) == body["data"]
        opened += 1
    assert opened > 50


@pytest.mark.parametrize(("endpoint", "body"), list(recorded_bodies()))
def test_every_recorded_body_decodes_without_a_lost_row(endpoint, body):
    value, unusable = read(endpoint, body)
    assert unusable == []
    if isinstance(body["data"], list):
        rows = value.data if hasattr(value, "data") else value
        assert len(rows) == len(body["data"])


def test_a_recorded_scene_page_is_read_as_recorded(recorded):
    body = recorded("rec_2023_scene-search_landsat_ot_c2_l1_eight_hits")
    page, _ = read("scene-search", body)
    assert (page.rows, page.total_hits) == (8, 8)
    first, sent = page.scenes[0], body["data"]["results"][0]
    assert first.entity_id == sent["entityId"]
    assert first.acquired == sent["temporalCoverage"]["startDate"][:10]
    assert first.cloud_cover == 6.0
    assert json.loads(first.footprint) == sent["spatialCoverage"]
    assert first.published == sent["publishDate"]


LONG = ("scene-search", "download-options", "download-request")
PLAIN = {
    "rec_2025_download-request_bundles_browse_data_only",
    "rec_2023_scene-search_landsat_ot_c2_l1_eight_hits",
}


@pytest.mark.parametrize(
    ("name", "endpoint", "body"),
    [(one.id, *one.values) for one in recorded_bodies() if one.values[0] in LONG],
)
def test_a_long_answer_that_is_read_in_one_pass_is_read_alike(name, endpoint, body):
    raw = bytearray(json.dumps(body).encode())
    in_one_pass = CALLS[endpoint].usual(raw)
    assert in_one_pass is not None or name not in PLAIN
    if in_one_pass is not None:
        assert (in_one_pass, []) == understand(CALLS[endpoint], ApiReply(200, "", raw, None, None), ())


def test_one_download_that_stands_in_both_lists_is_read_twice(recorded):
    reply, _ = read("download-retrieve", recorded("rec_2020_download-retrieve_declass"))
    assert [len(reply.available), len(reply.requested), reply.queue_size] == [1, 1, 0]
    assert reply.available[0].bytes_nominal == 782283562


def test_secondary_files_carry_their_file_groups(recorded):
    options, _ = read("download-options", recorded("doc_download-options")["response"])
    assert options[0].system == "folder"
    assert options[0].bytes_nominal is None
    assert options[0].secondary[0].file_groups == ("ls_c2l1_all",)
    assert options[0].secondary[0].bytes_nominal == 117391


def test_file_groups_name_their_secondary_dataset(recorded):
    groups, _ = read("dataset-file-groups", recorded("doc_dataset-file-groups")["response"])
    assert [(g.dataset_id, g.group_id, g.files) for g in groups] == [("5e81ff5f86d11d08", "ls_c2l1_all", ("ANG.txt",))]


def test_datasets_keep_alias_bounds_and_count(recorded):
    dataset, _ = read("dataset", recorded("rec_2023_dataset_landsat_ot_c2_l1"))
    assert (dataset.alias, dataset.scene_count) == ("landsat_ot_c2_l1", 3251710)
    assert dataset.bounds[2] == pytest.approx(197.576528425)


def test_recorded_errors_become_typed_errors(recorded):
    with pytest.raises(SessionExpired) as expired:
        read("permissions", recorded("rec_2021_error_AUTH_EXPIRED"))
    assert (expired.value.code, expired.value.request_id) == ("AUTH_EXPIRED", 0)
    with pytest.raises(DatasetRefused, match="invalid dataset"):
        read("dataset", recorded("rec_2022_error_DATASET_INVALID"))


SCENE = {"entityId": "LC80040532024187LGN00", "displayId": "LC08_L2SP_004053_20240705_20240712_02_T1"}


def page_of(*rows, **more):
    return envelope({"results": list(rows), "totalHits": len(rows), **more})


@pytest.mark.parametrize(
    ("sent", "percent"),
    [("44.79", 44.79), (3, 3.0), (None, None), (-1, None), ("-1", None), (True, None), ([], None), (101, None),
     ("abc", None), ("", None), (0, 0.0)],
)  # fmt: skip
@pytest.mark.faults("C15")
def test_C15_cloud_cover_of_every_type(sent, percent):
    page, unusable = read("scene-search", page_of({**SCENE, "cloudCover": sent}))
    assert page.scenes[0].cloud_cover == percent
    assert not unusable


@pytest.mark.parametrize("footprint", [None, {}, [], "x", {"type": "Point", "coordinates": [1, 2]}])
def test_any_footprint_keeps_its_scene(footprint):
    page, _ = read("scene-search", page_of({**SCENE, "spatialCoverage": footprint}))
    assert page.scenes[0].entity_id == SCENE["entityId"]


def test_a_scene_without_dates_takes_the_day_from_its_id():
    page, _ = read("scene-search", page_of({**SCENE, "publishDate": "Unknown", "temporalCoverage": []}))
    assert page.scenes[0].acquired == "2024-07-05"
    assert page.scenes[0].published is None


@pytest.mark.parametrize("empty", [[], {}, None])
@pytest.mark.faults("A10")
def test_A10_empty_maps_in_every_form(empty):
    data = {
        "availableDownloads": [{"downloadId": 1, "url": "https://h/f"}],
        "duplicateProducts": empty,
        "newRecords": empty,
        "failed": empty,
        "preparingDownloads": empty,
    }
    reply, _ = read("download-request", envelope(data))
    assert (reply.duplicates, reply.new_records, reply.failed, reply.preparing) == ({}, {}, (), ())
    assert len(reply.available) == 1


@pytest.mark.parametrize(
    "endpoint",
    ["download-options", "download-search", "download-order-load", "dataset-search", "scene-list-get",
     "download-labels", "notifications", "dataset-filters", "permissions", "dataset-file-groups"],
)  # fmt: skip
@pytest.mark.faults("A11")
def test_A11_null_where_a_list_is_promised_is_an_empty_list(endpoint):
    assert read(endpoint, envelope(None)) == ((), [])


@pytest.mark.faults("A11")
def test_A11_null_searches_and_retrievals_are_empty():
    assert read("scene-search", envelope(None))[0].rows == 0
    assert read("download-retrieve", envelope(None))[0].requested == ()


@pytest.mark.parametrize(("sent", "understood"), [("123", 123), (123, 123), (123.0, 123), (" 123 ", 123)])
@pytest.mark.faults("A12")
def test_A12_numbers_in_every_form(sent, understood):
    items, unusable = read("download-search", envelope([{"downloadId": sent, "filesize": None}]))
    assert [item.download_id for item in items] == [understood]
    assert not unusable


@pytest.mark.parametrize("sent", [True, None, "", "12x", -1, 1.5, [1], {"a": 1}, 2**63, 10**30, float("nan")])
@pytest.mark.faults("A12")
def test_A12_a_row_that_cannot_be_used_is_named_and_the_others_go_on(sent):
    rows = [{"downloadId": 1}, {"downloadId": sent, "entityId": "E2"}, {"downloadId": 3}]
    items, unusable = read("download-search", envelope(rows))
    assert [item.download_id for item in items] == [1, 3]
    (item,) = unusable
    assert item.entity_id == "E2"
    assert "row 2: downloadId" in item.message


@pytest.mark.parametrize("row", [None, 1, "x", [], True])
@pytest.mark.faults("A12")
def test_A12_a_row_that_is_no_object_costs_only_itself(row):
    items, unusable = read("download-search", envelope([{"downloadId": 1}, row]))
    assert (len(items), len(unusable)) == (1, 1)


@pytest.mark.faults("A12")
def test_A12_unusable_rows_of_a_request_stand_in_failed():
    data = {
        "availableDownloads": [{"downloadId": True, "entityId": "E1", "url": "https://h/f"}],
        "preparingDownloads": "what",
        "failed": [
            {"entityId": "E2", "productId": "P", "errorMessage": "temporarily\x1b[31m disabled"},
            "just text",
            None,
        ],
        "duplicateProducts": {"12": "old", "zz": "older"},
        "numInvalidScenes": "2",
    }
    reply, _ = read("download-request", envelope(data))
    assert reply.duplicates == {12: "old"}
    assert reply.invalid_scenes == 2
    assert [item.entity_id for item in reply.failed].count("E1") == 1
    messages = [item.message for item in reply.failed]
    assert any("duplicateProducts" in message for message in messages)
    assert any("preparingDownloads is not a list" in message for message in messages)
    assert "just text" in messages
    assert not any("\x1b" in message for message in messages)
    assert len(reply.failed) == 6


def test_a_list_with_gaps_arrives_as_an_object_and_loses_nothing():
    items, unusable = read("download-search", envelope({"0": {"downloadId": 1}, "2": {"downloadId": 2}}))
    assert [item.download_id for item in items] == [1, 2]
    assert not unusable


def test_the_list_under_every_product_is_read_and_kept_once():
    row = {"id": "p", "entityId": "e", "displayId": "d", "secondaryDownloads": [
        {"id": "s", "entityId": "se", "displayId": "sd", "available": "Y"}, {"id": "s"}]}  # fmt: skip
    options, unusable = read("download-options", envelope([row, {**row, "id": "q"}]))
    assert options[0].secondary is options[1].secondary
    assert options[0].secondary[0].available is True
    assert len(unusable) == 1


FILE = {"id": "s", "entityId": "se", "displayId": "sd", "datasetId": "ds", "available": True, "filesize": 5,
        "downloadSystem": "dds", "downloadName": "", "fileGroups": None}  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"available": "Y"},
        {"available": 0},
        {"filesize": 0},
        {"filesize": "7"},
        {"filesize": 2**60},
        {"id": 12},
        {"displayId": " sd "},
        {"displayId": "s\u0301\ud800\n"},
        {"entityId": ""},
        {"downloadSystem": None},
        {"downloadSystem": " "},
        {"datasetId": ""},
        {"fileGroups": ["g", " h", ""]},
        {"fileGroups": "g"},
        {"displayId": None},
    ],
    ids=str,
)
def test_a_list_of_files_reads_the_same_at_once_and_row_by_row(odd, monkeypatch):
    listed = [FILE, {**FILE, **odd}]
    row = {"id": "p", "entityId": "e", "displayId": "d", "secondaryDownloads": listed}
    body = json.dumps(envelope([row]), separators=(",", ":")).encode()
    at_once = read("download-options", body)
    monkeypatch.setattr(read_downloads, "_STRICT", msgspec.json.Decoder(None))
    assert read("download-options", body) == at_once
    assert len(at_once[0][0].secondary) + len(at_once[1]) == 2


@pytest.mark.parametrize("size", [0, None, -5, 2**63, "x", True, 10**40])
@pytest.mark.faults("C10")
def test_C10_nonsense_sizes_are_no_sizes(size):
    options, _ = read("download-options", envelope([{"id": "p", "entityId": "e", "displayId": "d", "filesize": size}]))
    assert options[0].bytes_nominal is None


@pytest.mark.parametrize("limits", [None, [], {}, "x", [{"limitType": "ip", "recentDownloadCount": "14000"}]])
@pytest.mark.faults("A23")
def test_A23_limits_are_advice_and_may_be_missing(limits):
    reply, _ = read("download-request", envelope({"remainingLimits": limits}))
    if isinstance(limits, list) and limits:
        assert (reply.remaining.recent, reply.remaining.pending) == (14000, None)
    else:
        assert reply.remaining is None
    assert reply.failed == ()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b',"errorCode":null}',
        b'{"data":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b'{"message":"Forbidden"}',
        b"\x00\xff\xfe",
        b'{"data":[1,2',
    ],
)
@pytest.mark.faults("A13")
def test_A13_bodies_that_are_no_answer_are_a_bad_reply_or_no_answer(body):
    with pytest.raises(ServiceError):
        read("download-search", body)


@pytest.mark.faults("A13")
def test_A13_endless_numbers_cost_only_what_they_stand_for():
    digits = b"9" * 5000
    body = b'{"data":[{"downloadId":' + digits + b'},{"downloadId":2,"filesize":' + digits + b'}],"errorCode":null}'
    items, unusable = read("download-search", body)
    assert [(item.download_id, item.bytes_nominal) for item in items] == [(2, None)]
    assert len(unusable) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"data":[{"downloadId":1}],"errorCode":null}',
        b'{"data":[{"downloadId":1,"filesize":NaN}],"errorCode":null}',
        b'{"data":[{"downloadId":1,"filesize":1e999}],"errorCode":null}',
        b'{"data":[{"downloadId":1,"label":"a\\ud800b"}],"errorCode":null}',
        b'{"data":[{"downloadId":1,"label":"a\xe9b"}],"errorCode":null}',
        b'{"data":[{"downloadId":2,"downloadId":1}],"errorCode":null}',
        b' \n {"data":[{"downloadId":1}]} ',
    ],
)
@pytest.mark.faults("A14")
def test_A14_sloppy_json_is_accepted(body):
    items, unusable = read("download-search", body)
    assert [item.download_id for item in items] == [1]
    assert not unusable
    (items[0].label or "").encode()  # what is handed on can be written


def test_data_of_a_wrong_kind_is_a_bad_reply_that_names_the_call():
    for endpoint in ("scene-search", "download-retrieve", "rate-limit-summary", "download-search"):
        with pytest.raises(BadReply, match=endpoint):
            read(endpoint, envelope("text"))


def test_an_unreadable_answer_of_a_call_with_effects_leaves_its_outcome_open():
    with pytest.raises(OutcomeUnknown, match="download-request"):
        read("download-request", envelope("text"))
