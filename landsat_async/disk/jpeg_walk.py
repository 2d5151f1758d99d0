"""A walk over the markers of a JPEG, from the first to the last.

A browse image has no sum inside. What can be held against it: each segment is as long as it says and of a kind that
JPEG knows, the header of the frame and the tables of the scan come before it, the coded pixels hold no marker where
none may be, and the image ends with its own end mark. Coded pixels that were overwritten with zeros pass all that, so
a run of zeros is held against the code in use: it must be what the code makes of an even area, and not more of it than
the image has blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from landsat_async.disk.window import Damage, Window

_STEP_BYTES = 2**20
_MOST_SEGMENTS = 10_000
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_KNOWN = _FRAMES | frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xFE}) | frozenset(range(0xE0, 0xF0))
_SCAN, _END, _HUFFMAN, _ARITHMETIC = 0xDA, 0xD9, 0xC4, 0xCC
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_ZEROS = re.compile(rb"\x00{64,}")
_LONGEST_ODD_RUN_BYTES = 256
"""Zeros that stand for no even area: some blocks, whose coefficients are all the same, at the very most."""


@dataclass(slots=True)
class _Tables:
    """What the headers say about the code of the pixels."""

    blocks: int = 0
    first: dict[int, int] = field(default_factory=dict)
    """Table class and number -> (length of the code of zeros << 8) + the symbol that it stands for."""
    baseline: bool = False

    def longest_run_bytes(self) -> int | None:
        """Return how many zeros in a row the pixels may be coded as; None where that is not known."""
        if not self.baseline or 0x00 not in self.first or 0x10 not in self.first:
            return None
        lengths = 0
        for table in (0x00, 0x10):  # of the luminance: the one with the most blocks
            length, symbol = divmod(self.first[table], 256)
            if symbol:
                return _LONGEST_ODD_RUN_BYTES
            lengths += length
        return self.blocks * max(lengths, 2) // 8 + _LONGEST_ODD_RUN_BYTES


def walk_jpeg(window: Window) -> None:
    """Check a JPEG from its first to its last marker.

    Raises:
        Damage: It is cut, goes on behind its end, or something in it is no JPEG.
    """
    if window.size < 4 or window.read(0, 2) != b"\xff\xd8":
        raise Damage("no JPEG image")
    at, tables, scans = 2, _Tables(), 0
    for _ in range(_MOST_SEGMENTS):
        marker, at = _marker(window, at)
        if marker == _END:
            if not scans:
                raise Damage("a JPEG image without pixels")
            if any(_rest(window, at)):
                raise Damage(f"something follows the end of the JPEG image at {at}")
            return
        at = _segment(window, marker, at, tables)
        if marker == _SCAN:
            if not tables.blocks:
                raise Damage("the pixels of the JPEG image come before its size")
            scans += 1
            at = _pixels(window, at, tables.longest_run_bytes())
    raise Damage(f"more than {_MOST_SEGMENTS} segments in a JPEG image")


def _marker(window: Window, at: int) -> tuple[int, int]:
    """Read the marker at `at`, which may be filled up with FF; return it and the offset behind it."""
    begun = at
    while True:
        if at + 2 > window.size:
            raise Damage(f"the JPEG image ends at {window.size} bytes without its end mark: it is cut off")
        lead, marker = window.read(at, 2)
        if lead != 0xFF or at - begun > 1024:
            raise Damage(f"no marker of a JPEG image at {begun}")
        if marker != 0xFF:
            return marker, at + 2
        at += 1


def _segment(window: Window, marker: int, at: int, tables: _Tables) -> int:
    """Check the segment whose length stands at `at`; return the offset behind it."""
    if marker not in _KNOWN or at + 2 > window.size:
        raise Damage(f"no segment of a JPEG image at {at - 2}")
    length = int.from_bytes(window.read(at, 2), "big")
    if length < 2 or at + length > window.size:
        raise Damage(f"a segment of the JPEG image at {at - 2} ends behind the file: it is cut off")
    body = window.read(at + 2, length - 2)
    if marker in _FRAMES:
        _read_frame(body, marker, tables)
    elif marker == _HUFFMAN:
        _read_huffman(body, at, tables)
    elif marker == _ARITHMETIC:
        tables.baseline = False
    return at + length


def _read_frame(body: bytes, marker: int, tables: _Tables) -> None:
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise Damage("the frame header of the JPEG image is broken")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    sampled = sum((one >> 4) * (one & 15) for one in body[7::3])
    if not width or not sampled or not body[5]:
        raise Damage("a JPEG image without pixels")
    down = -(-height // 8) or 8192  # 0: told behind the pixels
    tables.blocks = (-(-width // 8) + 4) * (down + 4) * sampled
    tables.baseline = marker in (0xC0, 0xC1)


def _read_huffman(body: bytes, at: int, tables: _Tables) -> None:
    while body:
        counts = body[1:17]
        total = sum(counts)
        if len(counts) < 16 or len(body) < 17 + total or body[0] >> 4 > 1 or not 0 < total <= 256:
            raise Damage(f"a table of the JPEG image at {at} is broken")
        shortest = next(length for length, count in enumerate(counts, 1) if count)
        tables.first[body[0]] = (shortest << 8) + body[17]
        body = body[17 + total :]


def _pixels(window: Window, at: int, longest_run: int | None) -> int:
    """Return where the next marker stands behind coded pixels."""
    begun, run = at, 0
    while at < window.size - 1:
        piece = window.read(at, min(_STEP_BYTES, window.size - at))
        found = _MARKER.search(piece)
        coded = piece[: found.start()] if found else piece
        if longest_run is not None:
            run = _longest(coded, run, longest_run)
        if found:
            if at + found.start() == begun:
                raise Damage(f"a JPEG image without pixels at {begun}")
            return at + found.start()
        if len(piece) == window.size - at:
            break
        keep = 1 if piece.endswith(b"\xff") else 0
        at += len(piece) - keep
    raise Damage(f"the JPEG image ends at {window.size} bytes without its end mark: it is cut off")


def _longest(coded: bytes, before: int, longest_run: int) -> int:
    """Refuse too long a run of zeros; return how many stand at the end."""
    bare = len(coded) - len(coded.lstrip(b"\0"))
    runs = [before + bare, *(len(match[0]) for match in _ZEROS.finditer(coded))]
    if max(runs) > longest_run:
        raise Damage(f"{max(runs)} zeros in the pixels of the JPEG image, which its code does not make")
    return before + bare if bare == len(coded) else len(coded) - len(coded.rstrip(b"\0"))


def _rest(window: Window, at: int) -> bytes:
    """Return what stands behind the end mark; only a little of it can be padding."""
    if window.size - at > _STEP_BYTES:
        raise Damage(f"something follows the end of the JPEG image at {at}")
    return window.read(at, window.size - at)
