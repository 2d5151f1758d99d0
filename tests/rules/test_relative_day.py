"""Days that are counted from today."""

from __future__ import annotations

import datetime as dt

import pytest

from landsat_async.rules.relative_day import relative_day

TODAY = dt.date(2024, 3, 31)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", "2024-03-31"), (" Today ", "2024-03-31"),
        ("-60 days", "2024-01-31"), ("-1 day", "2024-03-30"), ("- 8 weeks", "2024-02-04"), ("-0 days", "2024-03-31"),
        ("-1 month", "2024-02-29"), ("-13 months", "2023-02-28"), ("-2 years", "2022-03-31"), ("-2YEARS", "2022-03-31"),
    ],
)  # fmt: skip
def test_a_relative_day_is_counted_from_today(text: str, day: str) -> None:
    assert relative_day(text, TODAY) == dt.date.fromisoformat(day)


@pytest.mark.parametrize("text", ["2024-01-01", "60 days", "+60 days", "-60", "-60 dys", "yesterday", "", "-1.5 years"])
def test_anything_else_is_none(text: str) -> None:
    assert relative_day(text, TODAY) is None


@pytest.mark.parametrize("text", ["-3000 years", "-99999 months"])
def test_before_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="before the calendar"):
        relative_day(text, TODAY)


def test_a_leap_day_goes_back_to_the_last_day_of_february() -> None:
    assert relative_day("-1 year", dt.date(2024, 2, 29)) == dt.date(2023, 2, 28)
