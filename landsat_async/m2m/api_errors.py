"""Names what the service said: error codes and HTTP statuses become the errors of `landsat_async.errors`.

Where no answer came, `network_errors` names the cause. Nothing here decides what happens next; that is `api_retry`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from landsat_async.errors import (
    BadReply,
    ConfigError,
    CredentialsError,
    DatasetRefused,
    EndpointGone,
    LandsatError,
    M2MError,
    QuotaReached,
    RateLimited,
    RequestRefused,
    ServiceDown,
    ServiceError,
    SessionExpired,
)
from landsat_async.m2m.credential_doubts import doubts
from landsat_async.m2m.payloads import LOGIN
from landsat_async.proof.kinds import speaks_of_maintenance
from landsat_async.rules.redact import quoted_from_outside

ERS = "https://ers.cr.usgs.gov"
TOKEN_STEPS = (
    f"Make an application token: sign in at {ERS}, open Application Tokens, create one for M2M, and use it with the "
    "same user name. Passwords stopped working in February 2025."
)
ROLE_STEPS = (
    f"Sign in at {ERS}, open Access Request, choose 'Access to EE's Machine to Machine interface (MACHINE)', fill in "
    "the form and wait for the approval (it takes days). `landsat-async demo` works meanwhile."
)
COLLECTION_2 = (
    "Collection 1 is retired. Collection 2 datasets are landsat_ot_c2_l1, landsat_ot_c2_l2, landsat_etm_c2_l1, "
    "landsat_etm_c2_l2, landsat_tm_c2_l1, landsat_tm_c2_l2 and landsat_mss_c2_l1; `landsat-async datasets` lists all."
)
NEWER = "USGS has changed its API: look for a newer landsat_async, and check [service] url."
ODD_STATUS = "Check [service] url and a proxy on the way; if both are right, run the same command again later."
LATER = "Nothing is lost: the same command continues later."
WEDNESDAY = "USGS usually maintains on Wednesdays. " + LATER

_ROLE_CODES = {"AUTH_UNAUTHROIZED", "AUTH_UNAUTHORIZED", "UNAUTHORIZED_USER"}  # the first spelling is the service's
_CODES: dict[str, type[M2MError]] = {
    "AUTH_EXPIRED": SessionExpired,
    "AUTH_KEY_INVALID": SessionExpired,
    "AUTH_INVALID": SessionExpired,
    "RATE_LIMIT": RateLimited,
    "RATE_LIMIT_USER": RateLimited,
    "RATE_LIMIT_USER_DL": QuotaReached,
    "DATASET_INVALID": DatasetRefused,
    "DATASET_AUTH": DatasetRefused,
    "DATASET_UNAUTHORIZED": DatasetRefused,
    "DATASET_ERROR": DatasetRefused,
    "INPUT_FORMAT": RequestRefused,
    "INPUT_INVALID": RequestRefused,
    "INPUT_PARAMETER_INVALID": RequestRefused,
    "INPUT_PARAMETER_REQUIRED": RequestRefused,
    "NOT_FOUND": RequestRefused,
    "ENDPOINT_UNAVAILABLE": EndpointGone,
    "VERSION_UNKNOWN": EndpointGone,
}
_HINTS: dict[type[M2MError], str] = {
    DatasetRefused: COLLECTION_2,
    EndpointGone: NEWER,
    QuotaReached: "USGS allows 15,000 downloads in 15 minutes and 20,000 pending ones for each account.",
    RateLimited: "M2M serves one call at a time for each account.",
}
_TRY_AGAIN_STATUS = {408, 425, 429}
_TITLE = re.compile(rb"<title[^>]*>(.{0,2000}?)</title", re.IGNORECASE | re.DOTALL)


def from_code(
    endpoint: str, code: str, message: str, *, request_id: int | None, status: int, retry_after_s: float | None
) -> LandsatError:
    """Turn the error code and message of an envelope into an error."""
    if code not in _CODES and code not in _ROLE_CODES:
        code = quoted_from_outside(code)
    message = quoted_from_outside(message, 300) or "no message"
    if code in _ROLE_CODES:
        return CredentialsError(
            f"the account has no access to {endpoint}: the MACHINE role is missing [{code}]",
            hint=ROLE_STEPS,
            reference="missing-role",
        )
    kind = _CODES.get(code, M2MError)
    if endpoint == LOGIN and kind is SessionExpired:
        return token_refused()
    if code == "NOT_FOUND" and "endpoint" in message.casefold():
        kind = EndpointGone
    return kind(
        f"{endpoint}: {message} [{code}]",
        code=code,
        endpoint=endpoint,
        request_id=request_id,
        http_status=status,
        retry_after_s=retry_after_s,
        hint=_HINTS.get(kind, ""),
    )


def token_refused() -> CredentialsError:
    """The login was refused; it is never tried twice, nobody knows when USGS locks an account."""
    return CredentialsError(
        "USGS did not accept the user name and application token", hint=TOKEN_STEPS, reference="token-refused"
    )


def with_doubts(error: CredentialsError, username: str, token: str) -> CredentialsError:
    """Add what looks wrong with the user name or token to a refused login, in front of how to get a new one."""
    found = doubts(username, token) if error.reference == "token-refused" else []
    if not found:
        return error
    return CredentialsError(str(error), hint=" ".join([*found, error.hint]), reference=error.reference)


def from_answer(
    endpoint: str,
    *,
    status: int,
    content_type: str,
    body: bytes | bytearray,
    retry_after_s: float | None,
    location: str | None = None,
) -> LandsatError:
    """Turn an answer that is no envelope into an error; now the HTTP status counts."""
    page = _page_title(content_type, body)
    if page is not None and speaks_of_maintenance(page + " " + _beginning(body)):
        return _web_page(page, status, retry_after_s, maintenance=True)
    if status in {401, 403} and not (endpoint == LOGIN and page is not None):
        return _refused(endpoint, status)
    if 300 <= status < 400:
        return _down(f"M2M redirects {endpoint} to another address{_host_of(location)}", status, retry_after_s)
    if status >= 500 or status in _TRY_AGAIN_STATUS:
        return _down(f"M2M answers {endpoint} with HTTP {status}{_quoted(page)}", status, retry_after_s)
    if status == 404:
        return BadReply(f"M2M answers {endpoint} with HTTP 404", hint=NEWER, reference="endpoint-gone")
    if page is not None:
        return _web_page(page, status, retry_after_s, maintenance=False)
    if 400 <= status < 500:
        return _m2m(RequestRefused, endpoint, status, f"M2M refuses {endpoint} with HTTP {status}", ODD_STATUS)
    if not body.strip():
        return _down(f"M2M answers {endpoint} with an empty body", status, retry_after_s)
    return ServiceDown(
        f"{endpoint}: the answer is not a JSON envelope, or it is cut",
        hint=LATER,
        reference="bad-reply",
        retry_after_s=retry_after_s,
        http_status=status,
    )


def _down(message: str, status: int | None, retry_after_s: float | None) -> ServiceDown:
    return ServiceDown(message, hint=LATER, retry_after_s=retry_after_s, http_status=status)


def _web_page(title: str, status: int, retry_after_s: float | None, *, maintenance: bool) -> ServiceDown:
    return ServiceDown(
        f"M2M answers with a web page{_quoted(title)} instead of data",
        hint=WEDNESDAY if maintenance else LATER,
        retry_after_s=retry_after_s,
        maintenance=maintenance,
        http_status=status,
    )


def _refused(endpoint: str, status: int) -> LandsatError:
    if endpoint == LOGIN:
        return token_refused()
    return _m2m(SessionExpired, endpoint, status, f"M2M refuses {endpoint} with HTTP {status}")


def _m2m(kind: type[M2MError], endpoint: str, status: int, message: str, hint: str = "") -> M2MError:
    return kind(message, code=f"HTTP_{status}", endpoint=endpoint, http_status=status, hint=hint)


def _page_title(content_type: str, body: bytes | bytearray) -> str | None:
    """Title of a web page, harmless to print; "" for a page without one, None when the body is no page."""
    head = bytes(body[:65536])
    if not (content_type.startswith("text/html") or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"):
        return None
    import html  # with all its entities: a page in place of an answer is rare

    match = _TITLE.search(head)
    title = html.unescape(match.group(1).decode("utf-8", errors="replace")) if match else ""
    return quoted_from_outside(" ".join(title.split()))


def _beginning(body: bytes | bytearray) -> str:
    return bytes(body[:4096]).decode("utf-8", errors="replace")


def _quoted(title: str | None) -> str:
    return f" ('{title}')" if title else ""


def _host_of(location: str | None) -> str:
    match = re.match(r"(https?)://([A-Za-z0-9.-]{1,200})", location or "")
    return f" ({match.group(1)}://{match.group(2)})" if match else ""


def blame_input(endpoint: str, error: ServiceError) -> RequestRefused:
    """The service lives, but fails on this input each time: for the caller that is a refusal."""
    code, status, request_id = "NO_ANSWER", 0, None
    if isinstance(error, M2MError):
        code, status, request_id = error.code, error.http_status, error.request_id
    elif isinstance(error, ServiceDown) and error.http_status:
        code, status = f"HTTP_{error.http_status}", error.http_status
    return RequestRefused(
        f"{endpoint} fails each time for this input, other calls work: {error}",
        code=code,
        endpoint=endpoint,
        request_id=request_id,
        http_status=status,
        reference="fails-each-time",
    )


def not_there(endpoint: str, payload: Mapping[str, object]) -> LandsatError:
    """HTTP 404 each time: the service answers an over-long search area in the same way as an unknown address."""
    scene_filter = payload.get("sceneFilter")
    area = scene_filter.get("spatialFilter") if isinstance(scene_filter, Mapping) else None
    if area is not None:
        return ConfigError(
            f"{endpoint}: the search area is too detailed for the API ({_count_numbers(area) // 2} vertices)",
            hint="Simplify the area of interest, or use its bounding box.",
            reference="area-too-detailed",
        )
    return EndpointGone(
        f"M2M has no {endpoint} at this address (HTTP 404)",
        code="HTTP_404",
        endpoint=endpoint,
        http_status=404,
        hint=NEWER,
    )


def _count_numbers(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(_count_numbers(member) for member in value.values())
    if isinstance(value, list | tuple):
        return sum(_count_numbers(member) for member in value)
    return int(isinstance(value, int | float))


def refused_by_the_service(error: SessionExpired) -> ServiceDown:
    """A bare refusal of an account that may do this, right after a login."""
    return _down(
        f"M2M refuses {error.endpoint} with HTTP {error.http_status} right after a login, although the account has the "
        "MACHINE role",
        error.http_status,
        error.retry_after_s,
    )


def key_refused(error: SessionExpired) -> CredentialsError:
    """Logging in again did not help."""
    if error.code.startswith("HTTP_"):
        return CredentialsError(
            f"USGS refuses {error.endpoint} (HTTP {error.http_status}) right after a login: the account lacks the "
            "MACHINE role, or the service has an incident",
            hint=ROLE_STEPS + " If the role is there, try again later.",
            reference="access-refused",
        )
    return CredentialsError(
        "USGS refuses the key right after the login; do two programs use this account?",
        hint="Stop the other program, or give each one its own account.",
        reference="key-refused",
    )
