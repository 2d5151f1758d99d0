"""A correct answer of a file host, described before it is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from landsat_async.sim.content import Content
from landsat_async.sim.script import Script
from landsat_async.sim.wire import Request

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class ServedSpan:
    """Bytes to be sent; `partial` says whether they were asked for as a range."""

    start: int
    stop: int
    partial: bool


@dataclass(frozen=True, slots=True)
class FileReply:
    """What a healthy host would answer. `span` is None for a range that cannot be served (416)."""

    name: str
    content: Content
    span: ServedSpan | None
    content_type: str
    etag: str | None
    modified: str | None
    ranges: bool
    disposition: bool

    @property
    def status(self) -> int:
        """HTTP status."""
        if self.span is None:
            return 416
        return 206 if self.span.partial else 200

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return 0 if self.span is None else self.span.stop - self.span.start

    @property
    def content_range(self) -> str | None:
        """Content-Range, where the answer has one."""
        if self.span is None:
            return f"bytes */{self.content.size}"
        if not self.span.partial:
            return None
        return f"bytes {self.span.start}-{self.span.stop - 1}/{self.content.size}"

    def described(self) -> list[tuple[str, str]]:
        """Headers that do not depend on how the body is framed."""
        rows = [("Content-Type", self.content_type)]
        if self.disposition:
            rows.append(("Content-Disposition", f'attachment; filename="{self.name}"'))
        if self.ranges:
            rows.append(("Accept-Ranges", "bytes"))
        if self.etag is not None:
            rows.append(("ETag", self.etag))
        if self.modified is not None:
            rows.append(("Last-Modified", self.modified))
        return rows

    def headers(self) -> list[tuple[str, str]]:
        """All headers of the healthy answer."""
        rows = [*self.described(), ("Content-Length", str(self.length))]
        if self.content_range is not None:
            rows.append(("Content-Range", self.content_range))
        return rows


def wanted_span(
    request: Request, size: int, etag: str | None, modified: str | None, script: Script
) -> ServedSpan | None:
    """Work out which bytes a request asks for, the whole file where ranges do not apply."""
    whole = ServedSpan(0, size, False)
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or not script.ranges or found[0] == "bytes=-":
        return whole
    condition = request.headers.get("if-range")
    if condition is not None and script.if_range != "ignored":
        holds = condition == modified or (condition == etag and not condition.startswith("W/"))
        if not holds or (script.if_range == "never" and condition.startswith('"')):
            return whole
    if found[1] == "":
        return ServedSpan(max(0, size - int(found[2])), size, True)
    start, last = int(found[1]), int(found[2] or size - 1)
    if start >= size or last < start:
        return None
    return ServedSpan(start, min(last + 1, size), True)
