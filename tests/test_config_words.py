"""What is said of a wrong value: with all that may stand there, and an example of that key."""

from __future__ import annotations

import pytest

from landsat_async.config import Config
from landsat_async.errors import ConfigError


@pytest.mark.faults("P64")
@pytest.mark.parametrize(
    ("table", "values", "said"),
    [
        ("output", {"table": "xlsx"}, 'is not one of "", csv'),
        ("hooks", {"on_scene": "go.py"}, 'like ["python", "go.py", "{'),
        ("hooks", {"on_scene": ["go.py", "{what}"]}, "the unknown field '{what}'; known are {"),
        ("service", {"token_command": "pass show usgs"}, 'like ["pass", "show", "usgs"]'),
        ("search", {"aoi_cloud_counts": []}, "is empty; name what counts as cloud"),
        ("download", {"directory": "s3://A/x"}, "3 to 63 small letters"),
    ],
)
def test_P64_what_is_wrong_is_told_with_what_may_stand_there(table, values, said):
    raw = {"search": {"dataset": "x", "limit": 1, "bbox": [0, 0, 1, 1], "aoi_cloud": [0, 20]}}
    raw.setdefault(table, {}).update(values)
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(raw)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("start = 2024-07-35   # the first day's", "A day of the calendar"),
        ("end = 5.7.2024", "A day of the calendar"),
        ("dataset = landsat_ot_c2_l2", "Text stands in quotes"),
        ("include_unknown_cloud = True", "in small letters"),
        ("cloud_cover = [0, 10", "A list stands in brackets"),
        ("bbox = -68.01, 9.99, -67.49, 10.34", "A list stands in brackets"),
        ('dataset = "landsat_ot_c2_l2', "A quote of this line is not closed"),
        ('dataset: "landsat_ot_c2_l2"', 'stands "="'),
        (r'aoi = "C:\data.geojson"', "starts an escape"),
        ("limit = 010", ""),
    ],
)
def test_a_line_that_is_no_toml_is_told_with_how_to_write_it(tmp_path, line, said):
    config = tmp_path / "config.toml"
    config.write_text(f"[search]\n{line}\nmonths = [7]\n")
    with pytest.raises(ConfigError, match="not valid TOML") as caught:
        Config.load(config)
    assert said in caught.value.hint
    assert bool(said) is bool(caught.value.hint)


@pytest.mark.faults("X152")
def test_X152_nothing_is_said_of_a_value_that_another_source_has_replaced(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[search]\ndataset = "x"\nstart = "-10 years"\nend = 2024-08-06T10:00:00Z\n')
    said = Config.load(config, environ={})
    assert [text.split(":")[0] for text in (*said.remarks, *said.notes)] == [
        "search.start = -10 years",
        "search.end = 2024-08-06 10",
    ]
    replaced = Config.load(config, environ={}, overrides=["search.start=1980-01-01", "search.end=1990-01-01"])
    assert not [*replaced.remarks, *replaced.notes]
