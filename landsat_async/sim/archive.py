"""What the simulated service holds: products, and every byte of their files, made from their names."""

from __future__ import annotations

import datetime
import fnmatch
import math
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TypedDict, Unpack

from landsat_async.sim import browse, text
from landsat_async.sim.conditions import Condition
from landsat_async.sim.content import Content, Literal
from landsat_async.sim.datasets import DATASETS, OTHERS, SimDataset
from landsat_async.sim.pictures import usual_qa_values
from landsat_async.sim.rasters import KeptFiles, RealRasters
from landsat_async.sim.scenes import Product
from landsat_async.sim.tar import tar_of
from landsat_async.sim.tiff import Grid, Pixels, large_band, small_band

_ID_LENGTHS = tuple(map(len, (
    "LC08_L2SP_004053_20240705_20240714_02_T1",
    "LC08_CU_008001_20231101_20231116_02_BA",
    "LC08_CU_008001_20231101_20231116_02",
)))  # fmt: skip
_MIB = 1 << 20
_NOMINAL_TEXT_BYTES = {"ANG.txt": 117_391, "MTL.txt": 15_246, "MTL.xml": 22_430, "GCP.txt": 9_480}
_LARGE_TILE = 512
_INT16_BANDS = ("ST_ATRAN", "ST_CDIST", "ST_DRAD", "ST_EMIS", "ST_EMSD", "ST_QA", "ST_TRAD", "ST_URAD")
_ANGLES = ("VAA", "VZA", "SAA", "SZA")


class ArchiveOptions(TypedDict, total=False):
    """Options that all ways to make an Archive share."""

    pixels: int
    tile: int
    compress: bool
    band_bytes: int | None
    raster: RealRasters | None
    cache_bytes: int


