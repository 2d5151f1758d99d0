"""Archives that change from day to day, and folders that are kept in step with them.

async with open_days(tmp_path, seed=1) as days:
    for _ in range(60):
        await days.pass_one()          # the archive changes, the folder is synchronised, and compared

Each day the folder has to be what a run from scratch would leave in an empty one, but for `superseded/`, for what the
user has changed, and for scenes that have gone without a successor.
"""

from __future__ import annotations

import datetime as dt
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from landsat_async.events import Superseded, Synced
from landsat_async.rules.product_id import parse_product_id
from landsat_async.run import counts
from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product
from tests.support.kill_lab import Broken, Death, Lab, Place
from tests.whole.world import LAKE, World, open_world

BEGIN = date(2024, 9, 1)
SEARCH = {"dataset": ["landsat_ot_c2_l1", "landsat_ot_c2_l2", "landsat_etm_c2_l2"], "bbox": list(LAKE)}
SELECT = {"bands": ["red", "lwir", "qa_pixel"]}
_OTHER_LEVEL = {"L1GT": "L1TP", "L1TP": "L1GT", "L2SR": "L2SP", "L2SP": "L2SR"}
SUPERSEDED = "superseded/"
PATHS = (4, 5)
FAR_AWAY = Product("LC08", "L2SP", 100, 60, BEGIN, BEGIN)
_ID_LENGTH = len("LC08_L2SP_004053_20240705_20240714_02_T1")


def clock_of_days(clock: SimpleNamespace) -> SimpleNamespace:
    """Return a stand-in for `time` that says noon of `clock.day`."""
    return SimpleNamespace(time=lambda: (clock.day - date(1970, 1, 1)).days * 86400.0 + 43200.0)


@dataclass
class Days:
    """One folder, one archive, and a clock that goes by days."""

    world: World
    rng: random.Random
    clock: SimpleNamespace
    tally: Counter[str] = field(default_factory=Counter)
    gone: set[tuple[object, ...] | None] = field(default_factory=set)
    """Scenes that went without a successor, by what all their versions have in common."""
    mine: set[str] = field(default_factory=set)
    """Files of older versions that the user has changed."""
    number: int = 0

    @property
    def today(self) -> date:
        return BEGIN + timedelta(days=self.number)

    async def pass_one(self) -> None:
        """Let the archive change, synchronise the folder, and compare it."""
        self.number += 1
        self.clock.day = self.today
        for _ in range(self.rng.randint(0, 3)):
            self._change()
        if self.rng.random() < 0.15:
            self.tally["days without a synchronisation"] += 1
            return
        short = self._withhold()
        result = await self.world.run(self._config(), sync="full" if self.rng.random() < 0.05 else "new", check=False)
        for one in result.of(Superseded):
            self.tally[f"versions put away ({one.action})"] += 1
        self.tally["synchronisations"] += 1
        self.tally["full searches"] += any("everything is looked at" in str(event) for event in result.events)
        if result.error is not None or not result.of(Synced):
            raise Broken(f"day {self.number}: {result.error}, {result.summary}")
        if short:
            self.tally["days with a file that cannot be had"] += 1
            self._check_versions()
            self.world.script.unavailable = ()
        else:
            await self._compare()

    def _config(self, root: Path | None = None) -> Any:
        return self.world.config(search=SEARCH, select=SELECT, root=root)

    # -- what happens at the service, and to the folder

    def _change(self) -> None:
        products = [product for product in self.world.sim.archive if product.path in PATHS]
        what = self.rng.choices(("add", "reprocess", "remove", "touch"), (4, 4 if products else 0, 1, 1))[0]
        if what == "add" or len(products) < 3:
            return self._add()
        product = self.rng.choice(products)
        if what == "remove":
            self.world.sim.archive.remove(product.display_id)
            self.gone.add(_key(product.display_id))
        elif what == "touch":
            self._touch(product)
        else:
            for _ in range(self.rng.choice((1, 1, 2))):
                product = self._reprocess(product)
        self.tally[what] += 1
        return None

    def _add(self) -> None:
        sensor, level = self.rng.choice(
            (("LC08", "L1GT"), ("LC09", "L1TP"), ("LC08", "L2SP"), ("LC09", "L2SR"), ("LE07", "L2SP"))
        )
        acquired = self.today - timedelta(days=self.rng.randint(0, 400))
        tier = "RT" if level == "L1GT" else "T1"
        path = self.rng.choice(PATHS)
        late = self.today - timedelta(days=self.rng.randint(0, 4))  # their clock and ours
        product = Product(sensor, level, path, 53, acquired, late, tier, 5.0, ingested=late)
        if self.world.sim.archive.find(product.dataset, product.entity_id) is None:
            self.world.sim.archive.add(product)
            self.tally["add"] += 1

    def _reprocess(self, product: Product) -> Product:
        level = _OTHER_LEVEL[product.level] if self.rng.random() < 0.4 else product.level
        day = max(self.today, product.processed + timedelta(days=1))
        return self.world.sim.archive.reprocess(product.display_id, day=day, level=level)

    def _touch(self, product: Product) -> None:
        """The user changes a file, or removes it, on the day on which its scene is processed anew."""
        files = sorted(name for name in self.world.files() if name.startswith(product.display_id))
        if not files:
            return
        name = self.rng.choice(files)
        if self.rng.random() < 0.5:
            (self.world.root / name).unlink()
        else:
            self.world.put(name, b"changed by the user")
            self.mine.add(name)
            self._reprocess(product)

    def _withhold(self) -> bool:
        """Some day a file of the newest product cannot be had."""
        products = [product for product in self.world.sim.archive if product.path in PATHS]
        if not products or self.rng.random() > 0.15:
            return False
        newest = max(products, key=lambda product: (product.processed, product.display_id))
        self.world.script.unavailable = (newest.file_name("QA_PIXEL.TIF"),)
        return True

    # -- what must hold

    async def _compare(self) -> None:
        scratch = self.world.base / "scratch"
        await self.world.run(self._config(scratch), check=False)
        wanted, here = self.world.files(scratch), self.world.files()
        shutil.rmtree(scratch)
        here = {name: body for name, body in here.items() if not name.startswith(SUPERSEDED)}
        wrong = sorted(name for name, body in wanted.items() if here.get(name) != body)
        extra = sorted(
            name for name in here.keys() - wanted.keys() if name not in self.mine and not self._is_gone(name)
        )
        if wrong or extra:
            raise Broken(f"day {self.number}: missing or other {wrong}, too many {extra}")
        self._check_versions()

    def _is_gone(self, name: str) -> bool:
        return _key(name[:_ID_LENGTH]) in self.gone

    def _check_versions(self) -> None:
        """What lies in `superseded/` is older than what is here, and unchanged."""
        for name, body in self.world.files().items():
            if name.startswith(SUPERSEDED):
                self.world.expected.add((name.rpartition("/")[2], ""))
                if body == b"changed by the user":
                    raise Broken(f"day {self.number}: {name} was the user's")


