"""What a file says of itself: the product or scene that it names inside.

Metadata files carry the id of their product, angle files that of their scene. Pixels and browse images carry none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from landsat_async.model import Identity
from landsat_async.proof.byte_view import Damage
from landsat_async.rules.identity import names_product, other_product

_IN_TEXT = re.compile(
    r'^[ \t]{0,99}(LANDSAT_PRODUCT_ID|LANDSAT_SCENE_ID)[ \t]{0,9}=[ \t]{0,9}"?([^"\r\n]{0,99}?)"?[ \t\r]{0,9}$',
    re.MULTILINE,
)
_ROOT = "LANDSAT_METADATA_FILE"


def ids_in_text(text: str) -> tuple[str, ...]:
    """Return the id that an MTL.txt or ANG.txt gives to what it belongs to; () without one.

    The product's own id comes first in an MTL; those that follow are of what it was made of. An angle file names the
    scene alone.
    """
    found: dict[str, str] = {}
    for match in _IN_TEXT.finditer(text):
        found.setdefault(match[1], match[2])
    own = found.get("LANDSAT_PRODUCT_ID", found.get("LANDSAT_SCENE_ID"))
    return (own,) if own else ()


def ids_in_json(document: dict[str, msgspec.Raw]) -> tuple[str, ...]:
    """Return the product id of an MTL.json or a STAC item; () without one."""
    try:
        if _ROOT in document:
            groups = msgspec.json.decode(document[_ROOT], type=dict[str, msgspec.Raw])
            contents = msgspec.json.decode(groups["PRODUCT_CONTENTS"], type=dict[str, msgspec.Raw])
            return (msgspec.json.decode(contents["LANDSAT_PRODUCT_ID"], type=str),)
        if "stac_version" in document:
            return (msgspec.json.decode(document["id"], type=str),)
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError):
        pass
    return ()


def identity_by(name: str, ids: Sequence[str]) -> Identity:
    """Hold the ids that a file gives itself against the name that it is to have.

    Raises:
        Damage: It is of another product.
    """
    other = other_product(name, ids)
    if other is not None:
        raise Damage(f"inside it is named {other[:60]}: it belongs to another product")
    return Identity.CONTENT if any(names_product(name, one) for one in ids) else Identity.NONE
