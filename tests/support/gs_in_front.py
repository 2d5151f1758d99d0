"""The XML API of Google Cloud Storage in front of an S3: what obstore asks of gs, as far as it differs.

No emulator that can be had speaks it. Written from the public description of its headers, so it proves that we give
what gs asks for, and nothing of gs itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PREFIX = "/gs"
_GENERATION = "HTTP_X_GOOG_IF_GENERATION_MATCH"
_SIGNED = "AWS4-HMAC-SHA256 Credential=lab/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
_lock = threading.RLock()


def account_file(folder: Path, endpoint: str) -> Path:
    """Write what says to clients of gs where it is, and that nobody has to sign."""
    file = folder / "account.json"
    base = {"gcs_base_url": endpoint + PREFIX, "disable_oauth": True}
    file.write_text(json.dumps(base | dict.fromkeys(("client_email", "private_key", "private_key_id"), "")))
    return file


def generation_of(etag: str) -> str:
    """Return a number that stands for a content."""
    return str(int(hashlib.sha256(etag.encode()).hexdigest()[:12], 16))


def gs(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return an application that answers below PREFIX as gs does, and passes on everything else."""

    def app(environ: dict[str, Any], start: Any) -> Any:
        if not environ["PATH_INFO"].startswith(PREFIX + "/"):
            return inner(environ, start)
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(PREFIX)
        environ.pop("RAW_URI", None)
        environ.pop("REQUEST_URI", None)
        environ["HTTP_AUTHORIZATION"] = _SIGNED
        if source := environ.pop("HTTP_X_GOOG_COPY_SOURCE", None):
            environ["HTTP_X_AMZ_COPY_SOURCE"] = source
        with _lock:
            wanted = environ.pop(_GENERATION, None)
            if wanted is not None and wanted != _generation(inner, environ):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start("412 Precondition Failed", [("Content-Length", "0")])
                return [b""]
            return inner(environ, _with_generation(start))

    return app


def _with_generation(start: Any) -> Any:
    def answer(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        etag = next((value for name, value in headers if name.lower() == "etag"), "")
        return start(status, [*headers, *([("x-goog-generation", generation_of(etag))] if etag else [])], *more)

    return answer


def _generation(inner: Callable[..., Any], environ: dict[str, Any]) -> str:
    """Return the generation of what is there; "0" = nothing."""
    found = ["0"]

    def answer(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        etag = next((value for name, value in headers if name.lower() == "etag"), "")
        if status.startswith("200"):
            found[0] = generation_of(etag)
        return lambda _: None

    asked = {key: value for key, value in environ.items() if not key.startswith(("HTTP_X_AMZ", "CONTENT_"))}
    asked |= {"REQUEST_METHOD": "HEAD", "QUERY_STRING": "", "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
    answered = inner(asked, answer)
    list(answered)
    if hasattr(answered, "close"):
        answered.close()
    return found[0]
