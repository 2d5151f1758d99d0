"""obstore (object_store, Rust) over a list of URLs."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

from obstore.store import HTTPStore

from benchmarks.arguments import Errand, read_errand


async def fetch_all(errand: Errand) -> None:
    address = urlsplit(errand.urls[0])
    store = HTTPStore.from_url(
        f"{address.scheme}://{address.netloc}",
        client_options={"allow_http": True, "allow_invalid_certificates": bool(errand.ca_bundle), "timeout": "1h"},
    )
    waiting = iter(errand.urls)

    async def work() -> None:
        for url in waiting:
            answer = await store.get_async(urlsplit(url).path)
            with open(errand.path_of(url), "wb") as file:
                async for piece in answer.stream(min_chunk_size=2**20):
                    await asyncio.to_thread(file.write, piece)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(errand.connections):
            tasks.create_task(work())


os.environ.setdefault("no_proxy", "127.0.0.1")
asyncio.run(fetch_all(read_errand()))
