"""Following the code of a JPEG scan, block by block: does it hold as many blocks as the image has?

Only for images whose scan has a long run of zeros, where nothing else tells an even area from bytes that were lost. It
is slow (some hundred thousand blocks a second) and keeps nothing of what it reads. Sequential Huffman code alone;
progressive scans are not followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from landsat_async.proof.byte_view import Damage

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_LOOK_EVERY_MCUS = 2000


class Component(msgspec.Struct, frozen=True):
    """One component of a scan."""

    across: int
    down: int
    """Blocks of an MCU in each direction."""
    dc: Sequence[int]
    ac: Sequence[int]
    """See `lookup`."""


def lookup(counts: Sequence[int], symbols: bytes) -> list[int]:
    """Make a table of all 16-bit prefixes: (length of the code << 8) + symbol; 0 = no code."""
    table = [0] * 65536
    code = at = 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            first, size = code << (16 - length), 1 << (16 - length)
            if first + size > 65536:
                raise Damage("a table of the JPEG image has more codes than there can be")
            table[first : first + size] = [(length << 8) + symbols[at]] * size
            code, at = code + 1, at + 1
        code <<= 1
    return table


def check_scan(
    coded: bytes, components: Sequence[Component], mcus: int, restart: int, pause: Callable[[], None]
) -> None:
    """Follow a scan to its end.

    Args:
        coded: Its bytes, from behind the header up to the next marker that is no restart.
        components: In the order of the scan.
        mcus: How many the image has.
        restart: MCUs between two restart markers; 0 = there are none.
        pause: Called now and then; may raise.

    Raises:
        Damage: It holds more or fewer, or something that is not a code.
    """
    left = mcus
    for piece in _RESTART.split(coded):
        wanted = min(left, restart) if restart else left
        _follow(piece.rstrip(b"\xff").replace(b"\xff\x00", b"\xff"), components, wanted, pause)
        left -= wanted
    if left:
        raise Damage(f"the pixels of the JPEG image end {left} blocks too early")


def _follow(data: bytes, components: Sequence[Component], mcus: int, pause: Callable[[], None]) -> None:
    end, padded, at = 8 * len(data), data + b"\xff" * 64, 0
    blocks = [(one.dc, one.ac) for one in components for _ in range(one.across * one.down)]
    for mcu in range(mcus):
        if mcu % _LOOK_EVERY_MCUS == 0:
            pause()
        for dc, ac in blocks:
            at = _block(padded, at, dc, ac)
            if at > end + 7:  # a last byte of FF has been taken for filling
                raise Damage("the pixels of the JPEG image end too early")
    if end - at > 7:
        raise Damage("the pixels of the JPEG image are more than it has room for")


def _block(data: bytes, at: int, dc: Sequence[int], ac: Sequence[int]) -> int:
    """Return the bit behind the block that begins at bit `at`."""
    byte = at >> 3
    found = dc[((data[byte] << 16 | data[byte + 1] << 8 | data[byte + 2]) >> (8 - (at & 7))) & 0xFFFF]
    if not found or found & 0xFF > 16:
        raise Damage("the pixels of the JPEG image hold something that is not a code")
    at += (found >> 8) + (found & 0xFF)
    index = 1
    while index < 64:
        byte = at >> 3
        found = ac[((data[byte] << 16 | data[byte + 1] << 8 | data[byte + 2]) >> (8 - (at & 7))) & 0xFFFF]
        if not found:
            raise Damage("the pixels of the JPEG image hold something that is not a code")
        at += found >> 8
        skipped, size = (found & 0xFF) >> 4, found & 0xF
        if not size and skipped < 15:
            return at
        index += skipped + 1
        at += size
    if index > 64:
        raise Damage("a block of the JPEG image has more than 64 values")
    return at
