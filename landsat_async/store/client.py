"""A bucket, as far as this program needs one: seven questions, each with the errors that are told apart.

Everything blocks, for threads. obstore does the work; it is imported here alone, and only when a store is used. Its own
error texts name addresses, which may hold signatures, so none of them is ever passed on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from landsat_async.config_store import StoreConfig
from landsat_async.disk.target import StoreFailed
from landsat_async.errors import ConfigError
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.forward import ForwardReads
from landsat_async.store.s3_uploads import S3Uploads

SINGLE_PUT_BYTES = 16 * 2**20
"""Up to here an object is written by one conditional request; a store keeps such a body in memory 1.7 times."""
_WRITE_BYTES = 2**20
_RETRY_S = 30
"""So long a request is tried again by obstore itself; what lasts longer is told, and tried again by the transfer."""
_ANSWER_S = 30.0
"""So long a request may take that carries no file."""
_TRANSFER_S = 300.0
"""So long a request may take that carries bytes of a file, or has the store copy them."""
_STATUS = re.compile(r"status code: (\d{3})")
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google|token request")
"""Where no variable says who we are, the machine is asked; only a machine in that cloud knows."""
VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


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


class StoreClient:
    """Speaks with one bucket."""

    def __init__(self, url: StoreUrl, config: StoreConfig, *, open_store: Callable[..., Any] | None = None) -> None:
        self.url, self._config = url, config
        self.part_bytes = config.part_size
        self._store = (open_store or _open)(url, config)
        self._files = open_store(url, config) if open_store else _open(url, config, answer_s=_TRANSFER_S)
        """The same bucket, with the patience that bytes of files need."""
        self.is_conditional = True
        """Whether the store keeps its word about what must not be replaced; see `probe`."""
        self._forward: ForwardReads | None = None
        """Reads without ranges, once the store has shown that it gives none."""

    def head(self, key: str) -> StoredObject | None:
        """Return what is known of an object; None where there is none."""
        with _told(f"look at {key}"):
            try:
                return _stored(_obstore().head(self._store, key))
            except FileNotFoundError:
                return None

    def put_new(self, key: str, data: bytes) -> None:
        """Write a small object. Raises FileExistsError when there is one already; then nothing was changed."""
        if not self.is_conditional and self.head(key) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)
        with _told(f"write {key}"):
            _obstore().put(self._files, key, data, mode="create" if self.is_conditional else "overwrite")

    def put(self, key: str, data: bytes, *, instead_of: StoredObject | None = None) -> None:
        """Write a small object, whatever is there. Raises FileExistsError when that is not `instead_of` any more."""
        mode: Any = "overwrite"
        if instead_of is not None and self.is_conditional and instead_of.etag:
            mode = {"e_tag": instead_of.etag}
        with _told(f"write {key}"):
            _obstore().put(self._files, key, data, mode=mode)

    def upload(self, key: str, read: Callable[[int, int], bytes], size_bytes: int, stop: Callable[[], bool]) -> None:
        """Write a large object in parts; it is there whole or not at all. `read(size, offset)` gives its bytes.

        Raises:
            InterruptedError: `stop` said so.
        """
        with (
            _told(f"write {key}"),
            _obstore().open_writer(self._files, key, buffer_size=self.part_bytes, max_concurrency=1) as writer,
        ):
            for at in range(0, size_bytes, _WRITE_BYTES):
                if stop():
                    raise InterruptedError
                writer.write(read(min(_WRITE_BYTES, size_bytes - at), at))

    def copy_new(self, source: str, key: str) -> None:
        """Copy within the bucket. Raises FileExistsError when there is something already."""
        if not self.is_conditional and self.head(key) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), key)
        with _told(f"name {key}"):
            _obstore().copy(self._files, source, key, overwrite=not self.is_conditional)

    def copy(self, source: str, key: str) -> None:
        """Copy within the bucket, whatever is there."""
        with _told(f"name {key}"):
            _obstore().copy(self._files, source, key, overwrite=True)

    def read(self, key: str, size: int, offset: int) -> bytes:
        """Return bytes of an object. Raises FileNotFoundError."""
        if not size:
            return b""
        with _told(f"read {key}"):
            if self._forward is None:
                try:
                    return bytes(_obstore().get_range(self._files, key, start=offset, length=size))
                except Exception as error:
                    if "NotPartial" not in str(error):
                        raise
                self._forward = ForwardReads(self._stream)
            return self._forward.read(key, size, offset)

    def _stream(self, key: str) -> Iterator[bytes]:
        for piece in _obstore().get(self._files, key).stream(_WRITE_BYTES):
            yield bytes(piece)

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are no fault."""
        with _told("remove unfinished objects"):
            for at in range(0, len(keys), 1000):
                _obstore().delete(self._store, keys[at : at + 1000])

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """Yield all objects whose keys begin with `prefix/` and sort behind `after`, a thousand a request."""
        with _told(f"list {prefix or self.url}"):
            pages = _obstore().list(self._store, prefix=prefix or None, offset=after or None, chunk_size=1000)
            for page in pages:
                yield from map(_stored, page)

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

    def _refuses(self, replace: Callable[[], None]) -> bool:
        try:
            replace()
        except FileExistsError:
            return True
        except StoreFailed as failed:
            if failed.refused:
                raise
        return False


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
        "retry_config": {"max_retries": 6, "retry_timeout": timedelta(seconds=_RETRY_S)},
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
    mark = int.from_bytes(hashlib.sha256(str(etag).encode()).digest()[:7], "big")
    return StoredObject(facts["path"], facts["size"], mark, facts["last_modified"].timestamp(), facts["e_tag"])


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Raise what obstore says in words of ours: its own texts may hold whole addresses."""
    try:
        yield
    except FileNotFoundError:  # obstore's own way to say that; its text holds the whole address
        raise FileNotFoundError(errno.ENOENT, "no such object or bucket") from None
    except OSError:
        raise
    except Exception as error:
        raise _failure(what, error) from None


def _failure(what: str, error: Exception) -> OSError:
    kind, text = type(error).__name__, str(error)
    if kind in ("AlreadyExistsError", "PreconditionError"):
        return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    if _NO_CREDENTIALS.search(text):
        return StoreFailed(
            "no credentials for it were found",
            refused=True,
            hint=f"Set the variables that its own tools use: {'; '.join(VARIABLES.values())}.",
        )
    found = _STATUS.search(text)
    status = found[1] if found else ""
    if status == "404":  # only a list is answered so: the bucket is not there
        return FileNotFoundError(errno.ENOENT, "no such bucket")
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or status in ("401", "403"):
        return StoreFailed(f"the store does not allow to {what}{f' (status {status})' if status else ''}", refused=True)
    if kind == "NotSupportedError":
        return StoreFailed(f"the store cannot {what} in this way")
    is_silent = "timed out" in text or "kind: Timeout" in text
    silent = "it does not answer" if is_silent else "it cannot be reached"
    return StoreFailed(f"the store did not {what}: {f'it answers with status {status}' if status else silent}")
