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
