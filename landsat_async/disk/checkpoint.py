"""What a checkpoint says of a part: how many bytes are durable, their digest, what the server said of the file."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

EMPTY_SHA256 = hashlib.sha256().hexdigest()


def _checksum(known: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(known)).hexdigest()[:16]


class Checkpoint(msgspec.Struct, frozen=True):
    """What is known for sure about the bytes of an unfinished file; a checkpoint stores exactly this."""

    durable: int = 0
    """Bytes from the start of the file that have survived an fsync."""
    sha256: str = EMPTY_SHA256
    """Hex digest of these bytes."""
    total: int | None = None
    """Size of the whole file as the server told it; None = not told."""
    etag: str | None = None
    """ETag as sent, quotes included."""
    last_modified: str | None = None
    """Last-Modified as sent."""
    date: str | None = None
    """Date of the answer that sent the validators."""
    joined_weakly: bool = False
    """The bytes come from answers that no strong validator ties together; then `joined` says where they meet."""
    named: bool = False
    """All answers that the bytes come from carried the name of the file."""
    joined: int = 0
    """Bytes from the start that came with earlier answers than the rest; 0 = all are of one answer."""
    compared: int = 0
    """Bytes from the start of a complete file that have been held against the server since, where that was needed."""
    source_bytes: int | None = None
    """Size of the file of which the part holds some ranges, one behind the other; None = it holds the file itself."""

    def pack(self) -> bytes:
        """Return the facts as JSON, with a checksum."""
        known = msgspec.to_builtins(self)
        return msgspec.json.encode({**known, "check": _checksum(known)})

    @classmethod
    def unpack(cls, data: bytes) -> Checkpoint | None:
        """Read what `pack` wrote; None when it has suffered: a wrong total could make half a file look whole."""
        try:
            known = msgspec.json.decode(data, type=dict[str, Any])
            check = known.pop("check", None)
            if check != _checksum(known):
                return None
            known.setdefault("joined", known.get("durable", 0))  # an older version did not say: believe none of it
            return msgspec.convert(known, cls)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
