"""What the laws of the code ask of a source, found in one walk and kept: many laws read the same 400 files."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache


@dataclass
class Facts:
    """Names of one source."""

    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)
    """Late ones too."""
    bare: set[str] = field(default_factory=set)
    """Names that stand alone."""
    attributes: set[str] = field(default_factory=set)
    taken: set[tuple[str, str]] = field(default_factory=set)
    """("sys", "exit") for sys.exit: attributes of what has a name of its own."""
    classes: list[str] = field(default_factory=list)
    waits: bool = False
    """A coroutine is defined, or something awaited."""

    @property
    def mentioned(self) -> set[str]:
        """Names that are called or mentioned as attributes."""
        return self.bare | self.attributes


@cache
def facts_of(source: str) -> Facts:
    """Return what a source says; it is parsed the first time."""
    facts = Facts()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name):
                facts.bare.add(name)
            case ast.Attribute(value=value, attr=name):
                facts.attributes.add(name)
                if isinstance(value, ast.Name):
                    facts.taken.add((value.id, name))
            case ast.Import() | ast.ImportFrom():
                facts.imports.append(node)
            case ast.ClassDef(name=name):
                facts.classes.append(name)
            case ast.AsyncFunctionDef() | ast.Await():
                facts.waits = True
    return facts
