"""Browse pictures of scenes for the page of `plan` and `scenes`: small JPEGs that need neither account nor signature.

Two at a time, kept in the user's cache, and never a reason to fail: a picture that cannot be had is left out.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import anyio
import anyio.to_thread
from yarl import URL

from landsat_async.config_tables import ServiceConfig
from landsat_async.disk.fs import READ, Fs, local_fs
from landsat_async.disk.whole_file import write_whole
from landsat_async.model import Scene
from landsat_async.page.picture import MOST_BYTES
from landsat_async.rules.links import AllowedHosts, LinkRefused

AT_A_TIME = 2
FAILURES_MAX = 5
"""In a row; then the host is left alone, and the rest of the pictures is left out."""
_FETCHED_MAX = 512 * 1024
_SIDE = 160
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_KINDS = (b"\xff\xd8\xff", b"\x89PNG")


@dataclass
class Browse:
    """What came of it."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    """By display id; each at most 12 kB."""
    too_large: int = 0
    """Pictures that would have to be scaled, which needs the extra `page`."""
    failed: int = 0


async def browse_pictures(scenes: Sequence[Scene], service: ServiceConfig, *, cache: str | None = None) -> Browse:
    """Return pictures of scenes.

    Args:
        scenes: Of whom; those without an address have none.
        service: Says which hosts may be asked.
        cache: Folder of pictures that are here already; None = the user's.
    """
    work = _Work(AllowedHosts.for_service(service.url, service.file_hosts), cache or cache_folder(os.environ))
    send, receive = anyio.create_memory_object_stream[Scene](0)
    async with _session() as session, anyio.create_task_group() as group:
        for _ in range(AT_A_TIME):
            group.start_soon(work.serve, session, receive.clone())
        receive.close()
        async with send:
            for scene in scenes:
                if scene.browse is not None:
                    await send.send(scene)
    return work.browse


class _Work:
    def __init__(self, hosts: AllowedHosts, cache: str) -> None:
        self._hosts, self._cache, self._fs = hosts, cache, local_fs()
        self.browse = Browse()
        self._failures = 0

    async def serve(self, session: aiohttp.ClientSession, scenes: anyio.abc.ObjectReceiveStream[Scene]) -> None:
        async with scenes:
            async for scene in scenes:
                await self._take(session, scene)

    async def _take(self, session: aiohttp.ClientSession, scene: Scene) -> None:
        assert scene.browse is not None
        name = hashlib.sha256(f"{scene.display_id} {scene.browse}".encode()).hexdigest()[:32]
        picture = await anyio.to_thread.run_sync(_kept, self._fs, os.path.join(self._cache, name))
        if picture is None and self._failures < FAILURES_MAX:
            picture = await self._fetch(session, scene.browse)
            self._failures = 0 if picture else self._failures + 1
            if picture:
                await anyio.to_thread.run_sync(_keep, self._fs, self._cache, name, picture)
        if picture is None:
            self.browse.failed += 1
            return
        small = await anyio.to_thread.run_sync(_shrunk, picture)
        if small is None:
            self.browse.too_large += 1
        else:
            self.browse.pictures[scene.display_id] = small

    async def _fetch(self, session: aiohttp.ClientSession, address: str) -> bytes | None:
        try:
            url = URL(address)
            self._hosts.check(url)
            async with session.get(url, allow_redirects=False) as reply:
                if reply.status != 200:
                    return None
                body = await reply.content.read(_FETCHED_MAX + 1)
                while not reply.content.at_eof() and len(body) <= _FETCHED_MAX:
                    body += await reply.content.read(_FETCHED_MAX)
        except (LinkRefused, ValueError, aiohttp.ClientError, OSError):  # OSError includes TimeoutError
            return None
        return body if len(body) <= _FETCHED_MAX and body.startswith(_KINDS) else None


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, auto_decompress=False) as session:
        yield session


def _kept(fs: Fs, path: str) -> bytes | None:
    try:
        fd = fs.open(path, READ)
    except OSError:
        return None
    try:
        body = fs.pread(fd, _FETCHED_MAX, 0)
    except OSError:
        return None
    finally:
        fs.close(fd)
    return body if body.startswith(_KINDS) else None


def _keep(fs: Fs, folder: str, name: str, picture: bytes) -> None:
    with suppress(OSError):  # a cache that cannot be written is none
        fs.make_folder(folder, 0o700)
        write_whole(fs, os.path.join(folder, name), picture, mode=0o600)


def _shrunk(picture: bytes) -> bytes | None:
    """Return the picture with at most 12 kB; None where Pillow is needed for that and is not here or fails."""
    if len(picture) <= MOST_BYTES:
        return picture
    try:
        from PIL import Image
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.thumbnail((_SIDE, _SIDE))
            plain = image.convert("RGB")
    except Exception:  # whatever a library makes of bytes from outside
        return None
    for quality in (75, 60, 45, 30, 15):
        body = io.BytesIO()
        plain.save(body, "JPEG", quality=quality)
        if body.tell() <= MOST_BYTES:
            return body.getvalue()
    return None


def cache_folder(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the user's folder for what can be fetched again: XDG_CACHE_HOME, ~/Library/Caches, %LOCALAPPDATA%."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")
    if platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        given = environ.get("XDG_CACHE_HOME", "")
        base = given if os.path.isabs(given) else os.path.join(home, ".cache")
    return os.path.join(base, "landsat_async", "browse")
