"""Uploads in parts that nobody will end any more, in an S3 store: found, and given up. What they hold costs money.

obstore can neither list nor name them, so they are asked for here, with the keys that stand in the environment; who is
known to a store in another way (a role of the machine) sets a lifecycle rule. It is done only after a run that was
killed.
"""

from __future__ import annotations

import hashlib
import hmac
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as Xml
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from landsat_async.config_store import StoreConfig
from landsat_async.rules.store_url import StoreUrl

_ANSWER_S = 20.0
_ANSWER_BYTES = 4 * 2**20
_PAGES = 50
_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that was begun, and neither ended nor given up."""

    key: str
    upload_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """Who we are."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False, default="")


def canonical_query(query: Mapping[str, str]) -> str:
    """Return a query as it is signed, which is also a right one to send."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))


def signed_headers(
    keys: Keys, method: str, host: str, path: str, query: str, *, region: str, now_s: float
) -> dict[str, str]:
    """Return the headers that sign a request without a body (AWS Signature Version 4).

    Args:
        keys: Whose.
        method: GET or DELETE.
        host: With its port, as it is sent.
        path: Percent-encoded.
        query: See `canonical_query`.
        region: Of the bucket.
        now_s: Unix time.
    """
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    headers = {"host": host, "x-amz-content-sha256": _NOTHING, "x-amz-date": at}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(sorted(headers))
    fields = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join([method, path, query, fields, names, _NOTHING])
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret}".encode()
    for part in (at[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    signed = f"AWS4-HMAC-SHA256 Credential={keys.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": signed}


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is signed for one host is no other host's business."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class S3Uploads:
    """Asks one bucket for its open uploads."""

    def __init__(self, endpoint: str, bucket: str, region: str, keys: Keys) -> None:
        parts = urlsplit(endpoint)
        self._endpoint, self._host = f"{parts.scheme}://{parts.netloc}", parts.netloc
        self._root = f"{parts.path.rstrip('/')}/{bucket}"
        self._region, self._keys = region, keys
        self._opener = urllib.request.build_opener(_StayHere)

    @classmethod
    def of(cls, url: StoreUrl, config: StoreConfig, environ: Mapping[str, str]) -> S3Uploads | None:
        """Return one for a store that can be asked; None where its keys do not stand in the environment."""
        key_id, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
        if url.scheme != "s3" or not key_id or not secret or environ.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST"):
            return None
        region = config.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        theirs = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or environ.get("AWS_ENDPOINT")
        endpoint = config.endpoint or theirs or f"https://s3.{region}.amazonaws.com"
        token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_TOKEN") or ""
        return cls(endpoint, url.bucket, region, Keys(key_id, secret, token))

    def below(self, prefix: str) -> list[OpenUpload]:
        """Return all open uploads whose keys begin so. Raises OSError where the store does not tell."""
        found: list[OpenUpload] = []
        asked = {"uploads": "", "prefix": prefix}
        for _ in range(_PAGES):
            try:
                page, following = read_uploads(self._ask("GET", self._root, asked))
            except FileNotFoundError:  # so some stores say that there are none
                break
            found += page
            if following is None:
                break
            asked |= following
        return [upload for upload in found if upload.key.startswith(prefix)]

    def abort(self, upload: OpenUpload) -> None:
        """Give one up; no harm when it is gone. Raises OSError."""
        try:
            path = f"{self._root}/{quote(upload.key, safe='/-_.~')}"
            self._ask("DELETE", path, {"uploadId": upload.upload_id})
        except FileNotFoundError:
            return

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> bytes:
        asked = canonical_query(query)
        headers = signed_headers(
            self._keys, method, self._host, path, asked, region=self._region, now_s=time.time()
        )  # fmt: skip
        request = urllib.request.Request(f"{self._endpoint}{path}?{asked}", method=method, headers=headers)
        try:
            with self._opener.open(request, timeout=_ANSWER_S) as answer:
                return bytes(answer.read(_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                raise FileNotFoundError("no such upload") from None
            raise OSError(f"it answers with status {error.code}") from None
        except (OSError, ValueError):  # their texts hold addresses
            raise OSError("it does not answer") from None


def read_uploads(body: bytes) -> tuple[list[OpenUpload], dict[str, str] | None]:
    """Return the uploads of one page, and what asks for the page after it. Raises OSError for anything else."""
    try:
        root = Xml.fromstring(body)
    except Xml.ParseError:
        raise OSError("its answer cannot be read") from None
    if _name(root) != "ListMultipartUploadsResult":
        raise OSError("its answer cannot be read")
    found, facts = [], {}
    for child in root:
        if _name(child) == "Upload":
            told = {_name(fact): fact.text or "" for fact in child}
            if told.get("Key") and told.get("UploadId"):
                found.append(OpenUpload(told["Key"], told["UploadId"]))
        else:
            facts[_name(child)] = child.text or ""
    marks = {"key-marker": facts.get("NextKeyMarker", ""), "upload-id-marker": facts.get("NextUploadIdMarker", "")}
    more = facts.get("IsTruncated", "").lower() == "true" and bool(marks["key-marker"])
    return found, {name: mark for name, mark in marks.items() if mark} if more else None


def _name(element: Xml.Element) -> str:
    return element.tag.rpartition("}")[2]
