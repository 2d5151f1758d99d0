"""An archive of millions of scenes of which none is held: place and day of a scene follow from its number, and back.

The grid of all visits (every place, every eight days) is walked with a stride, so that the first `scenes` numbers lie
scattered over places and years, in no order that a client could rely on.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from landsat_async.sim.archive import Archive, ArchiveOptions
from landsat_async.sim.conditions import Box, Condition
from landsat_async.sim.datasets import DATASETS, SimDataset
from landsat_async.sim.scenes import Product
from landsat_async.sim.wrs import frame

_Numbers = npt.NDArray[np.int64]
_FIRST_DAY = datetime.date(2013, 4, 11)
_VISITS = 580
"""Every eight days until the end of 2025."""
_PATHS = range(1, 234)
_ROWS = range(20, 100)
_PLACES = len(_PATHS) * len(_ROWS)
_LEVELS = {"landsat_ot_c2_l1": ("L1TP", 12), "landsat_ot_c2_l2": ("L2SP", 13)}
_DISPLAY_ID = re.compile(r"LC0[89]_L[12]\w\w_(\d{3})(\d{3})_(\d{4})(\d\d)(\d\d)_\d{8}_02_T[12]")
_ENTITY_ID = re.compile(r"LC[89](\d{3})(\d{3})(\d{4})(\d{3})LGN00")
_MASK = 0xFFFFFFFF


class ComputedArchive(Archive):
    """`scenes` scenes of Landsat 8 and 9, each with its L1 and L2 product; others can be added.

    Args:
        scenes: How many; up to 10,811,200 have places and days of their own until the end of 2025.
        seed: Another one gives other clouds and tiers.
        dds_share: Share of the scenes (0..1) that dds stages; landsatlook serves the others at once.
        options: As for `Archive`.
    """

    def __init__(
        self, scenes: int, *, seed: int = 0, dds_share: float = 0.0, options: ArchiveOptions | None = None
    ) -> None:
        super().__init__((), **(options or {}))
        self._scenes, self._seed_number, self._dds_share = scenes, seed, dds_share
        self._span = _PLACES * max(_VISITS, -(-scenes // _PLACES))
        near = int(
            self._span * 0.6180339887
        )  # the golden section: the first numbers lie far apart, however few they are
        self._stride = next(step for step in range(near, self._span) if math.gcd(step, self._span) == 1)
        self._back = pow(self._stride, -1, self._span)
        self._gone: set[str] = set()

    # -- what the endpoints ask

    def products(self, dataset: SimDataset) -> Sequence[Product]:
        """All products of a dataset; made when they are looked at."""
        return self.matching(dataset, ())

    def count(self, dataset: SimDataset) -> int:
        """How many products a dataset has."""
        computed = self._scenes if dataset.alias in _LEVELS else 0
        gone = sum(f"l{name[6]}" == dataset.alias[-2:] for name in self._gone)
        return computed + super().count(dataset) - gone

    def days(self, dataset: SimDataset) -> tuple[datetime.date, datetime.date] | None:
        """First and last day of a dataset."""
        if dataset.alias not in _LEVELS or not self._scenes:
            return super().days(dataset)
        return _FIRST_DAY, _FIRST_DAY + datetime.timedelta(days=15 + 8 * (self._span // _PLACES - 1))

    def matching(self, dataset: SimDataset, conditions: Sequence[Condition]) -> Sequence[Product]:
        """Products that meet all conditions, in the order of their numbers."""
        added = super().matching(dataset, conditions)
        if dataset.alias not in _LEVELS:
            return added
        by_id = next((condition.ids for condition in conditions if condition.ids is not None), None)
        if by_id is not None:
            found = {p.display_id: p for name in by_id if (p := self._computed(dataset.alias, name)) is not None}
            return [*(p for p in found.values() if all(c.test(p) for c in conditions)), *added]
        numbers = self._numbers(conditions)
        rest = [condition for condition in conditions if not condition.exact]
        products: Sequence[Product] = _Lazy(numbers, lambda number: self._product(dataset.alias, number))
        if rest or self._gone:
            products = [p for p in products if p.display_id not in self._gone and all(c.test(p) for c in rest)]
        return [*products, *added] if added else products

    def find(self, dataset: SimDataset, scene_or_product_id: str) -> Product | None:
        """Look a product up by entity or display id."""
        added = super().find(dataset, scene_or_product_id)
        return added if added is not None else self._computed(dataset.alias, scene_or_product_id)

    def product_of_file(self, name: str) -> Product | None:
        """Return the product that a file name belongs to."""
        added = super().product_of_file(name)
        alias = f"landsat_ot_c2_l{name[6:7]}"
        return (
            added
            if added is not None
            else self._computed(alias, name[: len("LC08_L2SP_004053_20240705_20240714_02_T1")])
        )

    def remove(self, display_id: str) -> None:
        """Take a product out of the archive."""
        if ("", display_id) in self._by_id:
            super().remove(display_id)
        elif self.product_of_file(display_id) is not None:
            self._gone.add(display_id)
        else:
            raise KeyError(display_id)

    def __len__(self) -> int:
        return sum(self.count(dataset) for dataset in DATASETS.values())

    def __iter__(self) -> Iterator[Product]:
        for dataset in DATASETS.values():
            yield from self.products(dataset)

    # -- numbers, places and days

    def _numbers(self, conditions: Sequence[Condition]) -> _Numbers:
        spans = [condition.days for condition in conditions if condition.days is not None]
        places = self._places(conditions)
        if not spans and places is None:
            numbers = np.arange(self._scenes, dtype=np.int64)
        else:
            first = max([(start - _FIRST_DAY).days for start, _ in spans], default=0)
            last = min([(end - _FIRST_DAY).days for _, end in spans], default=self._span)
            visits = np.arange(max(0, (first - 15) // 8), max(0, min(self._span // _PLACES, last // 8 + 1)))
            chosen = np.arange(_PLACES, dtype=np.int64) if places is None else places
            cells = (visits[:, None] * _PLACES + chosen[None, :]).ravel()
            days = self._day(cells)
            cells = cells[(days >= first) & (days <= last)]
            numbers = np.sort(cells * self._back % self._span)
            numbers = numbers[numbers < self._scenes]
        return self._clear(self._in_season(numbers, conditions), conditions)

    def _in_season(self, numbers: _Numbers, conditions: Sequence[Condition]) -> _Numbers:
        for condition in conditions:
            if condition.months is not None:
                days = np.datetime64(_FIRST_DAY) + self._day(numbers * self._stride % self._span)
                months = days.astype("datetime64[M]").astype(int) % 12 + 1
                numbers = numbers[np.isin(months, list(condition.months))]
        return numbers

    def _clear(self, numbers: _Numbers, conditions: Sequence[Condition]) -> _Numbers:
        for condition in conditions:
            if condition.cloud is not None:
                low, high, unknown = condition.cloud
                noise = self._noise(numbers)
                unclear = noise % 31 == 0
                cloud = noise // 7 % 10_001 / 100
                numbers = numbers[np.where(unclear, unknown, (cloud >= low) & (cloud <= high))]
        return numbers

    def _places(self, conditions: Sequence[Condition]) -> _Numbers | None:
        """Numbers of the places that the conditions leave; None = all."""
        tests = [condition for condition in conditions if condition.place is not None]
        if not tests:
            return None
        left: Iterable[int] = range(_PLACES)
        for condition in tests:
            if condition.box is not None:
                left = self._near(condition.box)
                break
        for condition in tests:
            assert condition.place is not None
            left = [n for n in left if condition.place(_PATHS[n % len(_PATHS)], _ROWS[n // len(_PATHS)])]
        return np.array(list(left), dtype=np.int64)

    def _near(self, box: Box) -> list[int]:
        west, south, east, north = box
        bounds = self._bounds
        rows = (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
        columns = np.zeros(_PLACES, dtype=bool)
        for shift in (-360, 0, 360):
            columns |= (bounds[:, 0] + shift <= east) & (bounds[:, 2] + shift >= west)
        return [int(n) for n in np.nonzero(rows & columns)[0]]

    @cached_property
    def _bounds(self) -> npt.NDArray[np.float64]:
        bounds = np.empty((_PLACES, 4))
        for number in range(_PLACES):
            corners = frame(_PATHS[number % len(_PATHS)], _ROWS[number // len(_PATHS)]).corners_deg
            lons, lats = [c[0] for c in corners], [c[1] for c in corners]
            if max(lons) - min(lons) > 180:
                lons = [lon + 360 if lon < 0 else lon for lon in lons]
            bounds[number] = min(lons), min(lats), max(lons), max(lats)
        return bounds

    @staticmethod
    def _day(cells: _Numbers) -> _Numbers:
        # Neighbouring paths are seven days apart, Landsat 9 flies eight days behind Landsat 8.
        return (cells % _PLACES % len(_PATHS) + 1) * 7 % 16 + 8 * (cells // _PLACES)

    def _noise(self, numbers: Any) -> Any:
        """Mix a number, or an array of them, to something that looks like chance."""
        mixed = (numbers * 0x9E3779B1 + self._seed_number * 7919) & _MASK
        mixed = ((mixed ^ (mixed >> 15)) * 0x2C1B3C6D) & _MASK
        return mixed ^ (mixed >> 13)

    def _product(self, alias: str, number: int) -> Product:
        visit, place = divmod(number * self._stride % self._span, _PLACES)
        row_index, path_index = divmod(place, len(_PATHS))
        path, row = _PATHS[path_index], _ROWS[row_index]
        acquired = _FIRST_DAY + datetime.timedelta(days=path * 7 % 16 + 8 * visit)
        noise = self._noise(number)
        level, delay = _LEVELS[alias]
        cloud = None if noise % 31 == 0 else noise // 7 % 10_001 / 100
        storage = "dds" if noise // 13 % 1000 < self._dds_share * 1000 else "ls"
        processed = acquired + datetime.timedelta(days=delay)
        tier = "T2" if noise % 7 == 0 else "T1"
        return Product(("LC08", "LC09")[visit % 2], level, path, row, acquired, processed, tier, cloud, storage)

    def _computed(self, alias: str, name: str) -> Product | None:
        """The product of an id, if it is one of ours."""
        if alias not in _LEVELS:
            return None
        acquired: datetime.date | None = None
        if match := _DISPLAY_ID.fullmatch(name):
            path, row, year, month, day = map(int, match.groups())
            acquired = _date(year, month, day)
        elif match := _ENTITY_ID.fullmatch(name):
            path, row, year, day = map(int, match.groups())
            acquired = _date(year, 1, 1, day - 1)
        if acquired is None or path not in _PATHS or row not in _ROWS:
            return None
        visit, rest = divmod((acquired - _FIRST_DAY).days - path * 7 % 16, 8)
        cell = visit * _PLACES + (row - _ROWS[0]) * len(_PATHS) + path - 1
        if rest or not 0 <= cell < self._span or (number := cell * self._back % self._span) >= self._scenes:
            return None
        product = self._product(alias, number)
        same = name in (product.display_id, product.entity_id) and product.display_id not in self._gone
        return product if same else None


def _date(year: int, month: int, day: int, later_days: int = 0) -> datetime.date | None:
    try:
        return datetime.date(year, month, day) + datetime.timedelta(days=later_days)
    except (ValueError, OverflowError):
        return None


class _Lazy(Sequence[Product]):
    """Products that are made when they are looked at."""

    def __init__(self, numbers: _Numbers, make: Callable[[int], Product]) -> None:
        self._numbers, self._make = numbers, make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Product: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Product]: ...
    def __getitem__(self, index: int | slice) -> Product | Sequence[Product]:
        if isinstance(index, slice):
            return [self._make(int(number)) for number in self._numbers[index]]
        return self._make(int(self._numbers[index]))