@asynccontextmanager
async def open_days(base: Path, seed: int) -> AsyncIterator[Days]:
    """An empty folder before an archive of a few scenes."""
    clock = SimpleNamespace(day=BEGIN)
    real = counts.time
    counts.time = clock_of_days(clock)
    try:
        async with open_world(base, Archive([FAR_AWAY], pixels=32, tile=32)) as world:
            days = Days(world, random.Random(seed), clock)
            for _ in range(5):
                days._add()
            yield days
    finally:
        counts.time = real


def _key(display_id: str) -> tuple[object, ...] | None:
    product = parse_product_id(display_id)
    return None if product is None else product.version_key


# -- kills


async def kill_one_sync(lab: Lab, place: Place, number: int | None) -> Death:
    """Kill the synchronisation that brings new versions at a call (None = let it end); returns how it ended.

    At no moment both versions of a scene may be missing, and the next one has to put everything right.
    """
    argv = ["sync", "--quiet", str(place.toml())]
    if (await lab.run(place, argv=argv)).code != 0:
        raise Broken(place.said[-3000:])
    stems = {name.rpartition("_")[2] for name in place.finals()}
    for product in list(lab.sim.archive):
        day = max(dt.datetime.now(dt.UTC).date(), product.processed + timedelta(days=1))
        lab.sim.archive.reprocess(product.display_id, day=day)
    death = await lab.run(place, argv=argv, **({} if number is None else {"kill_at": number}))
    for _ in range(2):
        _check_one_version(place, stems)
        if (await lab.run(place, argv=argv)).code != 0:
            raise Broken(place.said[-3000:])
    current = {product.display_id for product in lab.sim.archive}
    finals = place.finals()
    away = {name for name in finals if name.startswith(SUPERSEDED)}
    kept = {name for name in finals if name not in away}
    moves = place.config.get("sync", {}).get("superseded", "move") == "move"
    if len(away) != len(kept) * moves or any(name[:_ID_LENGTH] not in current for name in kept):
        raise Broken(f"not put right: {sorted(finals)}")
    for name, path in finals.items():
        if place.sha256(path) not in lab.truths(path.name):
            raise Broken(f"{name} is not what the archive had")
    if place.ledger("SELECT relpath FROM superseded WHERE done=0"):
        raise Broken("something is still about to be put away")
    return death


def _check_one_version(place: Place, stems: set[str]) -> None:
    versions: dict[tuple[object, ...], dict[str, set[str]]] = {}
    for name, path in place.finals().items():
        display_id, stem = path.name[:_ID_LENGTH], path.name[_ID_LENGTH:]
        product = parse_product_id(display_id)
        if product is None:
            continue
        if place.sha256(path) not in place.lab.truths(path.name):
            raise Broken(f"{name} is not what the archive had")
        versions.setdefault(product.version_key, {}).setdefault(display_id, set()).add(stem)
    if not versions:
        raise Broken("nothing is here")
    for key, found in versions.items():
        if not any(len(bands) >= len(stems) for bands in found.values()):
            raise Broken(f"neither version of {key}: {found}")
