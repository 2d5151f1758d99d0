"""Commands in texts can be pasted: they name the config and the options that make it the same job."""

from __future__ import annotations

import shlex

import pytest

from landsat_async.show.command_line import parse
from landsat_async.show.command_options import same_job
from landsat_async.show.command_table import COMMANDS
from landsat_async.show.program import _EVERYWHERE, _TAKEN, SameJob, as_started, command, started_as


def pasted(line, name, *more):
    return same_job(parse(shlex.split(line))).command(name, *more).removeprefix(command())


@pytest.mark.faults("P62")
@pytest.mark.parametrize(
    ("line", "name", "next_line"),
    [
        ("plan", "run", "run config.toml"),
        ("plan 'my lake.toml'", "run", "run 'my lake.toml'"),
        ("run 'a run b.toml'", "status", "status 'a run b.toml'"),
        ("plan --directory /d lake.toml", "run", "run lake.toml --directory /d"),
        ("run --directory s3://b/p --workers 3", "status", "status config.toml --directory s3://b/p"),
        ("run --set search.limit=3 --set 'search.start=\"-2 days\"'", "run",
         "run config.toml --set search.limit=3 --set 'search.start=\"-2 days\"'"),
        ("plan --shard 1/3 --scenes ids.csv", "run", "run config.toml --scenes ids.csv --shard 1/3"),
        ("plan --shard 1/3 --scenes -", "status", "status config.toml"),
        ("run --scenes - --overwrite", "run", "run config.toml --scenes - --overwrite"),
        ("run --scheduler tcp://10.0.0.1:8786", "run", "run config.toml --scheduler tcp://10.0.0.1:8786"),
        ("sync --watch 6h --full lake.toml", "sync", "sync lake.toml --watch 6h --full"),
        ("sync --watch 6h --full lake.toml", "plan", "plan lake.toml"),
        ("plan --set service.token_command='[\"echo\", \"s3cr3t\"]'", "run",
         "run config.toml --set service.token_command=..."),
        ("run --directory=-x", "run", "run config.toml --directory=-x"),
        ("plan -q --output a.html --no-browse", "run", "run config.toml"),
    ],
)  # fmt: skip
def test_the_next_command_does_the_same_job(line, name, next_line):
    assert pasted(line, name).strip() == next_line
    if "..." not in next_line:
        assert pasted(next_line, name).strip() == next_line  # it can be pasted, and says the same again


def test_words_of_the_other_command_stand_first():
    assert SameJob("c.toml").command("status", "--failed").endswith(" status --failed c.toml")
    assert SameJob().command("doctor").endswith(" doctor")


def test_what_each_command_takes_is_what_the_table_of_commands_says():
    known = frozenset(_EVERYWHERE.union(*_TAKEN.values()))
    for name, one in COMMANDS.items():
        if one.config:
            names = {name for option in one.all_options() for name in option.names}
            assert names & known == _EVERYWHERE | _TAKEN.get(name, frozenset()), name


MODULE = "/venv/site-packages/landsat_async/__main__.py"


@pytest.mark.faults("Y80")
@pytest.mark.parametrize(
    ("script", "typed", "on_path", "told"),
    [
        (MODULE, ["python3", "-m", "landsat_async"], {}, "python3 -m landsat_async"),
        (MODULE, [".venv/bin/python", "-m", "landsat_async"], {}, ".venv/bin/python -m landsat_async"),
        (MODULE, ["/usr/bin/python3", "-m", "landsat_async"], {"python3": "/usr/bin/python3"},
         "python3 -m landsat_async"),
        (MODULE, ["/venv/bin/python3", "-m", "landsat_async"], {"python3": "/usr/bin/python3"},
         "/venv/bin/python3 -m landsat_async"),
        (MODULE, ["/my venv/bin/python"], {}, "'/my venv/bin/python' -m landsat_async"),
        (MODULE, [], {}, "python -m landsat_async"),
        ("/venv/bin/landsat-async", ["/venv/bin/python", "/venv/bin/landsat-async"],
         {"landsat-async": "/venv/bin/landsat-async"}, "landsat-async"),
        (".venv/bin/landsat-async", [], {"landsat-async": "/other/landsat-async"}, ".venv/bin/landsat-async"),
        ("/usr/bin/pytest", ["/usr/bin/python3", "/usr/bin/pytest"], {}, "landsat-async"),
        ("", ["python3"], {}, "landsat-async"),
    ],
)  # fmt: skip
def test_Y80_commands_are_told_as_the_program_was_started(script, typed, on_path, told):
    assert started_as(script, typed, on_path.get) == told


@pytest.mark.faults("Y80")
def test_Y80_texts_of_the_library_name_commands_in_the_same_form(monkeypatch):
    monkeypatch.setattr("sys.argv", [MODULE])
    monkeypatch.setattr("sys.orig_argv", ["python3", "-m", "landsat_async"])
    assert as_started("`landsat-async init` writes one, landsat-async demo DIRECTORY too") == (
        "`python3 -m landsat_async init` writes one, python3 -m landsat_async demo DIRECTORY too"
    )
    assert as_started("the same version of landsat-async on all machines") == (
        "the same version of landsat-async on all machines"
    )
