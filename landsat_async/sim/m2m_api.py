"""The API host: sessions, the gate, the envelope, and faults of answers."""

from __future__ import annotations

import re
from typing import Any

import anyio
import msgspec

from landsat_async.sim import catalog, list_calls, options, orders, search
from landsat_async.sim.api_faults import before_call, send_faulty
from landsat_async.sim.log import Entry
from landsat_async.sim.script import ApiFault
from landsat_async.sim.service import STATUS_OF_CODE, ApiError, Encoded, Endpoint, Payload, Service
from landsat_async.sim.wire import Request, Wire

BASE_PATH = "/api/api/json/stable/"
_PATH = re.compile(r"/api/api/json/([^/]+)/([^/]*)/?")
_VERSIONS = ("stable", "development", "experimental")
_NEEDS_DOWNLOAD_ROLE = re.compile(r"download-.*|dataset-(bulk-products|download-options|file-groups)|order-.*")

ENDPOINTS: dict[str, Endpoint] = {
    **catalog.ENDPOINTS,
    **search.ENDPOINTS,
    **list_calls.ENDPOINTS,
    **options.ENDPOINTS,
    **orders.ENDPOINTS,
}
_DATA = b"\0"
"""Stands for data that are JSON already; JSON itself has no control characters."""


class M2MApi:
    """Answers the calls of the API."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle(self, request: Request, wire: Wire) -> bool:
        """Answer one request; True keeps the connection."""
        service = self._service
        found = _PATH.fullmatch(request.path)
        endpoint = found[2] if found else request.path
        entry = Entry(
            time_s=service.now_s(),
            host="m2m",
            what=endpoint,
            method=request.method,
            target=request.target,
            headers=request.headers,
        )
        wire.watch(entry)
        service.log.add(entry)
        service.log.calls[endpoint] += 1
        try:
            if found is None or "m2m" in service.script.busy:
                await wire.answer(service.script.busy.get("m2m", 404))
                return True
            return await self._call(found[1], endpoint, request, wire, entry)
        finally:
            wire.watch(None)

    async def _call(self, version: str, endpoint: str, request: Request, wire: Wire, entry: Entry) -> bool:
        service, account = self._service, self._service.account
        overlapping = account.calls_under_way > 0
        service.log.overlaps += overlapping
        account.calls_under_way += 1
        try:
            fault = service.script.api_fault(endpoint)
            if fault is not None:
                entry.fault = fault.kind
                service.log.faults[fault.kind] += 1
                if (keeps := await before_call(fault, wire)) is not None:
                    return keeps
            await anyio.sleep(service.script.latency_s)  # goes on even when the client has left
            status, envelope = self._answer(version, endpoint, request, entry, overlapping=overlapping, fault=fault)
            entry.error_code = envelope["errorCode"]
            if envelope["errorCode"] is not None:
                service.log.errors[envelope["errorCode"]] += 1
            if fault is not None:
                return await send_faulty(fault, wire, status, _in_one_piece(envelope))
            headers = []
            if status == 429 and service.script.retry_after is not None:
                headers = [("Retry-After", service.script.retry_after)]
            await wire.answer_in_pieces(status, _encoded(envelope), "application/json", headers)
            return True
        finally:
            account.calls_under_way -= 1

    def _answer(
        self,
        version: str,
        endpoint: str,
        request: Request,
        entry: Entry,
        *,
        overlapping: bool,
        fault: ApiFault | None,
    ) -> tuple[int, dict[str, Any]]:
        script = self._service.script
        self._service.called_as(request.headers.get("host", ""))
        envelope: dict[str, Any] = {"requestId": next(self._service.requests), "version": version}
        if endpoint in ("login-token", "permissions"):  # as the documentation shows them
            del envelope["version"]
        elif script.version_null:
            envelope["version"] = None
        if script.session_id:
            envelope["sessionId"] = 111_111_111
        try:
            if version not in _VERSIONS:
                raise ApiError("VERSION_UNKNOWN", "Unknown API version")
            if overlapping and script.overlap == "refuse":
                raise ApiError("RATE_LIMIT_USER", "Rate limit exceeded: one request at a time is allowed")
            payload = _payload(request)
            entry.payload = payload.values
            if fault is not None and fault.kind == "error":
                raise ApiError(fault.code, fault.message, fault.status)
            data = self._data(endpoint, request, payload)
        except ApiError as error:
            if error.code == "AUTH_EXPIRED":
                envelope = {"requestId": 0, "version": None, "sessionId": None}
            return self._error_status(error), {
                **envelope,
                "data": None,
                "errorCode": error.code,
                "errorMessage": error.message,
            }
        return 200, {**envelope, "data": self._shaped(data), "errorCode": None, "errorMessage": None}

    def _data(self, endpoint: str, request: Request, payload: Payload) -> Any:
        service = self._service
        if endpoint == "login-token":
            return self._login(request, payload)
        if endpoint not in ENDPOINTS and endpoint != "logout":
            raise ApiError("NOT_FOUND", "Invalid Endpoint")
        key = self._check_key(request)
        if endpoint == "logout":
            del service.account.keys[key]
            return None
        if "download" not in service.script.roles and _NEEDS_DOWNLOAD_ROLE.fullmatch(endpoint):
            raise ApiError(service.script.role_error, "Your account does not have access to this endpoint")
        return ENDPOINTS[endpoint](service, payload)

    def _login(self, request: Request, payload: Payload) -> str:
        service, account = self._service, self._service.account
        if request.method != "POST":
            raise ApiError("INPUT_INVALID", "login-token must be called by POST", 400)
        username, token = payload.required("username"), payload.required("token")
        if (username, token) != (account.username, account.token):
            raise ApiError("AUTH_INVALID", "User credential verification failed")
        if (old := request.headers.get("x-auth-token")) is not None and not self._is_alive(old):
            raise ApiError("AUTH_INVALID", "User credential verification failed")
        if service.script.one_key:
            account.keys.clear()
        return account.new_key(service.now_s(), service.script.roles)

    def _is_alive(self, key: str) -> bool:
        used_s = self._service.account.keys.get(key)
        return used_s is not None and self._service.now_s() - used_s <= self._service.script.key_lifetime_s

    def _check_key(self, request: Request) -> str:
        account = self._service.account
        key = request.headers.get("x-auth-token")
        if not key:
            raise ApiError("UNAUTHORIZED_USER", "Unable to validate user API permissions")
        if key not in account.keys and key not in account.expired:
            raise ApiError("AUTH_KEY_INVALID", "API key is invalid")
        if not self._is_alive(key):
            account.keys.pop(key, None)
            account.expired.add(key)
            raise ApiError("AUTH_EXPIRED", "API key has expired due to inactivity")
        account.keys[key] = self._service.now_s()
        return key

    def _error_status(self, error: ApiError) -> int:
        script = self._service.script
        if error.code.startswith("RATE_LIMIT") and script.retry_after is not None:
            return 429
        if script.status_mode == "matching":
            return error.status or STATUS_OF_CODE.get(error.code, 400)
        return error.status if error.status is not None and error.status >= 500 else 200

    def _shaped(self, data: Any) -> Any:
        """Bring the data into the variant that the script asks for."""
        script = self._service.script
        empty: Any = {"list": [], "object": {}, "null": None}[script.empty_map]
        if not script.reshapes:  # the usual case: large answers are not walked through
            if not isinstance(data, dict):
                return data
            return {name: empty if value == {} else value for name, value in data.items()}
        return _reshape(data, script.ids, empty, script.missing)


def _encoded(envelope: dict[str, Any]) -> list[bytes]:
    data = envelope["data"]
    if not isinstance(data, Encoded):
        return [msgspec.json.encode(envelope)]
    before, _, after = msgspec.json.encode({**envelope, "data": msgspec.Raw(_DATA)}).partition(_DATA)
    return [before, *data.pieces, after]


def _in_one_piece(envelope: dict[str, Any]) -> dict[str, Any]:
    """Return an envelope whose data can be changed."""
    data = envelope["data"]
    return {**envelope, "data": msgspec.Raw(b"".join(data.pieces))} if isinstance(data, Encoded) else envelope


def _payload(request: Request) -> Payload:
    if not request.body.strip():
        return Payload({})
    try:
        values = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError):
        raise ApiError("INPUT_FORMAT", "The request could not be parsed", 400) from None
    if values is not None and not isinstance(values, dict):
        raise ApiError("INPUT_FORMAT", "The request must be a JSON object", 400)
    return Payload(values or {})


def _reshape(value: Any, ids: str, empty: Any, missing: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_reshape(item, ids, empty, missing) for item in value]
    if not isinstance(value, dict):
        return value
    if not value:
        return empty
    shaped = {name: _reshape(item, ids, empty, missing) for name, item in value.items() if name not in missing}
    if ids == "string" and "downloadId" in shaped:
        shaped["downloadId"] = str(shaped["downloadId"])
    return shaped
