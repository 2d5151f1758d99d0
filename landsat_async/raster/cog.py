"""From the bytes of a GeoTIFF to the layout of its image: where each tile is, and where its pixels lie.

The problem. A window is cut before the file is here, so its index is all there is, and nobody vouches for it: a host
may send the header of another file, or one that asks for gigabytes. And what layout real files have is not known for
certain, so every one is read that a band may have: tiles and strips, classic TIFF and BigTIFF, both byte orders, the
index at the beginning or at the end, overviews or none, tiles that are not stored, GDAL's frames around tiles.

What is done here
- Bytes come from `HeldBytes`; what is not here is asked for by raising `Needs`. So one reader serves a remote file of
  which nothing but some ranges are here, a body that passes by, and a file on disk.
- Only the first directory is read, which is the image itself; overviews and masks follow it.
- Every number is bounded before anything is read or made after it: tags, tiles, sides, and bytes of a tile.

What is not done: several samples a pixel, compressions other than deflate, rotated grids. No Landsat band has them, and
`UnsupportedRaster` says what the file has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from landsat_async.raster import tag
from landsat_async.raster.grid import BrokenRaster, GeoKeys, GridBox, Transform, UnsupportedRaster
from landsat_async.raster.held_bytes import MOST_HELD_BYTES, HeldBytes, Needs

HEAD_BYTES = 16 * 1024
"""The index of a tiled band takes some 12 KiB, with those of its overviews."""
MOST_TILES = 200_000
MOST_TILE_BYTES = 256 * 2**20
"""Of one decoded tile or strip; a whole panchromatic band in one strip has 240 MB."""
_MOST_TAGS = 512
_MOST_DESCRIPTION = 1024
_LONGEST_SIDE = 200_000
_AROUND_BYTES = 32 * 1024
"""Tags and their arrays stand close together: so much before and after what is wanted is asked for with it."""

_COMPRESSIONS = {5: "LZW", 6: "old JPEG", 7: "JPEG", 32773: "PackBits", 34712: "JPEG 2000", 50000: "ZSTD"}
_TYPES = {1: "u1", 2: "S1", 3: "u2", 4: "u4", 5: "", 11: "f4", 12: "f8", 13: "u4", 16: "u8", 18: "u8"}
_WHOLE = {number: int(code[1]) for number, code in _TYPES.items() if code[:1] == "u"}
"""Bytes of whole numbers, by their type."""
_PIXEL_TYPES = {
    (1, 8): "u1", (1, 16): "u2", (1, 32): "u4", (2, 8): "i1", (2, 16): "i2", (2, 32): "i4", (3, 32): "f4",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class CogLayout:
    """The image of a GeoTIFF. A strip counts as a tile as wide as the image."""

    byte_order: str
    """"<" or ">"."""
    width: int
    length: int
    tile_width: int
    tile_length: int
    is_tiled: bool
    pixel_type: str
    """u1, i2, u2 ...: kind and bytes, without the byte order."""
    compression: int
    predictor: int
    """1 = none, 2 = each pixel is the difference to the one before it."""
    photometric: int
    offsets: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.uint64]
    """Stored bytes of each tile; 0 = a tile that is not stored, because it is all fill."""
    has_frames: bool
    """Each tile stands between its size and a copy of its last four bytes (GDAL's cloud-optimised layout)."""
    transform: Transform
    keys: GeoKeys
    nodata: bytes
    """As written in tag 42113, without the NUL; b"" = none."""
    description: bytes
    """ImageDescription, as far as it is short; b"" = none. A window says there what it is cut from."""
    total: int
    """Bytes of the whole file."""

    @property
    def image(self) -> GridBox:
        """The box of the whole image."""
        return GridBox(0, 0, self.width, self.length)

    @property
    def across(self) -> int:
        """Tiles in a row of tiles."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return -(-self.length // self.tile_length)

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel."""
        return np.dtype(self.pixel_type).itemsize

    @property
    def has_sums(self) -> bool:
        """Each stored tile ends with a checksum of its pixels."""
        return self.compression in (tag.DEFLATE, tag.OLD_DEFLATE)

    def rows_of(self, tile_row: int) -> int:
        """Return the rows of pixels that the tiles of a row of tiles hold: the last strip may be short."""
        return self.tile_length if self.is_tiled else min(self.tile_length, self.length - tile_row * self.tile_length)

    def fill(self, default: int = 0) -> float:
        """Return the value of pixels without data, as the file says; `default` where it does not say."""
        try:
            value = float(self.nodata.decode("ascii").strip())
        except ValueError:
            return default
        limits = np.iinfo(self.pixel_type) if self.pixel_type[0] != "f" else None
        fits = limits is None or (value.is_integer() and limits.min <= value <= limits.max)
        return value if fits else default


class _Entry(NamedTuple):
    type: int
    size: int
    """Number of values."""
    inline: bytes
    """The value itself where it fits, else where it is."""


def read_layout(held: HeldBytes) -> CogLayout:
    """Return the layout of the image of a GeoTIFF, of which some bytes are here.

    Raises:
        Needs: more bytes are wanted; add them and call again. Never more than MOST_HELD_BYTES altogether.
        BrokenRaster: the index contradicts itself or the size of the file.
        UnsupportedRaster: its image is stored in a way that no Landsat band is.
    """
    try:
        return IndexReader(held).run()
    except Needs as needs:
        raise with_surroundings(needs, held) from None


def with_surroundings(needs: Needs, held: HeldBytes) -> Needs:
    """Ask for what stands close by as well: the arrays that a directory points at are its neighbours."""
    if needs.end > held.total:
        raise BrokenRaster(f"its index points at byte {needs.end:,}, but it has {held.total:,}") from None
    start, end = max(needs.start - _AROUND_BYTES, 0), min(needs.end + _AROUND_BYTES, held.total)
    if needs.start == 0:
        end = min(max(HEAD_BYTES, needs.end), held.total)
    if held.size + end - start > MOST_HELD_BYTES:
        raise BrokenRaster("its index is larger than that of any band") from None
    return Needs(start, end)


class IndexReader:
    """Reads the index of a GeoTIFF; `read_layout` and `overviews.read_overviews` are what it is for."""

    def __init__(self, held: HeldBytes) -> None:
        self._held = held
        self._total = held.total

    def run(self) -> CogLayout:
        """Return the layout of the image; `next_directory` is then where another version of it is described."""
        if self._total < 16:
            raise BrokenRaster("too short for a TIFF")
        first = self._read_header()
        self._framed = self._has_frames()
        self._held.used.clear()  # where the index is, and that there are frames, is borne out by what is found there
        self.tags = self.read_directory(first)
        return self.read_image(is_placed=True)

    # -- header and directory ------------------------------------------------------------------------------------------

    def _read_header(self) -> int:
        head = self._held.read(0, 16)
        self._order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(self._order + "H", head[2:4])[0] if self._order else 0
        if version == 42:
            self._big, self._header_bytes = False, 8
            first: int = struct.unpack(self._order + "I", head[4:8])[0]
        elif version == 43 and struct.unpack(self._order + "HH", head[4:8]) == (8, 0):
            self._big, self._header_bytes = True, 16
            first = struct.unpack(self._order + "Q", head[8:16])[0]
        else:
            raise BrokenRaster("no TIFF header")
        self._pointer = struct.Struct(self._order + ("Q" if self._big else "I"))
        self._entry = struct.Struct(self._order + ("HHQ8s" if self._big else "HHI4s"))
        return first

    def _has_frames(self) -> bool:
        note = self._held.read(self._header_bytes, min(256, self._total - self._header_bytes))
        return (
            note.startswith(b"GDAL_STRUCTURAL_METADATA_SIZE=")
            and b"BLOCK_LEADER=SIZE_AS_UINT4\n" in note
            and b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n" in note
            and b"KNOWN_INCOMPATIBLE_EDITION=NO\n" in note
        )

    def read_directory(self, at: int) -> dict[int, _Entry]:
        """Return the tags of a directory, and note where the next one is; 0 = there is none."""
        counter = struct.Struct(self._order + ("Q" if self._big else "H"))
        if at < self._header_bytes or at + counter.size > self._total:
            raise BrokenRaster(f"its index is said to be at byte {at:,}, but it has {self._total:,}")
        (count,) = counter.unpack(self._held.read(at, counter.size))
        size = count * self._entry.size
        if not 0 < count <= _MOST_TAGS or at + counter.size + size > self._total:
            raise BrokenRaster(f"an index of {count} tags")
        data = self._held.read(at + counter.size, size)
        end = at + counter.size + size
        has_next = end + self._pointer.size <= self._total
        self.next_directory = self._pointer.unpack(self._held.read(end, self._pointer.size))[0] if has_next else 0
        return {number: _Entry(kind, length, inline) for number, kind, length, inline in self._entry.iter_unpack(data)}

    # -- values of tags ------------------------------------------------------------------------------------------------

    def _values(self, number: int, most: int) -> npt.NDArray[np.generic] | None:
        """Return the values of a tag, in the byte order of this machine; None where it is not there."""
        entry = self.tags.get(number)
        if entry is None:
            return None
        code = _TYPES.get(entry.type, "")
        if not code or not 0 < entry.size <= most:
            raise BrokenRaster(f"tag {number} of a wrong type or length")
        kind = np.dtype(code) if code == "S1" else np.dtype(self._order + code)
        size = kind.itemsize * entry.size
        if size <= len(entry.inline):
            data = entry.inline[:size]
        else:
            (at,) = self._pointer.unpack(entry.inline)
            if at < self._header_bytes or at + size > self._total:
                raise BrokenRaster(f"tag {number} points at byte {at + size:,}, but the file has {self._total:,}")
            data = self._held.read(at, size)
        return np.frombuffer(data, kind).astype(kind.newbyteorder("="))

    def _integers(self, number: int, most: int) -> npt.NDArray[np.uint64]:
        values = self._values(number, most)
        if values is None or values.dtype.kind != "u":
            raise BrokenRaster(f"it lacks tag {number}, or that is not a number")
        return values.astype(np.uint64)

    def _short(self, number: int, default: int) -> int:
        value = self.number(number, default)
        if value > 65_535:
            raise BrokenRaster(f"tag {number} is {value}")
        return value

    def number(self, number: int, default: int | None = None) -> int:
        """Return the value of a tag that holds one number. Raises BrokenRaster without it and a default."""
        entry = self.tags.get(number)
        if entry is None and default is not None:
            return default
        if entry is not None and entry.size == 1 and (size := _WHOLE.get(entry.type)) and size <= len(entry.inline):
            return int.from_bytes(entry.inline[:size], "little" if self._order == "<" else "big")
        return int(self._integers(number, 1)[0])

    def _doubles(self, number: int, most: int) -> tuple[float, ...]:
        values = self._values(number, most)
        if values is None:
            return ()
        if values.dtype.kind != "f" or not np.isfinite(values.astype(np.float64)).all():
            raise BrokenRaster(f"tag {number} holds what is not a number")
        return tuple(values.astype(np.float64).tolist())

    def _text(self, number: int, most: int) -> bytes:
        values = self._values(number, most)
        return b"" if values is None else values.tobytes()

    # -- the image -----------------------------------------------------------------------------------------------------

    def read_image(self, *, is_placed: bool = False) -> CogLayout:
        """Return the layout of an image, with where on Earth it lies where it `is_placed`."""
        width, length = self.number(tag.WIDTH), self.number(tag.LENGTH)
        is_tiled = tag.TILE_WIDTH in self.tags
        if is_tiled:
            tile_width, tile_length = self.number(tag.TILE_WIDTH), self.number(tag.TILE_LENGTH)
        else:
            tile_width, tile_length = width, min(length, self.number(tag.ROWS_PER_STRIP, length))
        if not all(0 < side <= _LONGEST_SIDE for side in (width, length, tile_width, tile_length)):
            raise BrokenRaster(f"an image of {width} x {length} pixels in tiles of {tile_width} x {tile_length}")
        pixel_type = self._pixel_type()
        tile_bytes = tile_width * tile_length * np.dtype(pixel_type).itemsize
        if tile_bytes > MOST_TILE_BYTES:
            raise UnsupportedRaster(f"it is stored in pieces of {tile_bytes // 2**20} MiB")
        offsets, counts = self._tiles(is_tiled, -(-width // tile_width) * -(-length // tile_length))
        keys, transform = GeoKeys(()), Transform(0, 0, 1, 1)
        if is_placed:
            keys = self._keys()
            transform = self._transform(keys)
        return CogLayout(
            byte_order=self._order, width=width, length=length, tile_width=tile_width, tile_length=tile_length,
            is_tiled=is_tiled, pixel_type=pixel_type, compression=self._compression(), predictor=self._predictor(),
            photometric=self._short(tag.PHOTOMETRIC, 1), offsets=offsets, counts=counts, has_frames=self._framed,
            transform=transform, keys=keys, nodata=self._text(tag.NODATA, 64).partition(b"\0")[0],
            description=self._description(), total=self._total,
        )  # fmt: skip

    def _description(self) -> bytes:
        entry = self.tags.get(tag.DESCRIPTION)
        is_short = entry is not None and 0 < entry.size <= _MOST_DESCRIPTION
        return self._text(tag.DESCRIPTION, _MOST_DESCRIPTION) if is_short else b""

    def _pixel_type(self) -> str:
        if self.number(tag.SAMPLES, 1) != 1:
            raise UnsupportedRaster(f"its pixels have {self.number(tag.SAMPLES)} samples each; a band has one")
        form, bits = self.number(tag.SAMPLE_FORMAT, 1), self.number(tag.BITS, 1)
        found = _PIXEL_TYPES.get((form, bits))
        if found is None:
            raise UnsupportedRaster(f"its pixels have {bits} bits of format {form}")
        return found

    def _compression(self) -> int:
        compression = self.number(tag.COMPRESSION, tag.UNCOMPRESSED)
        if compression not in (tag.UNCOMPRESSED, tag.DEFLATE, tag.OLD_DEFLATE):
            name = _COMPRESSIONS.get(compression, f"scheme {compression}")
            raise UnsupportedRaster(f"its pixels are compressed with {name}; Landsat bands are deflated")
        return compression

    def _predictor(self) -> int:
        predictor = self.number(tag.PREDICTOR, 1)
        if predictor not in (1, 2):
            raise UnsupportedRaster(f"its pixels are predicted in way {predictor}")
        if self.number(tag.COMPRESSION, tag.UNCOMPRESSED) == tag.UNCOMPRESSED:
            return 1  # readers ignore it where nothing is compressed
        if predictor == 2 and self.number(tag.SAMPLE_FORMAT, 1) == 3:
            raise UnsupportedRaster("its pixels are fractions, and predicted as if they were whole numbers")
        return predictor

    def _tiles(self, is_tiled: bool, expected: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        if expected > MOST_TILES:
            raise UnsupportedRaster(f"it is stored in {expected:,} pieces")
        where, sizes = (tag.TILE_OFFSETS, tag.TILE_COUNTS) if is_tiled else (tag.STRIP_OFFSETS, tag.STRIP_COUNTS)
        for number in (where, sizes):  # before their arrays are asked for
            if number in self.tags and self.tags[number].size != expected:
                raise BrokenRaster(f"{self.tags[number].size:,} tiles where its size asks for {expected:,}")
        offsets, counts = self._integers(where, MOST_TILES), self._integers(sizes, MOST_TILES)
        stored = counts > 0
        total, frame = np.uint64(self._total), np.uint64(4 if self._framed else 0)
        if (counts > total).any() or (offsets[stored] > total).any():
            raise BrokenRaster("its index points outside of it")
        ends = offsets[stored] + counts[stored] + frame
        if (offsets[stored] < self._header_bytes + int(frame)).any() or (ends > total).any():
            raise BrokenRaster("its index points outside of it")
        if int(counts.sum()) > self._total:
            raise BrokenRaster("its tiles lie on top of each other")
        return offsets, counts

    # -- where it lies -------------------------------------------------------------------------------------------------

    def _keys(self) -> GeoKeys:
        values = self._values(tag.GEO_DIRECTORY, 4 * 257)
        if values is None or values.dtype != np.uint16 or len(values) < 4 or len(values) % 4:
            raise UnsupportedRaster("it does not say in which coordinates it lies (no GeoKeys)")
        return GeoKeys(tuple(values.tolist()), self._doubles(tag.GEO_DOUBLES, 512), self._text(tag.GEO_ASCII, 4096))

    def _transform(self, keys: GeoKeys) -> Transform:
        scale, tie = self._doubles(tag.PIXEL_SCALE, 3), self._doubles(tag.TIE_POINT, 6)
        if len(scale) < 2 or len(tie) != 6:
            what = "is rotated" if tag.MODEL_TRANSFORM in self.tags else "does not say where it lies"
            raise UnsupportedRaster(f"its grid {what}")
        width_m, height_m = scale[0], scale[1]
        sides = (0.001 < width_m < 1e6, 0.001 < height_m < 1e6, all(abs(number) < 1e9 for number in tie))
        if not all(sides):
            raise BrokenRaster(f"pixels of {width_m:g} x {height_m:g} m at {tie[3]:g}, {tie[4]:g}")
        corner = 0.5 if keys.pixel_is_point else 0.0
        west_m = tie[3] - (tie[0] + corner) * width_m
        north_m = tie[4] + (tie[1] + corner) * height_m
        return Transform(west_m, north_m, width_m, height_m)
