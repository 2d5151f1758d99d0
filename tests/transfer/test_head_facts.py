from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from landsat_async.rules.observed import TOPICS
from landsat_async.transfer.head_facts import facts_of_head
from landsat_async.transfer.headers import Reply


def facts(reply, headers=None, sent=None, *, staging=False):
    url = URL("https://x.example/download-staging/1" if staging else "https://x.example/a.tar")
    found = list(facts_of_head(reply, headers or {}, sent or {}, "a.tar", url))
    assert all(fact.topic in TOPICS for fact in found)
    return [f"{fact.topic}: {fact.value}" for fact in found]


@pytest.mark.faults("P09")
def test_P09_a_head_tells_validators_names_sizes_and_ranges():
    reply = Reply(
        200,
        length=5,
        content_type="application/x-tar",
        etag='W/"a"',
        filename="a.tar",
        disposition=True,
        accepts_ranges=True,
    )
    found = facts(reply, {"Server": "Apache/2.4 (x)", "Digest": "sha=1", "X-Cache": "HIT"})
    assert found == [
        "head: tar: application/x-tar, Content-Length",
        "head: tar: Accept-Ranges bytes",
        "validators: tar: weak ETag, Last-Modified missing",
        "names: tar: Content-Disposition names the file",
        "head: tar: a checksum in digest",
        "server: Apache",
        "server: a cache stands before it",
    ]
    assert "validators: tar: no ETag, Last-Modified there" in facts(Reply(200, last_modified="x"))
    assert "names: tar: Content-Disposition missing" in facts(Reply(200))
    assert "ranges: a range of a tar with If-Range: HTTP 206" in facts(Reply(206), sent={"Range": "x", "If-Range": "y"})


@pytest.mark.faults("P09")
def test_P09_refused_links_redirects_and_staging_are_told_apart():
    assert facts(Reply(403, length=0)) == ["link refused: HTTP 403, no content type, empty"]
    page = Reply(503, content_type="text/html", chunked=True, retry_after="3")
    assert facts(page, staging=True) == [
        "staged links: HTTP 503, text/html, chunked",
        "limits: Retry-After of a file host, HTTP 503",
    ]
    assert facts(Reply(302, location="https://x/?sig=1")) == ["redirects: HTTP 302"]


@pytest.mark.faults("P08")
@given(st.text(max_size=60))
def test_P08_no_field_is_quoted(text):
    canary = f"{text}c4n4ry"
    reply = Reply(200, content_type=canary, etag=canary, encoding=canary, location=canary, filename=canary)
    assert "c4n4ry" not in str(facts(reply, {"Server": canary, "Digest": canary}))
