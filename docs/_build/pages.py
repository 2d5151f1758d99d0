"""What the site has beside the pages of docs/: README as its start, and links that lead out of docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
START = "index.md"


def on_files(files: Any, config: Any) -> Any:
    """Take README.md as the start page, so that its text stands once."""
    from mkdocs.structure.files import File

    text = (PROJECT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, START, content=_without_outside_links(text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name files of the repository instead of linking to them: they are not part of the site."""
    return _without_outside_links(markdown)


def _without_outside_links(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\((?:\.\./|CONTRIBUTING|CHANGELOG|LICENSE|landsat_async/|benchmarks/)[^)]*\)", r"\1", text)
