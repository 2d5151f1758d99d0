from __future__ import annotations

import pytest

from landsat_async.rules.toml_hint import toml_hint


@pytest.mark.parametrize(
    ("line", "reason", "said"),
    [
        (r'directory = "C:\data"', "", r"In double quotes \ starts an escape"),
        ("start = 2024-13-05", "", "2024-07-05"),
        ('dataset: "landsat_ot_c2_l2"', "", '"="'),
        ('dataset = "landsat', "", "not closed"),
        ("dataset = 'landsat", "", "not closed"),
        ("directory = data", "", "Text stands in quotes"),
        ("include_unknown_cloud = True", "", "small letters"),
        ("cloud_cover = 0, 10", "", "[0, 10]"),
        ("cloud_cover = [0 10]", "Unclosed array", "[0, 10]"),
        ("limit = 010", "", ""),
        ("", "", ""),
        ('limit = 010  # of "all', "", ""),
    ],
)
def test_what_is_likely_meant_is_said(line, reason, said):
    hint = toml_hint(line, reason)
    assert said in hint
    assert bool(said) is bool(hint)
