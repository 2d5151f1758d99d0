"""How far a file may be from the size that the service lists.

Listed sizes are nominal: the sum of the files on disk for a bundle, whole MiB for a band. So they refuse nothing. But
an image of 122 bytes where 60 MiB are listed is a doubt, and a doubt asks for more than a look at the indexes.
"""

from __future__ import annotations

from landsat_async.proof.sniff import FileKind, kind_of

_MIB = 1024 * 1024
_WITH_PIXELS = frozenset({FileKind.TAR, FileKind.TIFF})


def is_doubtful(size_bytes: int, listed_bytes: int | None) -> bool:
    """Whether a size lies outside listed/2 - 1 MiB to 2 x listed + 1 MiB; never where none is listed."""
    if not listed_bytes or listed_bytes < 0:
        return False
    return not listed_bytes / 2 - _MIB <= size_bytes <= 2 * listed_bytes + _MIB


def needs_content(name: str, size_bytes: int, listed_bytes: int | None) -> bool:
    """Whether the size of a file asks for a proof of its pixels. Texts are read to their end in any case."""
    return kind_of(name) in _WITH_PIXELS and is_doubtful(size_bytes, listed_bytes)
