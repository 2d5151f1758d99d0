"""What download-request answers: links stay secret, labels are known, and only what is as promised is read at once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.m2m.download_request import read_labels
from landsat_async.m2m.response import understand
from landsat_async.m2m.transport import ApiReply
from tests.m2m.test_read_downloads import CALLS, envelope, read
from tests.m2m.test_tolerant import raw


def test_a_recorded_request_keeps_links_secret_and_labels_known(recorded):
    body = recorded("rec_2025_download-request_bundles_browse_data_only")
    reply, _ = read("download-request", envelope(body))
    assert len(reply.available) == 14
    item = reply.available[0]
    assert item.download_id == 790721113
    assert reply.new_records[item.download_id] == "download-sample"
    assert item.url.reveal() == body["availableDownloads"][0]["url"]
    assert "requestSignature" not in repr(reply)
    assert (reply.remaining.recent, reply.remaining.unattempted) == (14986, 19997)


def test_an_error_or_data_of_another_call_is_never_read_in_one_pass(recorded):
    body = envelope(recorded("rec_2025_download-request_bundles_browse_data_only"))
    usual = CALLS["download-request"].usual
    assert usual(bytearray(json.dumps(body).encode())) is not None
    assert usual(bytearray(json.dumps(body | {"errorCode": "RATE_LIMIT"}).encode())) is None
    assert usual(bytearray(json.dumps(envelope({"available": [], "requested": [], "queueSize": 0})).encode())) is None
    assert CALLS["download-options"].usual(bytearray(json.dumps(envelope([])).encode())) is None


STRANGE_TEXTS = ("", " x", "x\t", "\u00a0x", "caf\u00e9", "x\ud800", "a b", "x\n")


@pytest.mark.parametrize("member", ["url", "entityId", "productId", "displayId", "label"])
@pytest.mark.parametrize("value", STRANGE_TEXTS)
def test_a_text_that_is_read_at_once_is_read_alike(recorded, member, value):
    data = recorded("rec_2025_download-request_bundles_browse_data_only")
    if member == "label":
        data["newRecords"] |= {next(iter(data["newRecords"])): value}
    else:
        data["availableDownloads"][0] |= {member: value}
    body = bytearray(json.dumps(envelope(data)).encode())
    call = CALLS["download-request"]
    at_once = call.usual(body)
    assert at_once is not None or value not in ("caf\u00e9", "a b")
    assert at_once is None or (at_once, []) == understand(call, ApiReply(200, "", body, None, None), ())


@given(
    st.dictionaries(
        st.sampled_from(["7", "07", " 7", "x", str(2**63)]), st.sampled_from(["x", " x", "", None, 7, 1.5, []])
    )
)
def test_labels_are_read_alike_whatever_is_beside_them(labels):
    alone: dict[int, str] = {}
    for key, value in labels.items():
        alone |= read_labels(raw({key: value, "x": None}), "newRecords", [])
    assert read_labels(raw(labels), "newRecords", []) == alone


def test_labels_without_a_download_id_are_told():
    unusable = []
    assert read_labels(raw({"7": "a", "8": None, "x": "b"}), "newRecords", unusable) == {7: "a", 8: ""}
    assert [one.message for one in unusable] == ["newRecords has no download id as key"]
    assert read_labels(raw([]), "newRecords", unusable) == {}
