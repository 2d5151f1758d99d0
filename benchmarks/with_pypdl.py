"""pypdl over a list of URLs."""

from __future__ import annotations

from pypdl import Pypdl

from benchmarks.arguments import read_errand

if __name__ == "__main__":
    errand = read_errand()
    tasks = [{"url": url, "file_path": str(errand.path_of(url))} for url in errand.urls]
    Pypdl(max_concurrent=errand.connections).start(
        tasks=tasks, multisegment=errand.splits > 1, segments=errand.splits, display=False, block=True
    )
