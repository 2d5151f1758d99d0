"""What the head of a file host's answer shows of how the host behaves. Pure; the forms stand in `rules.observed`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from yarl import URL

from landsat_async.proof.kinds import kind_of
from landsat_async.rules.links import is_staging
from landsat_async.rules.observed import Fact, code_of
from landsat_async.transfer.headers import Reply

_SUMS = ("content-md5", "digest", "repr-digest", "x-amz-checksum-sha256", "x-amz-checksum-crc32", "x-goog-hash")
_TYPES = r"[a-z]{2,12}/[a-z0-9+.-]{2,30}"


def facts_of_head(
    reply: Reply, headers: Mapping[str, str], sent: Mapping[str, str], name: str | None, url: URL
) -> Iterator[Fact]:
    """Yield the facts of one head.

    Args:
        reply: The head as it was read.
        headers: All fields, with names in any case.
        sent: Fields of the request.
        name: File that was asked for; None where only the server knows its name.
        url: What was asked for.
    """
    kind = kind_of(name or "").name.lower()
    ok = reply.status in (200, 206)
    if 300 <= reply.status < 400:
        yield Fact("redirects", f"HTTP {reply.status}")
        return
    if "Range" in sent:
        condition = " with If-Range" if "If-Range" in sent else ""
        yield Fact("ranges", f"a range of a {kind}{condition}: HTTP {reply.status}")
    if not ok:
        topic = "staged links" if is_staging(url) else "link refused"
        yield Fact(topic, f"HTTP {reply.status}, {_type(reply)}, {_length(reply)}")
        if reply.retry_after is not None:
            yield Fact("limits", f"Retry-After of a file host, HTTP {reply.status}")
        return
    yield Fact("head", f"{kind}: {_type(reply)}, {_length(reply)}")
    yield Fact("head", f"{kind}: Accept-Ranges {'bytes' if reply.accepts_ranges else 'missing or none'}")
    yield Fact(
        "validators", f"{kind}: {_etag(reply.etag)}, Last-Modified {'there' if reply.last_modified else 'missing'}"
    )
    is_named = name is not None and reply.filename == name
    said = "names the file" if is_named else "names something else" if reply.disposition else "missing"
    yield Fact("names", f"{kind}: Content-Disposition {said}")
    if reply.encoding is not None:
        yield Fact("head", f"{kind}: encoded ({code_of(reply.encoding, r'[a-z]{2,10}')})")
    fields = {field.lower(): value for field, value in headers.items()}
    for field in _SUMS:
        if field in fields:
            yield Fact("head", f"{kind}: a checksum in {field}")
    server = fields.get("server", "").partition("/")[0].partition(" ")[0]
    if server:
        yield Fact("server", code_of(server, r"[A-Za-z][A-Za-z-]{1,20}"))
    if fields.get("via") or fields.get("x-cache"):
        yield Fact("server", "a cache stands before it")


def _type(reply: Reply) -> str:
    if not reply.content_type:
        return "no content type"
    return code_of(reply.content_type.partition(";")[0].strip().lower(), _TYPES)


def _length(reply: Reply) -> str:
    if reply.length is not None:
        return "empty" if reply.length == 0 else "Content-Length"
    return "chunked" if reply.chunked else "no length"


def _etag(etag: str | None) -> str:
    if etag is None:
        return "no ETag"
    return "weak ETag" if etag.startswith("W/") else "strong ETag"