class Archive:
    """The products of the service and their files.

    Args:
        products: What there is, in the order in which searches find it.
        pixels: Pixels along the longer side of a band; the pixel size is stretched to the 220 km of a scene.
        tile: Tile width and height of the small bands, a multiple of 16.
        compress: False stores the pixels: sizes are then equal for all versions of a file.
        band_bytes: Makes every band about this long instead, of incompressible tiles that are computed when read
            (nothing of it is held in memory; up to 4 GiB).
        raster: Gives all bands the size, place and layout of real ones instead, and QA_PIXEL its clouds.
        cache_bytes: How much of the small files is kept once made.
    """

    def __init__(
        self,
        products: Iterable[Product],
        *,
        pixels: int = 256,
        tile: int = 128,
        compress: bool = True,
        band_bytes: int | None = None,
        raster: RealRasters | None = None,
        cache_bytes: int = 64 * _MIB,
    ) -> None:
        self._products: dict[str, list[Product]] = {alias: [] for alias in (*DATASETS, *OTHERS)}
        self._by_id: dict[tuple[str, str], Product] = {}
        self._pixels, self._tile, self._compress = pixels, tile, compress
        self._band_bytes, self._raster = band_bytes, raster
        self._rasters = KeptFiles()
        self._cache: OrderedDict[str, Content] = OrderedDict()
        self._cache_room_bytes = cache_bytes
        self._versions: dict[str, int] = {}
        for product in products:
            self.add(product)

    @classmethod
    def demo(cls, **options: Unpack[ArchiveOptions]) -> Archive:
        """Scenes around Lago de Valencia (Venezuela) in July and August 2024, and a few of the older sensors."""
        return cls(_demo_products(), **options)

    @classmethod
    def seeded(
        cls,
        count: int,
        *,
        seed: int = 0,
        paths: Sequence[int] = range(1, 234),
        rows: Sequence[int] = range(20, 100),
        start: date = date(2014, 1, 1),
        dds_share: float = 0.0,
        **options: Unpack[ArchiveOptions],
    ) -> Archive:
        """Make `count` scenes of Landsat 8 and 9 (each with its L1 and L2 product) at the given paths and rows.

        `dds_share` of them (0..1) are staged by dds; landsatlook serves the others at once.
        """
        return cls(_seeded_products(count, seed, paths, rows, start, dds_share), **options)

    def add(self, product: Product) -> None:
        """Put a product into the archive; it is found under its scene id in place of an older version."""
        alias = product.dataset.alias
        self._products[alias].append(product)
        self._by_id[alias, product.display_id] = product
        self._by_id[alias, product.entity_id] = product
        self._by_id["", product.display_id] = product

    def remove(self, display_id: str) -> None:
        """Take a product out of the archive, as if it were superseded."""
        product = self._by_id.pop(("", display_id))
        alias = product.dataset.alias
        self._products[alias].remove(product)
        del self._by_id[alias, display_id]
        self._by_id.pop((alias, product.entity_id), None)
        for other in self._products[alias]:
            if other.entity_id == product.entity_id:
                self._by_id[alias, product.entity_id] = other

    def reprocess(
        self,
        display_id: str,
        *,
        days: int = 30,
        day: date | None = None,
        level: str | None = None,
        tier: str | None = None,
        keep_old: bool = False,
    ) -> Product:
        """Replace a product by a newer version of it (another processing date, hence another product id).

        Args:
            display_id: The product.
            days: How much later it is processed, where no day is given.
            day: When it is processed and ingested; None = `days` later.
            level: Another one of the same dataset: L1GT becomes L1TP, L2SR L2SP, or the other way round.
            tier: Another one; None = that of before, and T1 for RT.
            keep_old: The older version can still be found.
        """
        old = self.product_of_file(display_id)
        if old is None:
            raise KeyError(display_id)
        new = replace(
            old,
            processed=day or old.processed + timedelta(days=days),
            ingested=day,
            level=level or old.level,
            tier=tier or old.tier.replace("RT", "T1"),
        )
        if new.dataset is not old.dataset:
            raise ValueError(f"{level} is of another dataset than {display_id}")
        if not keep_old:
            self.remove(display_id)
        self.add(new)
        return new

    def renew(self, pattern: str) -> None:
        """Give the files whose names match another content from now on (and another ETag)."""
        self._versions[pattern] = self._versions.get(pattern, 0) + 1
        self._cache.clear()
        self._rasters.clear()

    def products(self, dataset: SimDataset) -> Sequence[Product]:
        """All products of a dataset."""
        return self._products[dataset.alias]

    def matching(self, dataset: SimDataset, conditions: Sequence[Condition]) -> Sequence[Product]:
        """Products that meet all conditions."""
        products = self._products[dataset.alias]
        return [p for p in products if all(c.test(p) for c in conditions)] if conditions else products

    def count(self, dataset: SimDataset) -> int:
        """How many products a dataset has."""
        return len(self._products[dataset.alias])

    def days(self, dataset: SimDataset) -> tuple[date, date] | None:
        """First and last day of a dataset; None when it is empty."""
        days = [product.acquired for product in self._products[dataset.alias]]
        return (min(days), max(days)) if days else None

    def __len__(self) -> int:
        return sum(len(products) for products in self._products.values())

    def __iter__(self) -> Iterator[Product]:
        for products in self._products.values():
            yield from products

    def find(self, dataset: SimDataset, scene_or_product_id: str) -> Product | None:
        """Look a product up by entity or display id."""
        return self._by_id.get((dataset.alias, scene_or_product_id))

    def product_of_file(self, name: str) -> Product | None:
        """Return the product that a file name belongs to."""
        for length in _ID_LENGTHS:
            if (found := self._by_id.get(("", name[:length]))) is not None:
                return found
        return None

    def version(self, name: str) -> int:
        """How often the content of a file has changed."""
        return sum(n for pattern, n in self._versions.items() if fnmatch.fnmatchcase(name, pattern))

    def bundle(self, display_id: str) -> Content | None:
        """Return the tar of a product."""
        return self.file(f"{display_id}.tar")

    def file(self, name: str) -> Content | None:
        """Return a file by its name: a bundle, a single file or a browse image; None when there is none."""
        product = self.product_of_file(name)
        if product is None:
            return None
        if (kept := self._cache.get(name)) is not None:
            self._cache.move_to_end(name)
            return kept
        content = self._make(product, name)
        if content is not None and self._band_bytes is None and self._raster is None:
            self._keep(name, content)
        return content

    def _keep(self, name: str, content: Content) -> None:
        self._cache[name] = content
        self._cache_room_bytes -= content.size
        while self._cache_room_bytes < 0 and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._cache_room_bytes += dropped.size

    def _make(self, product: Product, name: str) -> Content | None:
        rest = name[len(product.display_id) :]
        if rest.endswith(".tar") and (suffixes := _in_bundle(product, rest.removesuffix(".tar"))):
            members = [(n, self._member(product, n)) for n in map(product.file_name, suffixes)]
            midnight = datetime.datetime.combine(product.processed, datetime.time(), datetime.UTC)
            return tar_of(members, int(midnight.timestamp()) + self.version(name))
        if rest[1:] in product.suffixes:
            return self._make_member(product, rest[1:], name)
        if rest in {row.suffix for row in product.dataset.rows if row.kind == "browse"}:
            if rest.endswith("jpg"):
                return Literal(browse.jpeg(name))
            grid = self._stretched_grid(product)
            return Literal(small_band(grid, Pixels(8, False, 0, 1, 255), self._seed(name), tile=self._tile))
        return None

    def _member(self, product: Product, name: str) -> Content:
        content = self.file(name)
        assert content is not None, name
        return content

    def _make_member(self, product: Product, suffix: str, name: str) -> Content:
        grid = self.grid(product)
        makers = {"MTL.txt": text.mtl_txt, "MTL.xml": text.mtl_xml}
        if suffix in makers:
            return Literal(makers[suffix](product, grid))
        if suffix == "ANG.txt":
            return Literal(text.ang_txt(product))
        if suffix == "GCP.txt":
            return Literal(text.gcp_txt(product))
        pixels = _pixels(suffix.removesuffix(".TIF"), product.sensor_id)
        if (raster := self._raster) is not None:
            return self._rasters.get(name, lambda: raster.band(product, suffix, pixels, self._seed(name)))
        if self._band_bytes is not None:
            return large_band(grid, pixels, self._seed(name), tile=_LARGE_TILE)
        return Literal(small_band(grid, pixels, self._seed(name), tile=self._tile, compress=self._compress))

    def _seed(self, name: str) -> int:
        return zlib.crc32(f"{name}:{self.version(name)}".encode())

    def grid(self, product: Product) -> Grid:
        """Raster of the bands of a product."""
        return self._stretched_grid(product) if self._raster is None else self._raster.grid(product)

    def _stretched_grid(self, product: Product) -> Grid:
        west, south, east, north = product.frame.bounds_m
        if self._band_bytes is None:
            pixel_m: float = math.ceil(max(east - west, north - south) / self._pixels / 30) * 30
        else:
            pixel_m = round(math.sqrt((east - west) * (north - south) / (self._band_bytes / 2)), 2)
        columns, rows = math.ceil((east - west) / pixel_m), math.ceil((north - south) / pixel_m)
        return Grid(product.frame.zone, west, north, pixel_m, columns, rows, product.frame.corners_m)

    def nominal_bytes(self, product: Product, suffix: str) -> int:
        """Size as the service lists it: rounded up to whole MiB for images."""
        if suffix in _NOMINAL_TEXT_BYTES:
            return _NOMINAL_TEXT_BYTES[suffix]
        return -(-self._nominal_band_bytes // _MIB) * _MIB

    @property
    def _nominal_band_bytes(self) -> int:
        if self._raster is not None:
            return self._raster.columns * self._raster.rows * 2 * 7 // 10
        return self._band_bytes or self._pixels**2 * 2

    def nominal_bundle_bytes(self, product: Product) -> int:
        """Size of a bundle as the service lists it: near the sum of its files, and not the size of the tar."""
        images = sum(suffix.endswith(".TIF") for suffix in product.suffixes)
        return images * self._nominal_band_bytes + sum(
            _NOMINAL_TEXT_BYTES.get(suffix, 0) for suffix in product.suffixes
        )


def _in_bundle(product: Product, suffix: str) -> Sequence[str]:
    """Which files a bundle holds: all of them, or of one of several what its name says."""
    if suffix not in {row.suffix for row in product.dataset.rows if row.kind == "bundle"}:
        return ()
    kind = "VAA.TIF VZA.TIF SAA.TIF SZA.TIF" if suffix == "_META" else suffix[1:] + "_"
    return [own for own in product.suffixes if not suffix or own in kind.split() or own.startswith(kind)]


def _pixels(stem: str, sensor_id: str) -> Pixels:
    if stem == "QA_PIXEL":
        return Pixels(nodata=1, values=usual_qa_values(sensor_id))
    if stem in ("SR_QA_AEROSOL", "SR_CLOUD_QA"):
        return Pixels(8, nodata=1, low=32, high=255)
    if stem in _ANGLES:
        return Pixels(16, True, 0, -18_000, 18_000)
    if stem in _INT16_BANDS or stem == "SR_ATMOS_OPACITY":
        return Pixels(16, True, -9999, 100, 12_000)
    return Pixels()


def _demo_products() -> Iterator[Product]:
    for sensor, path, row, month, day, cloud, tier, storage in (
        ("LC08", 4, 53, 7, 5, 4.27, "T1", "ls"),
        ("LC08", 4, 52, 7, 5, 8.61, "T1", "ls"),
        ("LC08", 5, 53, 7, 12, 2.0, "T1", "ls"),
        ("LC09", 4, 53, 7, 13, 63.4, "T1", "ls"),
        ("LC09", 5, 53, 7, 20, 31.08, "T1", "ls"),
        ("LC08", 4, 53, 7, 21, 8.93, "T1", "dds"),
        ("LC08", 5, 53, 7, 28, 10.0, "T1", "dds"),
        ("LC09", 4, 53, 7, 29, None, "T2", "ls"),
        ("LC09", 4, 52, 7, 29, 71.5, "T1", "ls"),
        ("LC09", 5, 53, 8, 5, 0.0, "T1", "dds"),
        ("LC08", 4, 53, 8, 6, 9.5, "T2", "dds"),
        ("LC08", 5, 53, 8, 13, 5.0, "T1", "dds"),
    ):
        acquired = date(2024, month, day)
        for level, delay in (("L1TP" if tier == "T1" else "L1GT", 8), ("L2SP", 9)):
            processed = acquired + timedelta(days=delay)
            yield Product(sensor, level, path, row, acquired, processed, tier, cloud, storage)
    recent = date(2024, 8, 4)
    yield Product("LC08", "L1TP", 5, 52, recent - timedelta(days=7), recent, "RT", 22.1, "dds")
    yield Product("LC09", "L1TP", 4, 53, date(2024, 8, 14), date(2024, 8, 14), "RT", 12.0, "dds")
    for horizontal in (8, 9):
        yield Product("LC08", "ARD", horizontal, 1, date(2023, 11, 1), date(2023, 11, 16), cloud=3.0)
    yield from _demo_older()


def _demo_older() -> Iterator[Product]:
    for sensor, levels, path, row, acquired, cloud, tier in (
        ("LE07", ("L1TP", "L2SP"), 4, 53, date(2001, 3, 5), 1.0, "T1"),
        ("LE07", ("L1TP", "L2SP"), 4, 53, date(2015, 1, 6), 18.0, "T1"),
        ("LT05", ("L1TP", "L2SP"), 4, 53, date(1990, 2, 15), 6.0, "T1"),
        ("LT04", ("L1TP", "L2SR"), 4, 53, date(1988, 12, 18), 33.0, "T2"),
        ("LM05", ("L1TP",), 4, 53, date(1986, 4, 12), 20.0, "T2"),
        ("LM01", ("L1GS",), 4, 53, date(1973, 1, 20), None, "T2"),
        ("LC08", ("L1TP", "L2SP"), 68, 17, date(2020, 3, 10), 11.0, "T1"),
        ("LC08", ("L1TP", "L2SR"), 84, 24, date(2016, 1, 11), 40.0, "T1"),
    ):
        for level in levels:
            yield Product(sensor, level, path, row, acquired, date(2020, 9, 18), tier, cloud)


def _seeded_products(
    count: int, seed: int, paths: Sequence[int], rows: Sequence[int], start: date, dds_share: float
) -> Iterator[Product]:
    places = len(paths) * len(rows)
    visits = max(200, -(-count // places))
    span = places * visits
    stride = next(s for s in range(7919 + 2 * seed, 10**9, 2) if math.gcd(s, span) == 1)
    for index in range(count):
        visit, place = divmod(index * stride % span, places)
        row_index, path_index = divmod(place, len(paths))
        path, row = paths[path_index], rows[row_index]
        noise = zlib.crc32(b"%d:%d" % (seed, index))
        # Neighbouring paths are seven days apart, Landsat 9 flies eight days behind Landsat 8.
        acquired = start + timedelta(days=path * 7 % 16 + 8 * visit)
        sensor = ("LC08", "LC09")[visit % 2]
        tier = "T2" if noise % 7 == 0 else "T1"
        cloud = None if noise % 31 == 0 else noise // 7 % 10_001 / 100
        storage = "dds" if noise // 13 % 1000 < dds_share * 1000 else "ls"
        for level, delay in (("L1TP", 12), ("L2SP", 13)):
            processed = acquired + timedelta(days=delay)
            yield Product(sensor, level, path, row, acquired, processed, tier, cloud, storage)
