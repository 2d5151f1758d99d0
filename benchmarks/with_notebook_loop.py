"""The baseline: what a notebook does, one thread a file, the whole body in memory, no checks."""

from __future__ import annotations

import threading

import requests

from benchmarks.arguments import read_errand

errand = read_errand()
free = threading.Semaphore(errand.connections)


def fetch(url: str) -> None:
    with free:
        answer = requests.get(url, stream=True, verify=errand.ca_bundle or True)
        errand.path_of(url).write_bytes(answer.content)


threads = [threading.Thread(target=fetch, args=(url,)) for url in errand.urls]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
