"""The table of knobs of docs/simulator.md, made from `sim/script.py`.

`python -m tests.support.knobs_page` writes it into the page.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE, SCRIPT = ROOT / "docs/simulator.md", ROOT / "landsat_async/sim/script.py"
BEGIN = "<!-- knobs: made by tests/support/knobs_page.py -->"
END = "<!-- end of knobs -->"


def knobs() -> str:
    """Return the knobs with default and meaning, and the kinds of faults, as Markdown."""
    source = SCRIPT.read_text(encoding="utf-8")
    script = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == "Script")
    lines = ["| knob | default | what it does |", "|---|---|---|"]
    for node, after in zip(script.body, [*script.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            told = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                told = " ".join(str(after.value.value).split())
            default = ast.unparse(node.value) if node.value else ""
            lines.append(f"| `{node.target.id}` | `{default}` | {told.replace('|', ' or ')} |")
    for name, what in (("FileKind", "file"), ("ApiKind", "api")):
        body = source.partition(f"{name} = Literal[")[2].partition("\n]")[0]
        lines += ["", f"Faults of `{what}:`", "", "| kind | what happens |", "|---|---|"]
        for kind, told in re.findall(r'^    "([^"]+)",(?:  # (.*))?$', body, re.MULTILINE):
            lines.append(f"| `{kind}` | {told} |")
    return "\n".join(lines)


def page_with_knobs(page: str) -> str:
    """Return the page with the tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{knobs()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_knobs(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
