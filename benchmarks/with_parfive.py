"""parfive over a list of URLs."""

from __future__ import annotations

import sys

from parfive import Downloader

from benchmarks.arguments import read_errand

errand = read_errand()
downloader = Downloader(max_conn=errand.connections, max_splits=errand.splits, progress=False)
for url in errand.urls:
    downloader.enqueue_file(url, path=errand.out)
results = downloader.download()
for error in results.errors:
    print(error, file=sys.stderr)
sys.exit(1 if results.errors else 0)
