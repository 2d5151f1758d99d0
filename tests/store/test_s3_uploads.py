from __future__ import annotations

import pytest

from landsat_async.config_store import StoreConfig
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.s3_uploads import Keys, OpenUpload, S3Uploads, canonical_query, read_uploads, signed_headers
from tests.support.moto_server import SECRET

EXAMPLE = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def test_a_request_is_signed_as_in_the_example_of_amazon():
    host, now_s = "examplebucket.s3.amazonaws.com", 1369353600.0  # 2013-05-24
    query = canonical_query({"lifecycle": ""})
    headers = signed_headers(EXAMPLE, "GET", host, "/", query, region="us-east-1", now_s=now_s)
    signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    assert headers["authorization"].endswith(
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
    )


def test_a_query_is_sorted_and_escaped():
    assert canonical_query({"uploads": "", "prefix": "a b/ü~"}) == "prefix=a%20b%2F%C3%BC~&uploads="


def test_open_uploads_are_found_and_given_up(s3, url):
    mine, other = url.key("a/ü x.TIF"), f"{url.prefix}2/b.TIF"
    for key in (mine, other):
        s3.client.create_multipart_upload(Bucket="lake", Key=key)
    uploads = S3Uploads.of(url, StoreConfig(endpoint=s3.endpoint), s3.environ())
    assert uploads is not None
    (found,) = uploads.below(url.key(""))
    assert found.key == mine
    uploads.abort(found)
    uploads.abort(found)
    assert uploads.below(url.key("")) == []
    left = s3.client.list_multipart_uploads(Bucket="lake")["Uploads"]
    assert [one["Key"] for one in left] == [other]


@pytest.mark.parametrize("body", [b"", b"<html/>", b"no xml", b"<ListMultipartUploadsResult>"])
def test_other_answers_are_no_list(body):
    with pytest.raises(OSError, match="cannot be read"):
        read_uploads(body)


def test_a_list_that_goes_on_says_where():
    page = (
        b'<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
        b"<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>"
        b"<Upload><Key>k</Key><UploadId>i</UploadId></Upload><Upload><Key>half</Key></Upload>"
        b"</ListMultipartUploadsResult>"
    )
    assert read_uploads(page) == ([OpenUpload("k", "i")], {"key-marker": "k", "upload-id-marker": "i"})
    assert "i" not in repr(OpenUpload("k", "i")).removeprefix("OpenUpload(key=")


@pytest.mark.parametrize("status", [403, 500])
def test_what_a_store_refuses_is_told_without_address_and_secret(s3, url, status):
    s3.fail = lambda method, path: status
    uploads = S3Uploads.of(url, StoreConfig(endpoint=s3.endpoint), s3.environ())
    with pytest.raises(OSError, match=f"status {status}") as failed:
        uploads.below("")
    assert s3.endpoint not in repr(failed.value)
    assert SECRET not in repr(uploads._keys)


def test_only_an_s3_whose_keys_are_at_hand_can_be_asked(s3, url):
    config = StoreConfig(endpoint=s3.endpoint)
    assert S3Uploads.of(StoreUrl("gs", "lake", ""), config, s3.environ()) is None
    assert S3Uploads.of(url, config, {}) is None
