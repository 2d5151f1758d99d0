"""Days that are counted from today: "-60 days", "-2 years", "today"."""

from __future__ import annotations

import calendar
import datetime as dt
import re

FORMS = '"-60 days", "-8 weeks", "-3 months", "-2 years" or "today"'
_BACK = re.compile(r"-\s*(\d{1,5})\s*(day|week|month|year)s?", re.IGNORECASE | re.ASCII)


def relative_day(text: str, today: dt.date) -> dt.date | None:
    """Return the day that a text means, counted from `today`; None when it is no relative day.

    Raises:
        ValueError: it lies before the calendar begins.
    """
    plain = text.strip()
    if plain.casefold() == "today":
        return today
    match = _BACK.fullmatch(plain)
    if match is None:
        return None
    count, unit = int(match[1]), match[2].casefold()
    try:
        if unit in ("day", "week"):
            return today - dt.timedelta(days=count * (7 if unit == "week" else 1))
        return _months_before(today, count * (12 if unit == "year" else 1))
    except OverflowError:
        raise ValueError("lies before the calendar begins") from None


def _months_before(day: dt.date, months: int) -> dt.date:
    """The same day of an earlier month; the last one of a month that is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if year < 1:
        raise ValueError("lies before the calendar begins")
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
