"""A strict walk over a tar file that reads its headers and nothing else.

`tarfile` is made to get out whatever can be got out: it calls a tar cut anywhere a tar, and ends in silence at
the first header that it cannot read. Here every header must hold its checksum, every member must lie inside
the file and be filled up with zeros, the archive must end with two zero blocks, and what follows them must be
padding: zeros. How many depends on the writer: none (Go, Rust, JavaScript, newer Java), up to a multiple of 10,240
bytes (GNU, BSD, Python), or of any other blocking factor.
"""

from __future__ import annotations

import re

import msgspec

from landsat_async.proof.byte_view import ByteView, Damage

BLOCK_BYTES = 512
MOST_MEMBERS = 10_000
_LONGEST_EXTENSION_BYTES = 64 * 1024
_STEP_BYTES = 2**20
_ZERO_BLOCK = bytes(BLOCK_BYTES)
_CHECKSUM = slice(148, 156)
_SAFE_NAME = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,512}")  # printable ASCII without space and backslash


class Member(msgspec.Struct, frozen=True):
    """A plain file inside a tar."""

    name: str
    offset: int
    """Where its bytes begin in the tar."""
    size: int
    """Bytes."""


class _Pending(msgspec.Struct):
    """What extension headers said about the member that follows them."""

    name: str | None = None
    size: int | None = None


def walk_tar(view: ByteView) -> tuple[Member, ...]:
    """Return the plain files of a tar; directories are passed over.

    Raises:
        Damage: Anything that a whole tar of plain files cannot have.
    """
    members: dict[str, Member] = {}
    pending = _Pending()
    at = 0
    for _ in range(MOST_MEMBERS):
        header = _read_block(view, at)
        if header == _ZERO_BLOCK:
            _check_end(view, at, pending)
            return tuple(members.values())
        size = _check_header(header, at)
        kind = header[156:157]
        at += BLOCK_BYTES
        if kind in (b"x", b"g", b"L"):
            _read_extension(view, kind, at, size, pending)
        else:
            member = _member(header, kind, at, size, pending)
            size = member.size
            if at + size > view.size:
                raise Damage(f"member {member.name} ends behind the end of the tar: it is cut off")
            if member.name in members:
                raise Damage(f"member {member.name} is there twice")
            if kind != b"5":
                members[member.name] = member
            pending = _Pending()
        padding = -size % BLOCK_BYTES
        if any(view.read(at + size, padding)):
            raise Damage(f"something other than zeros fills the block that ends at {at + size + padding}")
        at += size + padding
    raise Damage(f"more than {MOST_MEMBERS} headers in the tar")


def _read_block(view: ByteView, at: int) -> bytes:
    if at + BLOCK_BYTES > view.size:
        raise Damage(f"the tar ends at {view.size} bytes without its end mark: it is cut off")
    return view.read(at, BLOCK_BYTES)


def _check_end(view: ByteView, at: int, pending: _Pending) -> None:
    if pending != _Pending():
        raise Damage("the tar ends after the header of a member that is not there")
    if view.size < at + 2 * BLOCK_BYTES:
        raise Damage(f"the tar ends at {view.size} bytes in its end mark: it is cut off")
    for begin in range(at, view.size, _STEP_BYTES):
        piece = view.read(begin, min(_STEP_BYTES, view.size - begin))
        if piece.count(0) != len(piece):
            raise Damage(f"something follows the tar's end mark at {at}")


def _check_header(header: bytes, at: int) -> int:
    """Return the size field of a header whose magic and checksum are right."""
    if header[257:263] not in (b"ustar\0", b"ustar ") and not is_old_header(header):
        raise Damage(f"no tar header at {at}")
    if _octal(header[_CHECKSUM], "checksum", at) != _checksum(header):
        raise Damage(f"the checksum of the tar header at {at} is wrong")
    field = header[124:136]
    if field[0] & 0x80:  # base-256: sizes from 8 GiB on, as GNU writes them
        if field[0] != 0x80:
            raise Damage(f"the tar header at {at} has a negative size")
        return int.from_bytes(field[1:], "big")
    return _octal(field, "size", at)


def is_old_header(block: bytes) -> bool:
    """Whether a block is a header of a writer that knows no magic word: zeros in its place, and the right checksum."""
    digits = block[_CHECKSUM].strip(b" \0")
    has_place = len(block) == BLOCK_BYTES and not any(block[257:265])
    return has_place and re.fullmatch(rb"[0-7]{1,6}", digits) is not None and int(digits, 8) == _checksum(block)


def _checksum(header: bytes) -> int:
    return sum(header) - sum(header[_CHECKSUM]) + 8 * 0x20


def _octal(field: bytes, what: str, at: int) -> int:
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,12}", digits):
        raise Damage(f"the tar header at {at} has no readable {what}")
    return int(digits, 8)


def _read_extension(view: ByteView, kind: bytes, at: int, size: int, pending: _Pending) -> None:
    if size > _LONGEST_EXTENSION_BYTES:
        raise Damage(f"an extension header of {size} bytes at {at}")
    data = view.read(at, size)
    if kind == b"L":
        if pending.name is not None:
            raise Damage(f"two names for one member at {at}")
        pending.name = data.rstrip(b"\0").decode("utf-8", "replace")
        return
    records = _pax_records(data, at)
    if any(key.startswith("GNU.sparse") for key in records):
        raise Damage(f"a sparse member at {at}")
    if kind == b"g":
        if records.keys() & {"path", "size"}:
            raise Damage(f"a global header at {at} that names a member")
        return
    pending.name = records.get("path", pending.name)
    if "size" in records:
        if not re.fullmatch(r"[0-9]{1,19}", records["size"]):
            raise Damage(f"an extension header at {at} without a readable size")
        pending.size = int(records["size"])


def _pax_records(data: bytes, at: int) -> dict[str, str]:
    """Read the "length key=value" records of a PAX header."""
    records: dict[str, str] = {}
    while data:
        length = re.match(rb"([1-9][0-9]{0,5}) ", data)
        end = int(length[1]) if length else 0
        if length is None or not length.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise Damage(f"a broken extension header at {at}")
        key, equals, value = data[length.end() : end - 1].partition(b"=")
        if not equals:
            raise Damage(f"a broken extension header at {at}")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        data = data[end:]
    return records


def _member(header: bytes, kind: bytes, at: int, size: int, pending: _Pending) -> Member:
    if kind not in (b"0", b"\0", b"5"):
        raise Damage(f"the tar holds something else than files at {at}")
    if kind == b"5" and size:
        raise Damage(f"a folder with content at {at}")
    name = _header_name(header) if pending.name is None else pending.name
    if kind == b"5":
        name = name.rstrip("/") + "/folder"  # so that ./ has a name, too
    return Member(_safe_name(name, at), at, size if pending.size is None else pending.size)


def _header_name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0].decode("utf-8", "replace")
    is_posix = header[257:265] == b"ustar\00000"  # GNU keeps times where POSIX has the first part of the name
    prefix = header[345:500].partition(b"\0")[0].decode("utf-8", "replace") if is_posix else ""
    return f"{prefix}/{name}" if prefix else name


def _safe_name(name: str, at: int) -> str:
    """Return the name without a leading ./; nothing here is ever unpacked, but other programs unpack it."""
    bare = name.removeprefix("./")
    if not _SAFE_NAME.fullmatch(bare) or {"", ".", ".."} & set(bare.split("/")):
        raise Damage(f"the tar member at {at} has a name that no product has")
    return bare
