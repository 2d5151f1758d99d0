"""The file hosts: landsatlook (signed links, files at once) and dds (staging links, files when they are ready)."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from email.utils import formatdate
from urllib.parse import unquote

import anyio

from landsat_async.sim.api_faults import LOGIN_PAGE
from landsat_async.sim.archive import Archive
from landsat_async.sim.browse import jpeg
from landsat_async.sim.content import Content, Literal
from landsat_async.sim.downloads import Download
from landsat_async.sim.file_faults import serve_faulty
from landsat_async.sim.links import FileLink
from landsat_async.sim.log import Entry
from landsat_async.sim.reply import FileReply, ServedSpan, wanted_span
from landsat_async.sim.script import FileFault
from landsat_async.sim.service import Service
from landsat_async.sim.stac import item_of_path, opens, stac_item
from landsat_async.sim.tiff import empty_image
from landsat_async.sim.wire import Request, Wire

_HTML = "text/html; charset=UTF-8"
_TYPES = {"tar": "application/x-tar", "TIF": "image/tiff", "tif": "image/tiff", "txt": "text/plain"}
_TYPES |= {"xml": "application/xml", "jpg": "image/jpeg"}


class FileHost:
    """Answers the requests of one file host."""

    def __init__(self, service: Service, name: str) -> None:
        self._service = service
        self._name = name
        self._under_way: Counter[str] = Counter()

    async def handle(self, request: Request, wire: Wire) -> bool:
        """Answer one request; True keeps the connection."""
        service = self._service
        entry = Entry(
            time_s=service.now_s(),
            host=self._name,
            what=request.path,
            method=request.method,
            target=request.target,
            headers=request.headers,
        )
        wire.watch(entry, service.log.count_file_bytes)
        service.log.add(entry)
        try:
            if self._name in service.script.busy:
                await wire.answer(service.script.busy[self._name])
                return True
            return await self._route(request, wire, entry)
        finally:
            wire.watch(None)

    async def _route(self, request: Request, wire: Wire, entry: Entry) -> bool:
        if request.method != "GET":
            await wire.answer(400, headers=[("Allow", "GET")])  # no body: it may have been HEAD
            return True
        if request.path == "/gen-browse" and request.query.get("size") in ("rrb", "thumb"):
            await wire.answer(200, jpeg(request.target), "image/jpeg")
            return True
        if request.path == "/login":
            await wire.answer(200, LOGIN_PAGE, _HTML)
            return True
        if (asked := item_of_path(request.path)) is not None and self._name == "landsatlook":
            return await self._stac(request, wire, entry, *asked)
        link = self._link(request)
        if link is None:
            await wire.answer(404, b"Not Found") if self._name == "dds" else await self._expired(wire)
            return True
        entry.what = link.file
        self._service.log.files[link.file] += 1
        if link.is_dead(self._service.script, self._service.now_s()):
            await self._expired(wire)
            return True
        download = self._service.downloads.by_id.get(link.download_id)
        if download is None:
            await self._expired(wire)
            return True
        if download.state == "preparing":
            self._service.downloads.ripen(download, self._service.script, self._service.now_s())
        if download.state in ("preparing", "failed"):
            download.polls += 1
            return await self._not_ready(wire)
        return await self._limited(request, wire, entry, link, download)

    async def _stac(self, request: Request, wire: Wire, entry: Entry, item_id: str, public: bool) -> bool:
        entry.what = f"{item_id}_stac.json"
        mode, service = self._service.script.stac_items, self._service
        if (public and mode != "open") or mode == "none":
            await wire.answer(404)
        elif not public and not opens(service.links.by_secret.get(_signature(request)), item_id):
            await self._expired(wire)
        elif (item := stac_item(service.archive, item_id, service.base_urls[self._name])) is None:
            await wire.answer(404)
        else:
            await wire.answer_json(200, item)
        return True

    def _link(self, request: Request) -> FileLink | None:
        signature = _signature(request)
        # Either host serves the links of both, so that redirects may lead from one to the other.
        link = self._service.links.by_secret.get(signature or request.path.rpartition("/")[2])
        if link is None:
            return None
        given = link.target, link.target.replace("/download/", "/download-staging/", 1)
        if self._service.script.exact_links:
            return link if request.target in given else None
        return link if request.path in {unquote(t.partition("?")[0]) for t in given} else None

    async def _expired(self, wire: Wire) -> None:
        match self._service.script.expired_answer:
            case "login-page":
                await wire.answer(302, b"", "text/html", [("Location", "/login")])
            case "html":
                await wire.answer(200, LOGIN_PAGE, _HTML)
            case "json":
                await wire.answer_json(200, {"errorCode": "AUTH", "errorMessage": "Invalid signature", "data": None})
            case status:
                await wire.answer(int(status))

    async def _not_ready(self, wire: Wire) -> bool:
        match self._service.script.staging_answer:
            case "html":
                await wire.answer(200, b"<html><body>The file is being prepared.</body></html>", _HTML)
            case "empty":
                await wire.answer(200)
            case "no-length":
                await wire.head(200, [("Content-Type", "text/html"), ("Connection", "close")])
                await wire.body(b"Preparing\n")
                return False
            case status:
                await wire.answer(int(status), b"Preparing\n")
        return True

    async def _limited(self, request: Request, wire: Wire, entry: Entry, link: FileLink, download: Download) -> bool:
        service, limit = self._service, self._service.script.max_connections
        if limit is not None and self._under_way[self._name] >= limit:
            service.log.faults["max-connections"] += 1
            await wire.answer(503, b"Too many connections", headers=[("Connection", "close")])
            return False
        self._under_way[self._name] += 1
        service.log.saw_transfers(self._name, self._under_way[self._name])
        try:
            return await self._file(request, wire, entry, link, download)
        finally:
            self._under_way[self._name] -= 1

    async def _file(self, request: Request, wire: Wire, entry: Entry, link: FileLink, download: Download) -> bool:
        service = self._service
        fault = service.script.file_fault(self._name, link.file, ranged="range" in request.headers)
        if fault is not None:
            entry.fault = fault.kind
            service.log.faults[fault.kind] += 1
            if fault.kind == "new-version":
                service.archive.renew(link.file)
        name = fault.text if fault is not None and fault.kind == "swapped" else link.file
        content = service.archive.file(name)
        if content is None:
            await wire.answer(404)
            return True
        link.uses += 1
        service.downloads.attempt(download)
        content = _replaced(fault, service.archive, content)
        reply = self._reply(request, name, content)
        if fault is not None and fault.kind not in ("new-version", "swapped", *_REPLACED):
            return await serve_faulty(fault, reply, request, wire, self._pace)
        await wire.head(reply.status, reply.headers())
        await self._send(reply.span, content, wire)
        if reply.span is not None and reply.span.stop == content.size and download.state == "available":
            service.downloads.move(download, "complete")
        return True

    def _reply(self, request: Request, name: str, content: Content) -> FileReply:
        script = self._service.script
        version = self._service.archive.version(name)
        tag = f'"{zlib.crc32(name.encode()):08x}-{content.size:x}-{version}"'
        if script.etag == "changing":
            tag = f'"{next(self._service.requests):x}"'
        etag = {"none": None, "weak": f"W/{tag}"}.get(script.etag, tag)
        modified_s = {"old": 1_721_000_000.0 + version, "fresh": time.time(), "none": None}[script.last_modified]
        modified = None if modified_s is None else formatdate(modified_s, usegmt=True)
        span = wanted_span(request, content.size, etag, modified, script)
        return FileReply(
            name,
            content,
            span,
            _TYPES.get(name.rpartition(".")[2], "application/octet-stream"),
            etag,
            modified,
            ranges=script.ranges,
            disposition=script.disposition,
        )

    async def _send(self, span: ServedSpan | None, content: Content, wire: Wire) -> None:
        if span is not None:
            await self._pace(content, span.start, span.stop, wire)

    async def _pace(self, content: Content, start: int, stop: int, wire: Wire) -> None:
        """Send a range of a content at no more than the scripted rate, which may change meanwhile."""
        while start < stop:
            rate = self._service.script.rate_bytes_s
            block = 1 << 18 if rate is None else max(1, min(1 << 18, rate // 10))
            await wire.body(content.read(start, min(block, stop - start)))
            start += block
            if rate is not None and start < stop:
                await anyio.sleep(block / rate)


_REPLACED = ("other-body", "empty-image")


def _replaced(fault: FileFault | None, archive: Archive, content: Content) -> Content:
    """Return what is sent in place of the file's content, where a recipe says so."""
    if fault is None or fault.kind not in _REPLACED:
        return content
    other = Literal(empty_image()) if fault.kind == "empty-image" else archive.file(fault.text)
    assert other is not None, f"no such file in the archive: {fault.text}"
    return other


def _signature(request: Request) -> str:
    return unquote(request.target.partition("requestSignature=")[2].partition("&")[0])
