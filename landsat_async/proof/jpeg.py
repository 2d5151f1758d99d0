"""A walk over the markers of a JPEG, from the first to the last.

A browse image has no sum inside. What can be held against it: each segment is as long as it says and of a kind that
JPEG knows, the header of the frame and the tables of the scan come before it, the coded pixels hold no marker where
none may be, and the image ends with its own end mark. Coded pixels that were overwritten with zeros pass all that. So
where a scan has a long run of zeros, it is followed block by block (`jpeg_scan`), as far as its kind of code is known.
"""

from __future__ import annotations

import re

import msgspec

from landsat_async.proof.byte_view import MOST_AT_ONCE_BYTES, ByteView, Damage
from landsat_async.proof.jpeg_scan import Component, check_scan, lookup

_STEP_BYTES = 2**20
_MOST_SEGMENTS = 10_000
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_KNOWN = _FRAMES | frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xFE}) | frozenset(range(0xE0, 0xF0))
_SCAN, _END, _HUFFMAN, _RESTART = 0xDA, 0xD9, 0xC4, 0xDD
_SEQUENTIAL = (0xC0, 0xC1)
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SUSPICIOUS = bytes(24)
_MOST_SIDE = 65_500


class _Headers(msgspec.Struct):
    """What the headers say about the pixels."""

    frame: int = 0
    """The marker of the frame header; 0 = it has not come yet."""
    width: int = 0
    height: int = 0
    sampling: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    """Component -> blocks of an MCU across and down."""
    codes: dict[int, tuple[bytes, bytes]] = msgspec.field(default_factory=dict)
    """Table class and number -> how many codes of each length, and their symbols."""
    restart: int = 0


def walk_jpeg(view: ByteView) -> None:
    """Check a JPEG from its first to its last marker.

    Raises:
        Damage: It is cut, goes on behind its end, or something in it is no JPEG.
        Stopped: The caller asked for the end.
    """
    if view.size < 4 or view.read(0, 2) != b"\xff\xd8":
        raise Damage("no JPEG image")
    at, headers, scans = 2, _Headers(), 0
    for _ in range(_MOST_SEGMENTS):
        marker, at = _marker(view, at)
        if marker == _END:
            _check_end(view, at, scans)
            return
        body = _segment(view, marker, at)
        at += 2 + len(body)
        if marker == _SCAN:
            scans += 1
            begun, at = at, _behind_pixels(view, at)
            _check_pixels(view, begun, at, headers, body)
        else:
            _note(headers, marker, body)
    raise Damage(f"more than {_MOST_SEGMENTS} segments in a JPEG image")


def _marker(view: ByteView, at: int) -> tuple[int, int]:
    """Read the marker at `at`, which may be filled up with FF; return it and the offset behind it."""
    begun = at
    while True:
        if at + 2 > view.size:
            raise Damage(f"the JPEG image ends at {view.size} bytes without its end mark: it is cut off")
        lead, marker = view.read(at, 2)
        if lead != 0xFF or at - begun > 1024:
            raise Damage(f"no marker of a JPEG image at {begun}")
        if marker != 0xFF:
            return marker, at + 2
        at += 1


def _check_end(view: ByteView, at: int, scans: int) -> None:
    if not scans:
        raise Damage("a JPEG image without pixels")
    rest = view.size - at
    if rest > _STEP_BYTES or any(view.read(at, rest)):  # a little padding is none of our business
        raise Damage(f"something follows the end of the JPEG image at {at}")


def _segment(view: ByteView, marker: int, at: int) -> bytes:
    """Return the body of the segment whose length stands at `at`."""
    if marker not in _KNOWN or at + 2 > view.size:
        raise Damage(f"no segment of a JPEG image at {at - 2}")
    length = int.from_bytes(view.read(at, 2), "big")
    if length < 2 or at + length > view.size:
        raise Damage(f"a segment of the JPEG image at {at - 2} ends behind the file: it is cut off")
    return view.read(at + 2, length - 2)


def _note(headers: _Headers, marker: int, body: bytes) -> None:
    if marker in _FRAMES:
        if len(body) < 6 or len(body) != 6 + 3 * body[5] or not body[5]:
            raise Damage("the frame header of the JPEG image is broken")
        headers.frame = marker
        headers.height, headers.width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        headers.sampling = {body[at]: (body[at + 1] >> 4, body[at + 1] & 15) for at in range(6, len(body), 3)}
        if not 0 < headers.width <= _MOST_SIDE or not all(a * d for a, d in headers.sampling.values()):
            raise Damage("a JPEG image without pixels")
    elif marker == _HUFFMAN:
        while body:
            counts = body[1:17]
            total = sum(counts)
            if len(counts) < 16 or len(body) < 17 + total or body[0] >> 4 > 1 or not 0 < total <= 256:
                raise Damage("a table of the JPEG image is broken")
            headers.codes[body[0]] = counts, body[17 : 17 + total]
            body = body[17 + total :]
    elif marker == _RESTART and len(body) == 2:
        headers.restart = int.from_bytes(body, "big")


def _behind_pixels(view: ByteView, at: int) -> int:
    """Return where the next marker stands behind coded pixels."""
    begun = at
    while at < view.size - 1:
        piece = view.read(at, min(_STEP_BYTES, view.size - at))
        found = _MARKER.search(piece)
        if found and at + found.start() == begun:
            raise Damage(f"a JPEG image without pixels at {begun}")
        if found:
            return at + found.start()
        if len(piece) == view.size - at:
            break
        at += len(piece) - piece.endswith(b"\xff")
    raise Damage(f"the JPEG image ends at {view.size} bytes without its end mark: it is cut off")


def _check_pixels(view: ByteView, begin: int, end: int, headers: _Headers, scan: bytes) -> None:
    """Follow the code of a scan that has a long run of zeros."""
    if not headers.frame:
        raise Damage("the pixels of the JPEG image come before its size")
    if headers.frame not in _SEQUENTIAL or not headers.height or end - begin > MOST_AT_ONCE_BYTES:
        return
    coded = view.read(begin, end - begin)
    if _SUSPICIOUS not in coded:
        return
    chosen = _components(headers, scan)
    most_across = max(across for across, _ in headers.sampling.values())
    most_down = max(down for _, down in headers.sampling.values())
    width, height, unit_across, unit_down = headers.width, headers.height, 8 * most_across, 8 * most_down
    if len(chosen) == 1:  # not interleaved: the blocks of that component alone
        (one,) = chosen
        width, height = -(-width * one.across // most_across), -(-height * one.down // most_down)
        unit_across = unit_down = 8
        chosen = [Component(1, 1, one.dc, one.ac)]
    mcus = -(-width // unit_across) * -(-height // unit_down)
    check_scan(coded, chosen, mcus, headers.restart, view.pause)


def _components(headers: _Headers, scan: bytes) -> list[Component]:
    """Read the header of a scan."""
    if not scan or len(scan) != 4 + 2 * scan[0]:
        raise Damage("the scan header of the JPEG image is broken")
    chosen = []
    for at in range(1, 1 + 2 * scan[0], 2):
        dc, ac = headers.codes.get(scan[at + 1] >> 4), headers.codes.get(0x10 | scan[at + 1] & 15)
        if scan[at] not in headers.sampling or dc is None or ac is None:
            raise Damage("the scan of the JPEG image speaks of what its headers do not have")
        chosen.append(Component(*headers.sampling[scan[at]], lookup(*dc), lookup(*ac)))
    return chosen
