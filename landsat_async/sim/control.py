"""`/_sim/`: the script, the log and changes of the archive over HTTP, for other processes and other languages."""

from __future__ import annotations

import msgspec

from landsat_async.sim.changes import Changes, change
from landsat_async.sim.m2m_api import M2MApi
from landsat_async.sim.service import Service
from landsat_async.sim.wire import Request, Wire


class Control:
    """Answers the control paths and hands everything else to the API."""

    def __init__(self, service: Service, api: M2MApi) -> None:
        self._service = service
        self._api = api

    async def handle(self, request: Request, wire: Wire) -> bool:
        """Answer one request; True keeps the connection."""
        service = self._service
        match request.method, request.path:
            case "GET", "/_sim/script":
                await wire.answer_json(200, service.script)
            case "POST", "/_sim/script":
                try:
                    service.script.change(msgspec.json.decode(request.body))
                except (msgspec.DecodeError, TypeError) as error:
                    await wire.answer_json(400, {"error": str(error)})
                else:
                    await wire.answer_json(200, service.script)
            case "GET", "/_sim/log":
                await wire.answer_json(200, {"summary": service.log.summary(), "entries": list(service.log.entries)})
            case "DELETE", "/_sim/log":
                service.log.clear()
                await wire.answer_json(200, {})
            case "POST", "/_sim/archive":
                try:
                    answer = change(service.archive, msgspec.json.decode(request.body, type=Changes))
                except (msgspec.MsgspecError, KeyError, ValueError) as error:
                    await wire.answer_json(400, {"error": str(error)})
                else:
                    await wire.answer_json(200, answer)
            case _:
                return await self._api.handle(request, wire)
        return True
