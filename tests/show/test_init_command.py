from __future__ import annotations

import datetime as dt
import json
import os
import shlex
from pathlib import Path

import pytest

from landsat_async.config import Config
from landsat_async.show.cli import main
from landsat_async.show.command_line import _joined_values
from landsat_async.show.command_table import COMMANDS
from landsat_async.show.init_command import EXAMPLES, PURPOSES


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "field ä.geojson").write_text(
        json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]})
    )


def written(line):
    assert main(["init", *shlex.split(line)]) == 0
    return Config.load("config.toml", environ={})


def test_options_fill_the_file_in():
    config = written("--bbox -68.01 9.99 -67.49 10.34 --start 2024-07-01 --end today --bands SR_B4,SR_B5 --bands ANG")
    assert config.search.bbox == (-68.01, 9.99, -67.49, 10.34)
    assert config.search.start == dt.date(2024, 7, 1)
    assert config.search.end == dt.datetime.now(dt.UTC).date()
    assert config.select.bands == ("SR_B4", "SR_B5", "ANG")
    assert "start = 2024-07-01" in Path("config.toml").read_text()


@pytest.mark.parametrize(
    "form", ["--bbox=-68,9,-67,10", "--bbox -68,9,-67,10", "--bbox -68 9 -67 10", "--bbox '-68 9 -67 10'"]
)
def test_a_box_may_be_written_in_every_usual_form(form):
    assert written(form).search.bbox == (-68, 9, -67, 10)


@pytest.mark.faults("Y92")
@pytest.mark.parametrize(
    ("form", "path"),
    [
        ("--bands red nir08 'SR_B?' ang", "config.toml"),
        ("--bands red, nir08,SR_B? ang", "config.toml"),
        ("--bands red nir08 --bands SR_B? ang --start 2024-07-01", "config.toml"),
        ("--bands red nir08 SR_B? ang lake.toml", "lake.toml"),
        ("lake --bands red nir08 SR_B? ang", "lake"),
        ("--bands red,nir08,SR_B?,ang lake", "lake"),
    ],
)
def test_Y92_bands_may_be_written_in_every_usual_form_and_none_is_taken_for_the_file(form, path):
    assert main(["init", *shlex.split(form)]) == 0
    assert Config.load(path, environ={}).select.bands == ("red", "nir08", "SR_B?", "ang")
    assert [one for one in os.listdir() if not one.endswith(".geojson")] == [path]


@pytest.mark.faults("Y98")
def test_no_option_is_taken_for_a_band():
    assert _joined_values(["init", "--bands", "red", "--aoi=area[1]"]) == ["init", "--bands=red", "--aoi=area[1]"]


@pytest.mark.parametrize("form", ["--start '-60 days'", "--start='-60 days'"])
def test_a_day_may_be_relative(form):
    assert written(f"{form} --end today").search.start == dt.datetime.now(dt.UTC).date() - dt.timedelta(days=60)


def test_a_start_alone_goes_on_until_today():
    assert written("--start 2025-01-01").search.end == dt.datetime.now(dt.UTC).date()


def test_an_area_is_written_relative_to_the_file(tmp_path):
    (tmp_path / "jobs").mkdir()
    assert main(["init", "jobs/a.toml", "--aoi", "field ä.geojson"]) == 0
    config = Config.load("jobs/a.toml", environ={})
    assert config.search.aoi == str(tmp_path / "field ä.geojson")
    assert config.search.bbox is None
    assert 'aoi = "../field ä.geojson"' in Path("jobs/a.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads_without_a_note(example, capsys):
    config = written(f"--example {example}")
    assert config.notes == ()
    said = capsys.readouterr().err
    assert PURPOSES[example] in said
    assert "next: " in said


def test_the_examples_of_the_option_are_those_that_there_are():
    (choices,) = [one.settings["choices"] for one in COMMANDS["init"].options if "choices" in one.settings]
    assert set(choices) == set(EXAMPLES) == set(PURPOSES)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--bbox 1 2 3", "--bbox: "),
        ("--bbox a,b,c,d", "--bbox needs four numbers"),
        ("--bbox 200 0 1 1", "--bbox: west: 200 is not in -180 to 180"),
        ("--start 2024-13-01", "--start: '2024-13-01'"),
        ("--start 2024-07-01 --end 2024-06-01", "--start: 2024-07-01 is later than"),
        ("--bands 'SR B4'", "--bands: "),
        ("--aoi fild.geojson", "--aoi fild.geojson: there is no such file"),
        ("--bbox 0 0 1 1 --aoi 'field ä.geojson'", "give one of them"),
        ("--example ids --start 2024-07-01", "it takes no area and no dates"),
        ("--example weeky", "invalid choice"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(line, said, capsys):
    assert main(["init", *shlex.split(line)]) == 2
    assert said in capsys.readouterr().err
    assert not os.path.exists("config.toml")


def test_what_is_open_is_said(capsys):
    written("")
    assert "next: edit area and dates in it, then: landsat-async plan\n" in capsys.readouterr().err
    os.unlink("config.toml")
    written("--bbox 0 0 1 1 --start 2024-07-01")
    assert "next: landsat-async plan\n" in capsys.readouterr().err


@pytest.mark.faults("P69")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("init no/such/x.toml", "there is no folder no/such"),
        ("init .", ". is a folder"),
        ("plan .", "It is a folder: name the file in it."),
        ("plan 'my lake.toml'", "`landsat-async init 'my lake.toml'` writes one"),
        ("run --workers many", "'many' is not a whole number"),
        ("simulate --port many", "'many' is not a whole number"),
        ("simulate --staging 4s", "'4s' is not a number of seconds"),
        ("simulate --staging nan", "'nan' is not a number of seconds"),
    ],
)
def test_P69_a_name_or_number_that_cannot_be_is_told_as_what_it_is(line, said, capsys):
    assert main(shlex.split(line)) == 2
    assert said in capsys.readouterr().err
