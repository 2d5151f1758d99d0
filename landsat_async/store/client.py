"""A bucket, as far as this program needs one: seven questions, each with the errors that are told apart.

Everything blocks, for threads. obstore does the work; it is imported here alone, and only when a store is used. Its own
error texts name addresses, which may hold signatures, so none of them is ever passed on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from landsat_async.config_store import StoreConfig
from landsat_async.disk.folder import STATE_FOLDER
from landsat_async.disk.target import StoreFailed
from landsat_async.errors import ConfigError
from landsat_async.rules.quantities import size_text
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.answers import VARIABLES, told
from landsat_async.store.cut_off import CutOff
from landsat_async.store.forward import ForwardReads
from landsat_async.store.patience import StorePatience
from landsat_async.store.s3_uploads import S3Uploads

SINGLE_PUT_BYTES = 16 * 2**20
"""Up to here an object is written by one conditional request; a store keeps such a body in memory 1.7 times."""
_WRITE_BYTES = 2**20
_RETRY_S = 5
"""So long a request is tried again by obstore itself; what lasts longer is told, see `store.patience`."""
_ANSWER_S = 15.0
"""So long a request may take that carries no file."""
_TRANSFER_S = 300.0
"""So long a request may take that carries bytes of a file, or has the store copy them."""
_SMALL_BYTES = 128 * 1024
"""Up to here nobody needs minutes for it."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object."""

    key: str
    size_bytes: int
    mark: int
    """A number made from its ETag: another number, another content."""
    changed_s: float
    """Unix time of its last change, by the store's clock."""
    etag: str | None
    version: str | None
    """What gs asks for instead of it."""


