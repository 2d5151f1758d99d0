"""How the answers of the API go wrong."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec

from landsat_async.sim.script import ApiFault
from landsat_async.sim.wire import Headers, Wire

MAINTENANCE_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Scheduled Maintenance</title></head>\n"
    b"<body><h1>Scheduled Maintenance</h1><p>The system is down for maintenance.</p></body></html>\n"
)
LOGIN_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>EROS Registration System</title></head>\n"
    b'<body><form action="/login"><input name="username"></form></body></html>\n'
)
_HTML = "text/html; charset=UTF-8"
_JSON = "application/json"
_DRIP_LIMIT_BYTES = 1 << 20


async def before_call(fault: ApiFault, wire: Wire) -> bool | None:
    """Serve the faults that keep the call from being carried out.

    None: the call goes on. Otherwise that was all of the answer, and True keeps the connection.
    """
    match fault.kind:
        case "close-before":
            return False
        case "rst-before":
            wire.reset()
        case "hang":
            await wire.silence(fault.seconds)
            return False
        case "slow":
            await anyio.sleep(fault.seconds)
            return None
        case "html":
            await wire.answer(fault.status or 200, fault.text.encode() or MAINTENANCE_PAGE, _HTML, extra(fault))
        case "login":
            await wire.answer(fault.status or 200, LOGIN_PAGE, _HTML, extra(fault))
        case "status":
            await wire.answer(fault.status or 503, fault.text.encode(), "text/plain", extra(fault))
        case "redirect":
            location = [("Location", fault.text or "/login")]
            await wire.answer(fault.status or 302, LOGIN_PAGE, _HTML, [*location, *extra(fault)])
        case _:
            return None
    return True


def extra(fault: ApiFault) -> Headers:
    """Headers of a recipe."""
    return list(fault.headers.items())


async def send_faulty(fault: ApiFault, wire: Wire, status: int, envelope: dict[str, Any]) -> bool:
    """Send the answer to a call that was carried out; True keeps the connection."""
    data = msgspec.json.encode(_changed(fault, envelope))
    cut = fault.place(len(data))
    match fault.kind:
        case "close-after":
            return False
        case "rst-after":
            wire.reset()
        case "empty":
            data = b""
        case "replace":
            data = data.replace(fault.text.encode(), str(fault.value).encode())
        case "cut-json":
            data = data[:cut]
        case "cut":
            await wire.head(status, [("Content-Type", _JSON), ("Content-Length", str(len(data)))])
            await wire.body(data[:cut])
            return False
        case "drip":
            await wire.head(status, [("Content-Type", _JSON), ("Content-Length", str(len(data)))])
            for byte in data[:_DRIP_LIMIT_BYTES]:
                await wire.body(bytes((byte,)))
                await anyio.sleep(fault.seconds)
            return True
        case "huge":
            await wire.head(status, [("Content-Type", _JSON), ("Content-Length", str(fault.bytes + len(data)))])
            for start in range(0, fault.bytes, 1 << 20):
                await wire.body(b" " * min(1 << 20, fault.bytes - start))
            await wire.body(data)
            return True
        case "doubled":
            wire.send_again(fault.seconds)
        case "late":
            wire.send_again(None)
        case "deep":
            data = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b',"errorCode":null}'
    await wire.answer(fault.status or status, data, _JSON, extra(fault))
    return True


def _changed(fault: ApiFault, envelope: dict[str, Any]) -> dict[str, Any]:
    data = envelope["data"]
    match fault.kind:
        case "null-data":
            data = None
        case "data":
            data = fault.value
        case "merge" if isinstance(data, dict):
            data = {**data, **fault.value}
        case "foreign-rows" if isinstance(data, dict):
            data = {name: _with_foreign(rows) if isinstance(rows, list) else rows for name, rows in data.items()}
        case "wrong-types":
            data = _wrong_types(data)
    return {**envelope, "data": data}


def _with_foreign(rows: list[Any]) -> list[Any]:
    """Mix in a copy of the first row that belongs to somebody else."""
    if not rows or not isinstance(rows[0], dict):
        return rows
    foreign = {**rows[0], "downloadId": 1, "entityId": "LC80010012020001LGN00", "label": "somebody-else"}
    return [foreign, *rows]


def _wrong_types(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        value = msgspec.json.decode(value)
    if isinstance(value, dict):
        return {name: _wrong_types(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_wrong_types(item) for item in value] or None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return str(value)
    return 7 if isinstance(value, str) else value
