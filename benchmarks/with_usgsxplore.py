"""The part of usgsxplore that fetches links."""

from __future__ import annotations

import sys

from usgsxplore.scene_downloader import DownloadLink, FileDownloader

from benchmarks.arguments import read_errand

errand = read_errand()
links = [DownloadLink(errand.path_of(url).stem, url, 0) for url in errand.urls]
arrived = FileDownloader(max_workers=1, show_progress=False).download(links, errand.out)
sys.exit(0 if len(arrived) == len(links) else 1)
