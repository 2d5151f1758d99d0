"""What scripts and notebooks do: fetch with requests, whole body in memory, again when an exception comes."""

from __future__ import annotations

import sys

import requests

from benchmarks.arguments import read_errand

errand = read_errand()
for url in errand.urls:
    for _ in range(3):
        try:
            answer = requests.get(url, stream=True, timeout=30, verify=errand.ca_bundle or True)
            errand.path_of(url).write_bytes(answer.content)
            break
        except requests.RequestException as error:
            print(error, file=sys.stderr)
    else:
        sys.exit(1)
