"""Made-up scenes for pages, hostile ones among them."""

from __future__ import annotations

import random

from landsat_async.page.build import PageScene

HOSTILE = "</script><img src=x onerror=alert(1)>&<b>'\"\u2028"


def square(lon: float, lat: float, side: float = 1.8) -> list[tuple[float, float]]:
    half = side / 2
    corners = [(lon - half, lat + half), (lon + half, lat + half), (lon + half, lat - half), (lon - half, lat - half)]
    return [*corners, corners[0]]


def made_up(count: int, *, seed: int = 1) -> list[PageScene]:
    chance = random.Random(seed)
    scenes = []
    for number in range(count):
        year, month, day = chance.randint(2013, 2024), chance.randint(1, 12), chance.randint(1, 28)
        lon, lat = -68 + 1.4 * chance.randint(-1, 1), 10 + 1.3 * chance.randint(-1, 1)
        scenes.append(
            PageScene(
                f"LC08_L2SP_004053_{year}{month:02}{day:02}_20250101_02_{number:04}",
                f"{year}-{month:02}-{day:02}",
                chance.choice(["LC08", "LC09"]),
                "004/053",
                chance.choice([None, 100 * chance.random()]),
                100 * chance.random(),
                "3",
                rings=[square(lon, lat)],
            )
        )
    return scenes