class StoreClient:
    """Speaks with one bucket."""

    def __init__(self, url: StoreUrl, config: StoreConfig, *, patience_s: float = 0.0) -> None:
        """Open it; nothing is asked yet.

        Args:
            url: Where.
            config: How.
            patience_s: How long a store that is down is waited for.
        """
        self.url, self._config = url, config
        self.part_bytes = config.part_size
        self._store, self._files = _open(url, config), _open(url, config, answer_s=_TRANSFER_S)
        """The same bucket twice, the second with the time that bytes of files need."""
        self.patience = StorePatience(patience_s)
        self.cut_off = CutOff()
        self._of_thread = threading.local()
        self.is_conditional = True
        """Whether the store keeps its word about what must not be replaced; see `probe`."""
        self._forward: ForwardReads | None = None
        """Reads without ranges, once the store has shown that it gives none."""

    # -- how often a request is made -----------------------------------------------------------------------------------

    @contextmanager
    def once(self) -> Iterator[None]:
        """Inside, this thread waits for nothing: what fails is done later, or not at all."""
        with self._trying(lambda: False):
            yield

    @contextmanager
    def for_one_file(self) -> Iterator[None]:
        """Inside, this thread waits only while the store as a whole is down: what is one file's fault is raised."""
        with self._trying(lambda: not self.works()):
            yield

    @contextmanager
    def _trying(self, goes_on: Callable[[], bool]) -> Iterator[None]:
        before = self._of_thread.__dict__.get("goes_on")
        self._of_thread.goes_on = goes_on
        try:
            yield
        finally:
            self._of_thread.goes_on = before

    def works(self) -> bool:
        """Ask for something small, once: whether the store answers, and knows us."""
        try:
            _obstore().head(self._store, self.url.key(f"{STATE_FOLDER}/claim.json"))
        except FileNotFoundError:
            return True
        except Exception:
            return False
        return True

    def _ask(
        self, what: str, request: Callable[[], T], limit_s: float | None = None, *, uploads: str | None = None
    ) -> T:
        """Make a request; `what` it does, for people, how long it may take, the key of what comes in parts by it."""

        def ask() -> T:
            with self.cut_off.watched(uploads) if uploads else nullcontext(), told(what, self.url.scheme):
                return request()

        goes_on = self._of_thread.__dict__.get("goes_on") or (lambda: True)
        return self.patience.until_answered(what, limit_s or _ANSWER_S, ask, goes_on)

    # -- requests ------------------------------------------------------------------------------------------------------

    def head(self, key: str) -> StoredObject | None:
        """Return what is known of an object; None where there is none."""
        try:
            return _stored(self._ask(f"look at {shown(key)}", lambda: _obstore().head(self._store, key)))
        except FileNotFoundError:
            return None

    def put_new(self, key: str, data: bytes) -> None:
        """Write a small object. Raises FileExistsError when there is one already; then nothing was changed."""
        if not self.is_conditional and self.head(key) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)
        self._put(key, data, "create" if self.is_conditional else "overwrite")

    def put(self, key: str, data: bytes, *, instead_of: StoredObject | None = None) -> None:
        """Write a small object, whatever is there. Raises FileExistsError when that is not `instead_of` any more."""
        mode: Any = "overwrite"
        if self.url.scheme == "gs" and instead_of is not None and instead_of.etag and not instead_of.version:
            now = self.head(key)  # lists of gs do not tell the version that it wants to be told
            if now is None or now.etag != instead_of.etag:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)
            instead_of = now
        if instead_of is not None and self.is_conditional and instead_of.etag:
            mode = {"e_tag": instead_of.etag} | ({"version": instead_of.version} if instead_of.version else {})
        self._put(key, data, mode)

    def _put(self, key: str, data: bytes, mode: Any) -> None:
        store, limit_s = (self._store, _ANSWER_S) if len(data) <= _SMALL_BYTES else (self._files, _TRANSFER_S)
        self._ask(f"write {shown(key)}", lambda: _obstore().put(store, key, data, mode=mode), limit_s)

    def upload(self, key: str, read: Callable[[int, int], bytes], size_bytes: int, stop: Callable[[], bool]) -> None:
        """Write a large object in parts; it is there whole or not at all. `read(size, offset)` gives its bytes.

        Raises:
            InterruptedError: `stop` said so.
        """

        def send() -> None:
            with _obstore().open_writer(self._files, key, buffer_size=self.part_bytes, max_concurrency=1) as writer:
                for at in range(0, size_bytes, _WRITE_BYTES):
                    if stop():
                        raise InterruptedError
                    writer.write(read(min(_WRITE_BYTES, size_bytes - at), at))

        self._ask(f"take {size_text(size_bytes)} for {shown(key)}", send, _TRANSFER_S, uploads=key)

    def copy_new(self, source: str, key: str) -> None:
        """Copy within the bucket. Raises FileExistsError when there is something already."""
        if not self.is_conditional and self.head(key) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)
        self._copy(source, key, overwrite=not self.is_conditional)

    def copy(self, source: str, key: str) -> None:
        """Copy within the bucket, whatever is there."""
        self._copy(source, key, overwrite=True)

    def _copy(self, source: str, key: str, *, overwrite: bool) -> None:
        def request() -> None:
            _obstore().copy(self._files, source, key, overwrite=overwrite)

        in_parts = not overwrite and self.url.scheme == "s3"  # see `_open`: only such an upload takes the condition
        self._ask(f"name {shown(key)}", request, _TRANSFER_S, uploads=key if in_parts else None)

    def read(self, key: str, size: int, offset: int) -> bytes:
        """Return bytes of an object. Raises FileNotFoundError."""
        limit_s = _ANSWER_S if size <= _SMALL_BYTES and self._forward is None else _TRANSFER_S
        return self._ask(f"read {shown(key)}", lambda: self._read(key, size, offset), limit_s) if size else b""

    def _read(self, key: str, size: int, offset: int) -> bytes:
        if self._forward is None:
            store = self._store if size <= _SMALL_BYTES else self._files
            try:
                return bytes(_obstore().get_range(store, key, start=offset, length=size))
            except Exception as error:
                if "NotPartial" not in str(error):
                    raise
            self._forward = ForwardReads(self._stream)
        return self._forward.read(key, size, offset)

    @property
    def gives_ranges(self) -> bool:
        """Whether parts of objects can be asked for, as far as anybody has tried."""
        return self._forward is None

    def _stream(self, key: str) -> Iterator[bytes]:
        for piece in _obstore().get(self._files, key).stream(_WRITE_BYTES):
            yield bytes(piece)

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are no fault."""
        for at in range(0, len(keys), 1000):
            self._ask("remove unfinished objects", partial(_obstore().delete, self._store, keys[at : at + 1000]))

    def list(self, prefix: str, after: str = "") -> list[StoredObject]:
        """Return all objects whose keys begin with `prefix/` and sort behind `after`, a thousand a request."""
        found: list[StoredObject] = []

        def request() -> None:
            last = found[-1].key if found else after
            pages = _obstore().list(self._store, prefix=prefix or None, offset=last or None, chunk_size=1000)
            for page in pages:
                found.extend(map(_stored, page))

        self._ask(f"list {prefix or self.url}", request)
        return found

    def uploads(self) -> S3Uploads | None:
        """Return what asks for uploads that nobody has ended; None where that cannot be asked."""
        return S3Uploads.of(self.url, self._config, os.environ)

    def probe(self, key: str) -> None:
        """Find out what the store can do: write, keep what is there, remove. Sets `is_conditional`.

        Raises:
            StoreFailed: it cannot be written to.
        """
        self.is_conditional = True
        self.put(key, b"1")
        try:
            self.is_conditional = self._refuses(lambda: self.put_new(key, b"2")) and self._refuses(
                lambda: self.copy_new(key, key)
            )
        finally:
            self.delete([key])
            self.cut_off.forget([key])  # one byte at most, and some stores refuse such a copy each time

    def _refuses(self, replace: Callable[[], None]) -> bool:
        try:
            replace()
        except FileExistsError:
            return True
        except StoreFailed as failed:
            if failed.refused:
                raise
        return False


def shown(key: str) -> str:
    """Return what a key is for people; our own objects are known by what they are for."""
    name = key.partition(f"{STATE_FOLDER}/")[2]
    if name.startswith("parts/"):
        return "a temporary object"
    return {"": key, "claim.json": "the claim of the prefix"}.get(name, "a trial object" if "probe-" in name else key)


def _obstore() -> Any:
    try:
        import obstore
    except ImportError:
        raise ConfigError(
            "download.directory is a store, and the package obstore is not installed",
            hint="Install the extra: pip install 'landsat-async[store]'",
            reference="extra-missing",
        ) from None
    return obstore


def _open(url: StoreUrl, config: StoreConfig, *, answer_s: float | None = None) -> Any:
    """Open the bucket; nothing is sent yet. Credentials come from the variables that the store's own tools use."""
    _obstore()
    from obstore.store import AzureStore, GCSStore, S3Store

    patience = timedelta(seconds=answer_s or _ANSWER_S)
    common: dict[str, Any] = {
        "retry_config": {"max_retries": 1, "retry_timeout": timedelta(seconds=_RETRY_S)},
        "client_options": {"timeout": patience, "connect_timeout": timedelta(seconds=10)},
    }
    if config.endpoint.startswith("http://"):  # the config allows that for this machine only
        common["client_options"]["allow_http"] = True
    own: dict[str, Any] = {"endpoint": config.endpoint} if config.endpoint else {}
    try:
        if url.scheme == "s3":
            region: dict[str, Any] = {"region": config.region} if config.region else {}
            promises: Any = {"copy_if_not_exists": "multipart", "checksum_algorithm": "SHA256"}
            return S3Store(url.bucket, **promises, **own, **region, **common)
        return (GCSStore if url.scheme == "gs" else AzureStore)(url.bucket, **own, **common)
    except Exception:
        raise ConfigError(
            f"the store {url} cannot be opened: its credentials or settings are not complete",
            hint=f"They come from the variables that its own tools use: {VARIABLES[url.scheme]}.",
        ) from None


def _stored(facts: Any) -> StoredObject:
    etag = facts["e_tag"] or facts["version"] or facts["last_modified"].isoformat()
    if facts["e_tag"]:
        etag = f'"{etag.strip(chr(34))}"'  # lists of Azure leave the quotes out
    mark = int.from_bytes(hashlib.sha256(str(etag).encode()).digest()[:7], "big")
    return StoredObject(
        facts["path"], facts["size"], mark, facts["last_modified"].timestamp(), facts["e_tag"], facts["version"]
    )
