"""The JSON schema of the config is what the readers accept: each key with many values, both ways."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

import landsat_async
from landsat_async import config_readers as read
from landsat_async.config import EXAMPLE_TOML
from landsat_async.config_area import area
from landsat_async.config_schema import FILE_NAME, config_schema, schema_of, schema_text
from landsat_async.config_store import place
from landsat_async.config_tables import READERS
from landsat_async.show.cli import main

fastjsonschema = pytest.importorskip("fastjsonschema")
FILE = Path(landsat_async.__file__).parent / FILE_NAME
KEYS = [(table, key) for table, readers in READERS.items() for key in readers]

VALUES = [
    True, False, 0, 1, 2, 3, 6, 8, 9, 10, 12, 13, 64, 65, 100, 101, 1000, 1001, 10**7, 10**8, -1, 0.0, 0.0001, 0.5, 1.0,
    1.5, 100.0, 86400, 10**9, -0.5, 1e300, "", " ", "x", "T1", "t1", "T3", "OLI", "etm+", "MSS ", "2024-07-05",
    "2024-7-5", "-60 days", "- 2 Years", "today", "TODAY", "yesterday", "bundle", "band", "move", "newest", "structure",
    "csv", "day", "https://x/", "http://127.0.0.1:1/", "ftp://x/", "1 GiB", "500 MB", "10 kB/s", "1 parsec", "-1 B",
    "landsat_ot_c2_l2", "a b", "*.usgs.gov", "data/x", "{year}", [], ["T1"], ["T1", "RT"], ["T9"], [1], [13], [0],
    [7, 8], [6], [True], [0, 10], [0, 101], [10], [1, 2, 3, 4], [-68.01, 9.99, -67.49, 10.34], [1, 2, 3],
    [181, 0, 1, 1], ["004053"], ["004/053"], ["4/53"], ["40/5/3"], ["CU/008001"], ["SR_B3", "ANG"], ["SR B3"],
    ["red"], ["*.usgs.gov"], ["LC80040532024187LGN00"], ["x"], ["a" * 200], [["x"]], ["pass", "show"],
    ["landsat_ot_c2_l2"], {}, {"a": 1},
    ["*Surface Reflectance*"], ["OLI", "TM"], [""], ["go", "{folder}"],
]  # fmt: skip
SAYS_LESS = {
    ("store", "endpoint"): "http is for loopback alone",
    ("store", "part_size"): "5 MiB to 1 GiB",
    ("service", "url"): "http is for loopback alone",
    ("service", "username"): "control characters",
    ("service", "token_command"): "an empty name of a program",
    ("search", "dataset"): "names in a list",
    ("search", "satellites"): "number 6 never flew",
    ("search", "bbox"): "order of the corners",
    ("search", "start"): "the calendar",
    ("search", "end"): "the calendar",
    ("search", "cloud_cover"): "order of the bounds",
    ("search", "path_row"): "numbers that are there",
    ("search", "tiles"): "their form",
    ("select", "products"): "blanks",
    ("download", "layout"): "fields",
    ("download", "max_rate"): "no slower than 10 kB",
    ("download", "min_free_bytes"): "no more than 63 bits",
    ("hooks", "on_scene"): "fields",
    ("hooks", "on_run"): "fields",
    ("hooks", "force_queue"): "control characters",
}
"""Where a reader checks what a schema cannot say; there the schema only never refuses what the reader takes."""


def accepts(reader, value):
    try:
        reader(read.Written(value, None, [], "a.b"))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_a_key_accepts_what_its_schema_accepts(table, key):
    reader = READERS[table][key]
    schema = schema_of(reader)
    assert schema, f"describe the reader of {table}.{key} in landsat_async/config_schema.py"
    validate = fastjsonschema.compile(schema)
    says_less = (table, key) in SAYS_LESS or reader in (read.path, place, area)
    taken = 0
    for value in [*VALUES, *schema.get("enum", ())]:
        if isinstance(value, float) and value.is_integer() and '"integer"' in json.dumps(schema):
            continue  # JSON has one kind of numbers
        try:
            validate(value)
            by_schema = True
        except fastjsonschema.JsonSchemaException:
            by_schema = False
        by_reader = accepts(reader, value)
        taken += by_reader
        assert by_schema or not by_reader, (value, "the schema refuses what the reader takes")
        assert by_reader or not by_schema or says_less, (
            value,
            "the schema takes what the reader refuses",
        )
    assert taken


def test_a_whole_file_is_accepted_and_slips_are_not():
    import tomllib

    validate = fastjsonschema.compile(config_schema())
    example = json.loads(json.dumps(tomllib.loads(EXAMPLE_TOML), default=dt.date.isoformat))
    validate(example)
    for wrong in (
        {"serch": {}},
        {"search": {"datasett": "x"}},
        {"search": {"aoi": "a.geojson", "bbox": [0, 0, 1, 1]}},
        {"download": {"workers": 0}},
        {"download": 3},
    ):
        with pytest.raises(fastjsonschema.JsonSchemaException):
            validate(wrong)


def test_every_key_has_a_description_from_the_example():
    tables = config_schema()["properties"]
    silent = [
        (t, k) for t, table in tables.items() for k, value in table["properties"].items() if "description" not in value
    ]
    assert set(silent) <= {
        ("service", "url"),
        ("service", "token_command"),
        ("download", "directory"),
        ("select", "metadata"),
    }
    assert tables["download"]["properties"]["workers"]["default"] == 5
    assert "files at a time" in tables["download"]["properties"]["workers"]["description"]


def test_the_shipped_file_is_that_of_the_readers():
    how = "python -m landsat_async schema > landsat_async/config.schema.json"
    assert FILE.read_text(encoding="utf-8") == schema_text(), f"write it anew: {how}"


def test_the_command_prints_it_and_init_names_it(tmp_path, monkeypatch, capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == config_schema()
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--example", "weekly"]) == 0
    first = Path("config.toml").read_text(encoding="utf-8").split("\n")[0]
    assert first == f"#:schema {FILE.as_uri()}"
