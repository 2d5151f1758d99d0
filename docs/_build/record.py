"""Record the pictures of README and docs: `python docs/_build/record.py`. Needs tmux.

Plays the demo in a terminal of 80 columns, and draws what stands there after some seconds as SVG. Pictures change with
the machine's speed, so nobody compares them; they are recorded anew when the screens change.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURES = Path(__file__).parents[1] / "pictures"
COLUMNS, ROWS = 80, 24
SESSION = "landsat-async-pictures"
MOMENTS = {"demo-running": 12.0, "demo-end": 26.0}
"""Name of a picture -> seconds after the start of the demo."""


def tmux(*arguments: str) -> str:
    """Run tmux and return what it prints."""
    return subprocess.run(["tmux", "-L", SESSION, *arguments], check=True, capture_output=True, text=True).stdout


def draw(screen: str, path: Path) -> None:
    """Draw a captured screen; the font is the reader's own, so the picture asks no network for one."""
    console = Console(record=True, width=COLUMNS, file=tempfile.TemporaryFile("w"), color_system="truecolor")
    console.print(Text.from_ansi(screen.rstrip("\n")))
    svg = console.export_svg(title="landsat-async demo", unique_id=path.stem)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S).replace("Fira Code, monospace", "ui-monospace, monospace")
    path.write_text(re.sub(r"\n\s*\n+", "\n", svg).replace("Fira Code", "ui-monospace"), encoding="utf-8")


def main() -> None:
    """Record all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        program = shlex.join([str(Path(sys.executable).with_name("landsat-async")), "demo"])
        tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), f"cd {shlex.quote(folder)} && {program}; sleep 60")
        began_s = time.monotonic()
        try:
            for name, after_s in MOMENTS.items():
                time.sleep(max(0.0, began_s + after_s - time.monotonic()))
                draw(tmux("capture-pane", "-p", "-e", "-t", "0"), PICTURES / f"{name}.svg")
        finally:
            tmux("kill-server")


if __name__ == "__main__":
    main()
