"""ustar archives of contents, of which any byte range can be computed."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable

from landsat_async.sim.content import Concatenated, Content, Literal, Zeros

_RECORD_BYTES = tarfile.RECORDSIZE


def tar_of(members: Iterable[tuple[str, Content]], mtime_s: int) -> Content:
    """Lay the members out as one archive, in the order given, padded to whole records like GNU tar."""
    parts: list[Content] = []
    size = 0
    for name, content in members:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = content.size, mtime_s, 0o644
        info.uname = info.gname = "eros"
        padding = -content.size % tarfile.BLOCKSIZE
        parts += [Literal(info.tobuf(tarfile.USTAR_FORMAT)), content, Zeros(padding)]
        size += tarfile.BLOCKSIZE + content.size + padding
    end = 2 * tarfile.BLOCKSIZE
    parts.append(Zeros(end + -(size + end) % _RECORD_BYTES))
    return Concatenated(parts)
