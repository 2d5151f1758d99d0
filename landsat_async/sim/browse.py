"""A small but complete JPEG for browse images."""

from __future__ import annotations

import base64
import struct

# A complete 64 x 64 pixel grey baseline JPEG, without its start-of-image marker.
_JPEG_BODY = base64.b64decode(
    "/+AAEEpGSUYAAQEAAAEAAQAA/9sAQwAbEhQXFBEbFxYXHhwbIChCKyglJShROj0wQmBVZWRfVV1baniZgWpxkHNbXYW1hpCe"
    "o6utq2eAvMm6pseZqKuk/8AACwgAQABAAQERAP/EABQAAQAAAAAAAAAAAAAAAAAAAAD/xAAUEAEAAAAAAAAAAAAAAAAAAAAA"
    "/9oACAEBAAA/AAAAAAAAAAAAAAAAAAAAAAD/2Q=="
)


def jpeg(comment: str) -> bytes:
    """Make a JPEG that carries the text, so that each product's differs."""
    text = comment.encode()
    return b"\xff\xd8\xff\xfe" + struct.pack(">H", len(text) + 2) + text + _JPEG_BODY
