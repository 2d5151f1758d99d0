"""The diagram of docs/architecture.md, made from the table of states.

`python -m tests.support.lifecycle_diagram` writes it into the page.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from landsat_async.rules.lifecycle import TRANSITIONS, State

PAGE = Path(__file__).parents[2] / "docs/architecture.md"
BEGIN = "<!-- lifecycle: made by tests/support/lifecycle_diagram.py -->"
END = "<!-- end of lifecycle -->"


def diagram() -> str:
    """Return the table as a Mermaid state diagram: one arrow for each pair of states, with its steps."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.PLANNED}"]
    for state, steps in TRANSITIONS.items():
        arrows: dict[State, list[str]] = defaultdict(list)
        for step, after in steps.items():
            arrows[after].append(str(step))
        lines += [f"    {state} --> {after}: {', '.join(names)}" for after, names in arrows.items()]
    return "\n".join([*lines, "```"])


def page_with_diagram(page: str) -> str:
    """Return the page with the diagram between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{diagram()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_diagram(PAGE.read_text()))
