"""Checks of the small products: metadata texts, XML and JSON.

They are read as a whole, so they are bounded by `byte_view.MOST_AT_ONCE_BYTES`. A well-formed document may still be
the wrong one (error messages are well-formed too), so MTL documents must have the root that they always have.
"""

from __future__ import annotations

import re
from xml.parsers import expat

import msgspec

from landsat_async.proof.byte_view import ByteView, Damage

_ROOT = "LANDSAT_METADATA_FILE"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_STATEMENT = re.compile(r"[ \t]*(GROUP|END_GROUP|END)\b[ \t]*(?:=[ \t]*(\S+)[ \t]*)?")
_DEEPEST = 100
_MOST_ELEMENTS = 100_000
_LONGEST_ID = 100


def check_odl(view: ByteView, *, is_mtl: bool) -> str:
    """Check a metadata text (MTL.txt, ANG.txt) and return it.

    ANG files have several outer groups and always close with END. MTL files have one outer group that holds
    everything; some versions of the USGS software wrote them without END (2021 and 2022), so there the closed
    outer group is the proof.

    Raises:
        Damage: Not text, groups that do not match, or no end.
    """
    try:
        text = view.read(0, view.size).decode("utf-8")
    except UnicodeDecodeError:
        raise Damage("the metadata text holds bytes that are no text") from None
    if _CONTROL.search(text):
        raise Damage("the metadata text holds bytes that are no text")
    groups: list[str] = []
    closed = ended = False
    for line in text.splitlines():
        statement = _STATEMENT.fullmatch(line)
        if not line.strip():
            continue
        if ended or (is_mtl and closed and not (statement and statement[1] == "END")):
            raise Damage("the metadata text goes on behind its end")
        if statement and statement[1] == "END":
            ended = True
        elif statement:
            closed = _enter_or_leave(groups, statement[1], statement[2] or "")
    if groups or not closed or not (is_mtl or ended):
        raise Damage("the metadata text has no end: it is cut off")
    return text


def _enter_or_leave(groups: list[str], word: str, name: str) -> bool:
    """Follow a GROUP or END_GROUP line; True when it closed an outer group."""
    if word == "GROUP":
        groups.append(name)
        if len(groups) > _DEEPEST:
            raise Damage("the groups of the metadata text never end")
        return False
    if not groups or groups.pop() != name:
        raise Damage(f"the groups of the metadata text do not match at {name[:60]!a}")
    return not groups


def check_xml(view: ByteView, *, is_mtl: bool) -> tuple[str, ...]:
    """Check that a file is one well-formed XML document without entities or a document type of its own.

    Returns the product id that a MTL.xml gives itself; () for every other document.

    Raises:
        Damage: It is not, or it is a MTL.xml with another root than those have.
    """
    counter = _XmlCounter()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = counter.start
    parser.EndElementHandler = counter.end
    parser.CharacterDataHandler = counter.text
    parser.StartDoctypeDeclHandler = counter.refuse
    try:
        parser.Parse(view.read(0, view.size), True)
    except expat.ExpatError as error:
        raise Damage(f"no well-formed XML: {error}") from None
    if is_mtl and counter.root != _ROOT:
        raise Damage(f"XML, but not a metadata file of Landsat: its root is {counter.root[:60]!a}")
    own = counter.product_id.strip()
    return (own,) if is_mtl and own else ()


class _XmlCounter:
    """Counts what the parser meets; entities need a document type, and that is refused."""

    def __init__(self) -> None:
        self.root = ""
        self.elements = 0
        self.depth = 0
        self.product_id = ""
        """The first one: it is that of the product itself."""
        self._reading: bool | None = None

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self.root = self.root or name
        self.elements += 1
        self.depth += 1
        if name == "LANDSAT_PRODUCT_ID" and self._reading is None:
            self._reading = True
        if self.elements > _MOST_ELEMENTS or self.depth > _DEEPEST:
            raise Damage("XML larger or deeper than any metadata file")

    def end(self, _name: str) -> None:
        self.depth -= 1
        if self._reading:
            self._reading = False

    def text(self, text: str) -> None:
        if self._reading and len(self.product_id) < _LONGEST_ID:
            self.product_id += text

    def refuse(self, *_declaration: object) -> None:
        raise Damage("XML with a document type of its own")


def check_json(view: ByteView, name: str) -> dict[str, msgspec.Raw]:
    """Check that a file is one JSON object, with the root that MTL.json and STAC items have, and return it.

    Raises:
        Damage: It is not.
    """
    try:
        document = msgspec.json.decode(view.read(0, view.size), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damage(f"no JSON object: {type(error).__name__}") from None
    lower = name.lower()
    wanted = _ROOT if lower.endswith("_mtl.json") else "stac_version" if lower.endswith("_stac.json") else None
    if wanted and wanted not in document:
        raise Damage(f"JSON, but without {wanted}")
    return document
