"""How transfers go wrong."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio

from landsat_async.sim.api_faults import LOGIN_PAGE, MAINTENANCE_PAGE
from landsat_async.sim.content import Concatenated, Content, Literal
from landsat_async.sim.reply import FileReply, ServedSpan
from landsat_async.sim.script import FileFault
from landsat_async.sim.wire import Request, Wire

Send = Callable[[Content, int, int, Wire], Awaitable[None]]
"""Sends a range of a content at the scripted rate."""

_ERROR_TEXT = b"<html><head><title>502 Bad Gateway</title></head><body>The server has failed.</body></html>\n"
_PAGES = {
    "html": (MAINTENANCE_PAGE, "text/html; charset=UTF-8"),
    "login": (LOGIN_PAGE, "text/html; charset=UTF-8"),
    "json": (b'{"errorCode":"SERVER_ERROR","errorMessage":"Internal failure","data":null}', "application/json"),
    "xml": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>',
        "application/xml",
    ),
    "empty": (b"", "application/octet-stream"),
}
_WRONG_RANGES = {
    "range-no-header": None,
    "range-wrong-start": "bytes {plus}-{last}/{size}",
    "range-wrong-end": "bytes {start}-{plus_last}/{size}",
    "range-wrong-total": "bytes {start}-{last}/{plus_size}",
    "range-wrong-unit": "items {start}-{last}/{size}",
    "range-huge": "bytes {start}-99999999999999999999999/99999999999999999999999999",
    "range-star": "bytes {start}-{last}/*",
}


async def serve_again(fault: FileFault, reply: FileReply, wire: Wire, send: Send) -> bool:
    """Serve the right answer, and its copy after a while or before the next answer; True keeps the connection."""
    wire.send_again(fault.seconds if fault.kind == "doubled" else None)
    await wire.head(reply.status, reply.headers())
    if reply.span is not None:
        await send(reply.content, reply.span.start, reply.span.stop, wire)
    return True


async def serve_faulty(fault: FileFault, reply: FileReply, request: Request, wire: Wire, send: Send) -> bool:
    """Serve one answer as the recipe says; True keeps the connection."""
    kind = fault.kind
    if kind in ("doubled", "late"):
        return await serve_again(fault, reply, wire, send)
    if kind in _PAGES:
        page, content_type = _PAGES[kind]
        await wire.answer(fault.status or 200, fault.text.encode() or page, content_type, fault.headers.items())
        return True
    if kind in ("status", "no-content", "redirect", "416"):
        await _answer_without_file(fault, reply, request, wire)
        return True
    if kind in ("close", "rst", "hang", "raw"):
        return await _no_answer(fault, wire)
    if kind.startswith("range-") or kind == "ignore-range":
        return await _wrong_range(fault, reply, request, wire, send)
    if kind in ("etag", "wrong-name", "headers", "two-lengths", "length-and-chunked", "too-long", "flip"):
        return await _wrong_head(fault, reply, wire, send)
    return await _wrong_body(fault, reply, wire, send)


async def _answer_without_file(fault: FileFault, reply: FileReply, request: Request, wire: Wire) -> None:
    headers = list(fault.headers.items())
    match fault.kind:
        case "no-content":
            await wire.head(204, headers)
        case "redirect":
            if fault.text != "none":
                headers.append(("Location", fault.text.replace("{target}", request.target) or request.target))
            await wire.answer(fault.status or 302, b"", "text/html", headers)
        case "416":
            size = reply.content.size
            given = {"equal": f"bytes */{size}", "smaller": f"bytes */{size // 2}", "bigger": f"bytes */{size + 512}"}
            if fault.text != "absent":
                headers.append(("Content-Range", given.get(fault.text or "equal", fault.text)))
            await wire.answer(416, b"", "text/plain", headers)
        case _:
            await wire.answer(fault.status or 503, fault.text.encode(), "text/plain", headers)


async def _no_answer(fault: FileFault, wire: Wire) -> bool:
    match fault.kind:
        case "rst":
            wire.reset()
        case "hang":
            await wire.silence(fault.seconds)
        case "raw":
            await wire.link.send(fault.text.encode("latin-1"))
    return False


async def _wrong_range(fault: FileFault, reply: FileReply, request: Request, wire: Wire, send: Send) -> bool:
    content, size = reply.content, reply.content.size
    span = reply.span or ServedSpan(0, size, False)
    if fault.kind == "ignore-range":
        reply = replace(reply, span=ServedSpan(0, size, False))
        await wire.head(200, reply.headers())
        await send(content, 0, size, wire)
        return True
    if fault.kind == "range-unasked":
        span = ServedSpan(0, size, True)
    elif fault.kind == "range-short" and span.partial:
        span = ServedSpan(span.start, min(span.stop, span.start + max(1, fault.bytes)), True)
    if not span.partial:  # the recipe is about answers to ranges; a plain request gets a plain answer
        await wire.head(reply.status, reply.headers())
        await send(content, span.start, span.stop, wire)
        return True
    if fault.kind == "range-multipart":
        return await _multipart(replace(reply, span=span), wire)
    if fault.kind == "range-rest":
        await wire.head(200, reply.headers())
        await send(content, span.start, span.stop, wire)
        return True
    told = replace(reply, span=span)
    if fault.kind in _WRONG_RANGES:
        await wire.head(206, [*told.described(), ("Content-Length", str(told.length)), *_claim(fault, span, size)])
        await send(content, span.start, span.stop, wire)
        return True
    await wire.head(206, told.headers())
    if fault.kind == "range-shifted":
        shifted = content.read(span.start, span.stop - span.start)
        turn = fault.bytes % max(1, len(shifted))
        await wire.body(shifted[turn:] + shifted[:turn])
    else:
        await send(content, span.start, span.stop, wire)
    return True


def _claim(fault: FileFault, span: ServedSpan, size: int) -> list[tuple[str, str]]:
    pattern = _WRONG_RANGES[fault.kind]
    if pattern is None:
        return []
    last = span.stop - 1
    values = {"start": span.start, "last": last, "size": size}
    values |= {"plus": span.start + fault.bytes, "plus_last": last + fault.bytes, "plus_size": size + fault.bytes}
    return [("Content-Range", pattern.format(**values))]


async def _multipart(reply: FileReply, wire: Wire) -> bool:
    assert reply.span is not None
    head = f"--SIM\r\nContent-Type: {reply.content_type}\r\nContent-Range: {reply.content_range}\r\n\r\n".encode()
    body = head + reply.content.read(reply.span.start, reply.length) + b"\r\n--SIM--\r\n"
    await wire.head(206, [("Content-Type", "multipart/byteranges; boundary=SIM"), ("Content-Length", str(len(body)))])
    await wire.body(body)
    return True


async def _wrong_head(fault: FileFault, reply: FileReply, wire: Wire, send: Send) -> bool:
    """Serve faults in which the whole body comes, under other headers or with other bytes in it."""
    length, start = reply.length, reply.span.start if reply.span else 0
    content, rows = reply.content, reply.headers()
    match fault.kind:
        case "etag":
            rows = [row for row in rows if row[0] != "ETag"] + ([("ETag", fault.text)] if fault.text else [])
        case "wrong-name":
            rows = [row for row in rows if row[0] != "Content-Disposition"]
            rows += [("Content-Disposition", f'attachment; filename="{fault.text}"')] if fault.text else []
        case "two-lengths":
            rows.append(("Content-Length", str(length + fault.bytes)))
        case "length-and-chunked":
            rows.append(("Transfer-Encoding", "chunked"))
        case "flip" if length:
            content = _flipped(content, start + min(fault.place(length), length - 1))
        case "headers":
            rows += fault.headers.items()
    await wire.head(reply.status, rows)
    if fault.kind == "length-and-chunked":
        await wire.link.send(b"%x\r\n" % length)
    await send(content, start, start + length, wire)
    if fault.kind == "length-and-chunked":
        await wire.link.send(b"\r\n0\r\n\r\n")
    if fault.kind == "too-long":
        await wire.body(b"\xff" * fault.bytes)
        return False
    return fault.kind not in ("two-lengths", "length-and-chunked")


def _flipped(content: Content, at: int) -> Content:
    wrong = Literal(bytes((content.read(at, 1)[0] ^ 1,)))
    return Concatenated([_Part(content, 0, at), wrong, _Part(content, at + 1, content.size)])


class _Part:
    """A range of a content as a content."""

    def __init__(self, whole: Content, start: int, stop: int) -> None:
        self._whole, self._start = whole, start
        self.size = stop - start

    def read(self, offset: int, length: int) -> bytes:
        return self._whole.read(self._start + offset, min(length, self.size - offset))


async def _wrong_body(fault: FileFault, reply: FileReply, wire: Wire, send: Send) -> bool:
    """Serve faults in which the body ends early, stops, or is framed in another way."""
    content, span = reply.content, reply.span or ServedSpan(0, 0, False)
    cut = span.start + fault.place(reply.length)
    kind = fault.kind
    if kind == "cut-other" and span.start <= fault.bytes < cut:
        content = _flipped(content, fault.bytes)
    if "gzip" in kind:
        return await _gzip(fault, reply, wire)
    if kind in ("chunked", "cut-chunked"):
        return await _chunked(reply, wire, span.stop if kind == "chunked" else cut, whole=kind == "chunked")
    if kind in ("no-length", "cut-close", "cut-close-rst"):
        await wire.head(reply.status, [*_without_length(reply), ("Connection", "close")])
        await send(content, span.start, span.stop if kind == "no-length" else cut, wire)
        if kind == "cut-close-rst":
            await _let_arrive(wire)
            wire.reset()
        return False
    if kind == "interim":
        await wire.link.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * fault.bytes)
    await wire.head(reply.status, reply.headers())
    await send(content, span.start, span.stop if kind in ("then-close", "interim") else cut, wire)
    match kind:
        case "interim":
            return True
        case "cut-rst":
            await _let_arrive(wire)
            wire.reset()
        case "stall":
            await wire.silence(fault.seconds)
        case "drip":
            for start in range(cut, span.stop, max(1, fault.bytes)):
                await wire.body(content.read(start, min(max(1, fault.bytes), span.stop - start)))
                await anyio.sleep(fault.seconds)
            return True
        case "error-text":
            await wire.body(_ERROR_TEXT[: span.stop - cut - 1])
        case "error-text-full":
            repeats = (span.stop - cut) // len(_ERROR_TEXT) + 1
            await wire.body((_ERROR_TEXT * repeats)[: span.stop - cut])
            return True
    return False


def _without_length(reply: FileReply) -> list[tuple[str, str]]:
    return [row for row in reply.headers() if row[0] != "Content-Length"]


async def _let_arrive(wire: Wire) -> None:
    """Give the client's kernel time to hand over what was sent: a reset throws away what was not read."""
    await wire.silence(0.05)


async def _chunked(reply: FileReply, wire: Wire, stop: int, *, whole: bool) -> bool:
    await wire.head(reply.status, [*_without_length(reply), ("Transfer-Encoding", "chunked")])
    start = reply.span.start if reply.span else 0
    for offset in range(start, stop, 1 << 16):
        block = reply.content.read(offset, min(1 << 16, stop - offset))
        await wire.link.send(b"%x\r\n" % len(block))
        await wire.body(block)
        await wire.link.send(b"\r\n")
    if whole:
        await wire.link.send(b"0\r\n\r\n")
    return whole


async def _gzip(fault: FileFault, reply: FileReply, wire: Wire) -> bool:
    start = reply.span.start if reply.span else 0
    data = gzip.compress(reply.content.read(start, reply.length), 1, mtime=0)
    rows = [*_without_length(reply), ("Content-Encoding", "gzip")]
    if fault.kind == "gzip":
        await wire.head(reply.status, [*rows, ("Content-Length", str(len(data)))])
        await wire.body(data)
        return True
    await wire.head(reply.status, [*rows, ("Connection", "close")])
    await wire.body(data[: fault.place(len(data))])
    return False
