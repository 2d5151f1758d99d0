"""Readers of what a configuration says of scenes, their places and days, and bands; see `config_readers`."""

from __future__ import annotations

import datetime as dt
import re

from landsat_async import config_readers as read
from landsat_async.rules.datasets import FAMILY_OF_SENSOR
from landsat_async.rules.relative_day import FORMS, relative_day

WRS2_PATH_MAX = 233
_PATH_MAX = 251  # WRS-1 of Landsat 1 to 3
_ROW_MAX = 248


def datasets(written: read.Written) -> tuple[str, ...]:
    """Read the name of a dataset, or a list of them; repeated ones count once, whatever their case."""
    value = written.value if isinstance(written.value, str | list | tuple) else written.raw or written.value
    names = [value] if isinstance(value, str) else read.items_of(value, "names of datasets")
    form = 'a name like "landsat_ot_c2_l2"'
    found = [read.matching(name, r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", form) for name in names if name != ""]
    if not found:
        raise ValueError("is empty")
    once: dict[str, str] = {}
    for name in found:
        once.setdefault(name.lower(), name)
    return tuple(once.values())


def sensor(value: object) -> str:
    """Read a sensor: MSS, TM, ETM (also ETM+) or OLI (also OLI/TIRS)."""
    plain = read.plain_text(value).upper().replace("+", "").replace("/", "_").removesuffix("_TIRS")
    if plain not in FAMILY_OF_SENSOR:
        raise ValueError(f"{read.shown(value)} is not one of {', '.join(FAMILY_OF_SENSOR)}")
    return plain


def satellites(written: read.Written) -> tuple[int, ...]:
    """Read numbers of Landsat satellites; number 6 never reached its orbit."""
    number = read.whole(1, 9)
    values = read.items_of(written.value, "numbers of satellites, like [8, 9]")
    found = {int(str(number(read.Written(value, None, written.notes, written.dotted)))) for value in values}
    if 6 in found:
        raise ValueError("6 never reached its orbit; satellites are 1 to 5 and 7 to 9")
    return tuple(sorted(found))


def tiles(written: read.Written) -> tuple[tuple[str, int, int], ...]:
    """Read tiles of the ARD grid, "CU/008001" or "CU/8/1"."""
    found: dict[tuple[str, int, int], None] = {}
    for value in read.items_of(written.value, 'tiles, like "CU/008001"'):
        plain = read.plain_text(value).upper() if isinstance(value, str) else ""
        match = re.fullmatch(r"(CU|AK|HI)[/_ -]?(?:(\d{3})[/_, -]?(\d{3})|(\d{1,3})[/,](\d{1,3}))", plain, re.ASCII)
        if match is None:
            form = '"CU/008001": region (CU, AK or HI), horizontal and vertical number'
            raise ValueError(f"{read.shown(value)} is not a tile; write {form}")
        horizontal, vertical = (int(part) for part in match.groups()[1:] if part is not None)
        found[match[1], horizontal, vertical] = None
    return tuple(found)


def tier(value: object) -> str:
    """Read a tier."""
    return read.matching(value, r"(?i:T1|T2|RT)", "one of T1, T2, RT").upper()


def cloud_flag(value: object) -> str:
    """Read what may count as cloud in the area."""
    return read.matching(value, "cloud|dilated|shadow|cirrus|snow", "one of cloud, dilated, shadow, cirrus, snow")


def scene_id(value: object) -> str:
    """Read an entity or display id."""
    return read.matching(value, r"[A-Za-z0-9][A-Za-z0-9_.-]{4,179}", "an entity or display id")


def band_pattern(value: object) -> str:
    """Read a band name, perhaps with wildcards."""
    return read.matching(value, r"[A-Za-z0-9_.*?\[\]!-]{1,64}", 'a band like "SR_B3", "ANG" or "SR_B*"').lstrip("_")


def product_pattern(value: object) -> str:
    """Read the name of a product as M2M gives it, perhaps with wildcards."""
    return read.matching(value, r".{1,200}", "the name of a product")


def day(written: read.Written) -> dt.date:
    """Read a calendar day: a TOML date, "YYYY-MM-DD" or one counted from today; a time is cut off, with a note."""
    value = written.value
    if isinstance(value, str) and (found := relative_day(value, dt.datetime.now(dt.UTC).date())) is not None:
        written.remarks.append(f"{written.dotted} = {value.strip()}: {found} (UTC)")
        value = found
    if isinstance(value, dt.datetime):
        cut = value.astimezone(dt.UTC).date() if value.tzinfo else value.date()
        written.notes.append(f"{written.dotted} = {value}: whole days are compared; taken as {cut} (UTC)")
        value = cut
    elif isinstance(value, str):
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip(), re.ASCII):
                raise ValueError
            value = dt.date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(
                f"{read.shown(value)} is not a day of the calendar; write YYYY-MM-DD, or {FORMS}"
            ) from None
    if not isinstance(value, dt.date):
        raise ValueError(f"{read.shown(value)} is not a day; write YYYY-MM-DD, or {FORMS}")
    if not 1972 <= value.year <= 2099:
        raise ValueError(f"{value} is outside the time of Landsat, 1972 to 2099")
    return value


def percent_span(written: read.Written) -> tuple[float, float]:
    """Read [lowest, highest] in percent."""
    values = read.items_of(written.value, "two percentages, like [0, 10]")
    if len(values) != 2:
        raise ValueError(f"{read.shown(written.value)} must hold two percentages, like [0, 10]")
    low, high = (read.number_in(value, 0, 100) for value in values)
    if low > high:
        raise ValueError(f"{read.shown(written.value)} is the wrong way round; write [{high:g}, {low:g}]")
    return low, high


def bbox(written: read.Written) -> tuple[float, float, float, float]:
    """Read west, south, east, north in degrees."""
    values = read.items_of(written.value, "four degrees: west, south, east, north")
    if len(values) != 4:
        raise ValueError(f"{read.shown(written.value)} must hold four degrees: west, south, east, north")
    limits = (("west", 180.0), ("south", 90.0), ("east", 180.0), ("north", 90.0))
    degrees: list[float] = []
    for value, (name, limit) in zip(values, limits, strict=True):
        try:
            degrees.append(read.number_in(value, -limit, limit))
        except ValueError as error:
            raise ValueError(f"{name}: {error} (order: west, south, east, north)") from None
    west, south, east, north = degrees
    if south > north:
        raise ValueError(f"south {south:g} lies north of north {north:g} (order: west, south, east, north)")
    if (west == east) != (south == north):
        raise ValueError("is a line without area")
    return west, south, east, north


def months(written: read.Written) -> tuple[int, ...]:
    """Read months, 1 to 12."""
    month = read.whole(1, 12)
    values = read.items_of(written.value, "months, like [6, 7, 8]")
    found = {month(read.Written(value, None, written.notes, written.dotted)) for value in values}
    return tuple(sorted(int(str(value)) for value in found))


def path_rows(written: read.Written) -> tuple[tuple[int, int], ...]:
    """Read WRS path and row pairs, "004053" or "004/053"."""
    pairs: dict[tuple[int, int], None] = {}
    for value in read.items_of(written.value, 'paths and rows, like "004053" or "004/053"'):
        plain = read.plain_text(value) if isinstance(value, str) else ""
        match = re.fullmatch(r"(\d{3})[/_, -]?(\d{3})|(\d{1,3})/(\d{1,3})", plain, re.ASCII)
        if match is None:
            raise ValueError(f'{read.shown(value)} is not a path and row; write "004053" or "004/053", in quotes')
        wrs_path, wrs_row = (int(part) for part in match.groups() if part is not None)
        if not (1 <= wrs_path <= _PATH_MAX and 1 <= wrs_row <= _ROW_MAX):
            raise ValueError(f"{read.shown(value)} does not exist; paths are 1 to {_PATH_MAX}, rows 1 to {_ROW_MAX}")
        pairs[wrs_path, wrs_row] = None
    return tuple(pairs)
