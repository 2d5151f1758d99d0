"""A headless Chromium, driven through its own debugging protocol: no network, every request is seen."""

from __future__ import annotations

import base64
import itertools
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.requests: list[str] = []
        """Addresses of everything that the page has asked for, itself included; pictures as data are no requests."""
        self.complaints: list[str] = []
        """Errors of scripts and refusals by the page's own policy."""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _note(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Runtime.exceptionThrown" | "Log.entryAdded" | "Page.javascriptDialogOpening":
                self.complaints.append(str(message["params"])[:400])

    async def open(self, path: Path) -> None:
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Network.emulateNetworkConditions", offline=True, latency=0, **_NO_SPEED)
        await self.call("Page.navigate", url=path.as_uri())
        with anyio.move_on_after(20) as limit:
            while await self.run("document.body && document.body.dataset.ready") != "yes":
                await anyio.sleep(0.05)
        assert not limit.cancelled_caught, f"the page does not get ready: {self.complaints}"

    async def run(self, script: str) -> Any:
        """Return the value of an expression."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def click(self, script: str) -> None:
        """Click with the mouse into the middle of the element that the expression finds."""
        x, y = await self.run(
            f"(() => {{ const e = {script}; e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def photograph(self, path: Path) -> None:
        shot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


_NO_SPEED = {"downloadThroughput": 0, "uploadThroughput": 0}


@asynccontextmanager
async def open_browser(scratch: Path) -> AsyncIterator[Page]:
    """Start a Chromium with a profile of its own and yield one tab."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
               f"--user-data-dir={scratch / 'profile'}", "--window-size=1280,860", "--no-first-run",
               "--disable-background-networking", "about:blank"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        port = await anyio.to_thread.run_sync(_port, process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as reply:
                (tab,) = [one for one in await reply.json(content_type=None) if one["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line):
            return int(found[1])
    raise AssertionError("Chromium has ended before it listened")
