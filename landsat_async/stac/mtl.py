"""The metadata file of a product (MTL), in any of its three forms: MTL.txt, MTL.xml, MTL.json.

All three hold the same groups of the same keys. Values are kept as the text that they are written as, without quotes;
who asks for a number gets one only where there is one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

import msgspec

MTL_BYTES_MAX = 1024 * 1024
"""A real one has 15 to 25 KiB."""
_ROOT = "LANDSAT_METADATA_FILE"
_LINE = re.compile(r'\s*([A-Z0-9_]+)\s*=\s*"?([^"]*?)"?\s*', re.ASCII)
_DECLARATION = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


class UnreadableMtl(ValueError):
    """It is no metadata file of a Landsat product; the text says why."""


@dataclass(frozen=True, slots=True)
class Mtl:
    """Groups of keys and values."""

    groups: Mapping[str, Mapping[str, str]]

    def text(self, key: str, *groups: str) -> str | None:
        """Return a value from the first of the groups that has it; None without one, or where it says NULL."""
        for group in groups:
            value = self.groups.get(group, {}).get(key)
            if value and value != "NULL":
                return value
        return None

    def number(self, key: str, *groups: str) -> float | None:
        """Return a finite number; None where there is none."""
        try:
            number = float(self.text(key, *groups) or "nan")
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    @property
    def product_id(self) -> str | None:
        """Display id of the product that it belongs to."""
        return self.text("LANDSAT_PRODUCT_ID", "PRODUCT_CONTENTS")


def read_mtl(data: bytes, name: str) -> Mtl:
    """Read a metadata file; the end of its name says which form it has.

    Raises:
        UnreadableMtl: It has no such groups.
    """
    if len(data) > MTL_BYTES_MAX:
        raise UnreadableMtl("is larger than any metadata file")
    ending = name.rpartition(".")[2].casefold()
    read = {"xml": _read_xml, "json": _read_json}.get(ending, _read_text)
    mtl = Mtl(read(data))
    if mtl.product_id is None:
        raise UnreadableMtl("names no product")
    return mtl


def _read_text(data: bytes) -> dict[str, dict[str, str]]:
    """Read the form of MTL.txt: GROUP = NAME, KEY = VALUE, END_GROUP = NAME; groups stand in one outer group."""
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        key, value = match.groups()
        if key == "GROUP":
            group = groups.setdefault(value, {})
        elif key != "END_GROUP":
            group.setdefault(key, value)
    return groups


def _read_xml(data: bytes) -> dict[str, dict[str, str]]:
    if _DECLARATION.search(data):  # entities may unfold to any length
        raise UnreadableMtl("declares a document type, which no metadata file does")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError:
        raise UnreadableMtl("is not valid XML") from None
    return {group.tag: {one.tag: (one.text or "").strip() for one in group} for group in root}


def _read_json(data: bytes) -> dict[str, dict[str, str]]:
    try:
        return msgspec.json.decode(data, type=dict[str, dict[str, dict[str, str]]], strict=False)[_ROOT]
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError):
        raise UnreadableMtl("is not a metadata file in JSON") from None
